"""A random legal order: six in-order pipes per core, joined only by events, of which any that can go on may be next.

A kernel whose result depends on the order lacks an event. Besides uniformly random orders there are greedy ones, which
let one pipe run as far ahead, or stay as far behind, as its events allow: these find most missing events.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

from vcc.runtime.diagnostics import VccError, error
from vcc.runtime.interpreter.execute import Step
from vcc.runtime.interpreter.launch import LaunchContext
from vcc.runtime.interpreter.numbers import Env, Numbers
from vcc.runtime.interpreter.program import Core, Issue, Meeting, Program, SyncStep
from vcc.runtime.interpreter.sanitizer import Moment, Sanitizer, sanitizers
from vcc.runtime.isa.kernel import Event, Pipe

#: How many issued steps a core holds back at most, unless nothing else can go on.
WINDOW = 4096


@dataclass(slots=True)
class Issued:
    """A step in a pipe's queue with what S evaluated for it: an instruction's numbers or an event's slot."""

    step: Issue
    pipe: Pipe
    numbers: Numbers
    env: Env
    moment: Moment | None = None


class PipedCore:
    """One core whose pipes go on one step at a time; `cores` are all of the launch, itself among them."""

    def __init__(
        self,
        program: Program,
        core: Core,
        launch: LaunchContext,
        cores: Sequence[PipedCore],
        sanitizer: Sanitizer | None = None,
    ):
        self._sanitizer = sanitizer
        self._cores = cores
        self._meetings = 0  # of those that S has passed
        self._kernel = program.kernel
        self._core = core
        self._launch = launch
        self._stream: Iterator[Issue] = program.unroll(core)
        self._queues: dict[Pipe, deque[Issued]] = {pipe: deque() for pipe in Pipe if pipe is not Pipe.S}
        self._held: Issued | None = None  # what S itself cannot pass yet: a wait, a barrier or a meeting
        self._tokens = {event.name: [event.tokens] * event.slots for event in program.kernel.events}
        self._ended = False

    def runnable(self) -> list[Pipe]:
        """The pipes that can go on now; none means that the core is done or stuck."""
        ready = [pipe for pipe, queue in self._queues.items() if queue and self._may_pass(queue[0])]
        if self._ended or (self._held is not None and not self._may_pass(self._held)):
            return ready
        if not ready or sum(map(len, self._queues.values())) < WINDOW:
            ready.append(Pipe.S)
        return ready

    def advance(self, pipe: Pipe) -> None:
        """Let a runnable pipe go on by one step."""
        if pipe is not Pipe.S:
            self._pass(self._queues[pipe].popleft())
        elif self._held is not None:
            held, self._held = self._held, None
            self._pass(held)
        else:
            self._issue()

    def _issue(self) -> None:
        step = next(self._stream, None)
        if step is None:
            self._ended = True
            return
        env = dict(self._core.registers)
        moment = None if self._sanitizer is None else self._sanitizer.now()
        if isinstance(step, Step):
            numbers = step.issue(env)
            if numbers is not None:
                self._queues[step.pipe].append(Issued(step, step.pipe, numbers, env, moment))
            return
        if isinstance(step, Meeting):
            self._held = Issued(step, Pipe.S, (), env, moment)
            return
        issued = Issued(step, _executes(step), (step.slot(env),), env, moment)
        if issued.pipe is not Pipe.S:
            self._queues[issued.pipe].append(issued)
        elif self._may_pass(issued):
            self._pass(issued)
        else:
            self._held = issued

    def _may_pass(self, issued: Issued) -> bool:
        step = issued.step
        if isinstance(step, Meeting):
            return all(core.has_come(self._meetings) for core in self._cores)
        if isinstance(step, Step) or step.sync.op == "signal":
            return True
        if step.event is None:
            return not any(self._queues.values())
        return self._tokens[step.event.name][_slot(step.event, issued)] > 0

    @property
    def waits(self) -> bool:
        """Whether all that the core has left to do before a meeting is done."""
        held = self._held
        return held is not None and isinstance(held.step, Meeting) and not any(self._queues.values())

    def has_come(self, meeting: int) -> bool:
        """Whether the core has come to a meeting, by its number from 0, or has gone on from there."""
        return self._meetings > meeting or self.waits

    def _pass(self, issued: Issued) -> None:
        step, sanitizer = issued.step, self._sanitizer
        if sanitizer is not None and issued.moment is not None:
            sanitizer.begin(issued.pipe, issued.moment)
        if isinstance(step, Step):
            self._launch.execute(step, issued.numbers, issued.env, self._core.places)
            if sanitizer is not None:
                sanitizer.instruction(step, issued.numbers, issued.env)
        elif isinstance(step, Meeting) or step.event is None:
            self._meetings += isinstance(step, Meeting)
            if sanitizer is not None:
                sanitizer.barrier()
        else:
            slot = _slot(step.event, issued)
            signal = step.sync.op == "signal"
            self._tokens[step.event.name][slot] += 1 if signal else -1
            if sanitizer is not None:
                (sanitizer.signal if signal else sanitizer.wait)(step.event, slot)

    @property
    def stuck(self) -> bool:
        """Whether, with no pipe runnable, there is still something to do."""
        return not self._ended or any(self._queues.values())

    def deadlock(self) -> VccError:
        """The E0402 error of a stuck core: what each pipe waits for."""
        heads = {Pipe.S: self._held} | {pipe: queue[0] if queue else None for pipe, queue in self._queues.items()}
        waits: list[str] = []
        for pipe, head in heads.items():
            if head is not None and isinstance(head.step, SyncStep):
                waits.append(f"{pipe} waits for {self._wanted(head.step, head)}")
        number = f"core {self._core.number} of " if self._core.cores > 1 else ""
        return error("E0402", f"{number}kernel {self._kernel.name}: {'; '.join(waits)}")

    def _wanted(self, step: SyncStep, issued: Issued) -> str:
        if step.event is None:
            return "all pipes at a barrier"
        slot = f"[{_slot(step.event, issued)}]" if step.event.slots > 1 else ""
        return f"{step.event.name}{slot} from {step.event.source}"


def _executes(step: SyncStep) -> Pipe:
    """The pipe that carries out a signal or wait; at a barrier, S waits for all."""
    if step.event is None:
        return Pipe.S
    return step.event.source if step.sync.op == "signal" else step.event.target


def _slot(event: Event, issued: Issued) -> int:
    return issued.numbers[0] % event.slots


class Chooser:
    """Picks the next pipe: uniformly, or by a ranking of the pipes that is drawn again now and then."""

    def __init__(self, seed: int):
        self.random = Random(seed)
        self._uniform = self.random.random() < 0.25
        self._redraw = self.random.choice((0.0, 0.002, 0.05))
        self._draw()

    def _draw(self) -> None:
        self._rank = {pipe: self.random.random() for pipe in Pipe}

    def pick(self, pipes: list[Pipe]) -> Pipe:
        """One of the runnable pipes."""
        if self._uniform:
            return self.random.choice(pipes)
        if self.random.random() < self._redraw:
            self._draw()
        return min(pipes, key=self._rank.__getitem__)


def run_pipes(program: Program, cores: list[Core], launch: LaunchContext, seed: int, sanitize: bool = False) -> None:
    """Run all cores interleaved in the legal order that the seed picks.

    Raises VccError E0402 on deadlock, and E0401 for what the sanitizer finds, if it is asked to look.
    """
    chooser = Chooser(seed)
    watching = sanitizers(program.kernel, cores) if sanitize else [None] * len(cores)
    every: list[PipedCore] = []
    every += [PipedCore(program, core, launch, every, watch) for core, watch in zip(cores, watching, strict=True)]
    live = list(every)
    while live:
        core = chooser.random.choice(live)
        ready = core.runnable()
        if ready:
            core.advance(chooser.pick(ready))
        elif core.waits:
            continue  # for a core that can go on, or that is found to be stuck when its turn comes
        elif core.stuck:
            raise core.deadlock()
        else:
            live.remove(core)
