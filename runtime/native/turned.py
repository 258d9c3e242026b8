"""Chains whose views lie across each other, as in a transpose: blocks of vectors are turned in registers.

Along `lane` the chain computes. A view that is dense along `block` instead is loaded as vectors along that, a square of
them, and turned: as often as the width can be halved, pairs of vectors exchange half of their lanes.
"""

from __future__ import annotations

from vcc.runtime.isa.kernel import View
from vcc.runtime.native.chain_loops import ChainLoops, Index, Values, destination
from vcc.runtime.native.emit import Val
from vcc.runtime.native.frame import Frame
from vcc.runtime.native.lane_views import joined, shuffled


def turned(frame: Frame, kind: str, rows: list[str]) -> list[str]:
    """The columns of a square of vectors."""
    if kind == "<16 x i8>" and "+avx512vbmi" in frame.cpu.features.split(",") and frame.cpu.vector_bytes == 64:
        return _turned_bytes(frame, rows)
    width, rows = len(rows), list(rows)
    step = 1
    while step < width:
        lanes = range(width)
        low = [i if not i & step else width + i - step for i in lanes]
        high = [i + step if not i & step else width + i for i in lanes]
        for i in range(width):
            if not i & step:
                a, b = rows[i], rows[i | step]
                rows[i], rows[i | step] = shuffled(frame, kind, a, b, low), shuffled(frame, kind, a, b, high)
        step *= 2
    return rows


def _turned_bytes(frame: Frame, rows: list[str]) -> list[str]:
    """The columns of 16 rows of 16 bytes, four rows in a register: any two registers give any bytes at once."""
    fours = [joined(frame, "i8", rows[i : i + 4], 16) for i in range(0, 16, 4)]
    kind, columns = "<64 x i8>", list[str]()
    for first in range(0, 16, 4):
        picked = [16 * row + first + column for column in range(4) for row in range(4)]  # of a register, by columns
        order = [
            at + 64 * half for column in range(4) for half in range(2) for at in picked[4 * column : 4 * column + 4]
        ]
        halves = [shuffled(frame, kind, fours[i], fours[i + 1], order * 2) for i in (0, 2)]  # 8 rows of each column
        whole = [at + 64 * half for column in range(4) for half in range(2) for at in range(8 * column, 8 * column + 8)]
        four = shuffled(frame, kind, halves[0], halves[1], whole)
        columns += [shuffled(frame, kind, four, "", list(range(i, i + 16))) for i in range(0, 64, 16)]
    return columns


class Square:
    """A square of `width` times `width` elements, of which `down` along `block` and `along` along `lane` exist."""

    def __init__(self, frame: Frame, lane: int, block: int, width: int, down: Val, along: Val):
        self.f, self.e = frame, frame.e
        self.lane, self.block, self.width, self.down, self.along = lane, block, width, down, along
        self.below, self.beside = ("" if count == width else frame.mask(width, 0, count) for count in (down, along))

    def count(self, size: Val) -> int:
        """How many vectors are written out for so many, of which some may not exist if it is known only when run."""
        return size if isinstance(size, int) else self.width

    def row(self, index: Index, i: int) -> Index:
        """The i-th index along `lane`, of those that exist."""
        last = i if isinstance(self.along, int) else self.e.scalar("min", i, self.e.add(self.along, -1))
        return index | {self.lane: self.e.add(index[self.lane], last)}

    def only(self, mask: str, i: int, size: Val) -> str:
        """The mask, or no lane at all if there is no i-th vector."""
        if isinstance(size, int):
            return mask
        kind, number = f"<{self.width} x i1>", self.e.op(f"icmp slt i64 {i}, {size}")
        here = self.e.splat(number, "i1", self.width)
        return self.e.op(f"and {kind} {mask}, {here}") if mask else here

    def load(self, view: View, index: Index) -> list[str]:
        """The vectors along `lane` of a view that is dense along `block`."""
        rows = [
            self.f.read(view, self.row(index, i), self.block, self.width, self.below)
            for i in range(self.count(self.along))
        ]
        kind = self.f.lanes(view, self.width).type
        return turned(self.f, kind, rows + ["poison"] * (self.width - len(rows)))

    def store(self, view: View, index: Index, columns: list[str]) -> None:
        """Stores vectors along `lane` to a view that is dense along `block`."""
        kind = self.f.lanes(view, self.width).type
        rows = turned(self.f, kind, columns + ["poison"] * (self.width - len(columns)))
        for i in range(self.count(self.along)):
            at = index | {self.lane: self.e.add(index[self.lane], i)}
            self.f.write(view, at, self.width, rows[i], self.only(self.below, i, self.along))


class TurnedLoops(ChainLoops):
    """A chain without reductions, by squares of `lane` times `block`."""

    def emit(self) -> None:
        """Appends the loops."""
        outer = [i for i in range(len(self.sizes)) if i not in (self.plan.lane, self.plan.block)]
        self.over(outer, {}, self.squares)

    def squares(self, index: Index) -> None:
        """All squares at one index of the other dimensions, with incomplete ones at both ends."""
        lane, block, width = self.plan.lane, self.plan.block, self.plan.width
        assert lane is not None and block is not None
        for down, _, below in self.e.blocks(self.sizes[block], [width]):
            for along, _, left in self.e.blocks(self.sizes[lane], [width]):
                counts = [width if rest == 0 else rest for rest in (below, left)]
                self.square(Square(self.f, lane, block, width, *counts), {**index, block: down, lane: along})

    def square(self, square: Square, index: Index) -> None:
        """One square: what is far is loaded and turned, then the chain runs for each vector along `lane`."""
        columns, made = dict[View, list[str]](), set[View]()
        for instr in self.instrs:
            for role, view in instr.views():
                if role != "dst" and self.views.is_far(view) and view not in made | columns.keys():
                    columns[view] = square.load(view, index)
            made.add(destination(instr))
        far: dict[View, list[str]] = {}
        for i in range(square.count(square.down)):
            values: Values = {view: found[i] for view, found in columns.items()}
            self.mask = square.only(square.beside, i, square.down)
            self.body(self.instrs, index | {square.block: self.e.add(index[square.block], i)}, values)
            for instr in self.instrs:
                dst = destination(instr)
                if self.views.is_far(dst) and dst.buffer not in self.dead:
                    far.setdefault(dst, [])[i:] = [values[dst]]
        self.mask = ""
        for view, found in far.items():
            square.store(view, index, found)

    def put(self, view: View, index: Index, value: str, mask: str) -> None:
        """Far views are stored a square at a time."""
        if not self.views.is_far(view):
            super().put(view, index, value, mask)
