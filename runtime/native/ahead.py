"""Asking for weights ahead: while one panel is multiplied, the next one comes from memory.

A panel is read once for each block of rows, and only for the first block from memory: with few rows that waiting is a
tenth of the time. Each block asks for its share of the panel that lies behind its own, a line or two per round of its
loop over K. Asking beyond the last panel does no harm.

The other input of a 1x1 convolution has its k a channel apart, in another page each, where the hardware does not look
ahead. A block then asks, k by k, for the numbers of the next block of rows: 95 % of the peak instead of 81 %. A
product of one row with a matrix that is not in panels asks, for each k, for what it reads some k on.
"""

from __future__ import annotations

from collections.abc import Sequence

from vcc.runtime.isa.expr import ONE
from vcc.runtime.native.emit import Val
from vcc.runtime.native.shape import NEAR_BYTES, Shape

LINE = 64
#: How many k ahead a matrix that is read once is asked for: what arrives while that many rows of a block are read.
KS_AHEAD = 16
#: With more than so many times the panel per panel asked for, rows are so many that waiting does not matter.
MOST_SURPLUS = 2


class Ahead:
    """The panel after that at `place`, of which a block of columns has `vectors`."""

    def __init__(self, product: Shape, place: dict[int, Val], vectors: int):
        self.p, self.e, self.lines, self.row_bytes, self.unroll = product, product.e, 0, 0, 1
        self.line, self.depth, self.base, self.from_here = 0, 1, "", ""
        lanes, fast = product.lanes, product.fast
        rows = [i for i in (*product.inner, product.stack, product.row) if i is not None]
        self.rows, count = self.pitches(rows)
        self.ks, depth = self.pitches(product.depth)
        if not depth or count <= product.rows or fast.buffer in product.f.buffers:
            return
        line = vectors * lanes.width * lanes.dtype.size
        size = product.f.dtypes[fast.buffer].size
        if all((fast.strides[i] * size).constant == line * pitch for i, pitch in self.ks.items()):
            self.line, self.depth, self.row_bytes = line, depth, line * depth // count
            self.base = product.f.pointer(fast, product.cell(place, (0, 0)))

    def pitches(self, dims: Sequence[int]) -> tuple[dict[int, int], int]:
        """How much each of nested dimensions counts in a number for all of them, and how many there are; 0: unknown."""
        pitches, count = dict[int, int](), 1
        for i in reversed(dims):
            pitches[i] = count
            size = self.p.sizes[i]
            count *= size if isinstance(size, int) else 0
        return pitches, count

    def number(self, pitches: dict[int, int], place: dict[int, Val]) -> Val:
        """A place's number along nested dimensions."""
        total: Val = 0
        for i, pitch in pitches.items():
            total = self.e.add(total, self.e.mul(place.get(i, 0), pitch))
        return total

    def begin(self, place: dict[int, Val], unroll: int) -> None:
        """A block of rows begins, whose loop over K takes `unroll` at a time."""
        share = self.row_bytes * self.p.rows * unroll // self.depth if self.row_bytes else 0
        self.lines = -(-share // LINE) if share * MOST_SURPLUS >= LINE else 0
        if self.lines:
            moved = self.e.add(self.e.mul(self.number(self.rows, place), self.row_bytes), self.line * self.depth)
            self.from_here = self.e.op(f"getelementptr i8, ptr {self.base}, i64 {moved}")
            self.unroll = unroll

    def ask(self, depth: dict[int, Val]) -> None:
        """One round of the loops over K, which are at `depth`."""
        for line in range(self.lines):
            # The last k is a multiple of `unroll`: rounds are as many lines apart as each asks for.
            moved = self.e.mul(self.number(self.ks, depth), self.lines * LINE // self.unroll)
            where = self.e.op(f"getelementptr i8, ptr {self.from_here}, i64 {self.e.add(moved, line * LINE)}")
            self.e.call("prefetch.p0", "void", f"ptr {where}", "i32 0", "i32 2", "i32 1")


def ask_rows(product: Shape, last: dict[int, Val], rows: int) -> None:
    """Asks for one k's numbers of the `rows` rows after `last`, where rows are neighbours and k far apart."""
    p, e, size = product, product.e, product.f.dtypes[product.slow.buffer].size
    if p.row is None or p.stack is not None or not p.depth or p.slow.buffer in p.f.buffers:
        return
    pitch = p.slow.strides[p.depth[-1]].constant
    if p.slow.strides[p.row] != ONE or pitch is None or pitch * size <= NEAR_BYTES or p.instr.domain[p.row].max <= rows:
        return
    here = p.f.pointer(p.slow, last)
    for line in range(0, rows * size, LINE):
        where = e.op(f"getelementptr i8, ptr {here}, i64 {rows * size - line}")
        e.call("prefetch.p0", "void", f"ptr {where}", "i32 0", "i32 2", "i32 1")


def ask_ks(product: Shape, index: dict[int, Val]) -> None:
    """Asks for a vector some k on, if one row alone uses it and those k lie far apart."""
    p = product
    depth = p.depth[-1] if p.depth else None
    if depth is None or p.fast.buffer in p.f.buffers or p.users(p.fast) > 1:
        return
    pitch = (p.fast.strides[depth] * p.f.dtypes[p.fast.buffer].size).constant
    if pitch is not None and pitch > NEAR_BYTES:
        where = p.e.op(f"getelementptr i8, ptr {p.f.pointer(p.fast, index)}, i64 {KS_AHEAD * pitch}")
        p.e.call("prefetch.p0", "void", f"ptr {where}", "i32 0", "i32 2", "i32 1")
