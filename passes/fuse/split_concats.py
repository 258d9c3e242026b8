"""Let what reads a concatenation work on its pieces: each then meets what makes the piece, or becomes part of its load.

mul(concat(a, b), w)     ->  concat(mul(a, w[:k]), mul(b, w[k:]))
reduce max(stack(a, b))  ->  max(a, b)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp, TensorType
from xdsl.ir import Operation, SSAValue
from xdsl.passes import ModulePass
from xdsl.pattern_rewriter import PatternRewriter, RewritePattern

from vcc.dialects import graph
from vcc.dialects.graph.attributes import BinaryFn, ReduceFn
from vcc.dialects.graph.base import ints, shape_of, tensor_of
from vcc.dialects.weights import ConstantOp, constant_array, make_constant
from vcc.passes.fuse.choose_layouts import ELEMENTWISE
from vcc.passes.fuse.sink_reshapes import PRODUCERS
from vcc.passes.graph.patterns.movement import Identity, ReshapeOfReshape
from vcc.passes.rewriting import rewrite

#: More operations than this are not worth having one for each piece: a kernel has only room for so many.
MOST_OPERATIONS = 16
_COMBINE = {
    ReduceFn.ADD: BinaryFn.ADD, ReduceFn.MAX: BinaryFn.MAX, ReduceFn.MIN: BinaryFn.MIN, ReduceFn.MUL: BinaryFn.MUL,
}  # fmt: skip


@dataclass(frozen=True)
class SplitConcats(ModulePass):
    """Moves elementwise operations before the concatenation that only they read; reductions of stacks become
    elementwise operations on what is stacked."""

    name = "split-concats"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        rewrite(op, [_Split(ctx), _Unstack(), ReshapeOfReshape(), Identity()], pass_name=self.name)


@dataclass
class _Split(RewritePattern):
    ctx: Context

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter) -> None:
        if not isinstance(op, ELEMENTWISE):
            return
        concat = next((v.owner for v in op.operands if isinstance(v.owner, graph.ConcatOp)), None)
        if concat is None or not self._pays(op, concat):
            return
        axis = concat.axis.value.data % len(shape_of(concat.results[0]))
        element, added, start = tensor_of(op.results[0]).element_type, list[Operation](), 0
        for piece in concat.xs:
            size = shape_of(piece)[axis]
            operands = [piece if v is concat.results[0] else self._part(v, op, axis, start, size, added)
                        for v in op.operands]  # fmt: skip
            added.append(
                op.create(
                    operands=operands, result_types=[TensorType(element, shape_of(piece))], properties=op.properties
                )
            )
            start += size
        parts: list[SSAValue] = [each.results[0] for each in added if isinstance(each, ELEMENTWISE)]
        rewriter.replace(op, [*added, graph.ConcatOp(parts, axis)])

    def _pays(self, op: Operation, concat: graph.ConcatOp) -> bool:
        """Whether only the operation reads the concatenation, and no kernel of another operand would take it along."""
        shape = shape_of(op.results[0])
        if not concat.results[0].has_one_use() or shape_of(concat.results[0]) != shape:
            return False
        others = [v for v in op.operands if v is not concat.results[0]]
        if any(isinstance(v.owner, (*PRODUCERS, graph.ConcatOp)) and shape_of(v) == shape for v in others):
            return False
        return sum(1 + _makers(piece) for piece in concat.xs) <= MOST_OPERATIONS

    def _part(
        self, value: SSAValue, op: Operation, axis: int, start: int, size: int, added: list[Operation]
    ) -> SSAValue:
        """The part of an operand that goes with a piece."""
        shape = shape_of(value)
        own = axis - (len(shape_of(op.results[0])) - len(shape))
        if own < 0 or shape[own] == 1 or isinstance(op, graph.LookupOp):
            return value
        owner = value.owner
        array = constant_array(value, self.ctx) if isinstance(owner, ConstantOp) else None
        if isinstance(owner, ConstantOp) and array is not None:
            part = np.ascontiguousarray(array[(*[slice(None)] * own, slice(start, start + size))])
            added.append(make_constant(part, self.ctx, owner.location))
        else:
            starts = [start if i == own else 0 for i in range(len(shape))]
            sizes = [size if i == own else extent for i, extent in enumerate(shape)]
            added.append(graph.SliceOp(value, starts, sizes, [1] * len(shape)))
        return added[-1].results[0]


class _Unstack(RewritePattern):
    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter) -> None:
        if not isinstance(op, graph.ReduceOp) or not isinstance(concat := op.x.owner, graph.ConcatOp):
            return
        axis = concat.axis.value.data % len(shape_of(op.x))
        stacked = all(shape_of(piece)[axis] == 1 for piece in concat.xs)
        if ints(op.axes) != (axis,) or not stacked or not op.x.has_one_use() or len(concat.xs) > MOST_OPERATIONS:
            return
        added: list[Operation] = [graph.ReshapeOp(piece, shape_of(op.result)) for piece in concat.xs]
        pieces: Sequence[Operation] = list(added)
        total = pieces[0].results[0]
        for piece in pieces[1:]:
            added.append(graph.BinaryOp(_COMBINE[op.fn.data], total, piece.results[0]))
            total = added[-1].results[0]
        rewriter.replace(op, added)


def _makers(value: SSAValue) -> int:
    """How many elementwise operations, that nothing else needs, make a value."""
    if not isinstance(value.owner, ELEMENTWISE) or not value.has_one_use():
        return 0
    return 1 + sum(map(_makers, value.owner.operands))
