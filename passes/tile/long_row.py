"""Softmax and norms of rows that do not fit ub: several sweeps over a row in parts, in one kernel.

Nothing of a row but a few numbers stays on the chip. A softmax takes two sweeps: maximum and sum at once, the sum
scaled down whenever the maximum grows; then the result. A layer norm takes three (mean, variance around it, result),
an RMS norm two.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from vcc.dialects import graph
from vcc.passes.tile.builder import Tile
from vcc.passes.tile.chain import ChainEmitter, TileAxis, dtype_of, tap_of
from vcc.passes.tile.row_ops import Rows, wide
from vcc.passes.tile.row_tiling import RowTiling
from vcc.passes.tile.search import Sizes, choose_tile, cuts, padded, tile_candidates, waves
from vcc.runtime.isa.expr import Poly
from vcc.runtime.isa.kernel import MAX_DIMS, Immediate, Memory
from vcc.runtime.machine.cost import vector_cycles

RowAnchor = graph.SoftmaxOp | graph.LayerNormOp | graph.RmsNormOp


@dataclass(frozen=True)
class Effort:
    """What a row operation takes: sweeps over the row, vector passes in all, parameters of a row's shape."""

    sweeps: int
    passes: int
    parameters: int


EFFORTS: dict[type[RowAnchor], Effort] = {
    graph.SoftmaxOp: Effort(2, 18, 0),
    graph.LayerNormOp: Effort(3, 8, 2),
    graph.RmsNormOp: Effort(2, 5, 1),
}


def tile_long_rows(tiling: RowTiling, anchor: RowAnchor) -> None:
    """Tile a row operation in parts of rows. Raises E0140 if one element of a row does not fit."""
    count, steps = choose_parts(tiling, EFFORTS[type(anchor)])
    lower = tiling.lower
    lower.open()
    with lower.builder.forall(tiling.forall(count)) as variables:
        kept = lower.cut(tiling.kept, tiling.kept_sizes(count), variables)
        sweeps = _Sweeps(tiling, kept, steps)
        match anchor:
            case graph.SoftmaxOp():
                _softmax(sweeps)
            case graph.RmsNormOp():
                _norm(sweeps, anchor, None)
            case graph.LayerNormOp():
                _norm(sweeps, anchor, sweeps.mean())


def choose_parts(tiling: RowTiling, effort: Effort) -> tuple[int, list[int]]:
    """How many rows a tile has (along the innermost kept loop), and its steps along the reduced loops."""
    machine, dtype = tiling.lower.machine, dtype_of(tiling.value)
    compute = wide(dtype)
    rows = tiling.kept[-1].extent if tiling.kept else 1
    others = prod(axis.extent for axis in tiling.kept[:-1])
    table = cuts([axis.extent for axis in tiling.reduced], MAX_DIMS - 1)
    extents = np.array([axis.extent for axis in tiling.reduced], dtype=np.int64)
    parts, steps = np.prod(table, axis=1), np.prod(-(-extents // table), axis=1)

    def footprint(s: Sizes, slots: int) -> dict[Memory, Any]:
        part = parts[s["cut"]]
        each = tiling.input.nbytes(tiling.input_sizes(s["rows"], list(table[s["cut"]].T)), slots)
        parameter = slots * padded(part * dtype.size)
        if compute != dtype:
            each = each + padded(s["rows"] * part * compute.size)
            parameter = parameter + padded(part * compute.size)
        total = effort.sweeps * each + effort.parameters * parameter + 4 * padded(s["rows"] * compute.size)
        if compute != dtype:
            total = total + padded(s["rows"] * part * compute.size)
        kept: list[Any] = [1] * (len(tiling.kept) - 1) + ([s["rows"]] if tiling.kept else [])
        return {Memory.UB: total + tiling.plan.nbytes([*kept, *table[s["cut"]].T], slots)}

    def cost(s: Sizes) -> Any:
        elements = s["rows"] * parts[s["cut"]]
        part = list(table[s["cut"]].T)
        loads: Any = effort.sweeps * tiling.load_cycles(s["rows"], part, elements * dtype.size)
        vector: Any = effort.passes * vector_cycles(machine, compute.name, elements)
        trips = waves(machine, others * -(-rows // s["rows"])) * steps[s["cut"]]
        return tiling.cycles(trips, loads, vector)

    candidates = {"rows": tile_candidates(rows), "cut": range(len(table))}
    what = "a part of a row"
    chosen = choose_tile(machine, candidates, footprint, cost, node=tiling.lower.node, what=what)
    return chosen["rows"], [int(size) for size in table[chosen["cut"]]]


class _Sweeps:
    """Loops over the parts of the rows of a tile."""

    def __init__(self, tiling: RowTiling, kept: Sequence[TileAxis], steps: Sequence[int]):
        self.tiling, self.lower, self.kept, self.steps = tiling, tiling.lower, list(kept), list(steps)
        self.numbers = Rows(tiling, kept)
        self.count = prod(axis.extent for axis in tiling.reduced)

    def start(self, hint: str, value: float) -> Tile:
        """A number for each row, at first `value`."""
        tile = self.numbers.scalars(hint)
        self.numbers.on_rows("copy", tile, src=Immediate(value))
        return tile

    @contextmanager
    def sweep(self, name: str) -> Generator[Rows]:
        """The rows' parts, one after the other."""
        builder = self.lower.builder
        with ExitStack() as loops:
            reduced: list[TileAxis] = []
            for axis, size in zip(self.tiling.reduced, self.steps, strict=True):
                step = loops.enter_context(builder.loop(f"{axis.name}{name}", -(-axis.extent // size)))
                start = step * size
                left = builder.minimum(size, axis.extent - start) if axis.extent % size else Poly.of(size)
                reduced.append(TileAxis(axis, start, left, size))
            yield Rows(self.tiling, [*self.kept, *reduced])

    @contextmanager
    def write(self) -> Generator[tuple[Rows, Tile, Tile, Any]]:
        """The last sweep: the rows, where to compute the result, where it belongs, and its tap; then the store."""
        anchor = self.tiling.anchor
        with self.sweep("w") as rows:
            emitter = ChainEmitter(self.lower.builder, self.tiling.plan, rows.tile)
            home = emitter.buffer(self.tiling.plan.home[anchor.results[0]], "y")
            yield rows, rows.result(home), home, tap_of(anchor.results[0], self.lower.taps.get(anchor), rows.tile)
            self.tiling.finish(emitter)

    def mean(self) -> Tile:
        """The mean of each row."""
        mean = self.start("mean", 0.0)
        with self.sweep("m") as rows:
            rows.join("reduce.add", rows.load(), mean)
        self.numbers.on_rows("mul", mean, a=mean.view(), b=Immediate(1.0 / self.count))
        return mean


def _softmax(sweeps: _Sweeps) -> None:
    # Not -inf: a part of nothing but -inf would compute inf - inf.
    lowest = float(np.finfo(sweeps.numbers.dtype.numpy).min)
    top, total = sweeps.start("top", lowest), sweeps.start("total", 0.0)
    with sweeps.sweep("s") as rows:
        x = rows.load()
        shrink = rows.scalars("shrink")
        rows.on_rows("copy", shrink, src=top.view())
        rows.join("reduce.max", x, top)
        rows.on_rows("sub", shrink, a=shrink.view(), b=top.view())
        rows.on_rows("exp", shrink, a=shrink.view())
        rows.on_rows("mul", total, a=total.view(), b=shrink.view())
        rows.apply("sub", x, a=x.view(), b=rows.per_row(top))
        rows.apply("exp", x, a=x.view())
        rows.join("reduce.add", x, total)
    with sweeps.write() as (rows, out, home, tap):
        x = rows.load()
        rows.apply("sub", x, a=x.view(), b=rows.per_row(top))
        rows.apply("exp", x, a=x.view())
        rows.deliver("div", out, home, tap, a=x.view(), b=rows.per_row(total))


def _norm(sweeps: _Sweeps, anchor: graph.LayerNormOp | graph.RmsNormOp, mean: Tile | None) -> None:
    """Layer norm, or without a mean RMS norm."""
    square = sweeps.start("square", 0.0)
    with sweeps.sweep("v") as rows:
        x = _centred(rows, mean)
        rows.apply("mul", x, a=x.view(), b=x.view())
        rows.join("reduce.add", x, square)
    sweeps.numbers.reciprocal_deviation(square, sweeps.count, anchor.epsilon)
    with sweeps.write() as (rows, out, home, tap):
        x = _centred(rows, mean)
        rows.apply("mul", x, a=x.view(), b=rows.per_row(square))
        scale = rows.parameter(anchor.scale, "scale")
        bias = anchor.bias if isinstance(anchor, graph.LayerNormOp) else None
        if bias is None:
            rows.deliver("mul", out, home, tap, a=x.view(), b=scale)
        else:
            rows.apply("mul", x, a=x.view(), b=scale)
            rows.deliver("add", out, home, tap, a=x.view(), b=rows.parameter(bias, "bias"))


def _centred(rows: Rows, mean: Tile | None) -> Tile:
    x = rows.load()
    if mean is not None:
        rows.apply("sub", x, a=x.view(), b=rows.per_row(mean))
    return x
