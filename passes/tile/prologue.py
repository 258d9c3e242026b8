"""What comes before an anchor in its kernel: loads of its operand, and elementwise operations that make it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from xdsl.ir import Operation, SSAValue

from vcc.passes.tile.access import Access, IterAxis
from vcc.passes.tile.builder import Tile
from vcc.passes.tile.chain import (
    ChainEmitter,
    ChainPlan,
    Indirect,
    TileAxis,
    dtype_of,
    plan_chain,
    tensor_type,
)
from vcc.passes.tile.lowering import KernelLowering
from vcc.passes.tile.operands import operand, operand_accesses
from vcc.runtime.diagnostics import error
from vcc.runtime.machine.cost import vector_cycles
from vcc.runtime.machine.model import Machine


class Prologue:
    """An operand of an anchor and the elementwise operations of the kernel that make it, if any.

    `accesses` and `args` say where what it is made from lies, by the operand's axes.
    """

    def __init__(self, lower: KernelLowering, value: SSAValue, anchor: Operation):
        self.lower, self.value, self.anchor = lower, value, anchor
        self.shape = tensor_type(value).get_shape()
        self.ops = lower.makers(value)
        if self.ops:
            self.accesses, self.args = operand_accesses(lower, self.ops, (), self.shape)
        else:
            arg, access = operand(lower, value)
            self.accesses, self.args = {value: access}, {value: arg}
        #: Whether more than one load makes the operand.
        self.computes = bool(self.ops) or any(isinstance(access, Indirect) for access in self.accesses.values())

    def plan(self, axes: Sequence[IterAxis]) -> ChainPlan:
        """The chain that loads and computes a tile of `axes`.

        Raises `VccError` E0107 where an operand lies in blocks that these loops do not follow.
        """
        if any(access.strides(axes) is None for access in self.accesses.values()):
            raise error("E0107", "an operand lies in blocks that its kernel does not walk", node=self.lower.node)
        plan = plan_chain(self.ops, self.accesses, axes, {}, [self.value] if self.ops else [])
        if not self.ops:
            plan.add_load(self.value, self.accesses[self.value], axes, (True,) * len(axes))
        return plan

    def emit(
        self,
        plan: ChainPlan,
        tile: Sequence[TileAxis],
        accesses: Mapping[SSAValue, Access] | None = None,
        *,
        observed: bool = True,
    ) -> tuple[ChainEmitter, Tile]:
        """Load and compute a tile; the buffer has all of its loops.

        `accesses` stand for the operands' own. What is not `observed` has no taps.
        """
        lower = self.lower
        where = self.accesses if accesses is None else accesses
        emitter = ChainEmitter(lower.builder, plan, tile)
        for value, number in plan.loads:
            users = [op for op in self.ops if value in op.operands] or [self.anchor]
            sources = lower.view_sources(value) + lower.source(*users)
            emitter.load_one(value, number, lower.params[self.args[value]], where[value], sources)
        emitter.compute(lower.sources, lower.taps if observed else {})
        return emitter, emitter.buffer(plan.home[self.value])

    def cycles(self, machine: Machine, elements: Any) -> Any:
        """Cycles of the vector unit for a tile of so many elements (a number or an array)."""
        total: Any = 0 * elements
        for op in self.ops:
            total = total + vector_cycles(machine, dtype_of(op.results[0]).name, elements)
        return total
