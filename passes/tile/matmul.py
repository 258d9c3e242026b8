"""Matrix products: tiles of the output per core, a reduction loop over K, the epilogue on the accumulator.

Several entries of the last batch axis may share a tile: those with a common second operand are more rows of one
product, those with a common first one more columns, all others products side by side.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vcc.dialects import graph
from vcc.passes.tile.access import IterAxis, iteration_axes
from vcc.passes.tile.builder import dim
from vcc.passes.tile.chain import TileAxis, dtype_of, tensor_type
from vcc.passes.tile.epilogue import Epilogue
from vcc.passes.tile.lowering import KernelLowering, Pack, pack_panels, tile_counts
from vcc.passes.tile.operand import ProductOperand
from vcc.passes.tile.panel_width import panel_width, whole_blocks
from vcc.passes.tile.piece import Piece, make_piece
from vcc.passes.tile.search import Sizes, choose_tile, divisors, padded, tile_candidates, waves, whole_candidates
from vcc.runtime.isa.dtypes import BY_NAME, DType
from vcc.runtime.isa.expr import ONE, Poly
from vcc.runtime.isa.kernel import Dim, Memory, Pipe, Role, View
from vcc.runtime.isa.table import accumulator_dtype
from vcc.runtime.machine.cost import matrix_cycles, tiles_cycles, transfer_cycles, vector_cycles

#: The loop over the panels of a tile.
PANELS = "panel"
#: Entries of the last batch axis in a tile at most.
HEADS = 64
#: Vectors of a block where the second operand is not in panels; what tiles cost whose number of rows varies.
BLOCK, RAGGED = 4, 1.25
#: The part of transfers that does not hide behind multiply-adds, and cycles between two steps along K.
UNHIDDEN, TURN = 0.25, 24
#: CPUs multiply so many bytes of a column at once; long columns become multiples of the second so that they have
#: large divisors, among them their halves, quarters, eighths and sixteenths.
WORD, LONG = 4, 64


class MatmulTiling:
    """The tile search and the code of one `graph.matmul` with its epilogue."""

    def __init__(self, lower: KernelLowering, anchor: graph.MatmulOp):
        self.lower, self.anchor = lower, anchor
        out = tensor_type(anchor.result)
        shape = out.get_shape()
        rank = len(shape)
        self.axes = iteration_axes(out, [*(f"b{i}" for i in range(rank - 2)), "m", "n"])
        self.batch = self.axes[:-2]
        self.m, self.n = shape[-2:]
        self.k = tensor_type(anchor.a).get_shape()[-1]
        self.dtypes: tuple[DType, DType] = dtype_of(anchor.a), dtype_of(anchor.b)
        lower.check_product(self.dtypes[0])
        self.accumulator = BY_NAME[accumulator_dtype(self.dtypes[0].name, self.dtypes[1].name) or "f32"]
        self.epilogue = Epilogue(lower, anchor, self.axes, self.accumulator)
        self.k_axis = IterAxis("k", rank, 1, self.k)
        *batch, m, n = self.axes
        self.a = ProductOperand(lower, anchor, anchor.a, [*batch, m, self.k_axis])
        self.b = ProductOperand(lower, anchor, anchor.b, [*batch, self.k_axis, n])
        self.packed = self.b.packable if len(tensor_type(anchor.b).get_shape()) == 2 else None
        self.panel = self._panel_width() if self.packed is not None else 0
        bytes_alone = all(dtype.size == 1 for dtype in self.dtypes)
        fills = bytes_alone and self.panel > 0 and self.a.plan is None
        #: The length of the sums: packed bytes have rows of zeros behind K so that words are whole.
        self.depth = self.k + (-self.k % self._granule() if fills else 0)
        #: K is cut into tiles of a multiple of so many without a rest.
        self.step = WORD if bytes_alone and lower.machine.panel and self.depth % WORD == 0 else 1
        #: How many k of a column are neighbours in a panel.
        self.quad = self.step if self.panel else 1
        #: Of bytes that are not packed, so many k at the end are multiplied by themselves: the others are whole words.
        computed = bytes_alone and not self.panel and lower.machine.panel > 0
        self.rest = self.k % WORD if computed and self.k > WORD else 0

    def _panel_width(self) -> int:
        """Columns of a panel of constant weights; 0: those of a tile."""
        size = max(dtype.size for dtype in self.dtypes) if self.accumulator.kind == "i" else self.accumulator.size
        rows = self.m * prod(axis.extent for axis in self.batch)
        return panel_width(self.lower.machine, self.n, self.k, size, rows)

    def _granule(self) -> int:
        """What the length of packed bytes is filled to a multiple of."""
        whole = padded((self.k + -self.k % WORD) * self.panel)
        return WORD if whole <= self.lower.machine.memories[Memory.L0B] else LONG

    def _depths(self) -> list[int]:
        """How many k a tile may have: without a rest where that matters."""
        granule = max(self.lower.machine.fractal[2], self.step)
        if self.step == 1 and not self.rest:
            return tile_candidates(self.depth, granule)
        return whole_candidates(self.depth, granule, self.step)

    def choose(self) -> dict[str, int]:
        """The tile sizes m, n and k, and h entries of the last batch axis, which small matrices share a tile with."""
        machine = self.lower.machine
        fm, fn, _ = machine.fractal
        heads = self.batch[-1].extent if self.batch else 1
        exact = [divisors(heads), divisors(self.m)] if not machine.overlap else [[], []]
        candidates = {
            "h": sorted({*tile_candidates(heads, 1, HEADS), *(h for h in exact[0] if h <= HEADS)}),
            "m": sorted({*tile_candidates(self.m, fm), *exact[1]}),
            "n": tile_candidates(self.n, self.panel or fn),
            "k": self._depths(),
        }
        return choose_tile(
            machine, candidates, self.footprint, self.cost, node=self.lower.node, what="a matrix product"
        )

    def tile_sizes(self, s: Mapping[str, Any]) -> list[Any]:
        """The size along every loop of the output."""
        outer: list[Any] = [1] * (len(self.batch) - 1)
        return [*outer, *([s["h"]] if self.batch else []), s["m"], s["n"]]

    def footprint(self, s: Sizes, slots: int) -> dict[Memory, Any]:
        """Bytes of each memory."""
        a, b = self.dtypes
        heads = [s["h"] if operand.along_batch else 1 for operand in (self.a, self.b)]
        sizes = {"m": s["m"], "n": s["n"], "k": s["k"], **({self.batch[-1].name: s["h"]} if self.batch else {})}
        return {
            Memory.L0A: slots * padded(heads[0] * s["m"] * s["k"] * a.size),
            Memory.L0B: slots * padded(heads[1] * s["k"] * self.columns(s["n"]) * b.size),
            Memory.L0C: s["h"] * s["m"] * self.columns(s["n"]) * self.accumulator.size,
            Memory.UB: self.epilogue.nbytes(self.tile_sizes(s), slots)
            + self.a.nbytes(sizes, slots)
            + self.b.nbytes(sizes, slots),
        }

    def columns(self, n: Any) -> Any:
        """How many columns a tile of `n` computes: whole panels."""
        return -(-n // self.panel) * self.panel if self.panel else n

    def cost(self, s: Sizes) -> Any:
        """Cycles of the busiest core."""
        machine, (a, b), h = self.lower.machine, self.dtypes, s["h"]
        steps = -(-self.depth // s["k"])
        tiles = -(-self.m // s["m"]) * -(-self.n // s["n"]) * prod(axis.extent for axis in self.batch[:-1])
        tiles = tiles * -(-self.batch[-1].extent // h) if self.batch else tiles
        rows = h * s["m"] if self.a.along_batch else s["m"]
        columns = h * s["k"] if self.b.along_batch else s["k"]
        in_turn = not machine.overlap  # what other tiles read, too, is in caches then
        loads: Any = transfer_cycles(machine, Pipe.IN, rows * s["k"] * a.size, rows, l2=in_turn)
        bursts: Any = columns if self.packed is None else 1
        own, size = loads, columns * s["n"] * b.size
        loads = own + transfer_cycles(machine, Pipe.IN, size, bursts, l2=in_turn)
        if in_turn:  # so much of l0b stays in the second cache for all rows of a tile
            near = self.depth * self.columns(s["n"]) * b.size <= machine.memories[Memory.L0B] * 3 // 4
            loads = np.where(near, own + transfer_cycles(machine, Pipe.MOV, size, bursts), loads)
        products = self._products(s)
        vector: Any = vector_cycles(machine, "f32", h * s["m"] * s["n"])
        out: Any = transfer_cycles(machine, Pipe.OUT, h * s["m"] * s["n"] * 4, h * s["m"])
        vector = vector * (1 + len(self.epilogue.rest))
        if machine.panel and self.packed is None:  # it is copied into panels
            vector = vector + 2 * vector_cycles(machine, b.name, steps * columns * s["n"])
        made = self.a.cycles(machine, rows * s["k"]) + self.b.cycles(machine, columns * s["n"])
        vector = vector + steps * made
        first = loads + products + vector + out
        if in_turn:
            one = steps * products * self._slower(s) + vector + steps * (UNHIDDEN * loads + TURN) + UNHIDDEN * out
            return (waves(machine, tiles) + tiles / machine.cores) / 2 * one
        return tiles_cycles(machine, waves(machine, tiles), [steps * loads, out], [steps * products, vector], first)

    def _slower(self, s: Sizes) -> Any:
        """What blocks in registers make of a tile's product: sizes that are no multiple of theirs take longer."""
        rows = s["m"] if self.b.along_batch else s["h"] * s["m"]
        ragged = np.where(self.m % s["m"], RAGGED, 1)
        if self.batch:
            ragged = np.where(self.batch[-1].extent % s["h"], RAGGED, ragged)
        return ragged * whole_blocks(rows, max(1, self.panel // self.lower.machine.fractal[1]) if self.panel else BLOCK)

    def _products(self, s: Sizes) -> Any:
        """Cycles of one `mmad`: batch entries that share an operand are more rows or columns of one product."""
        machine, h, n = self.lower.machine, s["h"], self.columns(s["n"])
        # Packed bytes that are no words of four are multiplied one by one.
        dtype = "f32" if self.panel and self.step == 1 and self.dtypes[0].size == 1 else self.dtypes[0].name
        if not self.b.along_batch:
            return matrix_cycles(machine, dtype, h * s["m"], n, s["k"])
        if not self.a.along_batch:
            return matrix_cycles(machine, dtype, s["m"], h * n, s["k"])
        start = machine.startup[Pipe.M]
        one: Any = matrix_cycles(machine, dtype, s["m"], n, s["k"])
        return start + h * (one - start)

    def emit(self) -> None:
        """Build the kernel."""
        lower, builder = self.lower, self.lower.builder
        sizes = self.choose()
        width = self.panel or sizes["n"]
        lower.open({} if self.packed is None else {self.packed: self._pack(width, sizes["n"])})
        tile_sizes = self.tile_sizes(sizes)
        with builder.forall(tile_counts(self.axes, tile_sizes)) as variables:
            tile = lower.cut(self.axes, tile_sizes, variables)
            *batch, m, n = tile
            columns = [n] if self.packed is None else self._panels(n, width)
            whole = replace(n, max=int(self.columns(n.max)))
            acc = make_piece(lower, "acc", Memory.L0C, [*batch, m, whole], self.accumulator)
            if len(columns) > 1:
                acc = Piece(acc.tile, {**acc.strides, PANELS: width})
            trips = -(-self.depth // sizes["k"])
            with builder.loop("k", trips, "reduce") as step:
                start = step * sizes["k"]
                ragged = self.depth % sizes["k"]
                left = builder.minimum(sizes["k"], self.depth - start) if ragged else Poly.of(sizes["k"])
                k = TileAxis(self.k_axis, start, left, sizes["k"])
                a = self.a.load("a", Memory.L0A, [*batch, m, replace(k, beyond=self.depth > self.k)])
                if self.packed is None:
                    b = self.b.load("b", Memory.L0B, [*batch, k, n])
                else:
                    b = self._load_panels(self.packed, k, columns, n.start)
                first, rest = builder.equals(step, 0), self.rest if trips == 1 else 0
                words = replace(k, size=k.size - rest, max=k.max - rest)
                self._multiply(acc, a, b, [*batch, m], columns, words, first)
                if rest:
                    last = replace(k, size=Poly.of(rest), max=rest)
                    self._multiply(acc, a, b, [*batch, m], columns, last, Poly(), words.max)
            self.epilogue.emit(tile, acc.tile, [acc.strides.get(t.axis.name, 0) for t in tile])

    def _panels(self, n: TileAxis, width: int) -> list[TileAxis]:
        """The tile's columns as panels and the columns of one, all of which are computed though some are padding."""
        if not self.panel:
            return [n]
        count, inner = -(-n.max // width), replace(n, size=Poly.of(width), max=width)
        if count == 1:
            return [inner]
        return [TileAxis(IterAxis(PANELS, n.axis.axis, width, count), Poly(), Poly.of(count), count), inner]

    def _pack(self, width: int, tile: int) -> Pack:
        """Constant weights in panels, as many as whole tiles have."""
        columns = -(-self.n // tile) * -(-tile // width) * width
        panels = pack_panels([self.depth], columns, width, [0])

        def apply(weights: NDArray[Any]) -> NDArray[Any]:
            plain = panels.arrange(np.pad(weights, ((0, self.depth - self.k), (0, columns - self.n))).T)
            return np.swapaxes(plain.reshape(-1, self.quad, width), 1, 2).reshape(-1)

        return Pack(panels.extent, apply, panels.note)

    def _load_panels(self, number: int, k: TileAxis, columns: Sequence[TileAxis], start: Poly) -> Piece:
        """Load a part of the packed weights; whole panels are contiguous."""
        arg = self.lower.op.body.block.args[number]
        *panels, n = columns
        buffer = self.lower.builder.alloc("b", Memory.L0B, (*(p.max for p in panels), k.max, n.max), dtype_of(arg))
        base = start * self.depth + k.start * n.max
        pitches = [*(Poly.of(self.depth * n.max) for _ in panels), Poly.of(n.max), ONE]
        self.lower.builder.emit(
            "load",
            [*(p.dim() for p in panels), dim("k", k.size, k.max), dim("n", n.max)],
            {"dst": buffer.view(), "src": View(self.lower.params[arg], tuple(pitches), base)},
            sources=self.lower.source(self.anchor),
        )
        strides = dict(zip([t.axis.name for t in (*panels, k, n)], buffer.strides, strict=True))
        return Piece(buffer, strides | {"n": self.quad})

    def _multiply(
        self, acc: Piece, a: Piece, b: Piece, rows: Sequence[TileAxis], columns: Sequence[TileAxis], k: TileAxis,
        first: Poly, moved: int = 0,
    ) -> None:  # fmt: skip
        """Multiply the k from `moved` on in the tiles."""
        *batch, m = rows
        at = [piece.strides.get("k", 0) * moved for piece in (a, b)]
        dims: list[Dim] = []
        for t in batch:
            shared = (
                Role.M if t.axis.name not in b.strides else Role.N if t.axis.name not in a.strides else Role.PARALLEL
            )
            dims.append(t.dim(shared))
        depth = [k]
        if self.quad > 1:  # b has some k of a column side by side
            inner = TileAxis(IterAxis("ki", k.axis.axis, 1, self.quad), Poly(), Poly.of(self.quad), self.quad)
            count = k.max // self.quad
            depth = [TileAxis(IterAxis("ko", k.axis.axis, self.quad, count), Poly(), Poly.of(count), count), inner]
            pitch = a.strides.get("k", 0)
            a = Piece(a.tile, {**a.strides, "ko": pitch * self.quad, "ki": pitch})
            b = Piece(b.tile, {**b.strides, "ko": b.strides["k"] * self.quad, "ki": 1})
        axes = [*rows, *columns, *depth]
        self.lower.builder.emit(
            "mmad",
            [*dims, m.dim(Role.M), *(t.dim(Role.N) for t in columns), *(t.dim(Role.K) for t in depth)],
            {"dst": acc.view(axes), "a": a.view(axes, at[0]), "b": b.view(axes, at[1])},
            sources=self.lower.source(self.anchor),
            zero=first,
        )


def tile_matmul(lower: KernelLowering) -> None:
    """Tile a kernel whose anchor is a `graph.matmul`."""
    anchor = next(op for op in lower.ops if isinstance(op, graph.MatmulOp))
    MatmulTiling(lower, anchor).emit()
