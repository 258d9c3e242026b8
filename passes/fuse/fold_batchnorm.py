"""`fold-batchnorm`: factors and offsets per channel go into the weights and bias of what they follow.

    %1 = graph.conv %x, %w          %1 = graph.conv %x, %w'
    %2 = graph.binary mul %1, %s    %2 = graph.binary ...       with w' = w * s per output channel
    %3 = graph.binary add %2, %t    ->  graph.conv %x, %w', %t

That is what a lowered BatchNormalization is, and a bias Add, and a scale by a number. Matrix products with constant
weights take factors per column, through a constant offset too. New weights are computed in float64.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation, SSAValue
from xdsl.passes import ModulePass
from xdsl.pattern_rewriter import PatternRewriter, RewritePattern, op_type_rewrite_pattern

from vcc.dialects.graph import BinaryFn, BinaryOp, ConvOp, MatmulOp, shape_of, tensor_of
from vcc.dialects.graph.attributes import BinaryFnAttr
from vcc.dialects.graph.base import is_float
from vcc.dialects.weights import constant_array, make_constant
from vcc.passes.rewriting import rewrite

Array: TypeAlias = np.ndarray[Any, Any]

_CONV_FOLDS = frozenset({BinaryFn.ADD, BinaryFn.SUB, BinaryFn.MUL, BinaryFn.DIV})


@dataclass(frozen=True)
class FoldBatchnorm(ModulePass):
    """Fold constant factors and offsets into convolutions and matrix products whose only use they are."""

    name = "fold-batchnorm"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        patterns = [FoldIntoConv(ctx), FoldIntoMatmul(ctx), MergeOffsets(ctx)]
        rewrite(op, patterns, pass_name=self.name)


def along_axis(array: Array, shape: tuple[int, ...], axis: int) -> Array | None:
    """A constant that varies along one axis of a tensor alone, as a float64 vector of the axis's size; else None."""
    if array.ndim > len(shape) or not 0 <= axis < len(shape):
        return None
    aligned = array.reshape((1,) * (len(shape) - array.ndim) + array.shape)
    if any(size != 1 for i, size in enumerate(aligned.shape) if i != axis):
        return None
    if aligned.shape[axis] not in (1, shape[axis]):
        return None
    return np.broadcast_to(aligned.reshape(-1).astype(np.float64), (shape[axis],))


def producer(op: BinaryOp, kind: type[Operation]) -> tuple[Operation, SSAValue] | None:
    """The operand that an operation of this kind makes for this use alone, and the other operand.

    The constant must be the second operand of functions that do not commute.
    """
    commutes = op.fn.data in (BinaryFn.ADD, BinaryFn.MUL)
    for made, other in [(op.a, op.b)] + ([(op.b, op.a)] if commutes else []):
        if isinstance(made.owner, kind) and made.has_one_use() and made.type == op.result.type:
            return made.owner, other
    return None


class FoldIntoConv(RewritePattern):
    """conv(x, w, b) * s + t -> conv(x, w * s, b * s + t)"""

    def __init__(self, ctx: Context):
        self.ctx = ctx

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: BinaryOp, rewriter: PatternRewriter) -> None:
        found = producer(op, ConvOp) if op.fn.data in _CONV_FOLDS and is_float(_element(op)) else None
        if found is None or not isinstance(conv := found[0], ConvOp):
            return
        constant, weights = constant_array(found[1], self.ctx), constant_array(conv.w, self.ctx)
        bias = None if conv.bias is None else constant_array(conv.bias, self.ctx)
        if constant is None or weights is None or (conv.bias is not None and bias is None):
            return
        vector = along_axis(constant, shape_of(op.result), 1)
        if vector is None:
            return
        offset = np.zeros(len(vector)) if bias is None else bias.astype(np.float64)
        new_weights = weights.astype(np.float64)
        match op.fn.data:
            case BinaryFn.ADD:
                offset = offset + vector
            case BinaryFn.SUB:
                offset = offset - vector
            case fn:
                factor = vector if fn is BinaryFn.MUL else 1 / vector
                offset = offset * factor
                new_weights = new_weights * factor.reshape(-1, *(1,) * (weights.ndim - 1))
        scales = op.fn.data in (BinaryFn.MUL, BinaryFn.DIV)
        w = make_constant(new_weights.astype(weights.dtype), self.ctx) if scales else None
        keeps_no_bias = bias is None and scales
        b = None if keeps_no_bias else make_constant(offset.astype(weights.dtype), self.ctx)
        new = _conv_like(conv, conv.w if w is None else w.result, None if b is None else b.result, op)
        made = [each for each in (w, b) if each is not None]
        rewriter.replace(op, [*made, new], new.results)
        rewriter.erase(conv)


def _element(op: BinaryOp) -> Any:
    return tensor_of(op.result).element_type


def _conv_like(conv: ConvOp, w: SSAValue, bias: SSAValue | None, op: BinaryOp) -> ConvOp:
    """A convolution with other weights, whose result has the type of the operation it replaces."""
    operands = [conv.x, w] if bias is None else [conv.x, w, bias]
    return ConvOp.create(operands=operands, result_types=op.result_types, properties=conv.properties)


class FoldIntoMatmul(RewritePattern):
    """matmul(x, w) * s -> matmul(x, w * s), and (matmul(x, w) + c) * s -> matmul(x, w * s) + c * s"""

    def __init__(self, ctx: Context):
        self.ctx = ctx

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: BinaryOp, rewriter: PatternRewriter) -> None:
        if op.fn.data not in (BinaryFn.MUL, BinaryFn.DIV) or not is_float(_element(op)):
            return
        found = producer(op, MatmulOp) or producer(op, BinaryOp)
        if found is None or (constant := constant_array(found[1], self.ctx)) is None:
            return
        shape = shape_of(op.result)
        factor = along_axis(constant, shape, len(shape) - 1)
        if factor is None:
            return
        factor = 1 / factor if op.fn.data is BinaryFn.DIV else factor
        if isinstance(matmul := found[0], MatmulOp):
            self._scale(op, matmul, None, None, factor, rewriter)
        elif isinstance(add := found[0], BinaryOp) and add.fn.data is BinaryFn.ADD:
            inner = producer(add, MatmulOp)
            offset = None if inner is None else constant_array(inner[1], self.ctx)
            if inner is not None and offset is not None and isinstance(inner[0], MatmulOp):
                self._scale(op, inner[0], add, offset, factor, rewriter)

    def _scale(
        self,
        op: BinaryOp,
        matmul: MatmulOp,
        add: BinaryOp | None,
        offset: Array | None,
        factor: Array,
        rewriter: PatternRewriter,
    ) -> None:
        weights = constant_array(matmul.b, self.ctx)
        if weights is None:
            return
        w = make_constant((weights * factor).astype(weights.dtype), self.ctx)
        new = MatmulOp.create(operands=[matmul.a, w.result], result_types=op.result_types)
        ops: list[Operation] = [w, new]
        if offset is not None:
            c = make_constant((offset * factor).astype(weights.dtype), self.ctx)
            ops = [w, c, new, _add(new.results[0], c.result, op)]
        rewriter.replace(op, ops, ops[-1].results)
        if add is not None:
            rewriter.erase(add)
        rewriter.erase(matmul)


def _add(a: SSAValue, b: SSAValue, op: BinaryOp) -> BinaryOp:
    """a + b with the type of the operation it replaces."""
    properties = {"fn": BinaryFnAttr(BinaryFn.ADD)}
    return BinaryOp.create(operands=[a, b], result_types=op.result_types, properties=properties)


class MergeOffsets(RewritePattern):
    """(matmul(x, w) + c) + d -> matmul(x, w) + (c + d)"""

    def __init__(self, ctx: Context):
        self.ctx = ctx

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: BinaryOp, rewriter: PatternRewriter) -> None:
        found = producer(op, BinaryOp) if op.fn.data is BinaryFn.ADD and is_float(_element(op)) else None
        if found is None or not isinstance(add := found[0], BinaryOp) or add.fn.data is not BinaryFn.ADD:
            return
        inner = producer(add, MatmulOp)
        outer_offset = constant_array(found[1], self.ctx)
        offset = None if inner is None else constant_array(inner[1], self.ctx)
        if inner is None or offset is None or outer_offset is None:
            return
        shape = shape_of(op.result)
        if any(along_axis(each, shape, len(shape) - 1) is None for each in (offset, outer_offset)):
            return  # their sum could be larger than both
        c = make_constant((offset.astype(np.float64) + outer_offset).astype(offset.dtype), self.ctx)
        new = _add(inner[0].results[0], c.result, op)
        rewriter.replace(op, [c, new], new.results)
        rewriter.erase(add)
