"""Depthwise convolutions of bytes: products side by side, one for each channel, four taps of the window at a time.

A window's taps are K of a product whose channels are a dimension of both inputs and of the result. Four neighbouring
taps of each channel lie together in the weights, so that CPUs multiply and add them at once; the window is made longer
by taps of zero until there are fours.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vcc.dialects import graph
from vcc.dialects.graph import shape_of
from vcc.passes.tile.builder import Tile, dim
from vcc.passes.tile.chain import TileAxis, dtype_of
from vcc.passes.tile.conv_quads import QUAD, largest_quads, widened
from vcc.passes.tile.epilogue import Epilogue
from vcc.passes.tile.lowering import KernelLowering, Pack, tile_counts
from vcc.passes.tile.search import Sizes, choose_tile, padded, tile_candidates, waves
from vcc.passes.tile.windowed import WindowedTiling, tile_depthwise_floats
from vcc.runtime.isa.dtypes import BY_NAME
from vcc.runtime.isa.expr import ONE, ZERO, Poly
from vcc.runtime.isa.kernel import Dim, Memory, Pipe, Role, View
from vcc.runtime.machine.cost import transfer_cycles, vector_cycles


class DepthwiseBytes(WindowedTiling):
    """The tile search and the code of one such convolution."""

    def __init__(self, lower: KernelLowering, anchor: graph.ConvOp):
        self.conv = anchor
        self.quad = min(
            reversed(range(len(anchor.window.kernel))), key=lambda i: prod(widened(anchor.window, i).kernel)
        )
        together = largest_quads(shape_of(anchor.x)[1])
        super().__init__(lower, anchor, anchor.x, widened(anchor.window, self.quad), anchor.fill, together)
        self.chain = Epilogue(lower, anchor, self.axes, BY_NAME["i32"])
        self.inner = [*self.window.kernel, self.block]

    def sizes(self) -> dict[str, int]:
        """Tile sizes: output positions by axis, "c" blocks of channels."""
        machine, taps = self.lower.machine, prod(self.window.kernel)

        def footprint(s: Sizes, slots: int) -> dict[Memory, Any]:
            rows, _ = self.positions(s)
            channels = s["c"] * self.block
            spans = [self.x.span(i, s[axis.name]) for i, axis in enumerate(self.spatial)]
            loaded = self.x.nbytes(Memory.L1, s["c"], spans, slots)
            return {
                Memory.L1: loaded.get(Memory.L1, 0),
                Memory.L0A: slots * padded(rows * channels * taps),
                Memory.L0B: slots * padded(channels * taps),
                Memory.L0C: rows * channels * 4,
                Memory.UB: self.chain.nbytes(self.tile_sizes(s), slots) + loaded.get(Memory.UB, 0),
            }

        def cost(s: Sizes) -> Any:
            rows, inputs = self.positions(s)
            channels = s["c"] * self.block
            tiles: Any = self.axes[0].extent * -(-self.channels // channels)
            for axis in self.spatial:
                tiles = tiles * -(-axis.extent // s[axis.name])
            copied = self.x.is_copied(self.spatial, s)
            image: Any = np.where(copied, transfer_cycles(machine, Pipe.IN, channels * inputs), 0)
            made: Any = self.x.prologue_cycles(machine, channels * inputs)
            product: Any = vector_cycles(machine, "i32", channels * rows * (taps // QUAD))
            chain: Any = vector_cycles(machine, "f32", channels * rows) * (1 + len(self.chain.rest))
            return (waves(machine, tiles) + tiles / machine.cores) / 2 * (image + made + product + chain)

        candidates = {axis.name: tile_candidates(axis.extent) for axis in self.spatial}
        candidates["c"] = tile_candidates(self.channels // self.block)
        return choose_tile(machine, candidates, footprint, cost, node=self.lower.node, what="a depthwise convolution")

    def emit(self) -> None:
        """Build the kernel."""
        lower, builder = self.lower, self.lower.builder
        number, sizes = lower.is_packable(self.conv.w), self.sizes()
        assert number is not None, "such convolutions have constant weights"
        lower.open({number: self.pack()})
        tile_sizes = [int(size) for size in self.tile_sizes({name: np.asarray(v) for name, v in sizes.items()})]
        with builder.forall(tile_counts(self.axes, tile_sizes)) as variables:
            tile = lower.cut(self.axes, tile_sizes, variables)
            spatial = [t for t in tile if t.axis.axis >= 2]
            channel = next(t for t in tile if t.axis.axis == 1)
            image = next(t.start for t in tile if t.axis.axis == 0)
            x = self.x.load(
                Memory.L1, spatial, image, channel.start, channel.size, channel.max, lower.source(self.anchor)
            )
            a, w = self.unfold(x, channel, spatial), self.weights(channel)
            acc = builder.alloc("acc", Memory.L0C, [channel.max, *(t.max for t in spatial), self.block], BY_NAME["i32"])
            self.multiply(acc, a, w, channel, spatial)
            places = {t.axis.name: s for t, s in zip([channel, *spatial], acc.strides, strict=False)}
            self.chain.emit(tile, acc, [places.get(t.axis.name, 1 if t.axis.axis == 1 else 0) for t in tile])

    def unfold(self, x: Tile, channel: TileAxis, spatial: list[TileAxis]) -> Tile:
        """The input positions of every output position: [channel blocks, output..., window..., channels]."""
        shape = [channel.max, *(t.max for t in spatial), *self.inner]
        a = self.lower.builder.alloc("a", Memory.L0A, shape, self.x.dtype)
        along = [x.strides[1 + i] * step for i, step in enumerate(self.window.strides)]
        across = [x.strides[1 + i] * step for i, step in enumerate(self.window.dilations)]
        dims = [channel.dim(), *(t.dim() for t in spatial), *self.window_dims(Role.PARALLEL), dim("ci", self.block)]
        self.lower.builder.emit(
            "mov",
            dims,
            {"dst": a.view(), "src": x.view([x.strides[0], *along, *across, 1])},
            sources=self.lower.source(self.anchor),
        )
        return a

    def pack(self) -> Pack:
        """Weights [C, 1, kernel] as [C / block, kernel, block], of which four along one axis of the kernel are last."""
        kernel, block, at = self.window.kernel, self.block, self.quad
        wider = kernel[at] - self.conv.window.kernel[at]

        def apply(array: NDArray[Any]) -> NDArray[Any]:
            pads = [(0, wider if i == 2 + at else 0) for i in range(array.ndim)]
            fours = (*kernel[:at], kernel[at] // QUAD, QUAD, *kernel[at + 1 :])
            table = np.pad(array, pads).reshape(self.channels // block, block, *fours)
            order = [0, *(2 + i for i in range(len(fours)) if i != at + 1), 1, 2 + at + 1]
            return np.ascontiguousarray(table.transpose(order)).reshape(-1)

        note = f"depthwise weights as [{self.channels // block}, {'x'.join(map(str, kernel))}, {block}] in fours"
        return Pack(self.channels * prod(kernel), apply, note)

    def weights(self, channel: TileAxis) -> Tile:
        """Load [channel blocks, kernel in fours, channels, 4] of the packed weights."""
        each = prod(self.inner)
        w = self.lower.builder.alloc("w", Memory.L0B, [channel.max, each], dtype_of(self.conv.w))
        arg, _ = self.lower.access(self.conv.w)
        self.lower.builder.emit(
            "load",
            [channel.dim(), dim("k", each)],
            {"dst": w.view(), "src": View(self.lower.params[arg], (Poly.of(each), ONE), channel.start * each)},
            sources=self.lower.source(self.anchor),
        )
        return w

    def multiply(self, acc: Tile, a: Tile, w: Tile, channel: TileAxis, spatial: list[TileAxis]) -> None:
        """The products: channels side by side, positions are rows, the window's taps K."""
        rank, at = len(spatial), self.quad
        taps = self.window_dims(Role.K)
        taps[at : at + 1] = [dim(taps[at].name, taps[at].max // QUAD, role=Role.K), dim("q", QUAD, role=Role.K)]
        ours = list(a.strides[1 + rank :])[:-1]
        ours[at : at + 1] = [ours[at] * QUAD, ours[at]]
        fours = [self.window.kernel[i] // (QUAD if i == at else 1) for i in range(rank)]
        theirs = [prod(fours[i + 1 :]) * self.block * QUAD for i in range(rank)]
        theirs[at + 1 : at + 1] = [1]
        dims: list[Dim] = [channel.dim(), *(t.dim(Role.M) for t in spatial), dim("ci", self.block), *taps]
        nothing = [ZERO] * len(taps)
        self.lower.builder.emit(
            "mmad",
            dims,
            {
                "dst": acc.view([*acc.strides, *nothing]),
                "a": a.view([*a.strides[: 1 + rank], 1, *ours]),
                "b": w.view([w.strides[0], *(0 for _ in spatial), QUAD, *theirs]),
            },
            sources=self.lower.source(self.anchor),
        )


def tile_depthwise(lower: KernelLowering) -> None:
    """Tile a kernel whose anchor is a `graph.conv` with one input and one output channel per group."""
    anchor = next(op for op in lower.ops if isinstance(op, graph.ConvOp))
    if dtype_of(anchor.x).size == 1:
        DepthwiseBytes(lower, anchor).emit()
    else:
        tile_depthwise_floats(lower, anchor)
