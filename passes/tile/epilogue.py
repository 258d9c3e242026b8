"""What follows an accumulator: drain with bias, residual and ReLU, then a chain of vector instructions, then the store.

`drain` takes the first additions and a ReLU along for nothing; what it cannot take becomes a chain.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from xdsl.ir import Operation, SSAValue

from vcc.dialects import graph
from vcc.dialects.graph.attributes import BinaryFn, UnaryFn
from vcc.passes.tile.access import Access, IterAxis
from vcc.passes.tile.builder import Tile
from vcc.passes.tile.chain import ChainEmitter, ChainPlan, TileAxis, dtype_of, plan_chain, tap_of, tensor_type
from vcc.passes.tile.lowering import KernelLowering
from vcc.passes.tile.operands import operand_accesses
from vcc.runtime.isa.dtypes import DType
from vcc.runtime.isa.kernel import Operand


class Epilogue:
    """The operations of a kernel after its anchor.

    `bias` is an operand of the anchor itself, of the accumulator's dtype, that is added along output axis `bias_axis`.
    Without `drains` the anchor leaves its result in ub, and all that follows is a chain.
    """

    def __init__(
        self,
        lower: KernelLowering,
        anchor: Operation,
        axes: Sequence[IterAxis],
        accumulator: DType,
        bias: SSAValue | None = None,
        bias_axis: int = 0,
        *,
        drains: bool = True,
    ):
        self.lower, self.anchor, self.axes, self.accumulator = lower, anchor, tuple(axes), accumulator
        ops = lower.elementwise
        shape = tensor_type(anchor.results[0]).get_shape()
        self.accesses, self.args = operand_accesses(lower, ops, anchor.results, shape)
        self.drained: dict[str, SSAValue] = {}
        self.taken: list[Operation] = [anchor]
        self.act = "none"
        if bias is not None:
            self._take_bias(bias, bias_axis, shape)
        if drains:
            self._absorb(ops, biased=bias is not None)
        rest = ops[len(self.taken) - 1 :]
        value = self.taken[-1].results[0]
        self.value = value
        self.plan: ChainPlan = plan_chain(
            rest, self.accesses, self.axes, {value: (dtype_of(value), True)}, [lower.result, *lower.others]
        )
        for operand in self.drained.values():
            self._plan_load(operand)
        self.rest = rest

    def _take_bias(self, bias: SSAValue, axis: int, shape: Sequence[int]) -> None:
        arg, access = self.lower.access(bias)
        terms = tuple(access.terms[0] if i == axis else ((size, 0),) for i, size in enumerate(shape))
        self.accesses[bias] = Access(terms, access.base, (None,) * len(shape))
        self.args[bias] = arg
        self.drained["bias"] = bias

    def _absorb(self, ops: Sequence[Operation], biased: bool) -> None:
        """Give drain what it can take of the first operations."""
        roles = ["residual"] if biased else ["bias", "residual"]
        for op in ops:
            value = self.taken[-1].results[0]
            if len(list(value.uses)) != 1 or dtype_of(value) != self.accumulator or value not in op.operands:
                return
            if isinstance(op, graph.UnaryOp) and op.fn.data is UnaryFn.RELU:
                self.act = "relu"
                self.taken.append(op)
                return
            is_add = isinstance(op, graph.BinaryOp) and op.fn.data is BinaryFn.ADD
            others = [operand for operand in op.operands if operand is not value]
            if not is_add or not roles or len(others) != 1 or others[0] not in self.accesses:
                return
            self.drained[roles.pop(0)] = others[0]
            self.taken.append(op)

    def _plan_load(self, value: SSAValue) -> None:
        if value in self.plan.home:
            return
        self.plan.add_load(value, self.accesses[value], self.axes)

    def nbytes(self, sizes: Sequence[Any], slots: int) -> Any:
        """Bytes of ub for a tile of these sizes; buffers that cross pipes count `slots` times."""
        return self.plan.nbytes(sizes, slots)

    def emit(self, tile: Sequence[TileAxis], accumulator: Tile, strides: Sequence[int]) -> None:
        """Drain the accumulator (with these strides over the tile's loops), compute and store."""
        lower = self.lower
        emitter = ChainEmitter(lower.builder, self.plan, tile)
        self.load(emitter)
        operands: dict[str, Operand] = {
            "dst": emitter.view(self.plan.home[self.value]),
            "src": accumulator.view(strides),
        }
        for role, value in self.drained.items():
            operands[role] = emitter.view(self.plan.home[value])
        last = self.taken[-1]
        lower.builder.emit(
            "drain",
            [t.dim() for t in tile],
            operands,
            sources=lower.source(*self.taken),
            tap=tap_of(last.results[0], lower.taps.get(last), tile),
            act=self.act,
        )
        self.finish(emitter)

    def load(self, emitter: ChainEmitter) -> None:
        """Load every operand from global memory."""
        for value, number in self.plan.loads:
            users = [op for op in self.lower.ops if value in op.operands]
            sources = self.lower.view_sources(value) + self.lower.source(*users)
            emitter.load_one(value, number, self.lower.params[self.args[value]], self.accesses[value], sources)

    def finish(self, emitter: ChainEmitter) -> None:
        """Compute the chain and store the kernel's result."""
        lower = self.lower
        emitter.compute(lower.sources, lower.taps)
        last = self.rest[-1] if self.rest else self.taken[-1]
        sources = lower.source(last) + lower.stored_sources()
        emitter.store(lower.result, lower.output, lower.destination(), sources)
        lower.store_others(emitter)
