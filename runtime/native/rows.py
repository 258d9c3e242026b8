"""What goes along a row element by element: running sums and sorting."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack

from vcc.runtime.isa.expr import ONE
from vcc.runtime.isa.kernel import Instr, Role, View
from vcc.runtime.native import mathlib
from vcc.runtime.native.emit import Val
from vcc.runtime.native.frame import Frame

_ONE = "<1 x i1>"
#: Vectors of rows that are summed at a time: the more lie side by side, the fewer cache lines of one set are under way
#: where rows are a power of two apart (1024 rows of 512: 16 instead of 4 take half the time).
UNROLL = 16


class _Rows:
    """An instruction with one scan dimension, done for every index of the others."""

    def __init__(self, frame: Frame, instr: Instr):
        self.f, self.e = frame, frame.e
        (self.axis,) = (i for i, dim in enumerate(instr.domain) if dim.role is Role.SCAN)
        self.instr, self.at = instr, dict[int, Val]()
        src, dst = instr.operands["src"], instr.operands["dst"]
        assert isinstance(src, View) and isinstance(dst, View)
        self.src, self.dst, self.keys = src, dst, frame.lanes(src, 1)

    def emit(self) -> None:
        """Appends the loops over rows."""
        with ExitStack() as loops:
            for i, dim in enumerate(self.instr.domain):
                if i != self.axis:
                    self.at[i] = loops.enter_context(self.e.loop(0, self.e.poly(dim.size, self.f.env)))
            self.row(self.e.poly(self.instr.domain[self.axis].size, self.f.env))

    def row(self, size: Val) -> None:
        raise NotImplementedError

    def key(self, i: Val) -> str:
        """An element of the row, as a vector of one."""
        return self.f.read(self.src, self.at | {self.axis: i}, None, 1)


class RunningSum(_Rows):
    """`scan.add`: of many rows that lie side by side, a vector of them at a time."""

    def emit(self) -> None:
        """Appends the loops over rows."""
        dims, views = self.instr.domain, (self.src, self.dst)
        lanes = [
            i for i, d in enumerate(dims) if i != self.axis and d.max > 1 and all(v.strides[i] == ONE for v in views)
        ]
        if not lanes:
            super().emit()
            return
        lane = lanes[0]
        e, width = self.e, self.f.width([self.src, self.dst])
        with ExitStack() as loops:
            for i, dim in enumerate(dims):
                if i not in (self.axis, lane):
                    self.at[i] = loops.enter_context(e.loop(0, e.poly(dim.size, self.f.env)))
            size = e.poly(dims[lane].size, self.f.env)
            for start, step, left in e.blocks(size, self.steps(size, width)):
                mask = self.f.mask(width, 0, left) if left != 0 else ""
                places = [{lane: e.add(start, part)} for part in range(0, step, width)]
                self.sums(e.poly(dims[self.axis].size, self.f.env), places, (lane, width, mask))

    def steps(self, size: Val, width: int) -> list[int]:
        """How many rows are summed at a time, one after the other."""
        most = UNROLL if self.f.cpu.registers >= 2 * UNROLL else UNROLL // 2
        if not isinstance(size, int):
            return sorted({width * most, width}, reverse=True)
        whole = size // width
        return sorted({width * min(most, whole), width * (whole % most), width} - {0}, reverse=True)

    def row(self, size: Val) -> None:
        self.sums(size, [{}], (None, 1, ""))

    def sums(self, size: Val, places: list[dict[int, Val]], vector: tuple[int | None, int, str]) -> None:
        """The sums along the rows at each of some places; `vector` says along what, how many, and which of them."""
        e, (lane, width, mask) = self.e, vector
        lanes = self.f.lanes(self.src, width)
        totals = [e.variable(lanes.type, lanes.constant(0)) for _ in places]
        with e.loop(0, size) as i:
            for total, place in zip(totals, places, strict=True):
                at = self.at | place | {self.axis: i}
                old, value = e.op(f"load {lanes.type}, ptr {total}"), self.f.read(self.src, at, lane, width, mask)
                new = mathlib.binary(lanes, "add", old, value)
                e.do(f"store {lanes.type} {new}, ptr {total}")
                self.f.write(self.dst, at, width, new, mask)


class Order(_Rows):
    """`order`: heap sort of positions in the output itself; equal elements differ in position, so it is stable."""

    def row(self, size: Val) -> None:
        self.heap(size)
        self.dismantle(size)

    def heap(self, size: Val) -> None:
        """Makes a heap of the first positions: the one that comes last is at its root."""
        e = self.e
        with e.loop(0, size) as i:
            self.put(i, i)
        half = e.scalar("div", size, 2)
        with e.loop(0, half) as i:
            root = e.add(half, e.add(e.mul(i, -1), -1))
            self.sift(self.get(root), root, size)

    def dismantle(self, size: Val) -> None:
        """Takes the heap apart, the last first."""
        e = self.e
        with e.loop(1, size) as i:
            last = e.add(size, e.mul(i, -1))
            moved = self.get(last)
            self.put(last, self.get(0))
            self.sift(moved, 0, last)

    def get(self, i: Val) -> str:
        return self.e.op(f"sext i32 {self.e.op(f'load i32, ptr {self.place(i)}')} to i64")

    def put(self, i: Val, position: Val) -> None:
        value = position if isinstance(position, int) else self.e.op(f"trunc i64 {position} to i32")
        self.e.do(f"store i32 {value}, ptr {self.place(i)}")

    def place(self, i: Val) -> str:
        return self.f.pointer(self.dst, self.at | {self.axis: i})

    def sift(self, position: Val, root: Val, end: Val) -> None:
        """Puts a position into the heap below `root`, larger ones moving up."""
        e = self.e
        hole, chosen = e.variable("i64", str(root)), e.variable("i64", "0")
        head, body, down, done = (e.name() for _ in range(4))
        e.lines += [f"  br label %{head}", f"{head}:"]
        here = e.op(f"load i64, ptr {hole}")
        child = e.add(e.mul(here, 2), 1)
        e.do(f"br i1 {e.op(f'icmp slt i64 {child}, {end}')}, label %{body}, label %{done}")
        with e.scope():
            e.lines.append(f"{body}:")
            e.do(f"store i64 {child}, ptr {chosen}")
            other = e.add(child, 1)
            right: Callable[[], None] = lambda: e.do(f"store i64 {other}, ptr {chosen}")  # noqa: E731
            e.branch(
                e.op(f"icmp slt i64 {other}, {end}"),
                lambda: e.branch(self.before(self.get(child), self.get(other)), right),
            )
            largest = e.op(f"load i64, ptr {chosen}")
            below = self.get(largest)
            e.do(f"br i1 {self.before(position, below)}, label %{down}, label %{done}")
            e.lines.append(f"{down}:")
            self.put(here, below)
            e.do(f"store i64 {largest}, ptr {hole}")
        e.lines += [f"  br label %{head}", f"{done}:"]
        self.put(e.op(f"load i64, ptr {hole}"), position)

    def before(self, a: Val, b: Val) -> str:
        """Whether position a comes before position b in the sorted row."""
        e, x, y = self.e, self.key(a), self.key(b)
        if self.instr.attrs.get("by") == "descending":
            x, y = y, x
        less, more = self.less(x, y), self.less(y, x)
        earlier = e.op(f"and i1 {e.op(f'icmp slt i64 {a}, {b}')}, {e.op(f'xor i1 {more}, true')}")
        return e.op(f"or i1 {less}, {earlier}")

    def less(self, x: str, y: str) -> str:
        """x < y, NaN above every number."""
        e, lanes = self.e, self.keys
        result = mathlib.compare(lanes, "lt", x, y)
        if lanes.dtype.is_float:
            last = e.op(f"and {_ONE} {lanes.two('fcmp ord', x, x)}, {lanes.two('fcmp uno', y, y)}")
            result = e.op(f"or {_ONE} {result}, {last}")
        return e.op(f"extractelement {_ONE} {result}, i64 0")
