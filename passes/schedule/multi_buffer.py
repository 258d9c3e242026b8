"""Give buffers that two pipes share several slots, so that one pipe can fill the next while another reads the last.

A buffer is worth it if it lives in a loop and different pipes touch it. Slots are taken as long as the memory has
room, loads first: they hide the latency of global memory.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue
from xdsl.passes import ModulePass
from xdsl.rewriter import Rewriter

from vcc.dialects.visa import AllocOp, InstrOp, KernelOp, machine_of
from vcc.dialects.visa.instruction import instruction_op
from vcc.passes.schedule.scalars import enclosing_loops, iteration_number
from vcc.runtime.isa.expr import Poly
from vcc.runtime.isa.kernel import Memory, Pipe, View


@dataclass(frozen=True)
class MultiBuffer(ModulePass):
    """Several slots for buffers that pipes hand to each other; `slots` is how many."""

    name = "multi-buffer"

    slots: int = 2

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        machine = machine_of(ctx)
        for kernel in [o for o in op.walk() if isinstance(o, KernelOp)]:
            allocs = [o for o in kernel.walk() if isinstance(o, AllocOp)]
            used: dict[Memory, int] = {}
            for alloc in allocs:
                used[alloc.type.memory] = used.get(alloc.type.memory, 0) + alloc.type.slot_bytes
            for alloc in sorted(allocs, key=_urgency, reverse=True):
                more = alloc.type.slot_bytes * (self.slots - 1)
                memory = alloc.type.memory
                if _urgency(alloc) and used[memory] + more <= machine.memories[memory]:
                    used[memory] += more
                    give_slots(alloc, self.slots)


def pipes_of(buffer: SSAValue) -> set[Pipe]:
    """The pipes of all instructions that touch a buffer."""
    return {use.operation.row.pipe for use in buffer.uses if isinstance(use.operation, InstrOp)}


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
