"""Reductions: rows of the input to one number each, in parts where a row does not fit."""

from __future__ import annotations

from contextlib import ExitStack
from math import prod
from typing import Any

import numpy as np

from vcc.dialects import graph
from vcc.dialects.graph import ints
from vcc.passes.tile.builder import Tile
from vcc.passes.tile.chain import ChainEmitter, TileAxis, dtype_of, tap_of
from vcc.passes.tile.lowering import KernelLowering
from vcc.passes.tile.row_tiling import RowTiling
from vcc.passes.tile.search import Sizes, choose_tile, cuts, rounds, tile_candidates, waves
from vcc.runtime.isa.expr import ZERO, Poly
from vcc.runtime.isa.kernel import MAX_DIMS, Memory, Role, Tap, View
from vcc.runtime.machine.cost import vector_cycles


def choose_sizes(tiling: RowTiling) -> tuple[int, list[int]]:
    """How many rows a tile has (along the innermost kept loop), and the steps along the reduced loops."""
    machine, dtype = tiling.lower.machine, dtype_of(tiling.value)
    rows = tiling.kept[-1].extent if tiling.kept else 1
    others = prod(axis.extent for axis in tiling.kept[:-1])
    # One dimension is the rows'.
    table = cuts([axis.extent for axis in tiling.reduced], MAX_DIMS - 1)
    extents = np.array([axis.extent for axis in tiling.reduced], dtype=np.int64)
    parts, steps = np.prod(table, axis=1), np.prod(-(-extents // table), axis=1)

    def footprint(s: Sizes, slots: int) -> dict[Memory, Any]:
        loaded = tiling.input.nbytes(tiling.input_sizes(s["rows"], list(table[s["cut"]].T)), slots)
        return {Memory.UB: loaded + tiling.plan.nbytes(tiling.result_sizes(s["rows"]), slots)}

    def cost(s: Sizes) -> Any:
        elements = s["rows"] * parts[s["cut"]]
        loads: Any = tiling.load_cycles(s["rows"], list(table[s["cut"]].T), elements * dtype.size)
        vector: Any = vector_cycles(machine, dtype.name, elements)
        return rounds(machine, waves(machine, others * -(-rows // s["rows"])) * steps[s["cut"]], loads, vector)

    candidates = {"rows": tile_candidates(rows), "cut": range(len(table))}
    chosen = choose_tile(machine, candidates, footprint, cost, node=tiling.lower.node, what="a reduction")
    return chosen["rows"], [int(size) for size in table[chosen["cut"]]]


def tile_reduce(lower: KernelLowering) -> None:
    """Tile a kernel whose anchor is a `graph.reduce`, or several of the same tensor along the same axes."""
    *others, anchor = (op for op in lower.ops if isinstance(op, graph.ReduceOp))
    tiling = RowTiling(lower, anchor, anchor.x, ints(anchor.axes), whole=False, others=others)
    rows, steps = choose_sizes(tiling)
    builder = lower.builder
    lower.open()
    with builder.forall(tiling.forall(rows)) as variables:
        kept = lower.cut(tiling.kept, tiling.kept_sizes(rows), variables)
        result = tiling.result_tile(kept)
        emitter = ChainEmitter(builder, tiling.plan, result)
        targets = [(op, emitter.view(tiling.plan.home[op.result])) for op in (*others, anchor)]
        with ExitStack() as loops:
            done, reduced = ZERO, list[TileAxis]()
            for axis, size in zip(tiling.reduced, steps, strict=True):
                step = loops.enter_context(builder.loop(f"{axis.name}r", -(-axis.extent // size), "reduce"))
                start = step * size
                left = builder.minimum(size, axis.extent - start) if axis.extent % size else Poly.of(size)
                reduced.append(TileAxis(axis, start, left, size))
                done = done + step
            x = tiling.load([*kept, *reduced])
            first = builder.equals(done, 0)
            for op, target in targets:
                _combine(lower, op, target, x, kept, reduced, result, first)
        tiling.finish(emitter)


def _combine(
    lower: KernelLowering, anchor: graph.ReduceOp, target: View, x: Tile, kept: list[TileAxis],
    reduced: list[TileAxis], result: list[TileAxis], first: Poly,
) -> None:  # fmt: skip
    """Join a part of the rows with what the target holds, which the first part replaces."""
    tap = tap_of(anchor.result, lower.taps.get(anchor), result)
    zeros = (ZERO,) * len(reduced)
    lower.builder.emit(
        f"reduce.{anchor.fn.data}",
        [*(t.dim() for t in kept), *(t.dim(Role.REDUCE) for t in reduced)],
        {"dst": View(target.buffer, (*target.strides, *zeros), target.base), "src": x.view()},
        sources=lower.source(anchor),
        tap=tap and Tap(tap.value, (*tap.strides, *zeros), tap.base),
        zero=first,
    )
