"""Take the bias out of convolutions whose kernel has no place for it in `drain`.

Depthwise convolutions never meet an accumulator, and `drain` adds only in the accumulator's dtype; there the bias
becomes an addition, which fusion puts into the same kernel.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp, f32, f64
from xdsl.passes import ModulePass
from xdsl.pattern_rewriter import PatternRewriter, RewritePattern, op_type_rewrite_pattern

from vcc.dialects import graph
from vcc.dialects.graph.base import ints, shape_of, tensor_of
from vcc.dialects.weights import constant_array, make_constant
from vcc.passes.fuse.choose_layouts import is_depthwise
from vcc.passes.rewriting import rewrite


@dataclass(frozen=True)
class SplitBias(ModulePass):
    """`conv(x, w, bias)` becomes `conv(x, w) + bias` where drain cannot add it."""

    name = "split-bias"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        rewrite(op, [_Split(ctx)], pass_name=self.name)


@dataclass
class _Split(RewritePattern):
    ctx: Context

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: graph.ConvOp, rewriter: PatternRewriter) -> None:
        if op.bias is None or not (is_depthwise(op) or tensor_of(op.result).element_type not in (f32, f64)):
            return
        shape = [1, -1] + [1] * (len(shape_of(op.x)) - 2)
        array = constant_array(op.bias, self.ctx)
        if array is not None:
            bias = make_constant(np.ascontiguousarray(array.reshape(shape)), self.ctx, op.location)
        else:
            bias = graph.ReshapeOp(op.bias, [size if size > 0 else shape_of(op.bias)[0] for size in shape])
        conv = graph.ConvOp(
            op.x, op.w, pads=ints(op.pads), strides=ints(op.strides), dilations=ints(op.dilations),
            group=op.group.value.data, border=op.border,
        )  # fmt: skip
        rewriter.replace(op, [conv, bias, graph.BinaryOp("add", conv, bias)])
