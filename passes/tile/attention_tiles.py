"""Tile sizes of attention: how many heads, query rows, keys and columns a core takes at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from vcc.passes.tile.access import IterAxis
from vcc.passes.tile.epilogue import Epilogue
from vcc.passes.tile.lowering import KernelLowering
from vcc.passes.tile.search import Sizes, choose_tile, padded, tile_candidates, waves
from vcc.runtime.isa.dtypes import DType
from vcc.runtime.isa.kernel import Memory, Pipe
from vcc.runtime.machine.cost import matrix_cycles, transfer_cycles, vector_cycles


@dataclass(frozen=True)
class AttentionShape:
    """Sizes of an attention: products of the outer batch axes, heads (the last batch axis), rows, keys, depths."""

    outer: int
    heads: int
    rows: int
    keys: int
    depth: int
    columns: int
    masked: bool
    shared: bool
    """Whether all heads of a tile have the same keys and values."""
    dense: tuple[bool, bool, bool]
    """Whether the rows of queries, keys and values lie one after the other in global memory."""


class AttentionTiles:
    """The search; sizes are `h` heads, `m` rows, `s` keys, `d` of the depth and `n` columns of the values.

    Whole rows of scores (one step over the keys) need neither running maximum nor running sum.
    """

    def __init__(
        self, lower: KernelLowering, shape: AttentionShape, axes: list[IterAxis], epilogue: Epilogue, dtype: DType,
        accumulator: DType,
    ):  # fmt: skip
        self.lower, self.machine = lower, lower.machine
        self.shape, self.axes, self.epilogue = shape, axes, epilogue
        self.dtype, self.accumulator = dtype, accumulator

    def choose(self) -> dict[str, int]:
        """The cheapest sizes that fit; E0140 if none does."""
        fm, fn, fk = self.machine.fractal
        shape = self.shape
        candidates = {
            "h": tile_candidates(shape.heads, 1, 16),
            "m": tile_candidates(shape.rows, fm, 512),
            "s": tile_candidates(shape.keys, max(fn, fk)),
            "d": _whole_or_parts(shape.depth, fk),
            "n": _whole_or_parts(shape.columns, fn),
        }
        return choose_tile(
            self.machine, candidates, self.footprint, self.cost, node=self.lower.node, what="an attention"
        )

    def tile_sizes(self, s: Sizes) -> list[Any]:
        """The size along every loop of the output."""
        outer: list[Any] = [1] * max(0, len(self.axes) - 3)
        return [*outer, *([s["h"]] if len(self.axes) > 2 else []), s["m"], s["n"]]

    def footprint(self, s: Sizes, slots: int) -> dict[Memory, Any]:
        """Bytes of each memory."""
        heads, size, wide = s["h"], self.dtype.size, self.accumulator.size
        scores, result = heads * s["m"] * s["s"], heads * s["m"] * s["n"]
        matrices = 1 if self.shape.shared else heads
        casts = size != wide
        times = blocks_at_a_time(-(-self.shape.keys // s["s"]))
        buffers: list[tuple[Any, Any]] = [
            (scores * wide, times * slots),
            (heads * s["m"] * wide, 2 + times),
        ]
        if self.shape.masked:
            buffers += [(scores * size, times * slots), (scores * wide if casts else 0, times)]
        if casts:
            buffers += [(scores * size, times * slots), (result * wide, 1)]
        return {
            Memory.L0A: _bytes([(heads * s["m"] * s["d"] * size, slots), (scores * size, times * slots)]),
            Memory.L0B: _bytes([(matrices * s["s"] * columns * size, times * slots) for columns in (s["d"], s["n"])]),
            Memory.L0C: _bytes([(scores * wide, times), (result * wide, times)]),
            Memory.UB: _bytes(buffers) + self.epilogue.nbytes(self.tile_sizes(s), slots),
        }

    def cost(self, s: Sizes) -> Any:
        """Cycles of the busiest core.

        The products of a block and the vector work on its scores wait for each other; loads run ahead.
        """
        machine, shape = self.machine, self.shape
        wide, size, heads = self.accumulator.name, self.dtype.size, s["h"]
        steps = -(-shape.keys // s["s"])
        parts = -(-shape.depth // s["d"])
        online = steps > 1
        scores, result = heads * s["m"] * s["s"], heads * s["m"] * s["n"]
        loads: Any = parts * self._load_cycles(1, s["h"], s["s"], s["d"], shape.depth)
        loads = loads + self._load_cycles(2, s["h"], s["s"], s["n"], shape.columns)
        query: Any = self._load_cycles(0, s["h"], s["m"], s["d"], shape.depth)
        loads = loads + np.where(parts > 1, parts * query, 0)
        if shape.masked:
            loads = loads + transfer_cycles(machine, Pipe.IN, scores * size, s["m"])
        products = parts * self._product_cycles(heads, s["m"], s["s"], s["d"])
        products = products + self._product_cycles(heads, s["m"], s["n"], s["s"])
        simple: Any = vector_cycles(machine, wide, scores)
        vector: Any = 4 * simple + vector_cycles(machine, wide, scores, True)
        small: Any = vector_cycles(machine, wide, heads * s["m"], True)
        update: Any = 2 * vector_cycles(machine, wide, result)
        vector = vector + np.where(online, 5 * small + update, 0)
        moves: Any = transfer_cycles(machine, Pipe.MOV, scores * size, heads * s["m"])
        times = blocks_at_a_time(steps)
        # Of two blocks, one is in the matrix unit while the other is in the vector unit, but for the ends of a pair.
        each = np.where(times > 1, 2 * vector + np.maximum(products + moves - update, 0), products + vector + moves)
        one: Any = steps // times * np.maximum(times * np.maximum(loads, products), each)
        out: Any = transfer_cycles(machine, Pipe.OUT, result * size, heads * s["m"])
        last: Any = (2 + len(self.epilogue.rest)) * vector_cycles(machine, wide, result)
        tiles = shape.outer * -(-shape.heads // heads) * -(-shape.rows // s["m"]) * -(-shape.columns // s["n"])
        return waves(machine, tiles) * (np.maximum(one + last, query + out)) + query + loads + out

    def _product_cycles(self, heads: Any, m: Any, n: Any, k: Any) -> Any:
        """Cycles of one product per head; heads with the same keys and values are more rows of one."""
        if self.shape.shared:
            return matrix_cycles(self.machine, self.dtype.name, heads * m, n, k)
        start = self.machine.startup[Pipe.M]
        one: Any = matrix_cycles(self.machine, self.dtype.name, m, n, k)
        return start + heads * (one - start)

    def _load_cycles(self, operand: int, heads: Any, rows: Any, columns: Any, all_columns: int) -> Any:
        """Cycles of loading rows of the queries (0), keys (1) or values (2) of some heads."""
        whole = (columns == all_columns) & self.shape.dense[operand]
        heads = 1 if self.shape.shared and operand > 0 else heads
        bursts = heads * np.where(whole, 1, rows)
        return transfer_cycles(self.machine, Pipe.IN, heads * rows * columns * self.dtype.size, bursts)


def blocks_at_a_time(blocks: Any) -> Any:
    """How many blocks of keys an iteration takes: two where their number is even."""
    return np.where(blocks % 2 == 0, 2, 1)


def _bytes(buffers: list[tuple[Any, Any]]) -> Any:
    """The bytes of buffers of (size of a slot, slots)."""
    total: Any = 0
    for size, slots in buffers:
        total = total + padded(size) * slots
    return total


def _whole_or_parts(extent: int, granule: int) -> list[int]:
    """The whole extent, and parts for machines on which that does not fit: each part costs another pass."""
    found, size = [extent], extent
    while size > granule:
        size = max(granule, -(-size // 2))
        found.append(size)
    return sorted(set(found))
