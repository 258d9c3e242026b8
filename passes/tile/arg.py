"""Where the extreme of a row is: the extreme itself, then the least (or greatest) position that equals it.

Rows too long for the vector memory are read in parts. The parts go backwards where the first position is wanted and
forwards where the last is, so that a position found later always replaces one found before: the extreme so far and its
position are joined with those of each part by plain reductions.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from vcc.dialects import graph
from vcc.passes.tile.builder import KernelBuilder, Tile
from vcc.passes.tile.chain import ChainEmitter, TileAxis, dtype_of, tap_of
from vcc.passes.tile.lowering import KernelLowering
from vcc.passes.tile.row_tiling import RowTiling
from vcc.passes.tile.search import Sizes, choose_tile, padded, tile_candidates, waves
from vcc.runtime.isa.dtypes import BY_NAME
from vcc.runtime.isa.expr import ZERO, Poly
from vcc.runtime.isa.kernel import Dim, Immediate, Memory, Role, View
from vcc.runtime.machine.cost import vector_cycles

I32, BOOL = BY_NAME["i32"], BY_NAME["bool"]


def tile_arg(lower: KernelLowering) -> None:
    """Tile a kernel whose anchor is a `graph.arg`."""
    anchor = next(op for op in lower.ops if isinstance(op, graph.ArgOp))
    tiling = RowTiling(lower, anchor, anchor.x, [anchor.axis.value.data], whole=False)
    (axis,) = tiling.reduced
    sizes = _choose(tiling, axis.extent)
    trips = -(-axis.extent // sizes["part"])
    builder = lower.builder
    lower.open()
    with builder.forall(tiling.forall(sizes["rows"])) as variables:
        kept = lower.cut(tiling.kept, tiling.kept_sizes(sizes["rows"]), variables)
        search = _Search(tiling, anchor, kept)
        with builder.loop("r", trips, "reduce") as step:
            start = (step if anchor.last else trips - 1 - step) * sizes["part"]
            ragged = axis.extent % sizes["part"] != 0
            size = builder.minimum(sizes["part"], axis.extent - start) if ragged else Poly.of(sizes["part"])
            search.join(TileAxis(axis, start, size, sizes["part"]), builder.equals(step, 0))
        result = tiling.result_tile(kept)
        emitter = ChainEmitter(builder, tiling.plan, result)
        search.finish(emitter, result, axis.extent)
        tiling.finish(emitter)


def _choose(tiling: RowTiling, extent: int) -> dict[str, int]:
    """How many rows a tile has, and how much of them a part."""
    machine, dtype = tiling.lower.machine, dtype_of(tiling.value)
    rows = tiling.kept[-1].extent if tiling.kept else 1
    others = prod(axis.extent for axis in tiling.kept[:-1])

    def footprint(s: Sizes, slots: int) -> dict[Memory, Any]:
        elements = s["rows"] * s["part"]
        part = tiling.input.nbytes(tiling.input_sizes(s["rows"], [s["part"]]), slots)
        part = part + padded(elements * BOOL.size) + padded(elements * I32.size)
        numbers = padded(s["rows"] * dtype.size) + padded(s["rows"] * I32.size) + padded(s["part"] * I32.size)
        return {Memory.UB: part + numbers + tiling.plan.nbytes(tiling.result_sizes(s["rows"]), slots)}

    def cost(s: Sizes) -> Any:
        elements = s["rows"] * s["part"]
        moved: Any = tiling.load_cycles(s["rows"], [s["part"]], elements * dtype.size)
        vector: Any = 4 * vector_cycles(machine, dtype.name, elements)
        trips = waves(machine, others * -(-rows // s["rows"])) * -(-extent // s["part"])
        return tiling.cycles(trips, moved, vector)

    candidates = {"rows": tile_candidates(rows), "part": tile_candidates(extent)}
    return choose_tile(machine, candidates, footprint, cost, node=tiling.lower.node, what="a search for an extreme")


class _Search:
    """The extreme so far of each row, and its position."""

    def __init__(self, tiling: RowTiling, anchor: graph.ArgOp, kept: list[TileAxis]):
        self.tiling, self.anchor, self.kept = tiling, anchor, kept
        self.builder: KernelBuilder = tiling.lower.builder
        self.sources = tiling.lower.source(anchor)
        shape = [t.max for t in kept] or [1]
        self.best = self.builder.alloc("best", Memory.UB, shape, dtype_of(anchor.x))
        self.place = self.builder.alloc("place", Memory.UB, shape, I32)

    def join(self, part: TileAxis, first: Poly) -> None:
        """Join a part of the rows; `first` is 1 in the first one."""
        builder, sources, kept = self.builder, self.sources, self.kept
        x = self.tiling.load([*kept, part])
        fn = str(self.anchor.fn.data)
        dims, joined = [*(t.dim() for t in kept), part.dim()], [*(t.dim() for t in kept), part.dim(Role.REDUCE)]
        builder.emit(
            f"reduce.{fn}", joined, {"dst": self._row(self.best), "src": x.view()}, sources=sources, zero=first
        )
        same = builder.alloc("same", Memory.UB, x.shape, BOOL)
        builder.emit("cmp.eq", dims, {"dst": same.view(), "a": x.view(), "b": self._row(self.best)}, sources=sources)
        places = builder.alloc("places", Memory.UB, [part.max], I32)
        builder.emit("iota", [part.dim(Role.SCAN)], {"dst": places.view()}, sources=sources, start=part.start)
        found = builder.alloc("found", Memory.UB, x.shape, I32)
        along = places.view([*(0 for _ in kept), 1])
        nowhere = Immediate(-1 if self.anchor.last else int(np.iinfo(np.int32).max))
        builder.emit("select", dims, {"dst": found.view(), "cond": same.view(), "a": along, "b": nowhere},
                     sources=sources)  # fmt: skip
        nearest = "reduce.max" if self.anchor.last else "reduce.min"
        builder.emit(nearest, joined, {"dst": self._row(self.place), "src": found.view()}, sources=sources, zero=first)

    def finish(self, emitter: ChainEmitter, result: list[TileAxis], extent: int) -> None:
        """The positions as the anchor's result. A NaN equals nothing; its row gets some position of the axis."""
        dims: list[Dim] = [t.dim() for t in self.kept]
        place = self.place.view(self.place.strides if self.kept else [])
        bound, limit = ("max", 0) if self.anchor.last else ("min", extent - 1)
        operands = {"dst": place, "a": place, "b": Immediate(limit)}
        self.builder.emit(bound, dims, operands, sources=self.sources)
        home = emitter.view(emitter.plan.home[self.anchor.result])
        tap = tap_of(self.anchor.result, self.tiling.lower.taps.get(self.anchor), result)
        self.builder.emit("cast", dims, {"dst": home, "src": place}, sources=self.sources, tap=tap)

    def _row(self, tile: Tile) -> View:
        """A row's number over the loops of the rows and along them."""
        own = tuple(map(Poly.of, tile.strides)) if self.kept else ()
        return View(tile.name, (*own, ZERO))
