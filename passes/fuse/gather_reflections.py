"""Reflected borders as indices: a signal with its mirrored ends before and behind it is a gather of its elements.

    conv(concat(reverse(x[1:k]), x, ...))  ->  conv(gather(x, [k - 1, ..., 1, 0, 1, ...]))

Exporters write reflection padding before a convolution, and before a short-time Fourier transform, as a concatenation.
Its pieces overlap, so that no view is all of it; a load through indices is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation, SSAValue
from xdsl.passes import ModulePass
from xdsl.pattern_rewriter import PatternRewriter, RewritePattern

from vcc.dialects import graph
from vcc.dialects.graph.base import ints, shape_of
from vcc.dialects.weights import make_constant
from vcc.passes.rewriting import rewrite


@dataclass(frozen=True)
class GatherReflections(ModulePass):
    """Makes a `graph.gather` of a concatenation of parts of one tensor, some of them backwards, that windows read."""

    name = "gather-reflections"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        rewrite(op, [_Reflect(ctx)], pass_name=self.name)


@dataclass
class _Reflect(RewritePattern):
    ctx: Context

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter) -> None:
        if not isinstance(op, graph.ConcatOp) or not _read_by_windows(op.results[0]):
            return
        axis = op.axis.value.data % len(shape_of(op.results[0]))
        parts = [_part(piece, axis) for piece in op.xs]
        sources = {source for source, _ in parts}
        if len(sources) != 1 or all(steps.size < 2 or steps[1] > steps[0] for _, steps in parts):
            return
        indices = make_constant(np.concatenate([steps for _, steps in parts]).astype(np.int32), self.ctx, op.location)
        rewriter.replace(op, [indices, graph.GatherOp(sources.pop(), indices.result, axis)])


def _part(value: SSAValue, axis: int) -> tuple[SSAValue, np.ndarray[tuple[int], np.dtype[np.int64]]]:
    """What a piece is a part of, along one axis, and the positions of its elements there."""
    owner = value.owner
    if isinstance(owner, graph.SliceOp):
        starts, sizes, steps = ints(owner.starts), ints(owner.sizes), ints(owner.steps)
        whole = shape_of(owner.x)
        if all(i == axis or (sizes[i] == whole[i] and steps[i] == 1) for i in range(len(whole))):
            return owner.x, starts[axis] + steps[axis] * np.arange(sizes[axis])
    return value, np.arange(shape_of(value)[axis])


def _read_by_windows(value: SSAValue) -> bool:
    """Whether only convolutions without a border of their own read a value, but for reshapes."""
    users = [use.operation for use in value.uses]
    return bool(users) and all(
        _read_by_windows(user.result)
        if isinstance(user, graph.ReshapeOp)
        else isinstance(user, graph.ConvOp) and not any(user.window.pads)
        for user in users
    )
