"""How long the pipes work on a part of a kernel, by the cost functions of the machine; estimates for the scheduler."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from math import prod

from xdsl.dialects import scf
from xdsl.ir import Operation

from vcc.dialects.visa import ForallOp, InstrOp
from vcc.dialects.visa.types import BufferType, GlobalType
from vcc.passes.schedule.scalars import trip_count
from vcc.runtime.isa.kernel import Pipe, View
from vcc.runtime.isa.table import Cost
from vcc.runtime.machine.cost import contiguous_pieces, instruction_cycles
from vcc.runtime.machine.model import Machine


def pipe_cycles(machine: Machine, ops: Iterable[Operation]) -> Counter[Pipe]:
    """Cycles of each pipe for running operations once, loops in them as often as they run.

    Sizes count with their maxima; a loop whose bounds are no constants counts as one iteration.
    """
    total: Counter[Pipe] = Counter()
    for op in ops:
        if isinstance(op, InstrOp):
            total[op.row.pipe] += _cycles(machine, op)
            continue
        times = (trip_count(op) if isinstance(op, scf.ForOp) else None) or 1
        for region in op.regions:
            for block in region.blocks:
                for pipe, cycles in pipe_cycles(machine, block.ops).items():
                    total[pipe] += times * cycles
    return total


def _cycles(machine: Machine, op: InstrOp) -> int:
    """Cycles of one instruction. A product that the machine cannot make counts nothing: others report it."""
    row, domain = op.row, op.instr.domain
    sizes = [dim.max for dim in domain]
    bursts = None
    dtypes: dict[str, str] = {}
    for role, view in op.instr.views():
        type = op.buffer(view).type
        assert isinstance(type, BufferType | GlobalType)
        dtypes[role] = type.dtype.name
        if row.cost is Cost.BYTES and isinstance(type, GlobalType) and row.pipe in (Pipe.IN, Pipe.OUT):
            bursts = _pieces(sizes, view)
    if row.cost is Cost.MACS and ("i8" if dtypes["a"] == "u8" else dtypes["a"]) not in machine.macs:
        return 0
    return int(instruction_cycles(machine, row, sizes, [dim.role for dim in domain], dtypes, bursts=bursts))


def _pieces(sizes: list[int], view: View) -> int | None:
    """Contiguous pieces of a view, if its strides are constants."""
    strides = [stride.constant for stride in view.strides]
    known = [stride for stride in strides if stride is not None]
    return contiguous_pieces(sizes, known) if len(known) == len(strides) else None


def iterations(machine: Machine, loops: Iterable[Operation]) -> int | None:
    """How often one core runs the body of nested loops; None if it is not known."""
    count = 1
    for loop in loops:
        if isinstance(loop, ForallOp):
            count *= -(-prod(loop.sizes.get_values()) // machine.cores)
        else:
            assert isinstance(loop, scf.ForOp)
            trips = trip_count(loop)
            if trips is None:
                return None
            count *= trips
    return count
