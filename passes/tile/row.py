"""Softmax, layer norm and RMS norm. A tile holds whole rows; rows that do not fit are long_row.py's."""

from __future__ import annotations

from collections.abc import Callable
from math import prod

from vcc.dialects import graph
from vcc.passes.tile.builder import Tile
from vcc.passes.tile.chain import ChainEmitter, TileAxis, tap_of, tensor_type
from vcc.passes.tile.long_row import tile_long_rows
from vcc.passes.tile.lowering import KernelLowering
from vcc.passes.tile.row_ops import Rows
from vcc.passes.tile.row_tiling import RowTiling
from vcc.runtime.isa.expr import ZERO, Poly
from vcc.runtime.isa.kernel import Immediate, Tap

#: Emits a row operation: from the rows `x` (which it may overwrite) to `out`, whose place is `home`.
Emit = Callable[[Rows, Tile, Tile, Tile, Tap | None], None]


def _tile_whole_rows(tiling: RowTiling, parameters: int, passes: int, emit: Emit) -> None:
    """Whole rows in ub, worked on in place."""
    lower, anchor = tiling.lower, tiling.anchor
    count = tiling.choose_rows(parameters, passes)
    lower.open()
    with lower.builder.forall(tiling.forall(count)) as variables:
        kept = lower.cut(tiling.kept, tiling.kept_sizes(count), variables)
        reduced = [TileAxis(axis, ZERO, Poly.of(axis.extent), axis.extent) for axis in tiling.reduced]
        rows = Rows(tiling, [*kept, *reduced])
        emitter = ChainEmitter(lower.builder, tiling.plan, rows.tile)
        x = rows.load()
        home = emitter.buffer(tiling.plan.home[anchor.results[0]], "y")
        emit(rows, x, rows.result(home), home, tap_of(anchor.results[0], lower.taps.get(anchor), rows.tile))
        tiling.finish(emitter)


def tile_softmax(lower: KernelLowering) -> None:
    """Tile a kernel whose anchor is a `graph.softmax`."""
    anchor = next(op for op in lower.ops if isinstance(op, graph.SoftmaxOp))
    tiling = RowTiling(lower, anchor, anchor.x, [anchor.axis.value.data], whole=True)
    if not tiling.row_fits(0):
        return tile_long_rows(tiling, anchor)

    def emit(rows: Rows, x: Tile, out: Tile, home: Tile, tap: Tap | None) -> None:
        """exp(x - max) / sum(exp(x - max)), safe for any finite input."""
        top = rows.reduce("reduce.max", x, "top")
        rows.apply("sub", out, a=x.view(), b=rows.per_row(top))
        rows.apply("exp", out, a=out.view())
        total = rows.reduce("reduce.add", out, "total")
        rows.deliver("div", out, home, tap, a=out.view(), b=rows.per_row(total))

    return _tile_whole_rows(tiling, 0, 12, emit)


def tile_layer_norm(lower: KernelLowering) -> None:
    """Tile a kernel whose anchor is a `graph.layer_norm`."""
    anchor = next(op for op in lower.ops if isinstance(op, graph.LayerNormOp))
    tiling = _from_axis(lower, anchor)
    if not tiling.row_fits(2):
        return tile_long_rows(tiling, anchor)

    def emit(rows: Rows, x: Tile, out: Tile, home: Tile, tap: Tap | None) -> None:
        """Two passes, so that the variance of values far from zero keeps its digits."""
        count = prod(t.max for t in rows.reduced)
        mean = rows.reduce("reduce.add", x, "mean")
        rows.on_rows("mul", mean, a=mean.view(), b=Immediate(1.0 / count))
        rows.apply("sub", out, a=x.view(), b=rows.per_row(mean))
        rows.apply("mul", x, a=out.view(), b=out.view())
        variance = rows.reduce("reduce.add", x, "var")
        rows.reciprocal_deviation(variance, count, anchor.epsilon)
        rows.apply("mul", out, a=out.view(), b=rows.per_row(variance))
        if anchor.bias is None:
            rows.deliver("mul", out, home, tap, a=out.view(), b=rows.parameter(anchor.scale, "scale"))
        else:
            rows.apply("mul", out, a=out.view(), b=rows.parameter(anchor.scale, "scale"))
            rows.deliver("add", out, home, tap, a=out.view(), b=rows.parameter(anchor.bias, "bias"))

    return _tile_whole_rows(tiling, 2, 10, emit)


def tile_rms_norm(lower: KernelLowering) -> None:
    """Tile a kernel whose anchor is a `graph.rms_norm`."""
    anchor = next(op for op in lower.ops if isinstance(op, graph.RmsNormOp))
    tiling = _from_axis(lower, anchor)
    if not tiling.row_fits(1):
        return tile_long_rows(tiling, anchor)

    def emit(rows: Rows, x: Tile, out: Tile, home: Tile, tap: Tap | None) -> None:
        """x * rsqrt(mean(x * x) + epsilon) * scale."""
        rows.apply("mul", out, a=x.view(), b=x.view())
        square = rows.reduce("reduce.add", out, "square")
        rows.reciprocal_deviation(square, prod(t.max for t in rows.reduced), anchor.epsilon)
        rows.apply("mul", out, a=x.view(), b=rows.per_row(square))
        rows.deliver("mul", out, home, tap, a=out.view(), b=rows.parameter(anchor.scale, "scale"))

    return _tile_whole_rows(tiling, 1, 8, emit)


def _from_axis(lower: KernelLowering, anchor: graph.LayerNormOp | graph.RmsNormOp) -> RowTiling:
    """Rows over the axes from the operation's axis to the last."""
    rank = len(tensor_type(anchor.x).get_shape())
    return RowTiling(lower, anchor, anchor.x, list(range(anchor.axis.value.data, rank)), whole=True)
