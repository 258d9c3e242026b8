"""The tile search of a convolution by Winograd's filtering: blocks of m x m outputs, panels of filters.

As in a direct convolution, a tile's input is loaded and transformed once for several panels of output channels, some
channel blocks at a time, or with the channel blocks of each step of the reduction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vcc.passes.tile.access import IterAxis
from vcc.passes.tile.epilogue import Epilogue
from vcc.passes.tile.search import Sizes, choose_tile, divisors, padded, tile_candidates, waves
from vcc.passes.tile.window import WindowInput
from vcc.passes.tile.winograd_transforms import Form, by_columns, by_rows, temporaries
from vcc.runtime.isa.kernel import Memory, Pipe
from vcc.runtime.machine.cost import matrix_cycles, transfer_cycles, vector_cycles
from vcc.runtime.machine.model import Machine

#: Where the native engine makes a transform, loads and stores of its vectors take about so much longer than its sums;
#: vectors that it has to put together from numbers, this much.
MEMORY, SCATTERED = 1.5, 16
#: Where it makes the product: cycles between two blocks of sums in registers; how many rows fit beside each other for
#: each vector of a panel that the machine likes, if a block is one vector wide; what reading a row or a vector costs.
TURN, ROWS_OF_ONE, READING = 24, 7.5, 0.3
#: What loading parts of rows costs more than whole rows: where their border is depends on the tile.
CUT = 2
#: How long weights take that are asked for while others are multiplied, in parts of the time of a load.
AHEAD = 0.5
#: Weights stay in the last cache from run to run that take no more than such a part of it.
OTHERS = 4
#: The widest panel, in fractals, where the native engine makes the product.
WIDEST = 4


@dataclass(frozen=True)
class WinogradTiles:
    """A convolution in f32 as the search sees it.

    `axes` are the loops over the output, `columns` its channels, `out_block` their granule, `blocks` the channel blocks
    of the input.
    """

    machine: Machine
    form: Form
    x: WindowInput
    axes: Sequence[IterAxis]
    epilogue: Epilogue
    columns: int
    blocks: int
    out_block: int

    @property
    def spatial(self) -> list[IterAxis]:
        """The loops over output positions."""
        return [axis for axis in self.axes if axis.axis >= 2]

    def choose(self, node: str) -> dict[str, int]:
        """Tile sizes: "r" x "q" blocks of outputs, "o" channels of a panel, "c" channel blocks transformed at once.

        "p" is the number of panels that share an input which is transformed as a whole, 0 if it is in steps.
        """
        rows, columns = self.spatial
        granule = max(self.machine.fractal[1], self.out_block)
        # Columns that do not divide the rest would need their number divided in the kernel.
        fits = [n for n in divisors(-(-columns.extent // self.form.m)) if columns.extent % (n * self.form.m) == 0]
        widths = tile_candidates(self.columns, granule)
        if not self.machine.overlap:
            widths = self._widths_in_turn(granule)
        widths = [width for width in widths if width % self.out_block == 0] or [self.columns]
        panels = {-(-self.columns // width) for width in widths}
        candidates = {
            "r": tile_candidates(-(-rows.extent // self.form.m)),
            "q": sorted({*fits, -(-columns.extent // self.form.m)}),
            "o": widths,
            "c": divisors(self.blocks),
            "p": sorted({0, *panels, *(1 << n for n in range(max(panels).bit_length()))}),
        }
        return choose_tile(self.machine, candidates, self.footprint, self.cost, node=node, what="a convolution")

    def _widths_in_turn(self, granule: int) -> list[int]:
        """Panels of two fractals, which make the best blocks of sums in registers, to `WIDEST`; else what there is."""
        fractal = self.machine.fractal[1]
        widths = [n for n in divisors(self.columns) if n % granule == 0 and n <= WIDEST * fractal]
        return [n for n in widths if n >= 2 * fractal] or widths

    def tile_sizes(self, s: Sizes) -> list[Any]:
        """The size along every loop of the output."""
        rows, columns = self.spatial
        by_name = {"n": 1, "o": s["o"], "oo": s["o"] // self.out_block, "oi": self.out_block}
        by_name[rows.name] = np.minimum(s["r"] * self.form.m, rows.extent)
        by_name[columns.name] = np.minimum(s["q"] * self.form.m, columns.extent)
        return [by_name[axis.name] for axis in self.axes]

    def _elements(self, s: Sizes) -> dict[str, Any]:
        """Elements of the buffers of a tile, for the channel blocks of a step where the input is not whole."""
        size, m, r, q = self.form.size, self.form.m, s["r"], s["q"]
        part = s["c"] * self.x.block
        channels = np.where(s["p"] > 0, self.blocks, s["c"]) * self.x.block
        wide = q * m + size - m
        return {
            "x": part * (r * m + size - m) * wide,
            "halfway": part * size * r * wide,  # rows transformed
            "shared": part * np.maximum(r * wide, size * r * q) * temporaries(by_rows(self.form.inputs)),
            "part": part * size * size * r * q,
            "v": channels * size * size * r * q,
            "weights": channels * size * size * s["o"],
            "sums": size * size * r * q * s["o"],
            "back": size * m * r * q * s["o"],  # rows transformed back
            "joined": size * r * q * s["o"] * temporaries(by_columns(self.form.outputs)) * 2,
            "y": m * m * r * q * s["o"],
        }

    def footprint(self, s: Sizes, slots: int) -> dict[Memory, Any]:
        """Bytes of each memory."""
        n = {name: padded(count * 4) for name, count in self._elements(s).items()}
        spans = [self.x.span(i, s[name] * self.form.m) for i, name in enumerate("rq")]
        loaded = self.x.nbytes(Memory.UB, s["c"], spans, slots)[Memory.UB]
        working = np.maximum(n["halfway"] + n["shared"], n["sums"] + n["back"] + n["joined"])
        return {
            Memory.L0A: slots * n["v"],
            Memory.L0B: slots * n["weights"],
            Memory.L0C: n["sums"],
            Memory.UB: self.epilogue.nbytes(self.tile_sizes(s), slots) + loaded + slots * n["v"] + working,
        }

    def cost(self, s: Sizes) -> Any:
        """Cycles of the busiest core."""
        machine, form = self.machine, self.form
        n, whole, shared = self._elements(s), s["p"] > 0, np.maximum(s["p"], 1)
        panels, steps = -(-self.columns // s["o"]), self.blocks // s["c"]
        rows, columns = self.spatial
        tiles: Any = self.axes[0].extent * (panels // shared)
        tiles = tiles * -(-rows.extent // (s["r"] * form.m)) * -(-columns.extent // (s["q"] * form.m))
        taken = np.where(whole, steps, shared * steps)  # how often a part of the input is transformed
        products = np.where(whole, shared, shared * steps)
        image: Any = taken * transfer_cycles(machine, Pipe.IN, n["x"] * 4)
        made: Any = taken * (self.x.prologue_cycles(machine, n["x"]) + self._transform_cycles(n))
        weights: Any = transfer_cycles(machine, Pipe.IN, n["weights"] * 4)
        move: Any = transfer_cycles(machine, Pipe.MOV, n["v"] * 4)
        k = np.where(whole, self.blocks, s["c"]) * self.x.block
        one = matrix_cycles(machine, "f32", s["r"] * s["q"], s["o"], k) - machine.startup[Pipe.M]
        product: Any = machine.startup[Pipe.M] + form.size**2 * one
        vector: Any = self._vector_cycles(n)
        out: Any = transfer_cycles(machine, Pipe.OUT, n["y"] * 4)
        if not machine.overlap:
            large = form.size**2 * self.columns * self.blocks * self.x.block * 4
            panel: Any = transfer_cycles(machine, Pipe.MOV, n["weights"] * 4)
            if large > machine.memories[Memory.L0B]:
                kept = large <= machine.l2_bytes // OTHERS
                panel = AHEAD * transfer_cycles(machine, Pipe.IN, n["weights"] * 4, l2=kept)
            spill = (steps - 1) * transfer_cycles(machine, Pipe.MOV, 2 * n["sums"] * 4) * ~whole
            # The input was made just before, and the next tile loads its last rows again.
            image = taken * transfer_cycles(machine, Pipe.IN, n["x"] * 4, l2=True)
            image = image * np.where(s["q"] * form.m < columns.extent, CUT, 1)
            made = made + products * np.maximum(self._blocked(s, product), panel)
            busy = image + made + shared * (vector + out + spill)
            # Parts of the input are transformed again for other panels: what one thread or two do in all counts most.
            rounds = waves(machine, tiles) + (2 * tiles + 2 * -(-tiles // 2)) / machine.cores
            cycles = rounds / 4 * busy
        else:
            pipes = [image + products * weights, np.where(whole, 1, products) * move, products * product,
                     made + shared * vector, shared * out]  # fmt: skip
            cycles = waves(machine, tiles) * np.maximum.reduce(np.broadcast_arrays(*pipes))
            cycles = cycles + image / taken + made / taken + weights + move + product + vector + out
        return np.where(panels % shared == 0, cycles, np.inf)

    def _blocked(self, s: Sizes, product: Any) -> Any:
        """Cycles of the products where they are made in blocks of sums in registers, all of a panel's width and of the
        same number of rows: rows that are computed twice, sums for which little is read, what a block costs besides."""
        rows, fractal = s["r"] * s["q"], self.machine.fractal[1]
        wide = np.maximum(-(-s["o"] // fractal), 1)
        most = np.maximum(self.machine.panel // fractal * ROWS_OF_ONE // wide - 1, 1)
        blocks = -(-rows // most)
        high = -(-rows // blocks)
        turns = TURN * self.form.size**2 * blocks
        return product * (blocks * high / rows) * (1 + READING * (1 / high + 1 / wide)) + turns

    def _transform_cycles(self, n: dict[str, Any]) -> Any:
        """Cycles of the vector unit for transforming a part of the input."""
        size, steps = self.form.size, len(by_rows(self.form.inputs))
        first = vector_cycles(self.machine, "f32", n["halfway"] // size)
        second = vector_cycles(self.machine, "f32", n["part"] // size)
        # Every m-th column is picked out of whole vectors where columns are neighbours.
        apart = 2 * self.form.m - 1 if not self.machine.overlap and self.x.block == 1 else 1
        return steps * (first + apart * second) * self._memory()

    def _vector_cycles(self, n: dict[str, Any]) -> Any:
        """Cycles of the vector unit for taking sums back to a panel's outputs, and for what follows."""
        form = self.form
        drain = vector_cycles(self.machine, "f32", n["sums"])
        first = vector_cycles(self.machine, "f32", n["back"] // form.m)
        second = vector_cycles(self.machine, "f32", n["y"] // form.m)
        apart = SCATTERED if not self.machine.overlap and self.out_block == 1 else 1
        steps = len(by_columns(form.outputs))
        after = vector_cycles(self.machine, "f32", n["y"]) * (1 + len(self.epilogue.rest))
        return drain + (steps * first + (steps + form.m) * second * apart) * self._memory() + after

    def _memory(self) -> float:
        return 1.0 if self.machine.overlap else MEMORY
