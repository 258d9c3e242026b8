"""Matrix products: tiles of the output per core, a reduction loop over K, the epilogue on the accumulator.

Several entries of the last batch axis may share a tile: those with a common second operand are more rows of one
product, those with a common first one more columns, all others products side by side.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import numpy as np

from vcc.dialects import graph
from vcc.passes.tile.access import IterAxis, iteration_axes
from vcc.passes.tile.builder import dim
from vcc.passes.tile.chain import TileAxis, dtype_of, tensor_type
from vcc.passes.tile.epilogue import Epilogue
from vcc.passes.tile.lowering import KernelLowering, Pack, pack_panels, tile_counts
from vcc.passes.tile.operand import ProductOperand
from vcc.passes.tile.piece import Piece, make_piece
from vcc.passes.tile.search import Sizes, choose_tile, padded, tile_candidates, waves
from vcc.runtime.isa.dtypes import BY_NAME, DType
from vcc.runtime.isa.expr import ONE, Poly
from vcc.runtime.isa.kernel import Dim, Memory, Pipe, Role, View
from vcc.runtime.isa.table import accumulator_dtype
from vcc.runtime.machine.cost import matrix_cycles, transfer_cycles, vector_cycles


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

    def choose(self) -> dict[str, int]:
        """The tile sizes m, n and k, and h entries of the last batch axis, which small matrices share a tile with."""
        fm, fn, fk = self.lower.machine.fractal
        candidates = {
            "h": tile_candidates(self.batch[-1].extent, 1, 64) if self.batch else [1],
            "m": tile_candidates(self.m, fm),
            "n": tile_candidates(self.n, fn),
            "k": tile_candidates(self.k, fk),
        }
        return choose_tile(
            self.lower.machine, candidates, self.footprint, self.cost, node=self.lower.node, what="a matrix product"
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
            Memory.L0B: slots * padded(heads[1] * s["k"] * s["n"] * b.size),
            Memory.L0C: s["h"] * s["m"] * s["n"] * self.accumulator.size,
            Memory.UB: self.epilogue.nbytes(self.tile_sizes(s), slots)
            + self.a.nbytes(sizes, slots)
            + self.b.nbytes(sizes, slots),
        }

    def cost(self, s: Sizes) -> Any:
        """Cycles of the busiest core."""
        machine, (a, b), h = self.lower.machine, self.dtypes, s["h"]
        steps = -(-self.k // s["k"])
        tiles = -(-self.m // s["m"]) * -(-self.n // s["n"]) * prod(axis.extent for axis in self.batch[:-1])
        tiles = tiles * -(-self.batch[-1].extent // h) if self.batch else tiles
        rows = h * s["m"] if self.a.along_batch else s["m"]
        packed = self.b.packable is not None
        columns = h * s["k"] if self.b.along_batch else s["k"]
        loads: Any = transfer_cycles(machine, Pipe.IN, rows * s["k"] * a.size, rows)
        loads = loads + transfer_cycles(machine, Pipe.IN, columns * s["n"] * b.size, 1 if packed else columns)
        products = self._products(s)
        vector: Any = vector_cycles(machine, "f32", h * s["m"] * s["n"])
        out: Any = transfer_cycles(machine, Pipe.OUT, h * s["m"] * s["n"] * 4, h * s["m"])
        vector = vector * (1 + len(self.epilogue.rest))
        made = self.a.cycles(machine, rows * s["k"]) + self.b.cycles(machine, columns * s["n"])
        vector = vector + steps * made
        one = np.maximum(np.maximum(steps * loads, steps * products), np.maximum(vector, out))
        return waves(machine, tiles) * one + loads + products + vector + out

    def _products(self, s: Sizes) -> Any:
        """Cycles of one `mmad`: batch entries that share an operand are more rows or columns of one product."""
        machine, dtype, h = self.lower.machine, self.dtypes[0].name, s["h"]
        if not self.b.along_batch:
            return matrix_cycles(machine, dtype, h * s["m"], s["n"], s["k"])
        if not self.a.along_batch:
            return matrix_cycles(machine, dtype, s["m"], h * s["n"], s["k"])
        start = machine.startup[Pipe.M]
        one: Any = matrix_cycles(machine, dtype, s["m"], s["n"], s["k"])
        return start + h * (one - start)

    def emit(self) -> None:
        """Build the kernel."""
        lower, builder = self.lower, self.lower.builder
        sizes = self.choose()
        number, packs = self._pack(sizes["n"])
        lower.open(packs)
        tile_sizes = self.tile_sizes(sizes)
        with builder.forall(tile_counts(self.axes, tile_sizes)) as variables:
            tile = lower.cut(self.axes, tile_sizes, variables)
            *batch, m, n = tile
            acc = make_piece(lower, "acc", Memory.L0C, tile, self.accumulator)
            trips = -(-self.k // sizes["k"])
            with builder.loop("k", trips, "reduce") as step:
                start = step * sizes["k"]
                left = builder.minimum(sizes["k"], self.k - start) if self.k % sizes["k"] else Poly.of(sizes["k"])
                k = TileAxis(self.k_axis, start, left, sizes["k"])
                a = self.a.load("a", Memory.L0A, [*batch, m, k])
                b = (
                    self._load_panel(number, k, n)
                    if number is not None
                    else self.b.load("b", Memory.L0B, [*batch, k, n])
                )
                self._multiply(acc, a, b, [*tile, k], builder.equals(step, 0))
            self.epilogue.emit(tile, acc.tile, [acc.strides.get(t.axis.name, 0) for t in tile])

    def _pack(self, width: int) -> tuple[int | None, dict[int, Pack]]:
        """Constant weights without batch axes are stored in panels of the tile's width."""
        number = self.b.packable
        if number is None or len(tensor_type(self.anchor.b).get_shape()) != 2:
            return None, {}
        panels = pack_panels([self.k], self.n, width, [0])
        transposed = Pack(panels.extent, lambda w: panels.apply(w.T), panels.note)
        return number, {number: transposed}

    def _load_panel(self, number: int, k: TileAxis, n: TileAxis) -> Piece:
        """Load a part of a panel of the packed weights, which is contiguous."""
        arg = self.lower.op.body.block.args[number]
        buffer = self.lower.builder.alloc("b", Memory.L0B, (k.max, n.max), dtype_of(arg))
        base = n.start * self.k + k.start * n.max
        self.lower.builder.emit(
            "load",
            [dim("k", k.size, k.max), dim("n", n.max)],
            {"dst": buffer.view(), "src": View(self.lower.params[arg], (Poly.of(n.max), ONE), base)},
            sources=self.lower.source(self.anchor),
        )
        return Piece(buffer, {"k": n.max, "n": 1})

    def _multiply(self, acc: Piece, a: Piece, b: Piece, axes: Sequence[TileAxis], first: Poly) -> None:
        *batch, m, n, k = axes
        dims: list[Dim] = []
        for t in batch:
            shared = (
                Role.M if t.axis.name not in b.strides else Role.N if t.axis.name not in a.strides else Role.PARALLEL
            )
            dims.append(t.dim(shared))
        self.lower.builder.emit(
            "mmad",
            [*dims, m.dim(Role.M), n.dim(Role.N), k.dim(Role.K)],
            {"dst": acc.view(axes), "a": a.view(axes), "b": b.view(axes)},
            sources=self.lower.source(self.anchor),
            zero=first,
        )


def tile_matmul(lower: KernelLowering) -> None:
    """Tile a kernel whose anchor is a `graph.matmul`."""
    anchor = next(op for op in lower.ops if isinstance(op, graph.MatmulOp))
    MatmulTiling(lower, anchor).emit()
