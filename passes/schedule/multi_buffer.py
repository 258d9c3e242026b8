"""Give buffers that pipes hand to each other slots, so that one pipe fills the next while others read the last.

How many is a matter of cost. Of the pipes that touch a buffer in a loop, one is the slowest. It never waits if the
slots that it does not work on last as long as any other needs to come round again: that other's share of an
iteration, and what else it has to do between two runs of the loop. That is two slots where the times of iterations are
alike, and more where loads have to run ahead of a tile's end. A core that runs the loop's body once needs one, and so
does a machine whose pipes take turns.

Every buffer gets its second slot before any gets a third, as long as the memory has room, loads first: they hide the
latency of global memory.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation, SSAValue
from xdsl.passes import ModulePass
from xdsl.rewriter import Rewriter

from vcc.dialects.visa import AllocOp, InstrOp, KernelOp, machine_of
from vcc.dialects.visa.instruction import instruction_op
from vcc.passes.schedule.cycles import iterations, pipe_cycles
from vcc.passes.schedule.lifetimes import pipes_of, place
from vcc.passes.schedule.scalars import enclosing_loops, iteration_number
from vcc.runtime.isa.expr import Poly
from vcc.runtime.isa.kernel import Pipe, View
from vcc.runtime.machine.model import Machine

#: More slots than this only take memory: no pipe runs that far ahead for long.
MOST_SLOTS = 4


@dataclass(frozen=True)
class MultiBuffer(ModulePass):
    """Several slots for buffers that pipes hand to each other: `slots` of them, by default as many as pay."""

    name = "multi-buffer"

    slots: int = 0

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        machine = machine_of(ctx)
        for kernel in [o for o in op.walk() if isinstance(o, KernelOp)]:
            for alloc, slots in choose_slots(kernel, machine, self.slots).items():
                if slots > 1:
                    give_slots(alloc, slots)


def choose_slots(kernel: KernelOp, machine: Machine, slots: int) -> dict[AllocOp, int]:
    """How many slots each buffer gets; at most `slots` if that is not 0."""
    allocs = [o for o in kernel.walk() if isinstance(o, AllocOp) and _urgency(o)]
    allocs.sort(key=_urgency, reverse=True)
    wanted = {alloc: slots or profitable_slots(alloc, machine) for alloc in allocs}
    chosen = dict.fromkeys(allocs, 1)
    used = dict(place(kernel).ends)
    for count in range(2, max(wanted.values(), default=1) + 1):
        for alloc in allocs:
            memory, more = alloc.type.memory, alloc.type.slot_bytes
            if chosen[alloc] + 1 == count <= wanted[alloc] and used[memory] + more <= machine.memories[memory]:
                used[memory] += more
                chosen[alloc] = count
    return chosen


def profitable_slots(alloc: AllocOp, machine: Machine) -> int:
    """The number of slots with which the slowest of the pipes that touch a buffer does not wait for the others."""
    block = alloc.parent_block()
    assert block is not None
    if not machine.overlap:
        return 1
    loops = enclosing_loops(block)
    rounds = iterations(machine, loops)
    busy = pipe_cycles(machine, block.ops)
    slow, *others = sorted(pipes_of(alloc.buffer), key=busy.__getitem__, reverse=True)
    pauses = [pipe_cycles(machine, _around(inner, outer)) for outer, inner in pairwise(loops)]
    away = max(busy[pipe] + sum(pause[pipe] for pause in pauses) for pipe in others)
    slots = min(MOST_SLOTS, 1 + max(1, -(-away // max(1, busy[slow]))))
    return slots if rounds is None else min(slots, max(1, rounds))


def _around(inner: Operation, outer: Operation) -> list[Operation]:
    """The operations of an outer loop's body other than the one that holds an inner loop."""
    block = outer.regions[0].block
    nest = block.find_ancestor_op_in_block(inner)
    return [op for op in block.ops if op is not nest]


def _urgency(alloc: AllocOp) -> int:
    """0 for a buffer that gains nothing, else more for one that is worth more."""
    pipes = pipes_of(alloc.buffer)
    block = alloc.parent_block()
    if len(pipes) < 2 or block is None or not enclosing_loops(block):
        return 0
    return 4 if Pipe.IN in pipes else 3 if Pipe.MOV in pipes else 2 if Pipe.OUT in pipes else 1


def give_slots(alloc: AllocOp, slots: int) -> None:
    """Give a buffer slots, and every view of it the slot of the iteration it is in."""
    block = alloc.parent_block()
    assert block is not None
    number, variables = iteration_number(block)
    slot = number.substitute({str(i): f"v{i}" for i in range(len(variables))})
    buffer = Rewriter.replace_value_with_new_type(alloc.buffer, alloc.type.with_slots(slots))
    for op in dict.fromkeys(use.operation for use in buffer.uses):
        if isinstance(op, InstrOp):
            _set_slot(op, buffer, slot, {f"v{i}": variable for i, variable in enumerate(variables)})


def _set_slot(op: InstrOp, buffer: SSAValue, slot: Poly, variables: dict[str, SSAValue]) -> None:
    """Replace an instruction by the one whose views of a buffer are of a slot."""
    operands = {
        role: replace(operand, slot=slot) if isinstance(operand, View) and op.buffer(operand) is buffer else operand
        for role, operand in op.instr.operands.items()
    }
    buffers = {f"b{i}": value for i, value in enumerate(op.buffers)}
    registers = {str(i): value for i, value in enumerate(op.scalars)} | variables
    new = instruction_op(replace(op.instr, operands=operands), buffers, registers)
    new.location = op.location
    block = op.parent_block()
    assert block is not None
    block.insert_op_before(new, op)
    op.detach()
    op.erase()
