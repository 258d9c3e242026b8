"""Order the pipes: events between instructions of different pipes that touch one buffer.

The accesses of a buffer, in program order within the block it lives in, form runs of one pipe each. Every run but the
first waits for a token that the run before gives when it ends; where the block is a loop's, the first run waits for
one that the last run of the same slot gave, of which there is one at the beginning. So all accesses of a slot are in
one chain, across pipes and iterations, and different slots do not wait for each other. A loop in the block whose
instructions touch the buffer from several pipes, such as state that a recurrence carries on, is one run to the others,
and has a chain of its own within.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from xdsl.context import Context
from xdsl.dialects import scf
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Block, Operation, SSAValue
from xdsl.passes import ModulePass

from vcc.dialects.origin import node_names
from vcc.dialects.visa import AllocOp, EventOp, InstrOp, KernelOp, SignalOp, WaitOp
from vcc.passes.schedule.scalars import enclosing_loops, iteration_number, materialise, trip_count
from vcc.runtime.diagnostics import error
from vcc.runtime.isa.kernel import Pipe


@dataclass
class Run:
    """Neighbouring operations of a block that touch a buffer from one pipe, or a loop that does so from several.

    What is before it must be over before pipe `enters` begins, and it is over when pipe `leaves` has done its part.
    """

    enters: Pipe
    leaves: Pipe
    first: Operation
    last: Operation
    nested: bool = False


@dataclass(frozen=True)
class InsertEvents(ModulePass):
    """Events for every buffer that several pipes touch."""

    name = "insert-events"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for kernel in [o for o in op.walk() if isinstance(o, KernelOp)]:
            for alloc in [o for o in kernel.walk() if isinstance(o, AllocOp)]:
                guard(kernel, alloc)


def guard(kernel: KernelOp, alloc: AllocOp) -> None:
    """Insert the events of one buffer."""
    block = alloc.parent_block()
    assert block is not None
    if any(block.find_ancestor_op_in_block(use.operation) is None for use in alloc.buffer.uses):
        message = f"{alloc.buffer.name_hint or 'a buffer'} is used outside the block that it lives in"
        raise error("E0107", message, node=", ".join(node_names(kernel)), op=alloc.name)
    runs = find_runs(alloc.buffer, block)
    if len(runs) > 1 or any(run.nested for run in runs):
        chain(kernel, alloc, block, runs, slot_value(block, alloc, alloc.type.slots))


def chain(kernel: KernelOp, alloc: AllocOp, block: Block, runs: Sequence[Run], slot: SSAValue) -> None:
    """Put the runs of a block, and those within its loops, one after the other, around the block's own loop too."""
    for before, after in pairwise(runs):
        connect(kernel, alloc, before, after, 0, slot)
        if after.nested and not _runs_always(after.first):
            # A loop of no iteration does not make the pipe that leaves it wait for the one that enters it.
            connect(kernel, alloc, before, Run(after.leaves, after.leaves, after.first, after.last), 0, slot)
    if runs and enclosing_loops(block):
        connect(kernel, alloc, runs[-1], runs[0], 1, slot)
    for run in runs:
        if run.nested:
            inner = run.first.regions[0].block
            chain(kernel, alloc, inner, find_runs(alloc.buffer, inner), slot)


def connect(kernel: KernelOp, alloc: AllocOp, before: Run, after: Run, tokens: int, slot: SSAValue) -> None:
    """An event from the end of a run to the beginning of another on a different pipe."""
    if before.leaves is after.enters:
        return
    event = EventOp(before.leaves, after.enters, alloc.type.slots, tokens)
    what = "free" if tokens else "ready"
    event.event.name_hint = f"{alloc.buffer.name_hint or 'buf'}_{what}"
    signal, wait = SignalOp(event.event, slot), WaitOp(event.event, slot)
    event.location = alloc.location
    signal.location, wait.location = before.last.location, after.first.location
    top = kernel.body.block
    first = top.first_op
    assert first is not None
    top.insert_op_before(event, first)
    block = before.last.parent_block()
    assert block is not None
    block.insert_op_after(signal, before.last)
    block.insert_op_before(wait, after.first)


def find_runs(buffer: SSAValue, block: Block) -> list[Run]:
    """The runs of a buffer in a block around all its uses there.

    Raises E0107 if one nested operation other than a loop touches it from several pipes.
    """
    users: dict[Operation, list[InstrOp]] = {}
    for use in buffer.uses:
        op = use.operation
        if isinstance(op, InstrOp) and (ancestor := block.find_ancestor_op_in_block(op)) is not None:
            users.setdefault(ancestor, []).append(op)
    runs: list[Run] = []
    for op in block.ops:
        if op not in users:
            continue
        pipes = {user.row.pipe for user in users[op]}
        if len(pipes) > 1 and not isinstance(op, scf.ForOp):
            listed = ", ".join(sorted(pipes))
            message = f"a nested {op.name} touches a buffer of the block around it from pipes {listed}"
            help = "only a loop may; allocate the buffer within the operation, or make a loop of it"
            raise error("E0107", message, node=", ".join(node_names(op)), op=op.name, help=help)
        if len(pipes) > 1:
            inner = find_runs(buffer, op.regions[0].block)
            runs.append(Run(inner[0].enters, inner[-1].leaves, op, op, nested=True))
            continue
        (pipe,) = pipes
        if runs and not runs[-1].nested and runs[-1].leaves is pipe:
            runs[-1].last = op
        else:
            runs.append(Run(pipe, pipe, op, op))
    return runs


def _runs_always(loop: Operation) -> bool:
    """Whether a loop has at least one iteration."""
    return isinstance(loop, scf.ForOp) and bool(trip_count(loop))


def slot_value(block: Block, alloc: AllocOp, slots: int) -> SSAValue:
    """The number of the slot in use, computed once in the block."""
    number, variables = iteration_number(block)
    return materialise(number if slots > 1 else number * 0, variables, block, alloc)
