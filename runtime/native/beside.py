"""The foremost elements of rows side by side: each lane of a vector has a row of its own.

An element and its position make a word of 64 bits, as in radix.py. The k least words of each row stay in k vectors, in
order: another word goes past all of them, and at each the lesser stays (insertion sort as a systolic array does it).
That leaves nothing to foretell. Of long rows, words behind the last one that is kept in every lane are left out.
"""

from __future__ import annotations

from contextlib import ExitStack
from math import log

from vcc.runtime.isa.expr import ONE
from vcc.runtime.isa.kernel import Instr
from vcc.runtime.native.emit import Val
from vcc.runtime.native.frame import Frame
from vcc.runtime.native.lanes import Lanes
from vcc.runtime.native.rows import Order

#: The most elements that are kept, a vector each.
MOST = 24
#: Cycles of making a vector of words, of gathering elements that lie apart, of passing one that is kept, of a branch
#: around that: always, and where it is foretold wrongly.
WORD, GATHERED, PASSED, BRANCH, MISSED = 2.5, 3, 1.2, 1, 8


def lane_of(order: Order) -> int | None:
    """The dimension whose rows lie side by side in the lanes: the densest of those with enough of them."""
    lanes = order.f.cpu.vector_bytes // 8
    dims = order.instr.domain
    enough = [i for i, d in enumerate(dims) if i != order.axis and d.max >= max(2, lanes // 2)]
    return max(enough, key=lambda i: (order.src.strides[i] == ONE, dims[i].max), default=None)


def insertions(most: int, count: int, lanes: int) -> tuple[float, bool]:
    """Cycles of all insertions for rows of `most` elements, and whether words that change nothing are left out."""
    begun = count * lanes
    needed = min(most, begun * (1 + log(max(1.0, most / begun))))  # of random elements
    every, some = most * count * PASSED, most * BRANCH + needed * (count * PASSED + MISSED)
    return min(every, some), some < every


def cycles(order: Order, lane: int, count: int) -> float:
    """About how long a row takes."""
    lanes, dims = order.f.cpu.vector_bytes // 8, order.instr.domain
    each = WORD + (0 if order.src.strides[lane] == ONE else GATHERED)
    most = dims[order.axis].max
    return (most * each + insertions(most, count, lanes)[0]) / min(lanes, dims[lane].max)


class RowsBeside(Order):
    """`order` of rows side by side along `lane`, of which the first `count` positions are wanted."""

    def __init__(self, frame: Frame, instr: Instr, count: int, lane: int):
        super().__init__(frame, instr)
        self.kept, self.lane = count, lane
        self.lanes = frame.cpu.vector_bytes // 8
        self.few = self.keys.alike(self.lanes)
        self.words = f"<{self.lanes} x i64>"

    def emit(self) -> None:
        """Appends the loops over rows, a vector of them at a time."""
        e, dims = self.e, self.instr.domain
        sizes = [e.poly(dim.size, self.f.env) for dim in dims]
        with ExitStack() as loops:
            for i, size in enumerate(sizes):
                if i not in (self.axis, self.lane):
                    self.at[i] = loops.enter_context(e.loop(0, size))
            rows = sizes[self.lane]
            whole = isinstance(rows, int) and rows >= self.lanes
            start = loops.enter_context(e.loop(0, rows, self.lanes))
            if whole:  # the last vector begins early enough to be full
                start = e.scalar("min", start, e.add(rows, -self.lanes))
            last = e.add(rows, -1)
            places = [e.add(start, i) if whole else e.scalar("min", e.add(start, i), last) for i in range(self.lanes)]
            self.rank(sizes[self.axis], places, dense=whole and self.src.strides[self.lane] == ONE)

    def rank(self, size: Val, places: list[Val], *, dense: bool) -> None:
        """The foremost of the rows at these places."""
        e = self.e
        kept = [e.variable(self.words, "splat (i64 -1)") for _ in range(self.kept)]
        most = self.instr.domain[self.axis].max
        with e.loop(0, size) as i:
            word = self.word(i, places, dense)

            def insert() -> None:
                passing = word
                for slot in kept:
                    old = e.op(f"load {self.words}, ptr {slot}")
                    e.do(f"store {self.words} {self.least('umin', old, passing)}, ptr {slot}")
                    passing = self.least("umax", old, passing)

            if not insertions(most, self.kept, self.lanes)[1]:
                insert()
            else:
                last = e.op(f"load {self.words}, ptr {kept[-1]}")
                before = e.op(f"icmp ult {self.words} {word}, {last}")
                some = e.op(f"bitcast <{self.lanes} x i1> {before} to i{self.lanes}")
                e.branch(e.op(f"icmp ne i{self.lanes} {some}, 0"), insert)
        for number, slot in enumerate(kept):
            if isinstance(size, int):  # no fewer than are kept
                self.give(number, slot, places)
            else:
                there = e.op(f"icmp slt i64 {number}, {size}")
                e.branch(there, lambda number=number, slot=slot: self.give(number, slot, places))

    def give(self, number: int, slot: str, places: list[Val]) -> None:
        """Stores the rows' positions with that number."""
        e = self.e
        found = e.op(f"load {self.words}, ptr {slot}")
        positions = e.op(f"trunc {self.words} {found} to <{self.lanes} x i32>")
        for row, place in enumerate(places):
            one = e.op(f"extractelement <{self.lanes} x i32> {positions}, i64 {row}")
            where = self.f.pointer(self.dst, self.at | {self.lane: place, self.axis: number})
            e.do(f"store i32 {one}, ptr {where}, align 4")

    def least(self, name: str, a: str, b: str) -> str:
        """The lesser or the greater of two vectors of words."""
        return self.e.call(f"{name}.v{self.lanes}i64", self.words, f"{self.words} {a}", f"{self.words} {b}")

    def word(self, i: Val, places: list[Val], dense: bool) -> str:
        """The i-th elements of the rows, each in front of its position."""
        e, at = self.e, self.at | {self.axis: i}
        if dense:
            value = self.f.read(self.src, at | {self.lane: places[0]}, self.lane, self.lanes)
        else:
            value, kind = "poison", self.few.kind
            for row, place in enumerate(places):
                where = self.f.pointer(self.src, at | {self.lane: place})
                one = e.op(f"load {kind}, ptr {where}, align {self.few.dtype.size}")
                value = e.op(f"insertelement {self.few.type} {value}, {kind} {one}, i64 {row}")
        rank = integer_order(self.few, value, descending=self.instr.attrs.get("by") == "descending")
        key = e.op(f"zext {self.few.word} {rank} to {self.words}")
        high = e.op(f"shl {self.words} {key}, splat (i64 32)")
        return e.op(f"or {self.words} {high}, {e.splat(str(i), 'i64', self.lanes)}")


def integer_order(lanes: Lanes, value: str, *, descending: bool) -> str:
    """Elements of 32 bits as unsigned integers of the same or the opposite order, in which NaN is the greatest."""
    e, word = lanes.e, lanes.word
    if lanes.dtype.is_float:
        met = lanes.two("fcmp uno", value, value)
        value = lanes.two("fadd", value, lanes.constant(0))  # -0 becomes 0
        bits = e.op(f"bitcast {lanes.type} {value} to {word}")
        sign = e.op(f"or {word} {e.op(f'ashr {word} {bits}, splat (i32 31)')}, splat (i32 {-(2**31)})")
        turned = e.op(f"xor {word} {bits}, {sign}")
        bits = e.op(f"select {lanes.mask} {met}, {word} splat (i32 -1), {word} {turned}")
    else:
        bits = e.op(f"xor {word} {value}, splat (i32 {-(2**31)})") if lanes.dtype.kind == "i" else value
    return e.op(f"xor {word} {bits}, splat (i32 -1)") if descending else bits
