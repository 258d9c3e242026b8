"""Concatenation: every piece is loaded, computed if elementwise operations make it, and stored to its place.

A concatenation of concatenations is one kernel: its pieces are those of all, each with its place along every axis.
The tile loops run along the axes on which no piece is smaller than the result; along the others every piece has loops
of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np
from xdsl.dialects.builtin import TensorType

from vcc.dialects import graph
from vcc.passes.tile.access import Access, IterAxis, block_of, iteration_axes
from vcc.passes.tile.chain import ChainEmitter, ChainPlan, TileAxis, gm_view, tensor_type
from vcc.passes.tile.elementwise import plan_cycles
from vcc.passes.tile.lowering import KernelLowering, tile_counts
from vcc.passes.tile.prologue import Prologue
from vcc.passes.tile.search import Sizes, choose_tile, cuts, tile_candidates, waves
from vcc.runtime.isa.expr import Poly
from vcc.runtime.isa.kernel import MAX_DIMS, Memory, Tap


@dataclass
class Part:
    """A piece: what makes it, and where it begins along every axis of the result."""

    made: Prologue
    starts: tuple[int, ...]

    def axes(self, of_result: Sequence[IterAxis]) -> list[IterAxis]:
        """The result's loops over the piece."""
        block = block_of(tensor_type(self.made.anchor.results[0]))
        return [
            a if block is not None and a.axis == block[0] and a.step == 1
            else replace(a, extent=self.made.shape[a.axis] // a.step)
            for a in of_result
        ]  # fmt: skip

    def place(self, whole: Access) -> Access:
        """Where the piece's elements lie in a result that lies at `whole`."""
        base = whole.base
        for terms, start in zip(whole.terms, self.starts, strict=True):
            block = prod(extent for extent, _ in terms[1:])
            base += start // block * terms[0][1]
        return replace(whole, base=base)


class ConcatTiling:
    """The tile search and the code of a `graph.concat` with the operations before it."""

    def __init__(self, lower: KernelLowering, anchor: graph.ConcatOp):
        self.lower, self.anchor = lower, anchor
        self.axes = iteration_axes(tensor_type(anchor.results[0]))
        self.parts = list(parts_of(lower, anchor, (0,) * len(tensor_type(anchor.results[0]).get_shape())))
        self.part_axes = [part.axes(self.axes) for part in self.parts]
        self.plans = [part.made.plan(axes) for part, axes in zip(self.parts, self.part_axes, strict=True)]
        own = [any(axes[i].extent != axis.extent for axes in self.part_axes) for i, axis in enumerate(self.axes)]
        self.common = [axis for axis, cut in zip(self.axes, own, strict=True) if not cut]
        self.own = [i for i, cut in enumerate(own) if cut]

    def choose(self) -> dict[str, int]:
        """The size of a tile along every loop."""
        table = cuts([axis.extent for axis in self.common], MAX_DIMS - len(self.own))
        extents = np.array([axis.extent for axis in self.common], dtype=np.int64)
        tiles = np.prod(-(-extents // table), axis=1)
        machine = self.lower.machine

        def sizes(s: Sizes, number: int) -> tuple[list[Any], Any]:
            """The tile of a piece, and the number of its tiles along its own loops."""
            chosen: dict[str, Any] = {axis.name: table[s["row"], i] for i, axis in enumerate(self.common)}
            trips: Any = 1
            for i in self.own:
                axis = self.part_axes[number][i]
                chosen[axis.name] = np.minimum(s[axis.name], axis.extent)
                trips = trips * -(-axis.extent // chosen[axis.name])
            return [chosen[axis.name] for axis in self.axes], trips

        def footprint(s: Sizes, slots: int) -> dict[Memory, Any]:
            return {Memory.UB: sum(plan.nbytes(sizes(s, i)[0], slots) for i, plan in enumerate(self.plans))}

        def cost(s: Sizes) -> Any:
            total: Any = 0
            for i, plan in enumerate(self.plans):
                tile, trips = sizes(s, i)
                elements: Any = 1
                for size in tile:
                    elements = elements * size
                stages = plan_cycles(machine, plan, tile, elements)
                total = total + trips * np.maximum.reduce(list(stages))
            return waves(machine, tiles[s["row"]]) * total

        candidates: dict[str, Sequence[int]] = {"row": range(len(table))}
        for i in self.own:
            candidates[self.axes[i].name] = tile_candidates(max(axes[i].extent for axes in self.part_axes))
        chosen = choose_tile(machine, candidates, footprint, cost, node=self.lower.node, what="a concatenation")
        row = chosen.pop("row")
        return chosen | {axis.name: int(table[row, i]) for i, axis in enumerate(self.common)}

    def emit(self) -> None:
        """Build the kernel."""
        lower, sizes = self.lower, self.choose()
        lower.open()
        common = [sizes[axis.name] for axis in self.common]
        with lower.builder.forall(tile_counts(self.common, common)) as variables:
            tile = {t.axis.name: t for t in lower.cut(self.common, common, variables)}
            for part, plan, axes in zip(self.parts, self.plans, self.part_axes, strict=True):
                self._emit_part(part, plan, axes, tile, sizes)

    def _emit_part(
        self, part: Part, plan: ChainPlan, axes: Sequence[IterAxis], common: Mapping[str, TileAxis],
        sizes: Mapping[str, int],
    ) -> None:  # fmt: skip
        builder = self.lower.builder
        with ExitStack() as loops:
            tile: list[TileAxis] = []
            for axis in axes:
                if axis.name in common:
                    tile.append(common[axis.name])
                    continue
                size = min(sizes[axis.name], axis.extent)
                step = loops.enter_context(builder.loop(f"{axis.name}c", -(-axis.extent // size)))
                left = builder.minimum(size, axis.extent - step * size) if axis.extent % size else Poly.of(size)
                tile.append(TileAxis(axis, step * size, left, size))
            emitter, _ = part.made.emit(plan, tile)
            self._store(part, plan, emitter, tile)

    def _store(self, part: Part, plan: ChainPlan, emitter: ChainEmitter, tile: Sequence[TileAxis]) -> None:
        lower, type = self.lower, tensor_type(self.anchor.results[0])
        target = gm_view(lower.output, part.place(Access.of(type)), tile)
        tap = None
        if (number := lower.taps.get(self.anchor)) is not None:
            seen = gm_view("", part.place(Access.of(TensorType(type.element_type, type.get_shape()))), tile)
            tap = Tap(number, seen.strides, seen.base)
        operands = {"dst": target, "src": emitter.view(plan.home[part.made.value])}
        lower.builder.emit("store", [t.dim() for t in tile], operands, sources=lower.source(self.anchor), tap=tap)


def parts_of(lower: KernelLowering, op: graph.ConcatOp, starts: tuple[int, ...]) -> list[Part]:
    """The pieces of a concatenation that begins at `starts`, with those of concatenations in it."""
    found, axis = list[Part](), op.axis.value.data % len(starts)
    for value in op.operands:
        inner = value.owner
        if isinstance(inner, graph.ConcatOp) and inner in lower.sources:
            found += parts_of(lower, inner, starts)
        else:
            found.append(Part(Prologue(lower, value, op), starts))
        starts = (*starts[:axis], starts[axis] + tensor_type(value).get_shape()[axis], *starts[axis + 1 :])
    return found


def tile_concat(lower: KernelLowering) -> None:
    """Tile a kernel whose last operation is a `graph.concat`."""
    anchor = lower.result.owner
    assert isinstance(anchor, graph.ConcatOp)
    ConcatTiling(lower, anchor).emit()
