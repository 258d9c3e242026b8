"""What a kernel costs: it is tiled as the tile phase would, and the machine's cost functions time what comes out.

So a decision of fusion is made by the same figures as that of a tile's sizes, with all that tiles imply: how often a
prologue is computed again, what halos load twice, which memory is full. A kernel that cannot be tiled says so.
"""

from __future__ import annotations

from collections.abc import Hashable
from math import prod

from xdsl.dialects import scf
from xdsl.ir import OpResult

from vcc.dialects import graph
from vcc.dialects.visa import ForallOp
from vcc.dialects.weights import ConstantOp
from vcc.passes.schedule.cycles import iterations, pipe_cycles
from vcc.passes.schedule.scalars import trip_count
from vcc.passes.tile.lowering import KernelLowering
from vcc.passes.tile.share_kernels import key_without_numbers
from vcc.passes.tile.tile_kernels import FAMILIES, has_elements, tile_nothing
from vcc.runtime.diagnostics import VccError
from vcc.runtime.machine.model import Machine


class Estimator:
    """Estimates kernels for one machine; equal kernels once, whatever numbers they compute with."""

    def __init__(self, machine: Machine):
        self.machine = machine
        self.known: dict[Hashable, int | VccError] = {}

    def cycles(self, kernel: graph.KernelOp) -> int:
        """Cycles from the launch to the end on the busiest core. Raises `VccError` if no tile of it fits or works."""
        constant = [isinstance(value, OpResult) and isinstance(value.op, ConstantOp) for value in kernel.inputs]
        key = key_without_numbers(kernel, {})
        if key not in self.known:
            try:
                self.known[key] = self._estimate(KernelLowering(kernel, self.machine, constant))
            except VccError as problem:
                self.known[key] = problem
        found = self.known[key]
        if isinstance(found, VccError):
            raise found
        return found

    def _estimate(self, lower: KernelLowering) -> int:
        """The slowest pipe sets the pace; the others add what they need for the first and the last tile."""
        kind = lower.op.kind.data if lower.op.kind is not None else "elementwise"
        (FAMILIES[kind] if has_elements(lower.op) else tile_nothing)(lower)
        total = self.machine.launch
        for op in lower.builder.entry.walk():
            if isinstance(op, ForallOp):
                busy = pipe_cycles(self.machine, op.body.block.ops)
                slowest = max(busy.values(), default=0)
                once = (iterations(self.machine, [op]) or 1) * slowest + sum(busy.values()) - slowest
                around = _around(op)
                total += prod(trip_count(loop) or 1 for loop in around) * (once + bool(around) * self.machine.meeting)
        return total


def _around(forall: ForallOp) -> list[scf.ForOp]:
    """The loops in which a forall stands."""
    found: list[scf.ForOp] = []
    op = forall.parent_op()
    while isinstance(op, scf.ForOp):
        found.append(op)
        op = op.parent_op()
    return found
