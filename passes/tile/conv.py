"""Convolution as a matrix product: an unfolded view of the input (im2col) times weights in panels.

Rows are output positions, columns output channels; K runs over channel blocks (the reduction loop), the window and the
channels of a block. Groups are part of the parallel loop nest.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vcc.dialects import graph
from vcc.passes.tile.access import block_of, iteration_axes
from vcc.passes.tile.builder import Tile, dim, row_major
from vcc.passes.tile.chain import TileAxis, dtype_of, tensor_type
from vcc.passes.tile.epilogue import Epilogue
from vcc.passes.tile.lowering import KernelLowering, Pack, tile_counts
from vcc.passes.tile.search import Sizes, choose_tile, divisors, tile_candidates, waves
from vcc.passes.tile.window import WindowInput, channel_block
from vcc.runtime.isa.dtypes import BY_NAME
from vcc.runtime.isa.expr import ONE, ZERO, Poly
from vcc.runtime.isa.kernel import Dim, Memory, Pipe, Role, View
from vcc.runtime.isa.table import accumulator_dtype
from vcc.runtime.machine.cost import matrix_cycles, transfer_cycles, vector_cycles

SPATIAL = ("d", "h", "w")


class ConvTiling:
    """The tile search and the code of one `graph.conv` with its epilogue."""

    def __init__(self, lower: KernelLowering, anchor: graph.ConvOp):
        self.lower, self.anchor = lower, anchor
        self.window = anchor.window
        self.group = anchor.group.value.data
        weight, out = tensor_type(anchor.w).get_shape(), tensor_type(anchor.result)
        self.columns, self.depth = weight[0] // self.group, weight[1]
        spatial = SPATIAL[-len(self.window.kernel) :]
        block = block_of(out)
        fits = block is not None and self.columns % block[1] == 0
        self.axes = iteration_axes(out, ["n", "o", *(f"o{s}" for s in spatial)])
        self.out_block = block[1] if block is not None and fits else 1
        assert block is None or fits, "the layout of a grouped convolution's output fits its groups"
        self.x = WindowInput(
            lower, anchor, anchor.x, self.window, channel_block(lower, anchor, anchor.x, self.depth), 0.0
        )
        self.blocks = self.depth // self.x.block
        dtypes = dtype_of(anchor.x).name, dtype_of(anchor.w).name
        self.dtype = dtype_of(anchor.w)
        lower.check_product(self.dtype)
        self.accumulator = BY_NAME[accumulator_dtype(*dtypes) or "f32"]
        self.epilogue = Epilogue(lower, anchor, self.axes, self.accumulator, anchor.bias, 1)
        self.spatial = [axis for axis in self.axes if axis.axis >= 2]
        self.taps = prod(self.window.kernel)
        self.kernel_names = [f"k{name}" for name in spatial]

    def choose(self) -> dict[str, int]:
        """Tile sizes: output rows and columns of positions, output channels, channel blocks per step."""
        fm, fn, _ = self.lower.machine.fractal
        candidates = {axis.name: tile_candidates(axis.extent) for axis in self.spatial[:-1]}
        candidates[self.spatial[-1].name] = tile_candidates(self.spatial[-1].extent, fm)
        widths = tile_candidates(self.columns, max(fn, self.out_block))
        candidates["o"] = [w for w in widths if w % self.out_block == 0] or [self.columns]
        candidates["c"] = divisors(self.blocks)
        for name, taps in zip(self.kernel_names, self.window.kernel, strict=True):
            # A part of a large window at a time; of a small one that would only multiply the steps.
            candidates[name] = divisors(taps) if self.taps * self.x.block > 32 else [taps]
        return choose_tile(
            self.lower.machine, candidates, self.footprint, self.cost, node=self.lower.node, what="a convolution"
        )

    def sizes_of(self, s: Sizes) -> tuple[Any, Any, Any]:
        """Output positions, input positions and K of a product."""
        rows: Any = 1
        positions: Any = 1
        for i, axis in enumerate(self.spatial):
            rows = rows * s[axis.name]
            positions = positions * self.x.span(i, s[axis.name])
        k: Any = s["c"] * self.x.block
        for name in self.kernel_names:
            k = k * s[name]
        return rows, positions, k

    def tile_sizes(self, s: Sizes) -> list[Any]:
        """The size along every loop of the output."""
        by_name = {"n": 1, "o": s["o"], "oo": s["o"] // self.out_block, "oi": self.out_block}
        return [by_name[a.name] if a.name in by_name else s[a.name] for a in self.axes]

    def footprint(self, s: Sizes, slots: int) -> dict[Memory, Any]:
        """Bytes of each memory."""
        rows, _, k = self.sizes_of(s)
        x, w = self.x.dtype.size, self.dtype.size
        spans = [self.x.span(i, s[axis.name]) for i, axis in enumerate(self.spatial)]
        loaded = self.x.nbytes(Memory.L1, s["c"], spans, slots)
        return {
            Memory.L1: loaded.get(Memory.L1, 0),
            Memory.L0A: slots * rows * k * x,
            Memory.L0B: slots * k * s["o"] * w,
            Memory.L0C: rows * s["o"] * self.accumulator.size,
            Memory.UB: self.epilogue.nbytes(self.tile_sizes(s), slots) + loaded.get(Memory.UB, 0),
        }

    def cost(self, s: Sizes) -> Any:
        """Cycles of the busiest core."""
        machine = self.lower.machine
        rows, positions, k = self.sizes_of(s)
        steps = self.blocks // s["c"]
        parts: Any = 1
        for name, taps in zip(self.kernel_names, self.window.kernel, strict=True):
            parts = parts * (taps // s[name])
        tiles: Any = self.axes[0].extent * self.group * -(-self.columns // s["o"])
        for axis in self.spatial:
            tiles = tiles * -(-axis.extent // s[axis.name])
        x, w = self.x.dtype.size, self.dtype.size
        loads: Any = transfer_cycles(machine, Pipe.IN, s["c"] * positions * self.x.block * x)
        loads = loads + parts * transfer_cycles(machine, Pipe.IN, k * s["o"] * w)
        moves: Any = parts * transfer_cycles(machine, Pipe.MOV, rows * k * x)
        products: Any = parts * matrix_cycles(machine, self.dtype.name, rows, s["o"], k)
        vector: Any = vector_cycles(machine, "f32", rows * s["o"])
        vector = vector * (1 + len(self.epilogue.rest))
        vector = vector + steps * self.x.prologue_cycles(machine, s["c"] * positions * self.x.block)
        out: Any = transfer_cycles(machine, Pipe.OUT, rows * s["o"] * 4)
        step = np.maximum(np.maximum(loads, moves), products)
        one = np.maximum(np.maximum(steps * step, vector), out)
        return waves(machine, tiles) * one + loads + moves + products + vector + out

    def emit(self) -> None:
        """Build the kernel."""
        lower, builder = self.lower, self.lower.builder
        sizes = self.choose()
        number = lower.is_packable(self.anchor.w)
        packs = {} if number is None else {number: self._pack(sizes["o"])}
        lower.open(packs)
        tile_sizes = self.tile_sizes({name: np.asarray(value) for name, value in sizes.items()})
        tile_sizes = [int(size) for size in tile_sizes]
        counts = tile_counts(self.axes, tile_sizes)
        column = "oo" if "oo" in counts else "o"
        counts[column] = -(-self.columns // sizes["o"])
        counts = {"g": self.group, **counts}
        with builder.forall(counts) as variables:
            tile = self._tile(tile_sizes, variables)
            spatial = [t for t in tile if t.axis.axis >= 2]
            acc = builder.alloc("acc", Memory.L0C, [*(t.max for t in spatial), sizes["o"]], self.accumulator)
            with builder.loop("c", self.blocks // sizes["c"], "reduce") as step:
                self._step(acc, tile, sizes, step, variables, number)
            self.epilogue.emit(tile, acc, self._accumulator_strides(tile, acc))

    def _tile(self, sizes: list[int], variables: dict[str, Poly]) -> list[TileAxis]:
        """The output tile; output channels start at the group's first."""
        tile: list[TileAxis] = []
        for t in self.lower.cut(self.axes, sizes, {k: v for k, v in variables.items() if k not in ("o", "oo")}):
            if t.axis.axis == 1 and t.axis.name != "oi":
                width = self.columns // t.axis.step
                start = variables[t.axis.name] * t.max
                left = self.lower.builder.minimum(t.max, width - start) if width % t.max else Poly.of(t.max)
                t = TileAxis(t.axis, variables["g"] * width + start, left, t.max)
            tile.append(t)
        return tile

    def _accumulator_strides(self, tile: list[TileAxis], acc: Tile) -> list[int]:
        """Strides of the accumulator [spatial..., channels] over the output's loops."""
        spatial = iter(acc.strides)
        strides: list[int] = []
        for t in tile:
            if t.axis.axis == 0:
                strides.append(0)
            elif t.axis.axis == 1:
                strides.append(t.axis.step if t.axis.name == "oo" else 1)
            else:
                strides.append(next(spatial))
        return strides

    def _pack(self, width: int) -> Pack:
        """Weights [M, C, kernel] as [group, panel, channel block, kernel, channel, column]."""
        block, blocks, taps, columns, group = self.x.block, self.blocks, self.taps, self.columns, self.group
        panels = -(-columns // width)

        def apply(array: NDArray[Any]) -> NDArray[Any]:
            table = array.reshape(group, columns, blocks, block, taps)
            if panels * width != columns:
                padding = np.zeros((group, panels * width - columns, blocks, block, taps), table.dtype)
                table = np.concatenate([table, padding], axis=1)
            split = table.reshape(group, panels, width, blocks, block, taps)
            return np.ascontiguousarray(split.transpose(0, 1, 3, 5, 4, 2)).reshape(-1)

        kernel = "x".join(map(str, self.window.kernel))
        note = f"conv weights in panels of {width}: [{group}, {panels}, {blocks}, {kernel}, {block}, {width}]"
        return Pack(group * panels * blocks * taps * block * width, apply, note)

    def _step(
        self, acc: Tile, tile: list[TileAxis], sizes: dict[str, int], step: Poly, variables: dict[str, Poly],
        packed: int | None,
    ) -> None:  # fmt: skip
        """One step over the channel blocks: load the input once, and take the window's parts one after the other."""
        spatial = [t for t in tile if t.axis.axis >= 2]
        image = next(t.start for t in tile if t.axis.axis == 0)
        blocks = sizes["c"]
        first = variables["g"] * self.blocks + step * blocks
        sources = self.lower.source(self.anchor)
        x = self.x.load(Memory.L1, spatial, image, first, Poly.of(blocks), blocks, sources)
        parts = [sizes[name] for name in self.kernel_names]
        with ExitStack() as loops:
            corner: list[Poly] = []
            for name, taps, part in zip(self.kernel_names, self.window.kernel, parts, strict=True):
                corner.append(loops.enter_context(self.lower.builder.loop(name, taps // part, "reduce")) * part)
            a = self._unfold(x, spatial, blocks, parts, corner)
            w = self._load_weights(sizes, step, tile, variables, packed, corner)
            start = step
            for offset in corner:
                start = start + offset
            self._multiply(acc, a, w, tile, [blocks, *parts], self.lower.builder.equals(start, 0))

    def _unfold(
        self, x: Tile, spatial: list[TileAxis], blocks: int, parts: Sequence[int], corner: Sequence[Poly]
    ) -> Tile:
        """Move the input positions of every output position to l0a: [output..., blocks, window part..., channel]."""
        builder, rank = self.lower.builder, len(parts)
        unfolded = builder.alloc(
            "a", Memory.L0A, [*(t.max for t in spatial), blocks, *parts, self.x.block], self.x.dtype
        )
        inside = [dim("c", blocks), *self._kernel_dims(parts, Role.PARALLEL), dim("ci", self.x.block)]
        along = [x.strides[1 + i] * self.window.strides[i] for i in range(rank)]
        across = [x.strides[1 + i] * self.window.dilations[i] for i in range(rank)]
        base = ZERO
        for offset, stride in zip(corner, across, strict=True):
            base = base + offset * stride
        builder.emit(
            "mov",
            [*(t.dim() for t in spatial), *inside],
            {"dst": unfolded.view(), "src": x.view([*along, x.strides[0], *across, 1], base)},
            sources=self.lower.source(self.anchor),
        )
        return unfolded

    def _kernel_dims(self, parts: Sequence[int], role: Role) -> list[Dim]:
        return [dim(name, size, role=role) for name, size in zip(self.kernel_names, parts, strict=True)]

    def _load_weights(
        self, sizes: dict[str, int], step: Poly, tile: list[TileAxis], variables: dict[str, Poly], packed: int | None,
        corner: Sequence[Poly],
    ) -> Tile:  # fmt: skip
        """Load [blocks, window part, channel, column] of the weights."""
        builder, kernel, blocks = self.lower.builder, self.window.kernel, sizes["c"]
        parts = [sizes[name] for name in self.kernel_names]
        w = builder.alloc("w", Memory.L0B, [blocks, *parts, self.x.block, sizes["o"]], self.dtype)
        dims = [dim("c", blocks), *self._kernel_dims(parts, Role.PARALLEL), dim("ci", self.x.block)]
        arg, access = self.lower.access(self.anchor.w)
        column = next(t for t in tile if t.axis.axis == 1)
        if packed is not None:
            panel = variables["g"] * -(-self.columns // sizes["o"]) + variables[column.axis.name]
            strides = row_major([self.blocks, *kernel, self.x.block, sizes["o"]])
            base = panel * (self.blocks * strides[0])
            dims.append(dim("o", sizes["o"]))
        else:
            width = column.size * column.axis.step
            dims.append(dim("o", width, column.max * column.axis.step))
            outer, inner, *taps = (terms[0][1] for terms in access.terms)
            strides = [self.x.block * inner, *taps, inner, outer]
            base = column.start * (column.axis.step * outer) + access.base
        base = base + step * (blocks * strides[0])
        for offset, stride in zip(corner, strides[1:], strict=False):
            base = base + offset * stride
        view = View(self.lower.params[arg], tuple(map(Poly.of, strides)), base)
        sources = self.lower.view_sources(self.anchor.w) + self.lower.source(self.anchor)
        builder.emit("load", dims, {"dst": w.view(), "src": view}, sources=sources)
        return w

    def _multiply(self, acc: Tile, a: Tile, w: Tile, tile: list[TileAxis], sizes: Sequence[int], first: Poly) -> None:
        """The product of the unfolded input and the weights, over K = (block, window part, channel)."""
        spatial = [t for t in tile if t.axis.axis >= 2]
        columns = [t for t in tile if t.axis.axis == 1]
        inner = [dim("c", sizes[0], role=Role.K), *self._kernel_dims(sizes[1:], Role.K)]
        inner.append(dim("ci", self.x.block, role=Role.K))
        count, rank = len(spatial), len(columns)
        steps = [t.axis.step if len(columns) == 2 else 1 for t in columns]
        self.lower.builder.emit(
            "mmad",
            [*(t.dim(Role.M) for t in spatial), *(t.dim(Role.N) for t in columns), *inner],
            {
                "dst": acc.view([*acc.strides[:count], *steps, *(ONE * 0 for _ in inner)]),
                "a": a.view([*a.strides[:count], *(0 for _ in range(rank)), *a.strides[count:]]),
                "b": w.view([*(0 for _ in range(count)), *steps, *w.strides[:-1]]),
            },
            sources=self.lower.source(self.anchor),
            zero=first,
        )


def tile_conv(lower: KernelLowering) -> None:
    """Tile a kernel whose anchor is a `graph.conv`."""
    anchor = next(op for op in lower.ops if isinstance(op, graph.ConvOp))
    ConvTiling(lower, anchor).emit()
