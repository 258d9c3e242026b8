"""Average pooling as a sum times the reciprocal of the number of positions that count."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass
from xdsl.pattern_rewriter import PatternRewriter, RewritePattern, op_type_rewrite_pattern

from vcc.dialects import graph
from vcc.dialects.graph import Window
from vcc.dialects.graph.attributes import PoolFn
from vcc.dialects.graph.base import shape_of, tensor_of
from vcc.dialects.weights import make_constant, numpy_dtype_of
from vcc.passes.rewriting import rewrite


@dataclass(frozen=True)
class ExpandAveragePool(ModulePass):
    """`pool average` becomes `pool add` and a multiplication by a constant."""

    name = "expand-average-pool"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        rewrite(op, [_Expand(ctx)], pass_name=self.name)


@dataclass
class _Expand(RewritePattern):
    """`pool average(x)` -> `mul(pool add(x), 1 / count)`."""

    ctx: Context

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: graph.PoolOp, rewriter: PatternRewriter) -> None:
        if op.fn.data is not PoolFn.AVERAGE:
            return
        counts = window_counts(op.window, shape_of(op.x)[2:], bool(op.count_include_pad.value.data))
        dtype = numpy_dtype_of(tensor_of(op.x).element_type)
        reciprocal = (1.0 / counts).astype(dtype)
        if np.all(reciprocal == reciprocal.reshape(-1)[0]):
            reciprocal = reciprocal.reshape(-1)[0].reshape(())
        total = graph.PoolOp(PoolFn.ADD, op.x, op.window)
        factor = make_constant(np.asarray(reciprocal), self.ctx, op.location)
        rewriter.replace(op, [total, factor, graph.BinaryOp("mul", total, factor)])


def window_counts(window: Window, spatial: tuple[int, ...], include_pad: bool) -> np.ndarray:
    """How many positions count in each window: [windows...] of float64; the overhang never counts."""
    counts = np.ones((), np.float64)
    for axis, windows in enumerate(window.output("pool", spatial)):
        before, after = window.pads_of(axis)
        low, high = (0, spatial[axis] + before + after) if include_pad else (before, before + spatial[axis])
        starts = np.arange(windows)[:, None] * window.strides[axis]
        positions = starts + np.arange(window.kernel[axis])[None, :] * window.dilations[axis]
        inside = ((positions >= low) & (positions < high)).sum(axis=1).astype(np.float64)
        counts = counts[..., None] * inside
    return counts
