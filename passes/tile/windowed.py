"""Windows that keep channels apart: one vector instruction slides a window over a tile of channels in ub.

It reads the input through an overlapping view, whose window dimensions are reduced: depthwise convolutions by `mac`.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xdsl.ir import Operation, SSAValue

from vcc.dialects import graph
from vcc.dialects.graph import Window
from vcc.passes.tile.access import block_of, iteration_axes, splits_of
from vcc.passes.tile.builder import Tile, dim
from vcc.passes.tile.chain import ChainEmitter, TileAxis, dtype_of, tap_of, tensor_type
from vcc.passes.tile.epilogue import Epilogue
from vcc.passes.tile.lowering import KernelLowering, Pack, tile_counts
from vcc.passes.tile.prologue import Prologue
from vcc.passes.tile.search import Sizes, choose_tile, padded, tile_candidates, waves
from vcc.passes.tile.window import WindowInput
from vcc.runtime.isa.expr import ONE, Poly
from vcc.runtime.isa.kernel import Dim, Memory, Operand, Pipe, Role, View
from vcc.runtime.machine.cost import transfer_cycles, vector_cycles

SPATIAL = ("d", "h", "w")
#: Where the native engine runs a kernel: bytes of a tile that stay in the first cache; how much longer a vector of
#: terms takes from the second, for all its taps together, and how much longer it takes to copy it there.
NEAR, FARTHER, COPIED = 20_480, 2.0, 1.5
#: Cycles of beginning a row that is copied, and a tile; of a vector that is turned.
ROW, TILE, TURNED = 8, 60, 3.5


class WindowedTiling:
    """The tile search and the code of a window operation that keeps channels apart.

    `together` is how many channels of a row-major input are brought together when it is loaded, if any are.
    """

    def __init__(
        self, lower: KernelLowering, anchor: Operation, value: SSAValue, window: Window, fill: float, together: int = 0
    ):
        self.lower, self.anchor, self.window = lower, anchor, window
        out = tensor_type(anchor.results[0])
        names = SPATIAL[-len(window.kernel) :]
        block = block_of(out)
        splits = dict([block]) if block else splits_of(Prologue(lower, value, anchor).accesses.values())
        gathers = together > 1 and not splits
        splits = {1: together} if gathers else splits
        self.axes = iteration_axes(out, ["n", "c", *(f"o{s}" for s in names)], splits)
        self.block = splits.get(1, 1)
        self.x = WindowInput(lower, anchor, value, window, self.block, fill, gathers=gathers)
        self.spatial = [axis for axis in self.axes if axis.axis >= 2]
        self.channels = out.get_shape()[1]
        self.turns_out = self.block > 1 and lower.destination().stride(self.axes[-1]) != 1
        self.cycles = float("inf")

    def epilogue(self) -> Epilogue:
        """The operations after the window, as a chain."""
        return Epilogue(self.lower, self.anchor, self.axes, dtype_of(self.anchor.results[0]), drains=False)

    def tile_sizes(self, s: Sizes) -> list[Any]:
        """The size along every loop of the output."""
        by_name = {"n": 1, "c": s["c"], "co": s["c"], "ci": self.block}
        return [by_name[a.name] if a.name in by_name else s[a.name] for a in self.axes]

    def positions(self, s: Sizes) -> tuple[Any, Any]:
        """Output and input positions of a tile, of one channel."""
        rows: Any = 1
        inputs: Any = 1
        for i, axis in enumerate(self.spatial):
            rows = rows * s[axis.name]
            inputs = inputs * self.x.span(i, s[axis.name])
        return rows, inputs

    def choose(self, epilogue: Epilogue, what: str, extra: int) -> dict[str, int]:
        """Tile sizes, of `cycles`; `extra` is elements per channel that are loaded besides the input."""
        machine, size = self.lower.machine, self.x.dtype.size

        def footprint(s: Sizes, slots: int) -> dict[Memory, Any]:
            spans = [self.x.span(i, s[axis.name]) for i, axis in enumerate(self.spatial)]
            loaded = self.x.nbytes(Memory.UB, s["c"], spans, slots)[Memory.UB]
            weights = slots * padded(s["c"] * self.block * extra * size)
            return {Memory.UB: epilogue.nbytes(self.tile_sizes(s), slots) + loaded + weights + self.between(s)}

        def cost(s: Sizes) -> Any:
            rows, inputs = self.positions(s)
            channels = s["c"] * self.block
            tiles: Any = self.axes[0].extent * -(-self.channels // channels)
            for axis in self.spatial:
                tiles = tiles * -(-axis.extent // s[axis.name])
            loads: Any = transfer_cycles(machine, Pipe.IN, channels * (inputs + extra) * size)
            if not machine.overlap:
                copied = np.where(self.x.is_copied(self.spatial, s), self.copying(s), 0)
                chain = len(epilogue.rest) * vector_cycles(machine, self.x.dtype.name, channels * rows)
                one = (
                    copied
                    + self.sliding(s)
                    + self.storing(s)
                    + chain
                    + self.x.prologue_cycles(machine, channels * inputs)
                )
                return (waves(machine, tiles) + 3 * tiles / machine.cores) / 4 * (one + TILE)
            vector = self.sliding(s) + len(epilogue.rest) * vector_cycles(machine, self.x.dtype.name, channels * rows)
            vector = vector + self.x.prologue_cycles(machine, channels * inputs)
            out: Any = transfer_cycles(machine, Pipe.OUT, channels * rows * size)
            return waves(machine, tiles) * np.maximum(np.maximum(loads, vector), out) + loads + vector + out

        candidates = {axis.name: tile_candidates(axis.extent) for axis in self.spatial}
        candidates["c"] = tile_candidates(self.channels // self.block)
        sizes = choose_tile(machine, candidates, footprint, cost, node=self.lower.node, what=what)
        self.cycles = float(cost({name: np.asarray(size) for name, size in sizes.items()}))
        return sizes

    def sliding(self, s: Sizes) -> Any:
        """Cycles of the vector unit for the window of a tile."""
        machine, taps = self.lower.machine, prod(self.window.kernel)
        if machine.overlap:
            rows, _ = self.positions(s)
            return vector_cycles(machine, self.x.dtype.name, s["c"] * self.block * rows * taps)
        return taps * self.tap_cycles() * self.vectors(s) * self.distance(s, 0, 1 + FARTHER / taps)

    def tap_cycles(self) -> float:
        """Cycles of a vector of one tap: those of every second position are picked out of twice as many."""
        pace = self.window.strides[-1] if self.block == 1 else 1
        return float(max(1, 2 * min(pace, 4) - 1))

    def vectors(self, s: Sizes) -> Any:
        """Vectors of the output of a tile, in rows of which the last vector may not be full."""
        *outer, last = [s[axis.name] for axis in self.spatial]
        lanes = self.lower.machine.lanes_of(self.x.dtype.name)
        dense = self.block == 1 or self.window.strides[-1] == 1
        row: Any = -(-last * self.block // lanes) if dense else last * -(-self.block // lanes)
        rows: Any = s["c"]
        for size in outer:
            rows = rows * size
        return rows * row

    def copying(self, s: Sizes) -> Any:
        """Cycles of copying the input of a tile with its border, row by row; channels that lie apart are turned."""
        lanes, turns = self.lower.machine.lanes_of(self.x.dtype.name), self.x.lies_across
        span = self.x.span(len(self.spatial) - 1, s[self.spatial[-1].name])
        _, inputs = self.positions(s)
        vectors = -(-span // lanes) * self.block * TURNED if turns else -(-span * self.block // lanes)
        return s["c"] * inputs / span * (ROW + vectors * self.distance(s, 0, COPIED))

    def storing(self, s: Sizes) -> Any:
        """Cycles of turning what is stored where channels that are neighbours in a tile lie apart."""
        if not self.turns_out:
            return 0
        rows, _ = self.positions(s)
        last = s[self.spatial[-1].name]
        vectors = -(-last // self.lower.machine.lanes_of(self.x.dtype.name)) * self.block
        return s["c"] * rows / last * vectors * TURNED

    def distance(self, s: Sizes, more: Any, slower: float) -> Any:
        """How much longer vectors take that come from the second cache, if the input and `more` bytes need it."""
        _, inputs = self.positions(s)
        return np.where(s["c"] * self.block * inputs * self.x.dtype.size + more > NEAR, slower, 1.0)

    def between(self, s: Sizes) -> Any:
        """Bytes of ub for what a tile needs between its input and its result."""
        del s
        return 0

    def load(self, tile: list[TileAxis]) -> Tile:
        """Load the input of a tile: [channel blocks, spatial..., channels]."""
        spatial = [t for t in tile if t.axis.axis >= 2]
        image = next(t.start for t in tile if t.axis.axis == 0)
        channel = next(t for t in tile if t.axis.axis == 1)
        return self.x.load(
            Memory.UB, spatial, image, channel.start, channel.size, channel.max, self.lower.source(self.anchor)
        )

    def window_dims(self, role: Role) -> list[Dim]:
        """The window's dimensions."""
        names = SPATIAL[-len(self.window.kernel) :]
        return [dim(f"k{n}", size, role=role) for n, size in zip(names, self.window.kernel, strict=True)]

    def window_view(self, x: Tile, tile: list[TileAxis]) -> View:
        """The overlapping view of the input: the output's loops, then the window's dimensions."""
        strides: list[int] = []
        for t in tile:
            if t.axis.axis == 0:
                strides.append(0)
            elif t.axis.axis == 1:
                strides.append(1 if t.axis.name == "ci" else x.strides[0])
            else:
                spatial = t.axis.axis - 2
                strides.append(x.strides[1 + spatial] * self.window.strides[spatial])
        across = [x.strides[1 + i] * d for i, d in enumerate(self.window.dilations)]
        return x.view([*strides, *across])


def finish(
    tiling: WindowedTiling, epilogue: Epilogue, emitter: ChainEmitter, op: str, inputs: dict[str, Operand],
    tile: list[TileAxis], reduced: Sequence[Dim],
) -> None:  # fmt: skip
    """Emit the instruction that makes the window's result, over the tile and the `reduced` dimensions."""
    lower, anchor = tiling.lower, tiling.anchor
    dst = emitter.view(epilogue.plan.home[anchor.results[0]])
    dst = View(dst.buffer, (*dst.strides, *(ONE * 0 for _ in reduced)), dst.base)
    tap = tap_of(anchor.results[0], lower.taps.get(anchor), tile)
    if tap is not None:
        tap = type(tap)(tap.value, (*tap.strides, *(ONE * 0 for _ in reduced)), tap.base)
    lower.builder.emit(
        op, [*(t.dim() for t in tile), *reduced], {"dst": dst, **inputs}, sources=lower.source(anchor), tap=tap
    )


def tile_depthwise_floats(lower: KernelLowering, anchor: graph.ConvOp) -> None:
    """Tile a kernel whose anchor has one input and one output channel per group, of any dtype that `mac` has."""
    tiling = WindowedTiling(lower, anchor, anchor.x, anchor.window, anchor.fill)
    epilogue = tiling.epilogue()
    taps = prod(anchor.window.kernel)
    sizes = tiling.choose(epilogue, "a depthwise convolution", taps)
    number = lower.is_packable(anchor.w)
    packs = {} if number is None else {number: _pack_depthwise(tiling.channels, tiling.block, taps)}
    lower.open(packs)
    with lower.builder.forall(tile_counts(tiling.axes, whole_sizes(tiling, sizes))) as variables:
        tile = lower.cut(tiling.axes, whole_sizes(tiling, sizes), variables)
        emitter = ChainEmitter(lower.builder, epilogue.plan, tile)
        x = tiling.load(tile)
        w = _load_depthwise(tiling, anchor, tile, taps, number is not None)
        epilogue.load(emitter)
        weights: list[int] = []
        for t in tile:
            weights.append(0 if t.axis.axis != 1 else 1 if t.axis.name == "ci" else w.strides[0])
        inner = [prod(anchor.window.kernel[i + 1 :]) * tiling.block for i in range(len(anchor.window.kernel))]
        operands: dict[str, Operand] = {"a": tiling.window_view(x, tile), "b": w.view([*weights, *inner])}
        finish(tiling, epilogue, emitter, "mac", operands, tile, tiling.window_dims(Role.REDUCE))
        epilogue.finish(emitter)


def whole_sizes(tiling: WindowedTiling, sizes: dict[str, int]) -> list[int]:
    """The size of a tile along every loop of the output."""
    return [int(size) for size in tiling.tile_sizes({name: np.asarray(v) for name, v in sizes.items()})]


def _pack_depthwise(channels: int, block: int, taps: int) -> Pack:
    """Weights [C, 1, kernel] as [C / block, kernel, block]."""

    def apply(array: NDArray[Any]) -> NDArray[Any]:
        return np.ascontiguousarray(array.reshape(channels // block, block, taps).transpose(0, 2, 1)).reshape(-1)

    return Pack(channels * taps, apply, f"depthwise weights as [{channels // block}, {taps}, {block}]")


def _load_depthwise(
    tiling: WindowedTiling, anchor: graph.ConvOp, tile: list[TileAxis], taps: int, packed: bool
) -> Tile:
    """Load [channel blocks, kernel, channels] of the weights of a tile."""
    lower, block = tiling.lower, tiling.block
    channel = next(t for t in tile if t.axis.axis == 1)
    w = lower.builder.alloc("w", Memory.UB, [channel.max, taps, block], dtype_of(anchor.w))
    arg, access = lower.access(anchor.w)
    assert packed or access.base == 0, "weights that are not constant are a whole row-major tensor"
    strides = w.strides if packed else (block * taps, 1, taps)
    view = View(lower.params[arg], tuple(map(Poly.of, strides)), channel.start * (taps * block))
    dims = [dim("c", channel.size, channel.max), dim("k", taps), dim("ci", block)]
    lower.builder.emit("load", dims, {"dst": w.view(), "src": view}, sources=lower.source(anchor))
    return w
