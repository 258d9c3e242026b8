"""Poolings: a reduction over an overlapping view, or one axis of the window after the other.

A window of 5 x 5 takes 25 steps for an element, its columns and then its rows 10. Windows that lie side by side share
more: the maxima of two 2s are that of a 4, so that 3 steps make a 5 and 4 make a 13. Such a pass is one long vector
instruction over all that was loaded, whatever the shape; what it makes beyond the end of a row is not used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from vcc.dialects import graph
from vcc.dialects.graph.attributes import PoolFn
from vcc.passes.tile.builder import Tile, dim
from vcc.passes.tile.chain import ChainEmitter, TileAxis, dtype_of
from vcc.passes.tile.epilogue import Epilogue
from vcc.passes.tile.lowering import KernelLowering, tile_counts
from vcc.passes.tile.search import Sizes, padded
from vcc.passes.tile.windowed import WindowedTiling, finish, whole_sizes
from vcc.runtime.diagnostics import VccError
from vcc.runtime.isa.kernel import Dim, Memory, Role
from vcc.runtime.machine.cost import vector_cycles
from vcc.runtime.machine.model import Machine

#: Where the native engine runs a pass: vectors are read twice and written, which takes so many cycles.
TOUCHES = 2.0
#: How much longer such passes take where what they make does not stay in the first cache.
FAR = 1.5


@dataclass(frozen=True)
class Join:
    """A value of a window's axis: those numbered `a` and, `shift` positions on, `b`, joined."""

    a: int
    b: int
    shift: int

    def uses(self, count: int) -> list[int]:
        """Which of the first `count` values it joins."""
        return [n for n in (self.a, self.b) if n < count]


def doublings(size: int, *, overlap: bool) -> list[Join]:
    """The joins that make a window of `size` neighbours, value 0 being one alone; the last one makes it.

    Windows are doubled as often as they fit. What is then missing is another such window, if it may share elements with
    the first (`overlap`), else smaller ones.
    """
    joins, width, widths = list[Join](), 1, [1]
    while 2 * width <= size:
        joins.append(Join(len(joins), len(joins), width))
        width *= 2
        widths.append(width)
    if overlap and width < size:
        joins.append(Join(len(joins), len(joins), size - width))
    elif width < size:
        for number in reversed(range(len(widths) - 1)):
            if widths[number] <= size - width:
                joins.append(Join(len(joins), number, width))
                width += widths[number]
    return joins


def buffers_held(axes: Sequence[Sequence[Join]]) -> int:
    """How many buffers the passes over axes hold at once, as `_Passes` takes them, besides the input and the result.

    An axis without joins is reduced into a buffer of its own. The last pass makes the result.
    """
    loaded, reduced = -1, -2
    most, now, spare = 0, loaded, list[int]()
    for left, joins in zip(reversed(range(len(axes))), axes, strict=True):
        if not joins:
            most = max(most, (now != loaded) + (left > 0))
            now, spare = reduced, []
            continue
        made = [now]
        for at in range(len(joins) - (left == 0)):
            needed = {made[n] for later in joins[at:] for n in later.uses(len(made))}
            free = [number for number in spare if number not in needed]
            if not free:
                free = [len(spare)]
                spare += free
            most = max(most, len(spare) + (reduced in needed))
            made.append(free[0])
        now = made[-1]
    return most


class SeparablePool(WindowedTiling):
    """A pooling by its axes, the last one innermost; `fn` is `max` or `add`."""

    def __init__(self, lower: KernelLowering, anchor: graph.PoolOp, fill: float):
        super().__init__(lower, anchor, anchor.x, anchor.window, fill)
        self.fn = "max" if anchor.fn.data is PoolFn.MAX else "add"
        window = self.window
        taken = [i for i, size in enumerate(window.kernel) if size > 1]
        self.joins = {i: self._joins(lower.machine, i) for i in taken}
        # Joins leave an end undone, which reductions after them would have to leave out row by row.
        self.order = sorted(taken, key=lambda i: bool(self.joins[i]))

    @property
    def helps(self) -> bool:
        """Whether there are several axes, and sums are not rounded more often than once."""
        return len(self.order) > 1 and (self.fn == "max" or not self.x.dtype.is_float or self.x.dtype.size >= 4)

    def sizes(self, epilogue: Epilogue) -> dict[str, int] | None:
        """Tile sizes; None if what lies between the passes does not fit."""
        try:
            return self.choose(epilogue, "a pooling", 0)
        except VccError:
            return None

    def _joins(self, machine: Machine, i: int) -> list[Join]:
        """How the windows along an axis are joined pairwise; empty if they are reduced at once."""
        size = self.window.kernel[i]
        joins = doublings(size, overlap=self.fn == "max")
        pace = 1.0 if machine.overlap else TOUCHES
        return joins if self.window.strides[i] == 1 and pace * len(joins) < size else []

    def sliding(self, s: Sizes) -> Any:
        """Cycles of the vector unit for all passes over a tile."""
        machine, extents = self.lower.machine, self.extents(s)
        total: Any = 0
        for i in self.order:
            outputs = [s[self.spatial[i].name] if i == j else extent for j, extent in enumerate(extents)]
            steps, taps, pace = len(self.joins[i]), 1, 1.0 if machine.overlap else TOUCHES
            if not steps:
                steps, taps, pace, extents = 1, self.window.kernel[i], 1.0, outputs
            vectors: Any = vector_cycles(machine, self.x.dtype.name, s["c"] * self.block * prod(extents) * taps)
            if i == self.order[-1] and not machine.overlap:
                total = total + (steps - 1) * pace * vectors + taps * self.tap_cycles() * self.vectors(s)
            else:
                total = total + steps * pace * vectors
        return total if machine.overlap else total * self.distance(s, self.between(s), FAR)

    def extents(self, s: Sizes) -> list[Any]:
        """Positions of the input along every spatial axis."""
        return [self.x.span(i, s[axis.name]) for i, axis in enumerate(self.spatial)]

    def between(self, s: Sizes) -> Any:
        """Bytes of the values between the input and the result."""
        held = buffers_held([self.joins[i] for i in self.order])
        most = 2 if self.fn == "max" else max(3, held)  # maxima pass to and fro between two
        return most * padded(s["c"] * self.block * prod(self.extents(s)) * self.x.dtype.size)

    def emit(self, x: Tile, tile: list[TileAxis], epilogue: Epilogue, emitter: ChainEmitter) -> None:
        """All passes over the loaded tile and the rest of the kernel."""
        passes = _Passes(self, x, tile)
        for i in self.order[:-1]:
            if self.joins[i]:
                passes.join(i, self.joins[i])
            else:
                passes.reduce(i)
        last = self.order[-1]
        if self.joins[last]:
            made = passes.values(last, self.joins[last][:-1])
            join = self.joins[last][-1]
            views = [made[join.a].view(passes.outputs()), made[join.b].view(passes.outputs(), passes.shift(last, join))]
            finish(self, epilogue, emitter, self.fn, dict(zip("ab", views, strict=True)), tile, [])
        else:
            window = passes.now.view([*passes.outputs(), passes.pitch(last)])
            finish(self, epilogue, emitter, f"reduce.{self.fn}", {"src": window}, tile, [self.taps(last)])

    def taps(self, i: int) -> Dim:
        """The dimension of a window along a spatial axis."""
        return self.window_dims(Role.REDUCE)[i]


class _Passes:
    """The passes over one tile, the last value of which is `now`: [channel blocks, spatial..., channels].

    Of that, the last `reach` elements were not made, and outputs lie `steps` positions apart along the spatial axes.
    """

    def __init__(self, tiling: SeparablePool, x: Tile, tile: list[TileAxis]):
        self.tiling, self.tile, self.builder = tiling, tile, tiling.lower.builder
        self.sources = tiling.lower.source(tiling.anchor)
        self.channels = next(t for t in tile if t.axis.axis == 1)
        self.now, self.reach, self.steps = x, 0, list(tiling.window.strides)
        self.spare: list[Tile] = []

    def pitch(self, i: int) -> int:
        """Elements between neighbouring taps along a spatial axis."""
        return self.now.strides[1 + i] * self.tiling.window.dilations[i]

    def shift(self, i: int, join: Join) -> int:
        """Elements between the values that are joined."""
        return join.shift * self.pitch(i)

    def outputs(self) -> list[int]:
        """Strides of `now` over the loops of the output."""
        strides: list[int] = []
        for t in self.tile:
            if t.axis.axis >= 2:
                i = t.axis.axis - 2
                strides.append(self.now.strides[1 + i] * self.steps[i])
            elif t.axis.axis == 1:
                strides.append(1 if t.axis.name == "ci" else self.now.strides[0])
            else:
                strides.append(0)
        return strides

    def join(self, i: int, joins: Sequence[Join]) -> None:
        """All windows along an axis by joins of neighbours."""
        self.now = self.values(i, joins)[-1]

    def values(self, i: int, joins: Sequence[Join]) -> list[Tile]:
        """What joins along an axis make, one after the other, the first being what there is."""
        size = prod(self.now.shape[1:])
        made, reach = [self.now], [self.reach]
        for at, join in enumerate(joins):
            reach.append(max(reach[join.a], reach[join.b] + self.shift(i, join)))
            dst = self.buffer([made[n] for later in self.tiling.joins[i][at:] for n in later.uses(len(made))])
            flat = dim("i", self.channels.size * size - reach[-1], self.channels.max * size - reach[-1])
            operands = {"dst": dst.view([1]), "a": made[join.a].view([1]),
                        "b": made[join.b].view([1], self.shift(i, join))}  # fmt: skip
            self.builder.emit(self.tiling.fn, [flat], operands, sources=self.sources)
            made.append(dst)
        self.reach = reach[-1]
        return made

    def buffer(self, needed: Sequence[Tile]) -> Tile:
        """A buffer for a value of the same shape that is none of those that are still needed."""
        free = [tile for tile in self.spare if tile not in needed]
        if free:
            return free[0]
        self.spare.append(self.builder.alloc("m", Memory.UB, self.now.shape, self.now.dtype))
        return self.spare[-1]

    def reduce(self, i: int) -> None:
        """All windows along an axis at once."""
        now, out = self.now, next(t.max for t in self.tile if t.axis.axis == 2 + i)
        shape = [*now.shape[: 1 + i], out, *now.shape[2 + i :]]
        made = self.builder.alloc("m", Memory.UB, shape, now.dtype)
        dims = [dim("c", self.channels.size, self.channels.max), *(dim(f"d{n}", d) for n, d in enumerate(shape[1:]))]
        strides = [stride * (self.steps[i] if n == 1 + i else 1) for n, stride in enumerate(now.strides)]
        operands = {"dst": made.view([*made.strides, 0]), "src": now.view([*strides, self.pitch(i)])}
        self.builder.emit(f"reduce.{self.tiling.fn}", [*dims, self.tiling.taps(i)], operands, sources=self.sources)
        self.now, self.steps[i] = made, 1
        self.spare = []


def tile_pool(lower: KernelLowering) -> None:
    """Tile a kernel whose anchor is a `graph.pool` of maxima or sums (averages are sums times a constant by now)."""
    anchor = next(op for op in lower.ops if isinstance(op, graph.PoolOp))
    dtype = dtype_of(anchor.x)
    lowest = float("-inf") if dtype.is_float else float(np.iinfo(dtype.numpy).min)
    fill = lowest if anchor.fn.data is PoolFn.MAX else 0.0
    tiling = WindowedTiling(lower, anchor, anchor.x, anchor.window, fill)
    epilogue = tiling.epilogue()
    sizes = tiling.choose(epilogue, "a pooling", 0)
    passes = SeparablePool(lower, anchor, fill)
    separate = passes.sizes(epilogue) if passes.helps else None
    if separate and passes.cycles < tiling.cycles:
        tiling, sizes = passes, separate
    lower.open()
    with lower.builder.forall(tile_counts(tiling.axes, whole_sizes(tiling, sizes))) as variables:
        tile = lower.cut(tiling.axes, whole_sizes(tiling, sizes), variables)
        emitter = ChainEmitter(lower.builder, epilogue.plan, tile)
        x = tiling.load(tile)
        epilogue.load(emitter)
        if isinstance(tiling, SeparablePool):
            tiling.emit(x, tile, epilogue, emitter)
        else:
            fn = "max" if anchor.fn.data is PoolFn.MAX else "add"
            view, taps = tiling.window_view(x, tile), tiling.window_dims(Role.REDUCE)
            finish(tiling, epilogue, emitter, f"reduce.{fn}", {"src": view}, tile, taps)
        epilogue.finish(emitter)
