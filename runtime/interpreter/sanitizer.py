"""Finds reads of memory that nobody wrote, and races: accesses on different pipes that no event orders.

Every pipe has a vector clock: up to which of its instructions it knows each pipe to have come. A signal hands its
pipe's clock to the wait that takes the token; S hands its own to all that it issues. Every byte of the core's memories,
and of the parameters that the kernel writes, has a shadow: who wrote it last and, for each pipe, which instruction read
it last. An access races with an earlier one that its clock does not cover, in whatever order they happened to run.

Iterations of a forall may run on different cores: they must neither pass on what is on chip nor meet in global memory.
Where a kernel has several foralls one after the other, global memory may pass from each to the next.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vcc.runtime.interpreter.accesses import Access, accesses, shadow_bytes
from vcc.runtime.interpreter.execute import Step
from vcc.runtime.interpreter.footprint import Footprint
from vcc.runtime.interpreter.numbers import Env, Numbers
from vcc.runtime.interpreter.program import Core
from vcc.runtime.interpreter.traps import statement_text, trapped
from vcc.runtime.isa.kernel import Event, Kernel, Pipe, TensorParam

Clock = NDArray[np.int32]
PIPES = tuple(Pipe)
NUMBER = {pipe: number for number, pipe in enumerate(PIPES)}
S = NUMBER[Pipe.S]


@dataclass(frozen=True, slots=True)
class Moment:
    """When S issued a step: what it knew, the iteration of the forall, and up to which iterations all were over."""

    clock: Clock
    iteration: int
    past: int


class Shadow:
    """Of every byte of one memory: the pipe and time of its last write, and the time of each pipe's last read."""

    def __init__(self, nbytes: int):
        self._writer = np.full(nbytes, -1, np.int8)
        self._written = np.zeros(nbytes, np.int32)
        self._read = np.zeros((len(PIPES), nbytes), np.int32)

    def unwritten(self, access: Access) -> bool:
        """Whether a byte of the access was never written."""
        return bool((shadow_bytes(self._writer, access) < 0).any())

    def conflict(self, access: Access, pipe: int, known: Clock) -> tuple[int, int] | None:
        """The pipe and time of an earlier access that races with this one, None if there is none."""
        writer, written = shadow_bytes(self._writer, access), shadow_bytes(self._written, access)
        racing = (writer >= 0) & (writer != pipe) & (written > known[writer])
        if racing.any():
            return int(writer[racing][0]), int(written[racing][0])
        if access.writes:
            for other in range(len(PIPES)):
                latest = int(shadow_bytes(self._read[other], access).max(initial=0))
                if other != pipe and latest > known[other]:
                    return other, latest
        return None

    def record(self, access: Access, pipe: int, time: int) -> None:
        """Remember the access."""
        if access.reads:
            shadow_bytes(self._read[pipe], access)[...] = time
        if access.writes:
            shadow_bytes(self._writer, access)[...] = pipe
            shadow_bytes(self._written, access)[...] = time


class Sanitizer:
    """Watches one core during one launch; `PipedCore` tells it of every step that a pipe carries out."""

    def __init__(self, kernel: Kernel, core: Core, shared: dict[str, Footprint]):
        self._kernel = kernel
        self._core = core
        self._places = core.places
        self._chip = {buffer.name for buffer in kernel.buffers}
        written = set(shared)
        watched = {name: place.data for name, place in core.places.items() if name in self._chip | written}
        shadows = {id(data): Shadow(data.size) for data in watched.values()}
        self._shadows = {name: shadows[id(data)] for name, data in watched.items()}
        prints = {id(core.places[name].data): Footprint(core.places[name].data.size) for name in self._chip}
        self._footprints = {name: prints[id(core.places[name].data)] for name in self._chip} | shared
        self._clocks = np.zeros((len(PIPES), len(PIPES)), np.int32)
        start = self._clocks[S].copy()
        self._tokens = {e.name: [deque([start] * e.tokens) for _ in range(e.slots)] for e in kernel.events}
        self._done: list[list[Step]] = [[] for _ in PIPES]
        self._iteration = self._past = 0

    def now(self) -> Moment:
        """What S knows when it issues a step."""
        return Moment(self._clocks[S].copy(), self._core.iteration, self._core.past)

    def begin(self, pipe: Pipe, issued: Moment) -> None:
        """A pipe takes up a step that S issued at that moment."""
        self._learn(NUMBER[pipe], issued.clock)
        self._iteration, self._past = issued.iteration, issued.past

    def signal(self, event: Event, slot: int) -> None:
        """The event's source gives a token, and with it what it knows."""
        self._tokens[event.name][slot].append(self._clocks[NUMBER[event.source]].copy())

    def wait(self, event: Event, slot: int) -> None:
        """The event's target takes a token."""
        self._learn(NUMBER[event.target], self._tokens[event.name][slot].popleft())

    def barrier(self) -> None:
        """S learns what all pipes know."""
        self._clocks[S] = self._clocks.max(axis=0)

    def _learn(self, pipe: int, clock: Clock) -> None:
        np.maximum(self._clocks[pipe], clock, out=self._clocks[pipe])

    def instruction(self, step: Step, numbers: Numbers, env: Env) -> None:
        """A pipe carried out an instruction. Raises VccError E0401 if one of its accesses is unsound."""
        pipe = NUMBER[step.pipe]
        watched = [a for a in accesses(step, numbers, self._places) if a.place.name in self._shadows]
        for problem in self._problems(watched, pipe):
            raise trapped(problem, self._kernel, step.instr, env)
        self._done[pipe].append(step)
        self._clocks[pipe, pipe] = time = len(self._done[pipe])
        for access in watched:
            self._shadows[access.place.name].record(access, pipe, time)
            self._footprints[access.place.name].record(access, self._iteration, self._past)

    def _problems(self, watched: Iterable[Access], pipe: int) -> Iterable[str]:
        for access in watched:
            name = access.place.name
            shadow = self._shadows[name]
            if access.reads and not access.partial and name in self._chip and shadow.unwritten(access):
                yield f"elements of {name} are read that nothing wrote"
            footprint = self._footprints[name]
            if name in self._chip and footprint.stale(access, self._iteration):
                yield f"elements of {name} are read that another iteration of the forall wrote"
            if name not in self._chip and footprint.conflict(access, self._iteration, self._past):
                yield f"two iterations of the forall access the same elements of {name}"
            conflict = shadow.conflict(access, pipe, self._clocks[pipe])
            if conflict is not None:
                other, time = conflict
                earlier = statement_text(self._done[other][time - 1].instr)
                yield f"no event orders this access of {name} on {PIPES[pipe]} after one on {PIPES[other]}: {earlier}"


def sanitizers(kernel: Kernel, cores: Sequence[Core]) -> list[Sanitizer]:
    """One for each core; what iterations do to global memory, they watch together."""
    written = [param.name for param in kernel.params if isinstance(param, TensorParam) and param.mode != "in"]
    shared = {name: Footprint(cores[0].places[name].data.size) for name in written}
    return [Sanitizer(kernel, core, shared) for core in cores]
