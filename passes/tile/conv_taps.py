"""Convolutions whose taps mostly fall into the border (dilation 18 on 33 x 33), tap after tap.

Each tap is a product of its own, of the input positions that it finds inside by its weights, added to the sums of the
outputs that it reaches. What is outside is neither read nor multiplied: 4/10 of the work is left of such a window. A
tap that finds all its positions inside starts the sums. Two taps that reach equally many outputs, as those to the left
and to the right of the middle do, are two iterations of one loop.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vcc.dialects import graph
from vcc.dialects.graph import Window
from vcc.passes.tile.builder import Tile, dim
from vcc.passes.tile.chain import TileAxis
from vcc.passes.tile.conv import ConvTiling
from vcc.passes.tile.conv_quads import Along
from vcc.passes.tile.conv_tiles import PANELS
from vcc.passes.tile.lowering import KernelLowering, Pack, tile_counts
from vcc.passes.tile.search import Sizes, choose_tile, divisors, padded, waves
from vcc.runtime.diagnostics import VccError
from vcc.runtime.isa.expr import ONE, Poly
from vcc.runtime.isa.kernel import Memory, Pipe, Role, View
from vcc.runtime.machine.cost import matrix_cycles, transfer_cycles, vector_cycles

#: The largest part of the multiplications that may be left for this to be considered: sums are stored between taps,
#: which the estimate of cycles takes for less than it is (3 x 3 over 8 x 8, 0.84 of them left: 1.3 times the time).
WORTH = 0.75
#: What products cost more natively whose vectors lie across the neighbours of their input.
APART = 1.3


@dataclass(frozen=True)
class Reach:
    """What a tap of one axis reaches: `size` outputs from `first` on, which read the input `shift` positions on."""

    tap: int
    first: int
    size: int
    shift: int


def reaches(window: Window, axis: int, inputs: int, outputs: int) -> list[list[Reach]]:
    """The taps of an axis that find positions inside, those of equal size in pairs; first one that reaches all outputs.

    Empty if there is no such tap, or if the window steps over positions.
    """
    found, groups = list[Reach](), list[list[Reach]]()
    for tap in range(window.kernel[axis]):
        shift = tap * window.dilations[axis] - window.pads_of(axis)[0]
        first, last = max(0, -shift), min(outputs, inputs - shift)
        if last > first:
            found.append(Reach(tap, first, last - first, shift))
    whole = next((reach for reach in found if reach.size == outputs), None)
    if whole is None or window.strides[axis] != 1:
        return []
    for reach in found:
        partner = next((g for g in groups if len(g) == 1 and g[0].size == reach.size), None)
        if reach is not whole:
            partner.append(reach) if partner else groups.append([reach])
    return [[whole], *groups]


class TapTiling(ConvTiling):
    """The code of a convolution tap after tap; a tile is all positions of an image and a panel of output channels."""

    def __init__(self, lower: KernelLowering, anchor: graph.ConvOp):
        super().__init__(lower, anchor)
        spatial = self.tiles.spatial
        inputs = self.x.shape[2:]
        groups = [reaches(self.window, i, inputs[i], axis.extent) for i, axis in enumerate(spatial)]
        #: Products: for each axis the taps of an iteration each.
        self.products = list(product(*groups)) if all(groups) else []

    @property
    def positions(self) -> int:
        """Output positions of an image."""
        return prod(axis.extent for axis in self.tiles.spatial)

    @property
    def helps(self) -> bool:
        """Whether taps can be taken apart and leave enough out."""
        plain = self.quads.along is Along.NOTHING and not self.x.made.computes and self.anchor.fill == 0
        if not plain or not self.products or self.lower.is_packable(self.anchor.w) is None or self.x.is_padded:
            return False
        work = sum(prod(len(group) * group[0].size for group in groups) for groups in self.products)
        return work <= WORTH * self.taps * self.positions

    @cached_property
    def sizes(self) -> dict[str, int]:
        """Tile sizes: "o" channels of a panel, "c" channel blocks of a step. Raises `VccError` E0140."""
        fractal = self.lower.machine.fractal[1]
        widths = [w for w in self.tiles.widths_in_turn(fractal) if self.columns % w == 0]
        candidates = {"o": widths or [self.columns], "c": divisors(self.blocks)}
        return choose_tile(
            self.lower.machine, candidates, self.footprint, self.cost, node=self.lower.node, what="a convolution"
        )

    @property
    def cycles(self) -> float:
        """Cycles of the busiest core."""
        return float(self.cost({name: np.asarray(size) for name, size in self.sizes.items()}))

    def footprint(self, s: Sizes, slots: int) -> dict[Memory, Any]:
        """Bytes of each memory."""
        k, size = s["c"] * self.x.block, self.x.dtype.size
        whole = {axis.name: np.asarray(axis.extent) for axis in self.tiles.spatial}
        return {
            Memory.L0A: sum(slots * padded(prod(r[0].size for r in groups) * k * size) for groups in self.products),
            Memory.L0B: len(self.products) * slots * padded(k * s["o"] * size),
            Memory.L0C: self.positions * s["o"] * self.accumulator.size,
            Memory.UB: self.epilogue.nbytes(self.tiles.tile_sizes({**whole, "o": s["o"]}), slots),
        }

    def cost(self, s: Sizes) -> Any:
        """Cycles of the busiest core."""
        machine, size = self.lower.machine, self.x.dtype.size
        k, steps = s["c"] * self.x.block, self.blocks // s["c"]
        loads: Any = 0
        work: Any = vector_cycles(machine, "f32", self.positions * s["o"]) * (1 + len(self.epilogue.rest))
        wide = np.minimum(-(-s["o"] // machine.fractal[1]), max(PANELS))
        slow = 1.0 if machine.overlap else np.select([wide == n for n in PANELS], list(PANELS.values()))
        for n, groups in enumerate(self.products):
            taps = prod(len(group) for group in groups) * steps
            rows = prod(group[0].size for group in groups)
            loads = loads + taps * transfer_cycles(machine, Pipe.IN, (rows + s["o"]) * k * size)
            sums: Any = transfer_cycles(machine, Pipe.MOV, 2 * rows * s["o"] * self.accumulator.size)
            weights: Any = transfer_cycles(machine, Pipe.MOV, k * s["o"] * size)
            one = slow * matrix_cycles(machine, self.dtype.name, rows, s["o"], k)
            work = work + taps * (one if machine.overlap else one + weights) + (0 if n == 0 else taps * sums)
        tiles: Any = self.axes[0].extent * self.group * (self.columns // s["o"])
        if not machine.overlap:
            return (waves(machine, tiles) + tiles / machine.cores) / 2 * work
        return waves(machine, tiles) * np.maximum(loads, work) + loads / len(self.products) + work / len(self.products)

    def emit(self) -> None:
        """Build the kernel."""
        lower, builder, sizes = self.lower, self.lower.builder, self.sizes
        number = lower.is_packable(self.anchor.w)
        assert number is not None, "such convolutions have constant weights"
        lower.open({number: self._pack_taps(sizes["o"])})
        whole = {axis.name: np.asarray(axis.extent) for axis in self.tiles.spatial}
        tile_sizes = [int(n) for n in self.tiles.tile_sizes({**whole, "o": np.asarray(sizes["o"])})]
        counts = tile_counts(self.axes, tile_sizes)
        column = "oo" if "oo" in counts else "o"
        counts = {"g": self.group, **counts, column: self.columns // sizes["o"]}
        with builder.forall(counts) as variables:
            places = self._places(tile_sizes, variables)
            tile = [
                places.get(axis.name) or self._channels(axis, size, variables)
                for axis, size in zip(self.axes, tile_sizes, strict=True)
            ]
            spatial = [t for t in tile if t.axis.axis >= 2]
            extents = [t.max for t in spatial]
            shape = [*extents, sizes["o"]] if self.channels_last else [sizes["o"], *extents]
            acc = builder.alloc("acc", Memory.L0C, shape, self.accumulator)
            panel = variables["g"] * (self.columns // sizes["o"]) + variables[column]
            with builder.loop("c", self.blocks // sizes["c"]) as step:
                for n, groups in enumerate(self.products):
                    start = builder.equals(step, 0) if n == 0 else ONE * 0
                    self._product(acc, tile, groups, variables["g"], panel, step, start)
            self.epilogue.emit(tile, acc, self._accumulator_strides(tile, acc))

    @cached_property
    def channels_last(self) -> bool:
        """Whether sums of a position's channels are neighbours: where they are in the input, or rows are short."""
        lanes, filled, used = self.lower.machine.lanes_of(self.accumulator.name), 0, 0
        width = self.tiles.spatial[-1].extent
        for groups in self.products:
            taps, rows, row = prod(map(len, groups)), prod(g[0].size for g in groups[:-1]), groups[-1][0].size
            rows, row = (1, rows * row) if row == width else (rows, row)
            filled += taps * rows * -(-row // lanes) * lanes
            used += taps * rows * row
        return self.x.block > 1 or used * APART < filled

    def _laid(self, acc: Tile) -> tuple[tuple[int, ...], int]:
        """Strides of the sums over positions and over channels."""
        if self.channels_last:
            return acc.strides[:-1], 1
        return acc.strides[1:], acc.strides[0]

    def _accumulator_strides(self, tile: list[TileAxis], acc: Tile) -> list[int]:
        """Strides of the sums over the output's loops."""
        places, channel = self._laid(acc)
        spatial = iter(places)
        return [
            0 if t.axis.axis == 0 else channel * (t.axis.step if t.axis.name == "oo" else 1)
            if t.axis.axis == 1 else next(spatial) for t in tile
        ]  # fmt: skip

    def _product(
        self, acc: Tile, tile: Sequence[TileAxis], groups: Sequence[Sequence[Reach]], group: Poly, panel: Poly,
        step: Poly, start: Poly,
    ) -> None:  # fmt: skip
        """The products of some taps, one iteration each, over the channel blocks of a step."""
        builder, blocks, width = self.lower.builder, self.sizes["c"], self.sizes["o"]
        sizes = [reached[0].size for reached in groups]
        sources, (places, channel) = self.lower.source(self.anchor), self._laid(acc)
        with ExitStack() as loops:
            number, inputs, outputs = ONE * 0, list[Poly](), ONE * 0
            for i, reached in enumerate(groups):
                at = loops.enter_context(builder.loop(self.kernel_names[i], len(reached), "reduce"))
                tap, first, shift = (
                    _along(at, [getattr(r, name) for r in reached]) for name in ("tap", "first", "shift")
                )
                number = number * self.window.kernel[i] + tap
                inputs.append(first + shift)
                outputs = outputs + first * places[i]
            positions = [dim(name, size) for name, size in zip(self.kernel_names, sizes, strict=True)]
            inside = [dim("c", blocks), dim("ci", self.x.block)]
            image = next(t.start for t in tile if t.axis.axis == 0)
            source = self.x.inside(image, group * self.blocks + step * blocks, inputs)
            a = builder.alloc("a", Memory.L0A, [*sizes, blocks, self.x.block], self.x.dtype)
            views = self.lower.view_sources(self.x.value)
            builder.emit("load", [*positions, *inside], {"dst": a.view(), "src": source}, sources=[*views, *sources])
            w = builder.alloc("w", Memory.L0B, [blocks * self.x.block, width], self.dtype)
            depth = self.blocks * self.x.block
            base = ((panel * self.taps + number) * depth + step * (blocks * self.x.block)) * width
            arg, _ = self.lower.access(self.anchor.w)
            packed = View(self.lower.params[arg], (Poly.of(width), ONE), base)
            builder.emit(
                "load", [dim("k", w.shape[0]), dim("o", width)], {"dst": w.view(), "src": packed}, sources=sources
            )
            rank = len(sizes)
            dims = [*(dim(d.name, d.size, role=Role.M) for d in positions), dim("o", width, role=Role.N),
                    *(dim(d.name, d.size, role=Role.K) for d in inside)]  # fmt: skip
            operands = {
                "dst": acc.view([*places, channel, 0, 0], outputs),
                "a": a.view([*a.strides[:rank], 0, *a.strides[rank:]]),
                "b": w.view([*(0 for _ in sizes), 1, self.x.block * width, width]),
            }
            builder.emit("mmad", dims, operands, sources=sources, zero=start)

    def _pack_taps(self, width: int) -> Pack:
        """Weights [M, C, kernel] as [group, panel, kernel, channel, column]."""
        group, columns, taps = self.group, self.columns, self.taps
        depth = self.blocks * self.x.block

        def apply(array: NDArray[Any]) -> NDArray[Any]:
            table = array.reshape(group, columns // width, width, depth, taps)
            return np.ascontiguousarray(table.transpose(0, 1, 4, 3, 2)).reshape(-1)

        kernel = "x".join(map(str, self.window.kernel))
        note = f"conv weights by taps: [{group}, {columns // width}, {kernel}, {depth}, {width}]"
        return Pack(group * columns * depth * taps, apply, note)


def _along(iteration: Poly, values: Sequence[int]) -> Poly:
    """The value of an iteration, of which there are one or two."""
    first, last = values[0], values[-1]
    return iteration * (last - first) + first


def tap_by_tap(lower: KernelLowering, anchor: graph.ConvOp) -> TapTiling | None:
    """The convolution tap after tap; None where that leaves nothing out, or does not fit."""
    tiling = TapTiling(lower, anchor)
    with suppress(VccError):
        return tiling if tiling.helps and tiling.sizes else None
    return None
