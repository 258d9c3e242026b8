"""Panels: a part of a product's input, copied so that the vectors which the micro-kernel reads lie one after the other.

A panel has for each k the block's vectors, in the accumulators' dtype. Rows that lie far apart, a multiple of 4 KiB at
worst, cost more than the copy where enough rows of the other input use it. An input that is dense along K instead of
the lanes (B transposed) has no vectors at all before it is turned, square by square, in registers. Of bytes, a panel
has words of four k: read as such where the input is dense along K, else put together of four rows.
"""

from __future__ import annotations

from math import prod

from vcc.runtime.isa.expr import ONE
from vcc.runtime.native.convert import convert
from vcc.runtime.native.emit import Val
from vcc.runtime.native.lane_plan import LanePlan
from vcc.runtime.native.lane_views import LaneViews
from vcc.runtime.native.microkernel import Masks
from vcc.runtime.native.shape import Shape
from vcc.runtime.native.turned import turned


class Panel:
    """The panel of one product; its memory is a thread's own and belongs to one block of columns at a time."""

    def __init__(self, product: Shape, vectors: int):
        self.p, self.e, self.lanes, self.vectors = product, product.e, product.lanes, vectors
        dense, self.pace = product.fast.strides[product.lane or 0] == ONE, product.pace()
        self.turned = product.turned_along(product.fast) if not dense and not self.pace else None
        self.views = LaneViews(product.f, LanePlan(product.lane, self.lanes.width, 0.0))
        sizes = product.depth_sizes() or []
        if self.turned is not None:  # whole squares are written
            at = product.depth.index(self.turned)
            sizes[at] = -(-sizes[at] // self.lanes.width) * self.lanes.width
        self.pitch = {i: prod(sizes[n + 1 :]) for n, i in enumerate(product.depth)}
        nbytes = prod(sizes) * vectors * self.lanes.width * self.lanes.bits // 8
        product.f.panel_bytes = max(product.f.panel_bytes, nbytes)

    def place(self, depth: dict[int, Val], v: Val) -> str:
        """Where vector `v` of a k lies."""
        at: Val = 0
        for i, k in depth.items():
            at = self.e.add(at, self.e.mul(k, self.pitch[i] * self.vectors))
        return self.e.op(f"getelementptr {self.lanes.type}, ptr %.panel, i64 {self.e.add(at, v)}")

    def read(self, depth: dict[int, Val], v: int) -> str:
        """Vector `v` of a k."""
        return self.e.op(f"load {self.lanes.type}, ptr {self.place(depth, v)}, align {self.lanes.dtype.size}")

    def write(self, depth: dict[int, Val], v: Val, value: str) -> None:
        self.e.do(f"store {self.lanes.type} {value}, ptr {self.place(depth, v)}, align {self.lanes.dtype.size}")

    def fill(self, place: dict[int, Val], masks: Masks) -> None:
        """Appends the copy of the columns of the block at `place`."""
        self.over(sorted(self.p.depth, key=lambda i: i == self.turned), {}, place, masks)  # the squares' dimension last

    def over(self, dims: list[int], depth: dict[int, Val], place: dict[int, Val], masks: Masks) -> None:
        if not dims:
            for v, mask in enumerate(masks.read):
                self.views.left = left if isinstance(left := masks.left[v], int) else self.lanes.width
                self.write(depth, v, self.vector(self.p.cell(place, (0, v)) | depth, mask))
        elif dims[0] != self.turned:
            with self.e.loop(0, self.p.sizes[dims[0]]) as k:
                self.over(dims[1:], depth | {dims[0]: k}, place, masks)
        else:
            self.over_squares(depth, place, masks)

    def vector(self, index: dict[int, Val], mask: str) -> str:
        """A vector of the input, which is dense along the lanes, or of every second to fourth element of it."""
        source, width, quad, total = self.p.fast, self.lanes.width, self.p.quad, ""
        if quad is None:
            near = not self.pace
            value = self.p.f.read(source, index, self.p.lane, width, mask) if near else self.picked(index)
            return convert(self.p.f.lanes(source, width), self.lanes, value)
        for k in range(4):
            row = self.p.f.read(source, index | {quad: k}, self.p.lane, width, mask)
            wide = self.e.op(f"zext {self.p.f.lanes(source, width).type} {row} to {self.lanes.type}")
            wide = self.lanes.two("shl", wide, self.lanes.constant(8 * k)) if k else wide
            total = self.lanes.two("or", total, wide) if k else wide
        return total

    def picked(self, index: dict[int, Val]) -> str:
        """A vector of elements that lie a few apart."""
        return self.views.picked(self.p.fast, index, self.pace)

    def along(self, index: dict[int, Val], mask: str) -> str:
        """A vector of the input, which is dense along K, in that direction."""
        source, width, kind = self.p.fast, self.lanes.width, self.lanes.type
        if self.p.quad is None:
            return convert(
                self.p.f.lanes(source, width), self.lanes, self.p.f.read(source, index, self.turned, width, mask)
            )
        where = self.p.f.pointer(source, index)
        if not mask:
            return self.e.op(f"load {kind}, ptr {where}, align 1")
        rest = ("i32 1", f"{self.lanes.mask} {mask}", f"{kind} poison")
        return self.e.call(f"masked.load.{self.lanes.suffix}.p0", kind, f"ptr {where}", *rest)

    def over_squares(self, depth: dict[int, Val], place: dict[int, Val], masks: Masks) -> None:
        """Goes along the dimension in which the input is dense, a square at a time."""
        size, width, along = self.p.sizes[self.turned or 0], self.lanes.width, self.turned
        assert isinstance(size, int) and along is not None
        for k, _, left in self.e.blocks(size, [width]):
            mask = self.p.f.mask(width, 0, left) if left != 0 else ""
            if any(masks.read):
                for v in range(len(masks.read)):
                    self.square(depth | {along: k}, v, place, masks.left[v], mask)
            else:
                with self.e.loop(0, len(masks.read)) as v:
                    self.square(depth | {along: k}, v, place, width, mask)

    def square(self, depth: dict[int, Val], v: Val, place: dict[int, Val], left: Val, mask: str) -> None:
        """Turns as many rows of the input as a vector has lanes; rows from `left` on are not there."""
        p, width, rows = self.p, self.lanes.width, list[str]()
        for row in range(width):
            at = row if isinstance(left, int) else self.e.scalar("min", row, self.e.add(left, -1))
            if isinstance(left, int) and row >= left:
                rows.append("poison")
                continue
            index = p.cell(place, (0, v)) | depth
            index[p.lane or 0] = self.e.add(index[p.lane or 0], at)
            rows.append(self.along(index, mask))
        for row, value in enumerate(turned(p.f, self.lanes.type, rows)):
            k = self.e.add(depth[self.turned or 0], row)
            self.write(depth | {self.turned or 0: k}, v, value)
