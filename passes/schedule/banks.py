"""Which buffers should lie in different banks: those that one vector instruction walks in step.

Two operands walk in step if their strides have the same bytes; then they meet in a bank for all of their vectors or for
none, by the distance of their first bytes. Operands in one buffer, those that do not walk in step, and distances that
depend on the iteration are left out: where buffers lie makes no difference to them, or not always the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import lcm

from xdsl.dialects import scf
from xdsl.ir import Operation

from vcc.dialects.visa import AllocOp, ForallOp, InstrOp, KernelOp
from vcc.passes.schedule.cycles import iterations
from vcc.passes.schedule.scalars import enclosing_loops
from vcc.runtime.isa.kernel import Pipe, View
from vcc.runtime.machine.cost import conflict_cycles, share_bank
from vcc.runtime.machine.model import Machine


@dataclass(frozen=True)
class Meeting:
    """Two buffers that are walked in step, the one from `distance` bytes further into its slot; vectors in all."""

    one: AllocOp
    other: AllocOp
    distance: int
    vectors: int

    def cycles(self, machine: Machine, addresses: Mapping[AllocOp, int]) -> int:
        """Cycles lost to bank conflicts when the buffers lie there; slots are taken in turn."""
        one, other = self.one.type, self.other.type
        rounds = lcm(one.slots, other.slots)
        apart = addresses[self.one] - addresses[self.other] + self.distance
        met = sum(
            share_bank(machine, one.memory, apart + i % one.slots * one.slot_bytes - i % other.slots * other.slot_bytes)
            for i in range(rounds)
        )
        return int(conflict_cycles(machine, one.memory, -(-self.vectors * met // rounds)))


def meetings(kernel: KernelOp, machine: Machine) -> list[Meeting]:
    """All pairs of buffers in memories with banks that a vector instruction of the kernel walks in step."""
    found: list[Meeting] = []
    for op in kernel.walk() if machine.banks else ():
        if isinstance(op, InstrOp) and op.row.pipe is Pipe.V:
            found += _meetings_of(op, machine)
    return found


def _meetings_of(op: InstrOp, machine: Machine) -> Iterable[Meeting]:
    operands = [(view, alloc) for _, view in op.instr.views() if (alloc := _in_banks(op, view, machine)) is not None]
    sizes = [dim.max for dim in op.instr.domain]
    for (view, one), (with_view, other) in combinations(operands, 2):
        if one is other or one.type.memory is not other.type.memory:
            continue
        distance = (view.base * one.type.dtype.size - with_view.base * other.type.dtype.size).constant
        if distance is None or _steps(view, one, sizes) != _steps(with_view, other, sizes):
            continue
        widest = max((one.type.dtype, other.type.dtype), key=lambda dtype: dtype.size)
        elements = 1
        for size in sizes:
            elements *= size
        times = iterations(machine, _loops(op)) or 1
        yield Meeting(one, other, distance, times * -(-elements // machine.lanes_of(widest.name)))


def _in_banks(op: InstrOp, view: View, machine: Machine) -> AllocOp | None:
    owner = op.buffer(view).owner
    return owner if isinstance(owner, AllocOp) and owner.type.memory in machine.banks else None


def _steps(view: View, alloc: AllocOp, sizes: Sequence[int]) -> list[object]:
    """The bytes between neighbours along each dimension that has any."""
    return [stride * alloc.type.dtype.size for stride, size in zip(view.strides, sizes, strict=True) if size > 1]


def _loops(op: Operation) -> list[Operation]:
    block = op.parent_block()
    assert block is not None
    return [loop for loop in enclosing_loops(block) if isinstance(loop, ForallOp | scf.ForOp)]
