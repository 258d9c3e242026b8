"""Order the pipes: events between instructions of different pipes that touch one buffer.

The accesses of a buffer, in program order within the block it lives in, form runs of one pipe each. Every run but the
first waits for a token that the run before gives when it ends; where the block is a loop's, the first run waits for
one that the last run of the same slot gave, of which there is one at the beginning. So all accesses of a slot are in
one chain, across pipes and iterations, and different slots do not wait for each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Block, Operation, SSAValue
from xdsl.passes import ModulePass

from vcc.dialects.visa import AllocOp, EventOp, InstrOp, KernelOp, SignalOp, WaitOp
from vcc.passes.schedule.scalars import enclosing_loops, iteration_number, materialise
from vcc.runtime.isa.kernel import Pipe


@dataclass
class Run:
    """Neighbouring operations of a block that touch a buffer from one pipe."""

    pipe: Pipe
    first: Operation
    last: Operation


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
    runs = find_runs(alloc.buffer, block)
    if len(runs) < 2:
        return
    slots = alloc.type.slots
    slot = slot_value(block, alloc, slots)
    pairs = list(pairwise(runs))
    for before, after in pairs:
        connect(kernel, alloc, before, after, slots, 0, slot)
    if enclosing_loops(block) and runs[-1].pipe is not runs[0].pipe:
        connect(kernel, alloc, runs[-1], runs[0], slots, 1, slot)


def connect(kernel: KernelOp, alloc: AllocOp, before: Run, after: Run, slots: int, tokens: int, slot: SSAValue) -> None:
    """An event from the end of a run to the beginning of another."""
    event = EventOp(before.pipe, after.pipe, slots, tokens)
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
    """The runs of a buffer in its block. Raises ValueError if one nested operation touches it from several pipes."""
    pipes: dict[Operation, set[Pipe]] = {}
    for use in buffer.uses:
        op = use.operation
        if not isinstance(op, InstrOp):
            continue
        ancestor = block.find_ancestor_op_in_block(op)
        if ancestor is None:
            raise ValueError(f"{op.name} uses a buffer outside the block that it lives in")
        pipes.setdefault(ancestor, set()).add(op.row.pipe)
    runs: list[Run] = []
    for op in block.ops:
        if op not in pipes:
            continue
        if len(pipes[op]) > 1:
            listed = ", ".join(sorted(pipes[op]))
            raise ValueError(f"a nested {op.name} touches a buffer of the block around it from pipes {listed}")
        (pipe,) = pipes[op]
        if runs and runs[-1].pipe is pipe:
            runs[-1].last = op
        else:
            runs.append(Run(pipe, op, op))
    return runs


def slot_value(block: Block, alloc: AllocOp, slots: int) -> SSAValue:
    """The number of the slot in use, computed once in the block."""
    number, variables = iteration_number(block)
    return materialise(number if slots > 1 else number * 0, variables, block, alloc)
