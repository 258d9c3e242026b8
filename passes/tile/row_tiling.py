"""The loops of a row operation: those that stay and those along the rows.

Reductions (reduce.py), softmax and norms (row.py, and long_row.py for rows that do not fit) share it.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
from xdsl.ir import Operation, SSAValue

from vcc.passes.tile.access import IterAxis, block_of, iteration_axes, splits_of
from vcc.passes.tile.builder import Tile
from vcc.passes.tile.bursts import tile_cycles
from vcc.passes.tile.chain import ChainEmitter, TileAxis, dtype_of, plan_chain, tensor_type
from vcc.passes.tile.lowering import KernelLowering, tile_counts
from vcc.passes.tile.operands import operand_accesses
from vcc.passes.tile.prologue import Prologue
from vcc.passes.tile.row_ops import wide
from vcc.passes.tile.search import Sizes, choose_tile, padded, rounds, tile_candidates, waves
from vcc.runtime.isa.dtypes import DType
from vcc.runtime.isa.kernel import Memory, Pipe
from vcc.runtime.machine.cost import vector_cycles


class RowTiling:
    """Loops over the input of a row operation: those that stay and those that are reduced.

    The elementwise operations after it run on the tile of its result: the kept loops for a reduction, all loops for
    softmax and layer norm.
    """

    def __init__(
        self, lower: KernelLowering, anchor: Operation, value: SSAValue, axes: Sequence[int], whole: bool,
        others: Sequence[Operation] = (),
    ):  # fmt: skip
        """`others` have the same operand, and results like the anchor's."""
        self.lower, self.anchor, self.value = lower, anchor, value
        type = tensor_type(value)
        rank = len(type.get_shape())
        reduced = {axis % rank for axis in axes}
        self.prologue = Prologue(lower, value, anchor)
        splits = splits_of(self.prologue.accesses.values())
        block = block_of(tensor_type(anchor.results[0]))
        if block is not None and len(tensor_type(anchor.results[0]).get_shape()) == rank:
            splits.setdefault(*block)
        loops = iteration_axes(type, splits=splits)
        self.kept = [axis for axis in loops if axis.axis not in reduced]
        self.reduced = [axis for axis in loops if axis.axis in reduced]
        self.loops = [*self.kept, *self.reduced]
        self.whole = whole
        self.result_axes = self._result_axes(rank, reduced)
        self.input = self.prologue.plan(self.loops)
        ops = lower.elementwise
        shape = tensor_type(anchor.results[0]).get_shape()
        self.accesses, self.args = operand_accesses(lower, ops, anchor.results, shape)
        given: dict[SSAValue, tuple[DType, bool]] = {
            op.results[0]: (dtype_of(op.results[0]), True) for op in (*others, anchor)
        }
        self.plan = plan_chain(ops, self.accesses, self.result_axes, given, [lower.result, *lower.others])

    def _result_axes(self, rank: int, reduced: set[int]) -> list[IterAxis]:
        """The loops over the anchor's result, in terms of its own axes."""
        if self.whole:
            return self.loops
        result = tensor_type(self.anchor.results[0])
        if len(result.get_shape()) == rank:
            return self.kept
        order = [axis for axis in range(rank) if axis not in reduced]
        return [IterAxis(a.name, order.index(a.axis), a.step, a.extent) for a in self.kept]

    def row_footprint(self, rows: Any, parameters: int, slots: int) -> Any:
        """Bytes of ub for a tile of so many whole rows, with `parameters` tensors of one row that it loads."""
        dtype = dtype_of(self.value)
        row, compute = prod(axis.extent for axis in self.reduced), wide(dtype)
        loaded = self.input.nbytes(self.input_sizes(rows), slots) + parameters * padded(row * dtype.size)
        if compute != dtype:
            loaded = loaded + 2 * padded(rows * row * compute.size) + parameters * padded(row * compute.size)
        return loaded + 2 * padded(rows * compute.size) + self.plan.nbytes(self.result_sizes(rows), slots)

    def row_fits(self, parameters: int) -> bool:
        """Whether ub has room for a whole row."""
        return bool(self.row_footprint(1, parameters, 1) <= self.lower.machine.memories[Memory.UB])

    def choose_rows(self, parameters: int, passes: int) -> int:
        """How many whole rows (along the innermost kept loop) a tile has.

        `parameters` are tensors of one row that every tile loads, `passes` the vector instructions over a tile.
        """
        machine, dtype = self.lower.machine, dtype_of(self.value)
        row = prod(axis.extent for axis in self.reduced)
        rows = self.kept[-1].extent if self.kept else 1
        others = prod(axis.extent for axis in self.kept[:-1])

        def footprint(s: Sizes, slots: int) -> dict[Memory, Any]:
            return {Memory.UB: self.row_footprint(s["rows"], parameters, slots)}

        def cost(s: Sizes) -> Any:
            elements = s["rows"] * row
            loads: Any = self.load_cycles(s["rows"], None, elements * dtype.size)
            vector: Any = passes * vector_cycles(machine, wide(dtype).name, elements)
            return self.cycles(waves(machine, others * -(-rows // s["rows"])), loads, vector)

        candidates = {"rows": tile_candidates(rows)}
        return choose_tile(machine, candidates, footprint, cost, node=self.lower.node, what="a row")["rows"]

    def load_cycles(self, rows: Any, part: Sequence[Any] | None, nbytes: Any) -> Any:
        """Cycles of loading `nbytes` as a tile of so many rows, of which `part` is on the chip (default: all)."""
        return tile_cycles(self.lower.machine, Pipe.IN, self.strides, self.input_sizes(rows, part), nbytes)

    @property
    def strides(self) -> list[int] | None:
        """How far apart neighbours along the loops lie in the operand that reaches furthest; None: unknown."""
        found = [access.strides(self.loops) for access in self.prologue.accesses.values()]
        return max(found, key=lambda strides: max(map(abs, strides or [0]), default=0), default=None)

    def cycles(self, trips: Any, loads: Any, vector: Any) -> Any:
        """Cycles of `trips` parts of tiles, each loaded and then worked on by several instructions.

        Small tiles are in the first cache from instruction to instruction. Those of rows that lie side by side (columns
        of a matrix) are loaded in whole bursts if they are wide.
        """
        near = min((abs(s) for s in (self.strides or [])[len(self.kept) :] if s), default=1)
        if self.lower.machine.overlap or near == 1:
            return trips * np.maximum(loads, vector) + loads + vector
        return rounds(self.lower.machine, trips, loads, vector)

    def result_sizes(self, rows: Any) -> list[Any]:
        kept: list[Any] = [1] * (len(self.kept) - 1) + ([rows] if self.kept else [])
        return [*kept, *(axis.extent for axis in self.reduced)] if self.whole else kept

    def input_sizes(self, rows: Any, part: Sequence[Any] | None = None) -> list[Any]:
        """The operand's tile along every loop: so many rows, of which `part` is on the chip; whole ones by default."""
        kept: list[Any] = [1] * (len(self.kept) - 1) + ([rows] if self.kept else [])
        return [*kept, *(part if part is not None else [axis.extent for axis in self.reduced])]

    def kept_sizes(self, rows: int) -> list[int]:
        """The tile's size along every kept loop."""
        return [1] * (len(self.kept) - 1) + ([rows] if self.kept else [])

    def load(self, tile: Sequence[TileAxis]) -> Tile:
        """Load the input of a tile in the loops' order, and compute what the prologue does to it."""
        return self.prologue.emit(self.input, tile)[1]

    def finish(self, emitter: ChainEmitter) -> None:
        """The elementwise operations after the anchor, and the store."""
        lower = self.lower
        for value, number in self.plan.loads:
            users = [op for op in lower.ops if value in op.operands]
            sources = lower.view_sources(value) + lower.source(*users)
            emitter.load_one(value, number, lower.params[self.args[value]], self.accesses[value], sources)
        emitter.compute(lower.sources, lower.taps)
        last = self.plan.steps[-1].op if self.plan.steps else self.anchor
        sources = lower.source(last) + lower.stored_sources()
        emitter.store(lower.result, lower.output, lower.destination(), sources)
        lower.store_others(emitter)

    def forall(self, rows: int) -> dict[str, int]:
        """How many tiles of `rows` rows there are along each kept loop."""
        return tile_counts(self.kept, self.kept_sizes(rows)) or {"i": 1}

    def result_tile(self, tile: Sequence[TileAxis]) -> list[TileAxis]:
        """The tile along the loops of the anchor's result."""
        return [TileAxis(axis, t.start, t.size, t.max) for axis, t in zip(self.result_axes, tile, strict=False)]
