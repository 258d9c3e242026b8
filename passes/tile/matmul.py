"""Matrix products: tiles of the output per core, a reduction loop over K, the epilogue on the accumulator."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from xdsl.ir import SSAValue

from vcc.dialects import graph
from vcc.passes.tile.access import Access, IterAxis, iteration_axes
from vcc.passes.tile.builder import Tile, dim
from vcc.passes.tile.chain import TileAxis, dtype_of, tensor_type
from vcc.passes.tile.epilogue import Epilogue
from vcc.passes.tile.lowering import KernelLowering, Pack, pack_panels, tile_counts
from vcc.passes.tile.search import Sizes, choose_tile, tile_candidates, waves
from vcc.runtime.isa.dtypes import BY_NAME, DType
from vcc.runtime.isa.expr import ONE, Poly
from vcc.runtime.isa.kernel import Memory, Pipe, Role, View
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

    def choose(self) -> dict[str, int]:
        """The tile sizes m, n and k."""
        fm, fn, fk = self.lower.machine.fractal
        candidates = {
            "m": tile_candidates(self.m, fm),
            "n": tile_candidates(self.n, fn),
            "k": tile_candidates(self.k, fk),
        }
        return choose_tile(
            self.lower.machine, candidates, self.footprint, self.cost, node=self.lower.node, what="a matrix product"
        )

    def footprint(self, s: Sizes, slots: int) -> dict[Memory, Any]:
        """Bytes of each memory."""
        a, b = self.dtypes
        ones = [1] * len(self.batch)
        return {
            Memory.L0A: slots * s["m"] * s["k"] * a.size,
            Memory.L0B: slots * s["k"] * s["n"] * b.size,
            Memory.L0C: s["m"] * s["n"] * self.accumulator.size,
            Memory.UB: self.epilogue.nbytes([*ones, s["m"], s["n"]], slots),
        }

    def cost(self, s: Sizes) -> Any:
        """Cycles of the busiest core."""
        machine, (a, b) = self.lower.machine, self.dtypes
        steps = -(-self.k // s["k"])
        tiles = prod(axis.extent for axis in self.batch) * -(-self.m // s["m"]) * -(-self.n // s["n"])
        loads: Any = transfer_cycles(machine, Pipe.IN, s["m"] * s["k"] * a.size, s["m"])
        loads = loads + transfer_cycles(machine, Pipe.IN, s["k"] * s["n"] * b.size)
        products: Any = matrix_cycles(machine, a.name, s["m"], s["n"], s["k"])
        vector: Any = vector_cycles(machine, "f32", s["m"] * s["n"])
        out: Any = transfer_cycles(machine, Pipe.OUT, s["m"] * s["n"] * 4, s["m"])
        vector = vector * (1 + len(self.epilogue.rest))
        one = np.maximum(np.maximum(steps * loads, steps * products), np.maximum(vector, out))
        return waves(machine, tiles) * one + loads + products + vector + out

    def emit(self) -> None:
        """Build the kernel."""
        lower, builder = self.lower, self.lower.builder
        sizes = self.choose()
        pack = self._pack(sizes["n"])
        lower.open(pack[1])
        tile_sizes = [*(1 for _ in self.batch), sizes["m"], sizes["n"]]
        with builder.forall(tile_counts(self.axes, tile_sizes)) as variables:
            tile = lower.cut(self.axes, tile_sizes, variables)
            acc = builder.alloc("acc", Memory.L0C, (sizes["m"], sizes["n"]), self.accumulator)
            trips = -(-self.k // sizes["k"])
            with builder.loop("k", trips, "reduce") as step:
                start = step * sizes["k"]
                left = builder.minimum(sizes["k"], self.k - start) if self.k % sizes["k"] else Poly.of(sizes["k"])
                k = TileAxis(self.k_axis, start, left, sizes["k"])
                a = self._load("a", self.anchor.a, Memory.L0A, [tile[-2], k], tile)
                if pack[0] is None:
                    b = self._load("b", self.anchor.b, Memory.L0B, [k, tile[-1]], tile)
                else:
                    b = self._load_panel(pack[0], k, tile[-1])
                self._multiply(acc, a, b, [tile[-2], tile[-1], k], builder.equals(step, 0))
            strides = [*(0 for _ in self.batch), sizes["n"], 1]
            self.epilogue.emit(tile, acc, strides)

    def _pack(self, width: int) -> tuple[int | None, dict[int, Pack]]:
        """Constant weights without batch axes are stored in panels of the tile's width."""
        number = self.lower.is_packable(self.anchor.b)
        if number is None or len(tensor_type(self.anchor.b).get_shape()) != 2:
            return None, {}
        panels = pack_panels([self.k], self.n, width, [0])
        transposed = Pack(panels.extent, lambda w: panels.apply(w.T), panels.note)
        return number, {number: transposed}

    def _load(self, name: str, value: SSAValue, memory: Memory, dims: list[TileAxis], tile: list[TileAxis]) -> Tile:
        """Load a tile of an operand whose last two axes are `dims`."""
        arg, access = self.lower.access(value)
        batch = [axis.extent for axis in self.batch]
        rank = len(access.terms)
        whole = access.broadcast_to([*batch[len(batch) - (rank - 2) :], *(t.axis.extent for t in dims)])
        whole = whole.broadcast_to([*batch, *(t.axis.extent for t in dims)])
        order = [*tile[: len(batch)], *dims]
        strides, base = self._strides(whole, order)
        buffer = self.lower.builder.alloc(name, memory, [t.max for t in dims], dtype_of(value))
        self.lower.builder.emit(
            "load",
            [dim(t.axis.name, t.size, t.max, valid=_interval(whole, len(batch) + i, t)) for i, t in enumerate(dims)],
            {"dst": buffer.view(), "src": View(self.lower.params[arg], tuple(strides[len(batch) :]), base)},
            sources=self.lower.view_sources(value) + self.lower.source(self.anchor),
            fill=whole.fill,
        )
        return buffer

    @staticmethod
    def _strides(access: Access, order: list[TileAxis]) -> tuple[list[Poly], Poly]:
        base = Poly.of(access.base)
        strides: list[Poly] = []
        for position, t in enumerate(order):
            stride = access.stride(IterAxis(t.axis.name, position, t.axis.step, t.axis.extent))
            assert stride is not None, "matrix operands are row-major"
            strides.append(Poly.of(stride))
            base = base + t.start * stride
        return strides, base

    def _load_panel(self, number: int, k: TileAxis, n: TileAxis) -> Tile:
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
        return buffer

    def _multiply(self, acc: Tile, a: Tile, b: Tile, dims: list[TileAxis], first: Poly) -> None:
        m, n, k = dims
        self.lower.builder.emit(
            "mmad",
            [m.dim(Role.M), n.dim(Role.N), k.dim(Role.K)],
            {
                "dst": acc.view([n.max, 1, 0]),
                "a": a.view([k.max, 0, 1]),
                "b": b.view([0, 1, n.max]),
            },
            sources=self.lower.source(self.anchor),
            zero=first,
        )


def _interval(access: Access, axis: int, t: TileAxis) -> tuple[Poly, Poly] | None:
    interval = access.valid[axis]
    return None if interval is None else (interval[0] - t.start, interval[1] - t.start)


def tile_matmul(lower: KernelLowering) -> None:
    """Tile a kernel whose anchor is a `graph.matmul`."""
    anchor = next(op for op in lower.ops if isinstance(op, graph.MatmulOp))
    MatmulTiling(lower, anchor).emit()
