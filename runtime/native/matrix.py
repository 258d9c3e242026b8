"""Matrix products: the loops around blocks of sums.

The fast input is best in panels, whose vectors for one k after the other lie side by side: constant weights come so;
others are copied into one first where enough rows use it (panels.py). What a block is says shape.py, its sums are
microkernel.py's; where both inputs are dense along K alone, dot.py's.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

from vcc.runtime.native import dot
from vcc.runtime.native.ahead import Ahead
from vcc.runtime.native.emit import Val
from vcc.runtime.native.microkernel import Masks, Tile
from vcc.runtime.native.panels import Panel
from vcc.runtime.native.shape import Shape


class Product(Shape):
    """One `mmad` and its code."""

    def is_dense(self) -> bool:
        """Whether the product is computed in vectors."""
        return self.lane is not None or dot.possible(self)

    def emit(self) -> None:
        """Appends the loops over blocks."""
        if self.lane is None and dot.possible(self):
            dot.Dot(self).emit()
            return
        panel = Panel(self, self.vectors) if self.wants_panel() else None
        with ExitStack() as loops:
            index = {i: loops.enter_context(self.e.loop(0, self.bound(i))) for i in self.outer}
            for at, vectors, left in self.columns():
                masks = Masks(self, index | at, vectors, left)
                with ExitStack() as again:
                    place = index | at
                    if self.part is not None:
                        place[self.part] = again.enter_context(self.e.loop(0, self.sizes[self.part]))
                    if panel:
                        panel.fill(place, masks)
                    ahead = Ahead(self, place, vectors) if panel is None and self.lane is not None else None
                    for i in self.inner:
                        place[i] = again.enter_context(self.e.loop(0, self.sizes[i]))
                    for row, rows in self.row_blocks():
                        Tile(self, place | row, rows, vectors, masks, panel, ahead).emit()

    def bound(self, dim: int) -> Val:
        """How far a loop around blocks goes: panels that the limit leaves nothing of are not computed."""
        limit = self.fused.limit if self.fused else None
        weight = dict(limit.weights).get(dim) if limit else None
        if limit is None or weight is None:
            return self.sizes[dim]
        last = self.e.add(self.e.poly(limit.size, self.f.env), weight - 1)
        return self.e.scalar("min", self.sizes[dim], self.e.scalar("div", last, weight))

    def columns(self) -> Iterator[tuple[dict[int, Val], int, Val]]:
        """Where each block begins along the lanes, its vectors, and how many lanes its last ones have (0: all)."""
        if self.lane is None or self.vector is None:
            yield {}, 1, 0
            return
        width, size = self.lanes.width, self.sizes[self.lane]
        if self.vector != self.lane:
            left = 0 if size == width else size
            for at, vectors in self.steps(self.sizes[self.vector], self.vectors):
                yield {self.lane: 0, self.vector: at}, vectors, left
        elif isinstance(size, int):
            block = self.vectors * width
            whole = size - size % block
            if whole:
                with self.e.loop(0, whole, block) as at:
                    yield {self.lane: at}, self.vectors, 0
            if whole != size:
                yield {self.lane: whole}, -(-(size - whole) // width), (size - whole if size % width else 0)
        else:
            with self.e.loop(0, size, self.vectors * width) as at:
                yield {self.lane: at}, self.vectors, self.e.add(size, self.e.mul(at, -1))
