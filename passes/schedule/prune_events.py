"""Drop events whose order others give: what remains orders every two instructions that it did before.

An event orders the last access before its signal before the first access after its wait: without tokens those of one
iteration of the block in which both stand, with a token in each of n slots that of iteration i - n before that of i. It
may go if the pipes, which are in order within and across iterations, and other events of the block tell as much. To see
that, the block is unrolled for as many iterations as the largest n reaches, and vector clocks say which steps every
pipe knows to be done. Whatever leads from one access to another there does so in every n + 1 iterations on end, and the
first n need no order: their tokens are there from the beginning.

For this the slot must be numbered by a count of the block's iterations. Events with a token in several slots that are
numbered otherwise, and those that do not have one signal and one wait in one block, stay and tell nothing.

What an event that went had ordered is checked again whenever another is to go, since it may have relied on that one.
Fewer waits on the same signals cannot make pipes hang.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Block, Operation, SSAValue
from xdsl.passes import ModulePass

from vcc.dialects.visa import EventOp, InstrOp, KernelOp, SignalOp, WaitOp
from vcc.passes.schedule.scalars import counts_all, erase_unused, expression, iteration_number
from vcc.runtime.isa.kernel import Pipe

PIPES = tuple(Pipe)
#: For each pipe the number of the last step of the unrolled block that is known to be done, -1 for none.
Clock = tuple[int, ...]


@dataclass(frozen=True)
class PruneEvents(ModulePass):
    """Drop the events of every kernel that order nothing by themselves."""

    name = "prune-events"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for kernel in [o for o in op.walk() if isinstance(o, KernelOp)]:
            links = [link for event in kernel.walk() if isinstance(event, EventOp) for link in find_link(event)]
            for block in dict.fromkeys(link.block for link in links):
                prune(block, [link for link in links if link.block is block])


@dataclass(frozen=True, eq=False)
class Link:
    """An event with one signal and one wait, both of the same slot and in `block`."""

    event: EventOp
    signal: SignalOp
    wait: WaitOp
    block: Block

    @property
    def source(self) -> int:
        """The number of the pipe that signals."""
        return PIPES.index(Pipe(self.event.source.data))

    @property
    def target(self) -> int:
        """The number of the pipe that waits."""
        return PIPES.index(Pipe(self.event.target.data))

    @property
    def distance(self) -> int:
        """From how many iterations ago the token is that the wait takes."""
        return self.event.slots.value.data if self.event.tokens.value.data else 0


def find_link(event: EventOp) -> list[Link]:
    """The event with its signal and wait, or nothing if it is used in a way that this pass does not reason about."""
    users = [use.operation for use in event.event.uses]
    signals = [user for user in users if isinstance(user, SignalOp)]
    waits = [user for user in users if isinstance(user, WaitOp)]
    if len(users) != 2 or len(signals) != 1 or len(waits) != 1 or event.tokens.value.data > 1:
        return []
    (signal,), (wait,) = signals, waits
    block = signal.parent_block()
    if block is None or wait.parent_block() is not block:
        return []
    number, variables = iteration_number(block)
    names: dict[SSAValue, str] = {variable: str(i) for i, variable in enumerate(variables)}
    slot, slots = expression(signal.slot, names), event.slots.value.data
    if slots > 1 and expression(wait.slot, names) != slot:
        return []
    if slots > 1 and event.tokens.value.data and not (slot == number and counts_all(block)):
        return []
    return [Link(event, signal, wait, block)]


def prune(block: Block, links: Sequence[Link]) -> None:
    """Erase the events of one block that the others make needless, the last ones first."""
    order = _Order(block, links)
    kept, gone = list(links), list[Link]()
    for link in reversed(links):
        if link not in order.span:
            continue
        rest = [other for other in kept if other is not link]
        if order.implied([*gone, link], rest):
            kept = rest
            gone.append(link)
    for link in gone:
        slots = [link.signal.slot, link.wait.slot]
        for op in (link.signal, link.wait, link.event):
            op.detach()
            op.erase()
        erase_unused(slots)


class _Order:
    """What the steps of one block know of each other under a choice of its events.

    A step is a signal, a wait, an instruction or a nested operation, which is one on each pipe that works in it.
    """

    def __init__(self, block: Block, links: Sequence[Link]):
        self.steps = [(op, pipes) for op in block.ops if (pipes := _pipes_of(op))]
        self.number: dict[Operation, int] = {op: i for i, (op, _) in enumerate(self.steps)}
        #: For each link the access that its signal follows, and the one that its wait holds back.
        self.span: dict[Link, tuple[int, int]] = {}
        for link in links:
            before = self._access(link.source, range(self.number[link.signal] - 1, -1, -1))
            after = self._access(link.target, range(self.number[link.wait] + 1, len(self.steps)))
            if before is not None and after is not None:
                self.span[link] = before, after

    def _access(self, pipe: int, steps: Sequence[int]) -> int | None:
        """The first of the steps that does work on a pipe."""
        for i in steps:
            op, pipes = self.steps[i]
            if pipe in pipes and not isinstance(op, SignalOp | WaitOp):
                return i
        return None

    def implied(self, gone: Sequence[Link], rest: Sequence[Link]) -> bool:
        """Whether `rest` orders all that `gone` do."""
        rounds = 1 + max(link.distance for link in (*gone, *rest))
        clocks, length = self._clocks(rest, rounds), len(self.steps)
        for link in gone:
            before, after = self.span[link]
            known = clocks[(rounds - 1) * length + after][link.target]
            if known[link.source] < (rounds - 1 - link.distance) * length + before:
                return False
        return True

    def _clocks(self, links: Sequence[Link], rounds: int) -> list[dict[int, Clock]]:
        """For each step of so many iterations and each of its pipes, what the pipe knows once it has done the step."""
        taken = {link.wait: link for link in links}
        now: list[Clock] = [(-1,) * len(PIPES)] * len(PIPES)
        found: list[dict[int, Clock]] = []
        for i in range(rounds * len(self.steps)):
            op, pipes = self.steps[i % len(self.steps)]
            link = taken.get(op) if isinstance(op, WaitOp) else None
            for pipe in pipes:
                clock = now[pipe]
                if link is not None:
                    signal = i - self.number[op] + self.number[link.signal] - link.distance * len(self.steps)
                    if 0 <= signal < i:
                        clock = tuple(map(max, clock, found[signal][link.source]))
                now[pipe] = (*clock[:pipe], i, *clock[pipe + 1 :])
            found.append({pipe: now[pipe] for pipe in pipes})
        return found


def _pipes_of(op: Operation) -> Collection[int]:
    """The numbers of the pipes on which an operation or what is nested in it does something."""
    pipes: set[Pipe] = set()
    for each in op.walk():
        if isinstance(each, InstrOp):
            pipes.add(each.row.pipe)
        elif isinstance(each, SignalOp | WaitOp):
            event = each.event.owner
            assert isinstance(event, EventOp)
            pipes.add(Pipe((event.source if isinstance(each, SignalOp) else event.target).data))
    return {PIPES.index(pipe) for pipe in pipes}
