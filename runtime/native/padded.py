"""Loads with valid intervals: what is outside is filled and what is inside copied, each by a loop of its own.

A test for every vector would cost more than the copy. Neighbouring dimensions that lie densely on both sides are one,
an interval along the outer one included: rows of 36 pixels of 8 channels are 288 numbers of which some exist.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from vcc.runtime.isa.expr import ONE, ZERO
from vcc.runtime.isa.kernel import Dim, Instr, View
from vcc.runtime.native.emit import Val
from vcc.runtime.native.frame import Frame
from vcc.runtime.native.turned import Square

#: Vectors per iteration of the innermost loops.
UNROLL = 4


class PaddedLoad:
    """One such load."""

    def __init__(self, frame: Frame, instr: Instr):
        self.f, self.e = frame, frame.e
        dst, src = instr.operands["dst"], instr.operands["src"]
        assert isinstance(dst, View) and isinstance(src, View)
        self.dims, (self.dst, self.src) = dense(list(map(bounded, instr.domain)), (dst, src))
        fill = instr.attrs.get("fill", 0.0)
        assert isinstance(fill, float | int)
        self.fill = fill
        lanes = [
            i
            for i, d in enumerate(self.dims)
            if d.size != ONE and self.dst.strides[i] == ONE and self.src.strides[i] == ONE
        ]
        self.lane = max(lanes, key=lambda i: self.dims[i].max, default=None)
        self.block: int | None = None  # along which the source is dense, if that lies across
        if self.lane is None:
            self.turn()
        self.width = frame.width([dst]) if self.lane is not None else 1
        for i in (self.lane, self.block):
            while i is not None and self.width // 2 >= self.dims[i].max:
                self.width //= 2

    def turn(self) -> None:
        """Looks for a dimension that is dense in the buffer alone, and one that is in the source alone."""
        few = 4
        to = [i for i, s in enumerate(self.dst.strides) if s == ONE and self.dims[i].max >= few]
        back = [i for i, s in enumerate(self.src.strides) if s == ONE and self.dims[i].max >= few]
        if to and back:
            self.lane, self.block = to[0], back[0]

    def emit(self) -> None:
        """Appends the loops."""
        last = [i for i in (self.block, self.lane) if i is not None]
        self.inside([*(i for i in range(len(self.dims)) if i not in last), *last], {})

    def bounds(self, i: int) -> tuple[Val, Val, Val]:
        """Where the interval of a dimension begins and ends, and the size, in order."""
        e, env, dim = self.e, self.f.env, self.dims[i]
        size = e.poly(dim.size, env)
        if dim.valid is None:
            return 0, size, size
        low, high = (e.poly(bound, env) for bound in dim.valid)
        low = e.scalar("max", 0, e.scalar("min", low, size))
        return low, e.scalar("max", low, e.scalar("min", high, size)), size

    def inside(self, order: Sequence[int], index: dict[int, Val]) -> None:
        """Copies where all dimensions so far are within their intervals."""
        if not order:
            self.copy(index, "")
            return
        i, rest = order[0], order[1:]
        low, high, size = self.bounds(i)
        self.outside(i, low, 0, rest, index)
        if i == self.lane:
            self.along(low, high, index, self.copy)
        elif i == self.block:
            self.squares(low, high, index)
            assert self.lane is not None
            begin, end, lanes = self.bounds(self.lane)
            for first, last in ((0, begin), (end, lanes)):
                if first != last:
                    with self.e.loop(low, high) as at:
                        self.along(first, last, {**index, i: at}, self.put_fill)
        else:
            with self.e.loop(low, high) as at:
                self.inside(rest, {**index, i: at})
        self.outside(i, size, high, rest, index)

    def squares(self, low: Val, high: Val, index: dict[int, Val]) -> None:
        """Copies what lies across, by squares that are turned in registers."""
        e, width, lane, block = self.e, self.width, self.lane, self.block
        assert lane is not None and block is not None
        begin, end, _ = self.bounds(lane)
        for down, _, below in e.blocks(e.add(high, e.mul(low, -1)), [width]):
            for along, _, left in e.blocks(e.add(end, e.mul(begin, -1)), [width]):
                square = Square(self.f, lane, block, width, *(width if n == 0 else n for n in (below, left)))
                at = {**index, block: e.add(low, down), lane: e.add(begin, along)}
                for i, column in enumerate(square.load(self.src, at)[: square.count(square.down)]):
                    here = at | {block: e.add(at[block], i)}
                    self.f.write(self.dst, here, width, column, square.only(square.beside, i, square.down))

    def outside(self, i: int, end: Val, start: Val, rest: Sequence[int], index: dict[int, Val]) -> None:
        """Fills from `start` to `end` of a dimension, and all that the others hold there."""
        if self.dims[i].valid is None or start == end:
            return

        def further(order: Sequence[int], at: dict[int, Val]) -> None:
            if not order:
                self.put_fill(at, "")
            elif order[0] == self.lane:
                self.along(0, self.e.poly(self.dims[order[0]].size, self.f.env), at, self.put_fill)
            else:
                with self.e.loop(0, self.e.poly(self.dims[order[0]].size, self.f.env)) as here:
                    further(order[1:], {**at, order[0]: here})

        if i == self.lane:
            self.along(start, end, index, self.put_fill)
        else:
            with self.e.loop(start, end) as at:
                further(rest, {**index, i: at})

    def along(self, low: Val, high: Val, index: dict[int, Val], act: object) -> None:
        """Runs `act` for whole vectors from `low` to `high` along the lanes, and for a masked rest."""
        assert callable(act) and self.lane is not None
        e, lane = self.e, self.lane
        length = e.add(high, e.mul(low, -1))
        for start, step, left in e.blocks(length, sorted({self.width * UNROLL, self.width}, reverse=True)):
            mask = self.f.mask(self.width, 0, left) if left != 0 else ""
            for part in range(step // self.width):
                act({**index, lane: e.add(e.add(low, start), part * self.width)}, mask)

    def put_fill(self, index: dict[int, Val], mask: str) -> None:
        """Fills a vector along the lanes."""
        value = self.f.lanes(self.dst, self.width).element(self.fill)
        self.f.write(self.dst, index, self.width, value, mask)

    def copy(self, index: dict[int, Val], mask: str) -> None:
        value = self.f.read(self.src, index, self.lane, self.width, mask)
        self.f.write(self.dst, index, self.width, value, mask)


def bounded(dim: Dim) -> Dim:
    """The dimension without an interval that leaves nothing out."""
    return replace(dim, valid=None) if dim.valid == (ZERO, dim.size) else dim


def dense(domain: Sequence[Dim], views: tuple[View, View]) -> tuple[list[Dim], tuple[View, View]]:
    """The domain with dimensions joined where both views have no gap and the inner one has no interval."""
    dims, strides = list(domain), [list(view.strides) for view in views]
    for at in reversed(range(len(dims) - 1)):
        outer, inner = dims[at : at + 2]
        size = inner.size
        if inner.valid is not None or any(s[at] != s[at + 1] * size for s in strides):
            continue
        valid = None if outer.valid is None else (outer.valid[0] * size, outer.valid[1] * size)
        dims[at : at + 2] = [replace(inner, size=outer.size * size, max=outer.max * inner.max, valid=valid)]
        for s in strides:
            del s[at]
    first, second = (replace(v, strides=tuple(s)) for v, s in zip(views, strides, strict=True))
    return dims, (first, second)
