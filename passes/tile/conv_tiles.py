"""The tile search of a convolution: output positions, output channels in panels, channel blocks and window parts.

A tile is some output positions of some panels of output channels. Its input is loaded once for all channels, in which
case the panels follow each other on the same input, or channel blocks at a time, in each step of the reduction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from vcc.dialects.graph import Window
from vcc.passes.tile.access import IterAxis
from vcc.passes.tile.epilogue import Epilogue
from vcc.passes.tile.search import Sizes, choose_tile, divisors, padded, tile_candidates, waves
from vcc.passes.tile.window import WindowInput
from vcc.runtime.isa.dtypes import DType
from vcc.runtime.isa.kernel import Memory, Pipe
from vcc.runtime.machine.cost import matrix_cycles, transfer_cycles, vector_cycles
from vcc.runtime.machine.model import Machine

#: A panel of weights that is read in place is best as wide as a block of the micro-kernel, two fractals: that reads
#: least for its work. What panels of n or more fractals cost more:
PANELS = {1: 1.05, 2: 1.0, 3: 1.04, 4: 1.1}
#: The same of bytes: of what is multiplied so fast the image is better read once than once for each of two panels.
PANELS_OF_BYTES = {1: 1.15, 2: 1.05, 3: 1.02, 4: 1.0}
#: The widest such panel, in fractals.
WIDEST = 8
#: Tails are computed with sizes that are not known when code is made, which costs so much more.
RAGGED = 1.5
#: Where a row's positions are picked out of a row-major image, vectors lie along them. At most so much longer takes a
#: tile whose rows are no whole vectors: other ways to do it, with vectors along channels, are not much slower.
UNFILLED = 1.1
#: Cycles between two blocks of accumulators in registers, where the native engine makes the product.
TURN = 24


@dataclass(frozen=True)
class ConvTiles:
    """A convolution as the search sees it.

    `axes` are the loops over the output, `columns` the output channels of one of `group` groups, `blocks` its channel
    blocks of the input, `out_block` the granule of output channels, `row_granule` that of a window's part along a row.
    """

    machine: Machine
    window: Window
    x: WindowInput
    axes: Sequence[IterAxis]
    epilogue: Epilogue
    group: int
    columns: int
    blocks: int
    out_block: int
    dtype: DType
    accumulator: DType
    row_granule: int = 1

    @property
    def spatial(self) -> list[IterAxis]:
        """The loops over output positions."""
        return [axis for axis in self.axes if axis.axis >= 2]

    @property
    def kernel_names(self) -> list[str]:
        """The names of the window's dimensions."""
        return [f"k{axis.name[1:]}" for axis in self.spatial]

    def choose(self, node: str) -> dict[str, int]:
        """Tile sizes: output positions by axis, "o" channels of a panel, "c" channel blocks and window parts of a step.

        "p" is the number of panels that share an input which is loaded at once, 0 if it is loaded in steps.
        """
        fm, fn, _ = self.machine.fractal
        in_turn, granule = not self.machine.overlap, max(fn, self.out_block)
        candidates = {axis.name: tile_candidates(axis.extent) for axis in self.spatial[:-1]}
        candidates[self.spatial[-1].name] = tile_candidates(self.spatial[-1].extent, fm)
        if in_turn:
            candidates |= {a.name: sorted({*candidates[a.name], *divisors(a.extent)}) for a in self.spatial}
        candidates["o"] = self.widths_in_turn(fn) if in_turn else [
            w for w in tile_candidates(self.columns, granule) if w % self.out_block == 0
        ] or [self.columns]  # fmt: skip
        candidates["c"] = divisors(self.blocks)
        taps = prod(self.window.kernel)
        for name, size in zip(self.kernel_names, self.window.kernel, strict=True):
            # A part of a large window at a time; of a small one that would only multiply the steps.
            candidates[name] = divisors(size) if taps * self.x.block > 32 else [size]
        last = self.kernel_names[-1]
        candidates[last] = [part for part in candidates[last] if part % self.row_granule == 0]
        panels = {-(-self.columns // width) for width in candidates["o"]}
        candidates["p"] = sorted({0, *panels, *(1 << n for n in range(max(panels).bit_length()))})
        return choose_tile(self.machine, candidates, self.footprint, self.cost, node=node, what="a convolution")

    def widths_in_turn(self, fractal: int) -> list[int]:
        """Panels of some fractals, and those that leave no tail."""
        widths = [w for w in divisors(self.columns) if w <= WIDEST * fractal or w == self.columns]
        widths += [n * fractal for n in PANELS if n * fractal < self.columns]
        return sorted({w for w in widths if w % self.out_block == 0 and 2 * w >= min(fractal, self.columns)})

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
        loaded = self.x.nbytes(Memory.L1, np.where(s["p"] > 0, self.blocks, s["c"]), spans, slots)
        return {
            Memory.L1: loaded.get(Memory.L1, 0),
            Memory.L0A: slots * padded(rows * k * x),
            Memory.L0B: slots * padded(k * s["o"] * w),
            Memory.L0C: rows * s["o"] * self.accumulator.size,
            Memory.UB: self.epilogue.nbytes(self.tile_sizes(s), slots) + loaded.get(Memory.UB, 0),
        }

    def cost(self, s: Sizes) -> Any:
        """Cycles of the busiest core."""
        machine = self.machine
        rows, positions, k = self.sizes_of(s)
        whole, shared = s["p"] > 0, np.maximum(s["p"], 1)
        panels = -(-self.columns // s["o"])
        steps = self.blocks // s["c"]
        parts: Any = 1
        for name, taps in zip(self.kernel_names, self.window.kernel, strict=True):
            parts = parts * (taps // s[name])
        tiles: Any = self.axes[0].extent * self.group * (panels // shared)
        for axis in self.spatial:
            tiles = tiles * -(-axis.extent // s[axis.name])
        element = self.x.block * self.x.dtype.size
        loaded = np.where(whole, self.blocks, s["c"]) * positions
        image: Any = transfer_cycles(machine, Pipe.IN, loaded * element)
        made: Any = self.x.prologue_cycles(machine, loaded * self.x.block) * np.where(whole, 1, shared * steps)
        weights: Any = transfer_cycles(machine, Pipe.IN, k * s["o"] * self.dtype.size)
        move: Any = transfer_cycles(machine, Pipe.MOV, rows * k * self.x.dtype.size)
        product: Any = matrix_cycles(machine, self.dtype.name, rows, s["o"], k)
        vector: Any = vector_cycles(machine, "f32", rows * s["o"]) * (1 + len(self.epilogue.rest))
        out: Any = transfer_cycles(machine, Pipe.OUT, rows * s["o"] * 4)
        images = image * np.where(whole, 1, shared * steps)
        count = shared * steps * parts
        if not machine.overlap:
            copied = self.x.is_copied(self.spatial, s)
            # Sums stay in registers over a loop of products alone; other loops leave them in memory between products.
            apart = np.where((parts > 1) | (copied & ~whole), steps * parts, 1)
            spill = (apart - 1) * transfer_cycles(machine, Pipe.MOV, 2 * rows * s["o"] * self.accumulator.size)
            # Weights stay in the cache from tile to tile if all of them fit it.
            large = self.columns * self.blocks * self.x.block * prod(self.window.kernel) * self.dtype.size
            far = large > machine.memories[Memory.L0B]
            panel = weights if far else transfer_cycles(machine, Pipe.MOV, k * s["o"] * self.dtype.size)
            turns = TURN * (rows // s[self.spatial[-1].name]) * apart
            panels_cost = PANELS_OF_BYTES if self.dtype.size == 1 else PANELS
            wide = np.minimum(-(-s["o"] // machine.fractal[1]), max(panels_cost))
            slow = np.select([wide == n for n in panels_cost], list(panels_cost.values()))
            for size, part in (*((axis.extent, s[axis.name]) for axis in self.spatial), (self.columns, s["o"])):
                slow = slow * np.where(size % part, RAGGED, 1)
            if self.out_block == 1 and self.window.strides[-1] > 1:
                width, fractal = s[self.spatial[-1].name], machine.fractal[1]
                slow = slow * np.minimum(-(-width // fractal) * fractal / width, UNFILLED)
            one = np.where(copied, images, 0) + made + count * (slow * product + panel)
            one = one + shared * (spill + turns + vector + out)
            cycles = (waves(machine, tiles) + tiles / machine.cores) / 2 * one
        else:
            busiest = [images + count * weights, count * move, count * product, made + shared * vector, shared * out]
            cycles = waves(machine, tiles) * np.maximum.reduce(np.broadcast_arrays(*busiest))
            cycles = cycles + image + weights + move + product + vector + out
        return np.where(panels % shared == 0, cycles, np.inf)
