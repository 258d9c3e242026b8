"""Softmax, layer norm and RMS norm over rows that do not fit the vector memory, as reductions and elementwise steps.

A row kernel keeps whole rows on chip, with what is fused to it; longer rows are walked in parts, one kernel for each
reduction, which reads them again from global memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation
from xdsl.passes import ModulePass
from xdsl.pattern_rewriter import PatternRewriter, RewritePattern, op_type_rewrite_pattern

from vcc.dialects import graph
from vcc.dialects.graph.base import Value, shape_of, tensor_of
from vcc.dialects.visa import machine_of
from vcc.dialects.weights import ConstantOp, make_constant, numpy_dtype_of
from vcc.passes.rewriting import rewrite
from vcc.runtime.isa.kernel import Memory

#: Rows that ub must hold at once: the input, the result and two operands of what is fused to them.
ROWS = 4


@dataclass(frozen=True)
class ExpandLongRows(ModulePass):
    """`softmax`, `layer_norm` and `rms_norm` of long rows become reductions and elementwise operations."""

    name = "expand-long-rows"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        most = machine_of(ctx).memories[Memory.UB] // ROWS
        rewrite(op, [_Softmax(ctx, most), _LayerNorm(ctx, most), _RmsNorm(ctx, most)], pass_name=self.name)


def _row_bytes(x: Value, axes: range | list[int]) -> int:
    return prod(shape_of(x)[axis] for axis in axes) * numpy_dtype_of(tensor_of(x).element_type).itemsize


@dataclass
class _Softmax(RewritePattern):
    """`softmax(x)` -> `e / sum(e)` with `e = exp(x - max(x))`."""

    ctx: Context
    most: int

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: graph.SoftmaxOp, rewriter: PatternRewriter) -> None:
        axes = [op.axis.value.data]
        if _row_bytes(op.x, axes) <= self.most:
            return
        top = graph.ReduceOp("max", op.x, axes)
        difference = graph.BinaryOp("sub", op.x, top)
        powers = graph.UnaryOp("exp", difference)
        total = graph.ReduceOp("add", powers, axes)
        rewriter.replace(op, [top, difference, powers, total, graph.BinaryOp("div", powers, total)])


@dataclass
class _LayerNorm(RewritePattern):
    """`layer_norm(x)` -> `d * rsqrt(mean(d * d) + epsilon) * scale + bias` with `d = x - mean(x)`."""

    ctx: Context
    most: int

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: graph.LayerNormOp, rewriter: PatternRewriter) -> None:
        shape = shape_of(op.x)
        axes = list(range(op.axis.value.data, len(shape)))
        if _row_bytes(op.x, axes) <= self.most:
            return
        ops: list[Operation] = []

        def add(new: Operation) -> Operation:
            ops.append(new)
            return new

        def number(value: float) -> ConstantOp:
            dtype = numpy_dtype_of(tensor_of(op.x).element_type)
            constant = make_constant(np.asarray(value, dtype), self.ctx, op.location)
            ops.append(constant)
            return constant

        part = number(1 / prod(shape[axis] for axis in axes))
        mean = add(graph.BinaryOp("mul", add(graph.ReduceOp("add", op.x, axes)), part))
        difference = add(graph.BinaryOp("sub", op.x, mean))
        squares = add(graph.ReduceOp("add", add(graph.BinaryOp("mul", difference, difference)), axes))
        variance = add(graph.BinaryOp("mul", squares, part))
        shifted = add(graph.BinaryOp("add", variance, number(float(op.epsilon.value.data))))
        normal = add(graph.BinaryOp("mul", difference, add(graph.UnaryOp("rsqrt", shifted))))
        result = add(graph.BinaryOp("mul", normal, op.scale))
        if op.bias is not None:
            add(graph.BinaryOp("add", result, op.bias))
        rewriter.replace(op, ops)


@dataclass
class _RmsNorm(RewritePattern):
    """`rms_norm(x)` -> `x * rsqrt(mean(x * x) + epsilon) * scale`."""

    ctx: Context
    most: int

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: graph.RmsNormOp, rewriter: PatternRewriter) -> None:
        shape, dtype = shape_of(op.x), numpy_dtype_of(tensor_of(op.x).element_type)
        axes = list(range(op.axis.value.data, len(shape)))
        if _row_bytes(op.x, axes) <= self.most:
            return
        part = make_constant(np.asarray(1 / prod(shape[axis] for axis in axes), dtype), self.ctx, op.location)
        epsilon = make_constant(np.asarray(op.epsilon.value.data, dtype), self.ctx, op.location)
        squares = graph.BinaryOp("mul", op.x, op.x)
        total = graph.ReduceOp("add", squares, axes)
        mean = graph.BinaryOp("mul", total, part)
        shifted = graph.BinaryOp("add", mean, epsilon)
        root = graph.UnaryOp("rsqrt", shifted)
        normal = graph.BinaryOp("mul", op.x, root)
        result = graph.BinaryOp("mul", normal, op.scale)
        rewriter.replace(op, [part, epsilon, squares, total, mean, shifted, root, normal, result])
