"""The foremost elements of rows: `order` where nothing reads more than the first k positions of a row.

Several rows are ranked side by side if k is small (beside.py). Of one, a heap holds few, the worst of them at its root
(Knuth, The Art of Computer Programming, volume 3, 5.2.3). For more, candidates are gathered until there are several
times k, which are sorted by their digits, and the first k stay. In both, vectors of elements are compared with the
worst that is kept, and most hold nothing better.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from math import gcd, log

from vcc.runtime.isa.expr import ONE
from vcc.runtime.isa.kernel import Instr, Role, View
from vcc.runtime.native import beside
from vcc.runtime.native.emit import Val
from vcc.runtime.native.frame import Frame
from vcc.runtime.native.radix import LEAST, RadixOrder
from vcc.runtime.native.rows import Order

#: The longest heap: replacing its root takes a comparison that is hard to foretell for each of its levels.
HEAP = 32
#: Candidates that are gathered before the foremost are kept, as a multiple of these, and at least.
CANDIDATES, FEWEST = 3, 256
#: Cycles of replacing the root of a heap.
REPLACING = 60


def foremost(frame: Frame, instr: Instr) -> int:
    """How many positions of each row of an `order` anything reads, at most; all where that is not clear."""
    (axis,) = (i for i, dim in enumerate(instr.domain) if dim.role is Role.SCAN)
    dst, all_of_them, most = instr.operands["dst"], instr.domain[axis].max, 0
    assert isinstance(dst, View)
    rows = [stride.constant for i, stride in enumerate(dst.strides) if i != axis and instr.domain[i].max > 1]
    known = [stride for stride in rows if stride is not None]
    pitch = gcd(*known) if known else sys.maxsize
    if dst.buffer not in frame.buffers or dst.strides[axis] != ONE or len(known) < len(rows) or pitch < all_of_them:
        return all_of_them
    for reader, found in frame.readers[dst.buffer]:
        near = 0
        for stride, dim in zip(found.strides, reader.domain, strict=True):
            step = stride.constant
            if step is None or step < 0 or found.base != dst.base:
                return all_of_them
            near += step * (dim.max - 1) if step % pitch else 0
        most = max(most, near + 1)
    return min(max(most, 1), all_of_them)  # where nothing reads any, too: the worst that is kept is one of those kept


def passing(order: Order, low: Val, size: Val, worst: Callable[[], Val], take: Callable[[Val], None]) -> None:
    """Appends `take(i)` for the i in low..size, without many whose elements do not come before that at `worst()`."""
    f, e, width = order.f, order.e, order.f.width([order.src])
    if order.src.strides[order.axis] != ONE or width == 1:
        with e.loop(low, size) as i:
            take(i)
        return
    lanes, down = f.lanes(order.src, width), order.instr.attrs.get("by") == "descending"
    kind = "ugt" if down or lanes.dtype.kind == "u" else "ult"
    test = (
        f"fcmp {kind}"
        if lanes.dtype.is_float
        else f"icmp {'u' if lanes.dtype.kind == 'u' else 's'}{'gt' if down else 'lt'}"
    )
    for moved, _, left in e.blocks(e.add(size, e.mul(low, -1)), [width]):
        first = e.add(low, moved)
        mask = f.mask(width, 0, left) if left != 0 else ""
        value = f.read(order.src, order.at | {order.axis: first}, order.axis, width, mask)
        limit = f.read(order.src, order.at | {order.axis: worst()}, None, width)
        better = lanes.two(test, value, limit)
        better = e.op(f"and {lanes.mask} {better}, {mask}") if mask else better
        bits = e.op(f"bitcast {lanes.mask} {better} to i{width}")

        def each(bits: str = bits, first: Val = first) -> None:
            wide = e.op(f"zext i{width} {bits} to i64")
            rest = e.variable("i64", wide)
            with e.loop(0, e.call("ctpop.i64", "i64", f"i64 {wide}")):
                now = e.op(f"load i64, ptr {rest}")
                e.do(f"store i64 {e.op(f'and i64 {now}, {e.add(now, -1)}')}, ptr {rest}")
                take(e.add(first, e.call("cttz.i64", "i64", f"i64 {now}", "i1 true")))

        e.branch(e.op(f"icmp ne i{width} {bits}, 0"), each)


class HeapSelection(Order):
    """The first `count` positions, in a heap in the output itself."""

    def __init__(self, frame: Frame, instr: Instr, count: int):
        super().__init__(frame, instr)
        self.kept = count

    def row(self, size: Val) -> None:
        kept = self.e.scalar("min", size, self.kept)
        self.heap(kept)

        def take(i: Val) -> None:
            self.e.branch(self.before(i, self.get(0)), lambda: self.sift(i, 0, self.kept))

        passing(self, kept, size, lambda: self.get(0), take)
        self.dismantle(kept)


class RadixSelection(RadixOrder):
    """The first `count` positions, sorted by digits among some more candidates."""

    def __init__(self, frame: Frame, instr: Instr, count: int):
        self.kept = count
        super().__init__(frame, instr)

    def reserve(self, most: int) -> None:
        super().reserve(min(most, max(CANDIDATES * self.kept, FEWEST)))

    def row(self, size: Val) -> None:
        e = self.e
        begun, kept = e.scalar("min", size, self.most), e.scalar("min", size, self.kept)
        with e.loop(0, begun) as i:
            self.append(self.integer(i), i, i)
        self.sort(begun)
        if self.most < self.instr.domain[self.axis].max:
            count = e.variable("i64", str(kept))
            passing(self, begun, size, self.worst, lambda i: self.gather(i, count))
            self.sort(e.op(f"load i64, ptr {count}"))
        self.give(kept)

    def worst(self) -> Val:
        """The position of the last word that is kept from the last time they were sorted."""
        return self.e.op(f"and i64 {self.e.op(f'load i64, ptr {self.element(0, self.kept - 1)}')}, {2**32 - 1}")

    def gather(self, i: Val, count: str) -> None:
        """Takes an element for a candidate if it comes before the worst that is kept."""
        e = self.e
        key = self.integer(i)
        last = e.op(f"lshr i64 {e.op(f'load i64, ptr {self.element(0, self.kept - 1)}')}, 32")

        def add() -> None:
            at = e.op(f"load i64, ptr {count}")
            self.append(key, i, at)
            e.do(f"store i64 {e.add(at, 1)}, ptr {count}")
            e.branch(e.op(f"icmp eq i64 {at}, {self.most - 1}"), full)

        def full() -> None:
            self.sort(self.most)
            e.do(f"store i64 {self.kept}, ptr {count}")

        e.branch(e.op(f"icmp ult i64 {e.op(f'zext i32 {key} to i64')}, {last}"), add)


def heap_cycles(most: int, count: int) -> float:
    """About how long a heap takes for a row: most elements are only compared, few replace its root."""
    return most / 8 + count * (1 + log(max(1.0, most / count))) * REPLACING


def ordering(frame: Frame, instr: Instr) -> Order:
    """The fastest way to sort, as far as anything reads the result."""
    order = Order(frame, instr)
    most, wanted = order.instr.domain[order.axis].max, foremost(frame, instr)
    words = order.keys.bits == 32 and not order.keys.narrow
    digits = most >= LEAST and words
    lane = beside.lane_of(order) if words and wanted <= beside.MOST else None
    if lane is not None and beside.cycles(order, lane, wanted) < heap_cycles(most, wanted):
        return beside.RowsBeside(frame, instr, wanted, lane)
    if wanted == most or (not digits and wanted > HEAP):
        return RadixOrder(frame, instr) if digits else order
    return HeapSelection(frame, instr, wanted) if wanted <= HEAP else RadixSelection(frame, instr, wanted)
