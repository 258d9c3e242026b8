"""What comes before an anchor in its kernel: loads of its operand, and elementwise operations that make it."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.ir import Operation, SSAValue

from vcc.passes.tile.access import IterAxis
from vcc.passes.tile.builder import Tile
from vcc.passes.tile.chain import ChainEmitter, ChainPlan, TileAxis, dtype_of, is_elementwise, plan_chain, tensor_type
from vcc.passes.tile.lowering import KernelLowering


class Prologue:
    """An operand of an anchor and the elementwise operations of the kernel that make it, if any.

    `accesses` and `args` say where what it is made from lies, by the operand's axes.
    """

    def __init__(self, lower: KernelLowering, value: SSAValue, anchor: Operation):
        self.lower, self.value, self.anchor = lower, value, anchor
        self.shape = tensor_type(value).get_shape()
        self.ops = _makers(lower, value)
        if self.ops:
            self.accesses, self.args = lower.operand_accesses(self.ops, (), self.shape)
        else:
            arg, access = lower.access(value)
            self.accesses, self.args = {value: access}, {value: arg}

    def plan(self, axes: Sequence[IterAxis]) -> ChainPlan:
        """The chain that loads and computes a tile of `axes`."""
        plan = plan_chain(self.ops, self.accesses, axes, {}, [self.value] if self.ops else [])
        if not self.ops:
            number = plan.add(dtype_of(self.value), (True,) * len(axes), True)
            plan.home[self.value] = number
            plan.loads.append((self.value, number))
        return plan

    def emit(self, plan: ChainPlan, tile: Sequence[TileAxis]) -> tuple[ChainEmitter, Tile]:
        """Load and compute a tile; the buffer has all of its loops."""
        lower = self.lower
        emitter = ChainEmitter(lower.builder, plan, tile)
        for value, number in plan.loads:
            users = [op for op in self.ops if value in op.operands] or [self.anchor]
            sources = lower.view_sources(value) + lower.source(*users)
            emitter.load_one(value, number, lower.params[self.args[value]], self.accesses[value], sources)
        emitter.compute(lower.sources, lower.taps)
        return emitter, emitter.buffer(plan.home[self.value])


def _makers(lower: KernelLowering, value: SSAValue) -> list[Operation]:
    """The elementwise operations of a kernel from which a value comes, in order."""
    found, pending = set[Operation](), [value]
    while pending:
        op = pending.pop().owner
        if isinstance(op, Operation) and op in lower.sources and is_elementwise(op) and op not in found:
            found.add(op)
            pending += op.operands
    return sorted(found, key=lower.sources.__getitem__)
