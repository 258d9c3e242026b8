"""The positions of the k foremost elements of rows: `order` sorts a row, and the first k of its order remain.

Rows too long for the vector memory are read in parts: the k foremost so far stand before the next part, so that of
equal elements the earlier stays in front, and both are sorted together.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

import numpy as np

from vcc.dialects import graph
from vcc.passes.tile.access import Access, IterAxis, iteration_axes
from vcc.passes.tile.builder import Tile, dim
from vcc.passes.tile.chain import TileAxis, dtype_of, gm_dims, gm_view, tap_of, tensor_type
from vcc.passes.tile.lowering import KernelLowering, tile_counts
from vcc.passes.tile.search import Sizes, choose_tile, padded, rounds, tile_candidates, waves
from vcc.runtime.isa.dtypes import BY_NAME, DType
from vcc.runtime.isa.expr import ZERO, Poly
from vcc.runtime.isa.kernel import Dim, Memory, Operand, Pipe, Role
from vcc.runtime.machine.cost import sort_depth, transfer_cycles, vector_cycles

I32, I64 = BY_NAME["i32"], BY_NAME["i64"]


def tile_topk(lower: KernelLowering) -> None:
    """Tile a kernel whose anchor is a `graph.topk`."""
    anchor = next(op for op in lower.ops if isinstance(op, graph.TopKOp))
    builder, axis, k = lower.builder, anchor.axis.value.data, anchor.k.value.data
    loops = iteration_axes(tensor_type(anchor.x))
    kept = [loop for loop in loops if loop.axis != axis]
    along, foremost = loops[axis], IterAxis("k", axis, 1, k)
    rows = kept[-1].extent if kept else 1
    sizes = _choose(lower, anchor, prod(loop.extent for loop in kept[:-1]), rows, along.extent)
    kept_sizes = [1] * (len(kept) - 1) + ([sizes["rows"]] if kept else [])
    part = sizes["part"]
    trips = -(-along.extent // part)
    lower.open()
    with builder.forall(tile_counts(kept, kept_sizes) or {"i": 1}) as variables:
        ranking = _Ranking(lower, anchor, lower.cut(kept, kept_sizes, variables), foremost)
        if trips == 1:
            places = ranking.sort(ranking.load(TileAxis(along, ZERO, Poly.of(along.extent), along.extent)))
        else:
            places = ranking.begin(part)
            with builder.loop("r", trips) as step:
                start = step * part
                ragged = along.extent % part != 0
                size = builder.minimum(part, along.extent - start) if ragged else Poly.of(part)
                ranking.join(TileAxis(along, start, size, part), builder.equals(step, 0))
        ranking.finish(places)


class _Ranking:
    """The rows of a tile: `kept` are its loops but the one along them, `foremost` is that of the result."""

    def __init__(self, lower: KernelLowering, anchor: graph.TopKOp, kept: list[TileAxis], foremost: IterAxis):
        self.lower, self.anchor, self.kept = lower, anchor, kept
        self.builder, self.sources = lower.builder, lower.source(anchor)
        self.dims = [t.dim() for t in kept]
        self.k = foremost.extent
        self.result = [*kept, TileAxis(foremost, ZERO, Poly.of(self.k), self.k)]
        self.first_k = dim("k", self.k)
        self.by = "descending" if anchor.largest else "ascending"

    def alloc(self, hint: str, width: int, dtype: DType) -> Tile:
        """A buffer for so many elements of each row."""
        return self.builder.alloc(hint, Memory.UB, [*(t.max for t in self.kept), width], dtype)

    def emit(self, op: str, along: Dim, operands: Mapping[str, Operand], **attrs: Any) -> None:
        """An instruction over the rows and along them."""
        self.builder.emit(op, [*self.dims, along], operands, sources=self.sources, **attrs)

    def load(self, part: TileAxis) -> Tile:
        """A part of the rows."""
        arg, access = self.lower.access(self.anchor.x)
        tile = self.alloc("x", part.max, dtype_of(self.anchor.x))
        whole = [*self.kept, part]
        source = gm_view(self.lower.params[arg], access, whole)
        sources = self.lower.view_sources(self.anchor.x) + self.sources
        self.builder.emit("load", gm_dims(access, whole), {"dst": tile.view(), "src": source}, sources=sources)
        return tile

    def sort(self, values: Tile, size: Poly | None = None) -> Tile:
        """The order of the first `size` elements of every row, by default of all."""
        width = values.shape[-1]
        order = self.alloc("order", width, I32)
        along = dim("s", width if size is None else size, width, Role.SCAN)
        self.emit("order", along, {"dst": order.view(), "src": values.view()}, by=self.by)
        return order

    def begin(self, part: int) -> Tile:
        """Make the buffers of the candidates, k from before and a part; returns that of their positions."""
        self.values = self.alloc("values", self.k + part, dtype_of(self.anchor.x))
        self.places = self.alloc("places", self.k + part, I32)
        return self.places

    def join(self, part: TileAxis, first: Poly) -> None:
        """Rank a part with the foremost so far, of which there are none in the first."""
        held = self.k - first * self.k
        x = self.load(part)
        behind = self.values.view(base=held)
        self.emit("copy", part.dim(), {"dst": behind, "src": x.view()})
        self.emit("iota", part.dim(Role.SCAN), {"dst": self.places.view(base=held)}, start=part.start)
        order = self.sort(self.values, held + part.size)
        for kept in (self.values, self.places):
            ranked = self.alloc("ranked", self.k, kept.dtype)
            source = kept.view([*kept.strides[:-1], 0])
            operands: dict[str, Operand] = {"dst": ranked.view(), "src": source, "index": order.view()}
            self.emit("gather", self.first_k, operands, limit=Poly.of(kept.shape[-1]))
            self.emit("copy", self.first_k, {"dst": kept.view(), "src": ranked.view()})

    def finish(self, places: Tile) -> None:
        """Store the first k positions of every row."""
        result = self.anchor.result
        out = self.alloc("y", self.k, dtype_of(result))
        dims = [t.dim() for t in self.result]
        tap = tap_of(result, self.lower.taps.get(self.anchor), self.result)
        operands = {"dst": out.view(), "src": places.view()}
        self.builder.emit("cast", dims, operands, sources=self.sources, tap=tap)
        target = gm_view(self.lower.output, Access.of(tensor_type(result)), self.result)
        self.builder.emit("store", dims, {"dst": target, "src": out.view()}, sources=self.sources)


def _choose(lower: KernelLowering, anchor: graph.TopKOp, others: int, rows: int, extent: int) -> dict[str, int]:
    """How many rows a tile has, and how much of them a part: at least the k elements that are wanted."""
    machine, dtype, k = lower.machine, dtype_of(anchor.x), anchor.k.value.data

    def footprint(s: Sizes, slots: int) -> dict[Memory, Any]:
        merges = s["part"] < extent
        width = s["part"] + np.where(merges, k, 0)
        moved = slots * (padded(s["rows"] * s["part"] * dtype.size) + padded(s["rows"] * k * I64.size))
        total = moved + padded(s["rows"] * width * I32.size)
        for size in (dtype.size, I32.size):  # the candidates and the foremost of them
            total = total + np.where(merges, padded(s["rows"] * width * size) + padded(s["rows"] * k * size), 0)
        return {Memory.UB: total}

    def cost(s: Sizes) -> Any:
        steps = -(-extent // s["part"])
        width = s["part"] + np.where(steps > 1, k, 0)
        moved: Any = transfer_cycles(machine, Pipe.IN, s["rows"] * s["part"] * dtype.size, s["rows"])
        # Natively only the foremost are sorted: the other elements are compared with the last of them.
        passes = sort_depth(width) if machine.overlap else 1 + sort_depth(k) * k / width
        vector: Any = passes * vector_cycles(machine, dtype.name, s["rows"] * width)
        return rounds(machine, waves(machine, others * -(-rows // s["rows"])) * steps, moved, vector)

    parts = [part for part in tile_candidates(extent) if part >= k]
    candidates = {"rows": tile_candidates(rows), "part": parts}
    return choose_tile(machine, candidates, footprint, cost, node=lower.node, what="a ranking")
