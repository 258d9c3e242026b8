"""Drop events whose order others give: what remains orders every two instructions that it did before.

All events of a kernel together order, within one run of the block they stand in, the last access before an event's
signal before the first access after its wait. An event without tokens does that within an iteration; one with a token
(`free`) from the last iteration of the same slot to this one. That is all that is asked of events, so one may go if

* without tokens: a path leads from the one access to the other through pipes, which are in order, and other events
  without tokens in the same block, each with one signal before its one wait, in the same slot. The nth wait of such an
  event takes the token of the nth signal, both of one iteration, however many slots there are.
* with a token: another event with a token, of the same slots (or of a number that divides theirs, numbered alike),
  has a signal to which such a path leads from the one access, and a wait from which one leads to the other access.
  The last iteration of a slot counted modulo a divisor is no earlier than the last of the slot itself.

What an event that went had ordered is checked again whenever another is to go, since it may have relied on that one.
Fewer waits on the same signals cannot make pipes hang.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Block, Operation, SSAValue
from xdsl.passes import ModulePass

from vcc.dialects.visa import EventOp, InstrOp, KernelOp, SignalOp, WaitOp
from vcc.passes.schedule.scalars import erase_unused, expression
from vcc.runtime.isa.kernel import Pipe

PIPES = tuple(Pipe)
#: For each pipe the number of the last step of the block that is known to be done, -1 for none.
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
    def slots(self) -> int:
        """How many slots the event has."""
        return self.event.slots.value.data

    @property
    def tokens(self) -> int:
        """How many tokens each slot begins with."""
        return self.event.tokens.value.data


def find_link(event: EventOp) -> list[Link]:
    """The event with its signal and wait, or nothing if it is used in a way that this pass does not reason about."""
    users = [use.operation for use in event.event.uses]
    signals = [user for user in users if isinstance(user, SignalOp)]
    waits = [user for user in users if isinstance(user, WaitOp)]
    if len(users) != 2 or len(signals) != 1 or len(waits) != 1 or event.tokens.value.data > 1:
        return []
    (signal,), (wait,) = signals, waits
    block, names = signal.parent_block(), dict[SSAValue, str]()
    if block is None or wait.parent_block() is not block:
        return []
    if event.slots.value.data > 1 and expression(wait.slot, names) != expression(signal.slot, names):
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
        clocks = order.clocks(rest)
        if all(order.implied(other, rest, clocks) for other in [*gone, link]):
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
        names = dict[SSAValue, str]()
        self.slot = {link: expression(link.signal.slot, names) for link in links}
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

    def clocks(self, links: Sequence[Link]) -> list[dict[int, Clock]]:
        """For each step and each of its pipes, what the pipe knows once it has done the step."""
        given: dict[Operation, Link] = {}
        for link in links:
            if not link.tokens and self.number[link.signal] < self.number[link.wait]:
                given[link.wait] = link
        now: list[Clock] = [(-1,) * len(PIPES)] * len(PIPES)
        found: list[dict[int, Clock]] = []
        for i, (op, pipes) in enumerate(self.steps):
            for pipe in pipes:
                clock = list(now[pipe])
                if op in given:
                    link = given[op]
                    clock = list(map(max, clock, found[self.number[link.signal]][link.source]))
                clock[pipe] = i
                now[pipe] = tuple(clock)
            found.append({pipe: now[pipe] for pipe in pipes})
        return found

    def implied(self, link: Link, rest: Sequence[Link], clocks: Sequence[Mapping[int, Clock]]) -> bool:
        """Whether `rest`, under which the steps know of each other what `clocks` say, orders what `link` does."""
        before, after = self.span[link]
        known = clocks[after][link.target]
        if not link.tokens:
            return known[link.source] >= before
        for other in rest:
            alike = other.slots == 1 or (link.slots % other.slots == 0 and self.slot[other] == self.slot[link])
            if other.tokens and alike:
                told = clocks[self.number[other.signal]][other.source][link.source] >= before
                if told and known[other.target] >= self.number[other.wait]:
                    return True
        return False


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
