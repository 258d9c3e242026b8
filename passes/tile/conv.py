"""Convolution as a matrix product: an unfolded view of the input (im2col) times weights in panels.

Rows are output positions, columns output channels; K runs over channel blocks (the reduction loop), the window and the
channels of a block. Groups are part of the parallel loop nest. The input of a tile is loaded once, padding included,
for all channels and several panels of output channels, or in each step where that would not fit.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from functools import cached_property
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vcc.dialects import graph
from vcc.passes.tile.access import IterAxis, block_of, iteration_axes
from vcc.passes.tile.builder import Tile, dim, row_major
from vcc.passes.tile.chain import TileAxis, dtype_of, tensor_type
from vcc.passes.tile.conv_quads import QUAD, Along, find_quads
from vcc.passes.tile.conv_tiles import ConvTiles
from vcc.passes.tile.epilogue import Epilogue
from vcc.passes.tile.lowering import KernelLowering, Pack, tile_counts
from vcc.passes.tile.window import WindowInput
from vcc.runtime.isa.dtypes import BY_NAME
from vcc.runtime.isa.expr import ONE, ZERO, Poly
from vcc.runtime.isa.kernel import Dim, Memory, Role, View
from vcc.runtime.isa.table import accumulator_dtype

SPATIAL = ("d", "h", "w")


class ConvTiling:
    """The code of one `graph.conv` with its epilogue."""

    def __init__(self, lower: KernelLowering, anchor: graph.ConvOp):
        self.lower, self.anchor = lower, anchor
        self.quads = find_quads(lower, anchor)
        self.window = self.quads.window
        self.group = anchor.group.value.data
        weight, out = tensor_type(anchor.w).get_shape(), tensor_type(anchor.result)
        self.columns, depth = weight[0] // self.group, weight[1]
        spatial = SPATIAL[-len(self.window.kernel) :]
        block = block_of(out)
        fits = block is not None and self.columns % block[1] == 0
        self.axes = iteration_axes(out, ["n", "o", *(f"o{s}" for s in spatial)])
        assert block is None or fits, "the layout of a grouped convolution's output fits its groups"
        self.x = WindowInput(
            lower, anchor, anchor.x, self.window, self.quads.block, anchor.fill, gathers=self.quads.gathers
        )
        self.blocks = max(1, depth // self.x.block)
        dtypes = dtype_of(anchor.x).name, dtype_of(anchor.w).name
        self.dtype = dtype_of(anchor.w)
        lower.check_product(self.dtype)
        self.accumulator = BY_NAME[accumulator_dtype(*dtypes) or "f32"]
        self.epilogue = Epilogue(lower, anchor, self.axes, self.accumulator, anchor.bias, 1)
        self.tiles = ConvTiles(
            lower.machine, self.window, self.x, self.axes, self.epilogue, self.group, self.columns, self.blocks,
            block[1] if block is not None else 1, self.dtype, self.accumulator,
            QUAD if self.quads.along is Along.ROW else 1,
        )  # fmt: skip
        self.taps = prod(self.window.kernel)
        self.kernel_names = self.tiles.kernel_names

    @cached_property
    def sizes(self) -> dict[str, int]:
        """The tile sizes, see `ConvTiles.choose`."""
        return self.tiles.choose(self.lower.node)

    @property
    def cycles(self) -> float:
        """Cycles of the busiest core."""
        return float(self.tiles.cost({name: np.asarray(size) for name, size in self.sizes.items()}))

    def emit(self) -> None:
        """Build the kernel."""
        lower, builder = self.lower, self.lower.builder
        sizes = self.sizes
        number = lower.is_packable(self.anchor.w)
        packs = {} if number is None else {number: self._pack(sizes["o"])}
        lower.open(packs)
        tile_sizes = self.tiles.tile_sizes({name: np.asarray(value) for name, value in sizes.items()})
        tile_sizes = [int(size) for size in tile_sizes]
        counts = tile_counts(self.axes, tile_sizes)
        column, shared = "oo" if "oo" in counts else "o", max(1, sizes["p"])
        counts[column] = -(-self.columns // sizes["o"]) // shared
        counts = {"g": self.group, **counts}
        with builder.forall(counts) as variables:
            places = self._places(tile_sizes, variables)
            whole = self._load_input(places, variables["g"], ZERO, self.blocks) if sizes["p"] else None
            with builder.loop("p", shared, "parallel") as panel:
                variables[column] = variables[column] * shared + panel
                tile = [places.get(axis.name) or self._channels(axis, size, variables)
                        for axis, size in zip(self.axes, tile_sizes, strict=True)]  # fmt: skip
                spatial = [t for t in tile if t.axis.axis >= 2]
                acc = builder.alloc("acc", Memory.L0C, [*(t.max for t in spatial), sizes["o"]], self.accumulator)
                with builder.loop("c", self.blocks // sizes["c"], "reduce") as step:
                    self._step(acc, tile, sizes, step, variables, number, whole)
                self.epilogue.emit(tile, acc, self._accumulator_strides(tile, acc))

    def _places(self, sizes: list[int], variables: dict[str, Poly]) -> dict[str, TileAxis]:
        """The tile along the images and the spatial axes, by name."""
        kept = [(axis, size) for axis, size in zip(self.axes, sizes, strict=True) if axis.axis != 1]
        cut = self.lower.cut([axis for axis, _ in kept], [size for _, size in kept], variables)
        return {t.axis.name: t for t in cut}

    def _channels(self, axis: IterAxis, size: int, variables: dict[str, Poly]) -> TileAxis:
        """The tile along a loop over output channels, which start at the group's first."""
        if axis.name == "oi":
            return TileAxis(axis, ZERO, Poly.of(size), size)
        width = self.columns // axis.step
        start = variables[axis.name] * size
        left = self.lower.builder.minimum(size, width - start) if width % size else Poly.of(size)
        return TileAxis(axis, variables["g"] * width + start, left, size)

    def _load_input(self, places: dict[str, TileAxis], group: Poly, first: Poly, blocks: int) -> Tile:
        """Load what the tile needs of `blocks` channel blocks from the group's block `first`."""
        spatial = [t for t in places.values() if t.axis.axis >= 2]
        return self.x.load(
            Memory.L1, spatial, places["n"].start, group * self.blocks + first, Poly.of(blocks), blocks,
            self.lower.source(self.anchor),
        )  # fmt: skip

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
        """Weights [M, C, kernel] as [group, panel, channel block, kernel, channel, column]; of bytes in fours."""
        block, blocks, taps, columns, group = self.x.block, self.blocks, self.taps, self.columns, self.group
        panels, quad = -(-columns // width), 1 if self.quads.along is Along.NOTHING else QUAD
        wider = self.window.kernel[-1] - self.anchor.window.kernel[-1]

        def apply(array: NDArray[Any]) -> NDArray[Any]:
            more = blocks * block - array.shape[1]
            array = np.pad(array, [(0, 0), (0, more), *[(0, 0)] * (array.ndim - 3), (0, wider)])
            table = array.reshape(group, columns, blocks, block, taps)
            if panels * width != columns:
                padding = np.zeros((group, panels * width - columns, blocks, block, taps), table.dtype)
                table = np.concatenate([table, padding], axis=1)
            split = table.reshape(group, panels, width, blocks, block, taps)
            panel = split.transpose(0, 1, 3, 5, 4, 2).reshape(-1, quad, width)
            return np.ascontiguousarray(panel.swapaxes(1, 2)).reshape(-1)

        kernel = "x".join(map(str, self.window.kernel))
        note = f"conv weights in panels of {width}: [{group}, {panels}, {blocks}, {kernel}, {block}, {width}]"
        return Pack(group * panels * blocks * taps * block * width, apply, note)

    def _step(
        self, acc: Tile, tile: list[TileAxis], sizes: dict[str, int], step: Poly, variables: dict[str, Poly],
        packed: int | None, whole: Tile | None,
    ) -> None:  # fmt: skip
        """One step over the channel blocks: take the window's parts one after the other; load the input if need be."""
        spatial = [t for t in tile if t.axis.axis >= 2]
        blocks = sizes["c"]
        x = whole or self._load_input({t.axis.name: t for t in tile}, variables["g"], step * blocks, blocks)
        parts = [sizes[name] for name in self.kernel_names]
        with ExitStack() as loops:
            corner: list[Poly] = []
            for name, taps, part in zip(self.kernel_names, self.window.kernel, parts, strict=True):
                corner.append(loops.enter_context(self.lower.builder.loop(name, taps // part, "reduce")) * part)
            a = self._unfold(x, spatial, blocks, parts, corner, step * blocks if whole else ZERO)
            w = self._load_weights(sizes, step, tile, variables, packed, corner)
            start = step
            for offset in corner:
                start = start + offset
            self._multiply(acc, a, w, tile, [blocks, *parts], self.lower.builder.equals(start, 0))

    def _unfold(
        self, x: Tile, spatial: list[TileAxis], blocks: int, parts: Sequence[int], corner: Sequence[Poly], first: Poly
    ) -> Tile:
        """Move the input positions of every output position to l0a: [output..., blocks, window part..., channel].

        `first` is the first of the blocks in x.
        """
        builder, rank = self.lower.builder, len(parts)
        unfolded = builder.alloc(
            "a", Memory.L0A, [*(t.max for t in spatial), blocks, *parts, self.x.block], self.x.dtype
        )
        inside = [dim("c", blocks), *self._kernel_dims(parts, Role.PARALLEL), dim("ci", self.x.block)]
        along = [x.strides[1 + i] * self.window.strides[i] for i in range(rank)]
        across = [x.strides[1 + i] * self.window.dilations[i] for i in range(rank)]
        base = first * x.strides[0]
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
        across, down = list(a.strides[count:]), list(w.strides[:-1])
        if self.quads.along is not Along.NOTHING:
            at = len(inner) - (1 if self.quads.along is Along.CHANNELS else 2)
            four = [dim(inner[at].name, inner[at].max // QUAD, role=Role.K), dim("q", QUAD, role=Role.K)]
            inner[at : at + 1], across[at : at + 1] = four, [across[at] * QUAD, across[at]]
            down[at : at + 1], columns_apart = [down[at] * QUAD, 1], QUAD
        else:
            columns_apart = 1
        self.lower.builder.emit(
            "mmad",
            [*(t.dim(Role.M) for t in spatial), *(t.dim(Role.N) for t in columns), *inner],
            {
                "dst": acc.view([*acc.strides[:count], *steps, *(ONE * 0 for _ in inner)]),
                "a": a.view([*a.strides[:count], *(0 for _ in range(rank)), *across]),
                "b": w.view([*(0 for _ in range(count)), *(step * columns_apart for step in steps), *down]),
            },
            sources=self.lower.source(self.anchor),
            zero=first,
        )
