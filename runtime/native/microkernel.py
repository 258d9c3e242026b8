"""One block of sums: it stays in vector registers over all of K, then goes where the product's result goes.

For every k each row's number times each vector of the fast input is added. LLVM keeps `rows * vectors` accumulators in
registers and reads the slow input's numbers as broadcasts. k is unrolled by as much as makes about `BODY`
multiply-adds: more gains nothing and takes LLVM time. Few accumulators would wait for each other, so each then has
several partial sums, for one k after the other.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import Protocol

from vcc.runtime.isa.expr import ONE, Poly
from vcc.runtime.isa.kernel import View
from vcc.runtime.native import mathlib
from vcc.runtime.native.ahead import Ahead, ask_ks, ask_rows
from vcc.runtime.native.convert import convert
from vcc.runtime.native.emit import Val
from vcc.runtime.native.epilogue import Result
from vcc.runtime.native.lane_views import joined, shuffled
from vcc.runtime.native.quads import Quads
from vcc.runtime.native.shape import Shape
from vcc.runtime.native.turned import turned

#: Multiply-adds in the body of the loop over k, about.
BODY = 64
#: Bytes of the fast input in one round of the loop over K of a single row. Each is used once, so that the second cache
#: sets the pace, and its prefetcher follows loads that lie further apart from round to round at half the speed.
STREAMED = 1024
Cell = tuple[int, int]  # row and vector within a block
#: The row of the sums by which results of signed bytes are corrected, see quads.py.
CORRECTION = -1


class Masks:
    """Which lanes of a block's vectors exist (`read`; `left` is their number where not all do, and may be larger or
    negative) and which of their results are wanted (`write`); "" is all."""

    def __init__(self, p: Shape, place: dict[int, Val], vectors: int, left: Val):
        e, width = p.e, p.lanes.width
        self.read, self.left = [""] * vectors, list[Val]([width] * vectors)
        for v in range(vectors if left != 0 else 0):
            rest = left if p.vector != p.lane else e.add(left, -v * width)
            if not isinstance(rest, int) or rest < width:
                self.read[v], self.left[v] = p.f.mask(width, 0, rest), rest
        self.write = list(self.read)
        limit = p.fused.limit if p.fused else None
        for v in range(vectors if limit else 0):
            at, taken = p.cell(place, (0, v)), e.poly(limit.size, p.f.env) if limit else 0
            for dim, weight in limit.weights if limit else ():
                taken = e.add(taken, e.mul(at.get(dim, 0), -weight))
            mask = p.f.mask(width, 0, taken)
            self.write[v] = e.op(f"and <{width} x i1> {mask}, {self.read[v]}") if self.read[v] else mask


class Source(Protocol):
    """What has the fast input's vectors instead of the input itself."""

    def read(self, depth: dict[int, Val], v: int) -> str:
        """Vector `v` of a k."""
        ...


class Tile:
    """The block of `rows` rows and `vectors` vectors that begins at `place`; its vectors come from `panel` if given."""

    def __init__(
        self,
        product: Shape,
        place: dict[int, Val],
        rows: int,
        vectors: int,
        masks: Masks,
        panel: Source | None = None,
        ahead: Ahead | None = None,
    ):
        self.p, self.e, self.lanes, self.masks = product, product.e, product.lanes, masks
        self.rows, self.vectors, self.panel, self.ahead, self.place = rows, vectors, panel, ahead, place
        self.part = place[product.part] if product.part is not None else None
        self.cells = {(r, v): product.cell(place, (r, v)) for r in range(rows) for v in range(vectors)}
        self.sums: dict[tuple[Cell, int], str] = {}
        self.quads = product.quads()

    def emit(self) -> None:
        """Appends the loops over K and what becomes of the sums."""
        p, e = self.p, self.e
        last = p.sizes[p.depth[-1]] if p.depth else 1
        unroll = self.unrolling(last)
        parts = p.partial_sums(len(self.cells), self.vectors, unroll)
        cells = [*self.cells]
        if self.quads and self.quads.corrected:
            cells += [(CORRECTION, v) for v in range(self.vectors)]
        self.sums = {(c, n): e.variable(self.lanes.type, "zeroinitializer") for c in cells for n in range(parts)}
        zero = p.instr.attrs.get("zero", ONE)
        assert isinstance(zero, Poly)
        if not p.around and zero != ONE:
            e.branch(e.truth(e.poly(zero, p.f.env)), lambda: None, self.resume)
        elif self.part is not None:
            e.branch(e.op(f"icmp eq i64 {self.part}, 0"), lambda: None, self.resume)
        if self.ahead:
            self.ahead.begin(self.place, unroll)
        with ExitStack() as loops:
            if p.around:
                low, high = e.poly(p.around.low, p.f.env), e.poly(p.around.high, p.f.env)
                p.f.env[p.around.register] = loops.enter_context(e.loop(low, high, p.around.step))
            depth = {i: loops.enter_context(e.loop(0, p.sizes[i], unroll if i == p.depth[-1] else 1)) for i in p.depth}
            if self.ahead and p.depth:
                self.ahead.ask(depth)
            for u in range(unroll):
                if u:
                    depth[p.depth[-1]] = e.add(depth[p.depth[-1]], 1)
                if u and self.kept_apart():
                    e.do('fence syncscope("singlethread") acq_rel')  # no instruction, but nothing is kept across it
                self.step(depth, u % parts)
        values = {cell: self.total(cell, parts) for cell in self.cells}
        if self.part is None or p.part is None:
            self.finish(values)
        else:
            last = e.op(f"icmp eq i64 {e.add(self.part, 1)}, {p.sizes[p.part]}")
            e.branch(last, lambda: self.finish(values), lambda: self.keep(values))

    def finish(self, values: dict[Cell, str]) -> None:
        """The sums go where the product's result goes."""
        if self.p.across is not None:
            self.turn(values)
            return
        result = Result(self.p.f, self.p.instr, self.p.fused, self.p.lane)
        for (r, v), value in values.items():
            result.put(self.cells[r, v], self.lanes.width, value, self.masks.write[v])

    def turn(self, values: dict[Cell, str]) -> None:
        """Neighbouring rows of sums become vectors along these rows, which go where the product's result goes."""
        p, width = self.p, self.lanes.width
        result, kind = Result(p.f, p.instr, p.fused, p.across), self.lanes.type
        assert p.lane is not None and p.row is not None
        # What becomes narrower is turned afterwards.
        late = p.fused if p.fused and p.fused.turns_last(p.lane) else None
        narrow = p.f.lanes(late.tail.last, width) if late else self.lanes
        if late and narrow.bits < self.lanes.bits:
            early, kind, write = Result(p.f, p.instr, p.fused, p.lane), narrow.type, self.masks.write
            values = {
                (r, v): early.run(late, self.cells[r, v], width, value, write[v], stores=False)
                for (r, v), value in values.items()
            }
        else:
            late = None
        run = min(width, p.instr.domain[p.row].max if p.stack is not None else self.rows)
        for (r, v), at in self.cells.items():
            left = self.masks.left[v]
            if r % run or not isinstance(left, int):
                continue
            count = min(run, self.rows - r)
            rows = [values[r + i, v] for i in range(count)] + ["poison"] * (width - count)
            found = turned(p.f, kind, rows)
            mask = p.f.mask(width, 0, count) if count < width else ""
            for lane in range(min(width, left)):
                here = at | {p.lane: self.e.add(at[p.lane], lane)}
                if late:
                    result.store(late, here, width, found[lane], mask)
                else:
                    result.put(here, width, found[lane], mask)

    def kept_apart(self) -> bool:
        """Whether LLVM would hold more than there are registers for if it saw several k at once.

        That is what one k reads for a row and another for the next (a window that slides), or halves of bytes.
        """
        p = self.p
        if self.quads and not self.quads.at_once and p.f.cpu.registers < 32:
            return True
        if not p.depth or p.row is None:
            return False
        last, step = p.slow.strides[p.depth[-1]].constant, p.slow.strides[p.row].constant
        return bool(last and step and step % last == 0 and step < last * BODY)

    def keep(self, values: dict[Cell, str]) -> None:
        """The sums go to the accumulators, until the next part of K."""
        for (r, v), value in values.items():
            self.p.f.write(self.p.dst, self.cells[r, v], self.lanes.width, value, self.masks.read[v])

    def unrolling(self, last: Val) -> int:
        """How many k one iteration takes: a divisor of their number."""
        most = max(1, BODY // len(self.cells))
        if self.rows == 1:
            fitting = STREAMED // (self.vectors * self.p.f.cpu.vector_bytes)
            most = min(most, next(n for n in (8, 4, 2, 1) if n <= fitting or n == 1))
        return max(u for u in range(1, most + 1) if last % u == 0) if isinstance(last, int) and last else 1

    def resume(self) -> None:
        """The sums go on from what the accumulators hold."""
        for (r, v), at in self.cells.items():
            old = self.p.f.read(self.p.dst, at, self.p.lane, self.lanes.width, self.masks.read[v])
            self.e.do(f"store {self.lanes.type} {old}, ptr {self.sums[(r, v), 0]}")

    def step(self, depth: dict[int, Val], part: int) -> None:
        """One k: every row's number times every vector."""
        e, kind, p = self.e, self.lanes.type, self.p
        if self.quads:
            self.quad_step(self.quads, depth, part)
            return
        if self.panel:
            vectors = [self.panel.read(depth, v) for v in range(self.vectors)]
        else:
            masks = self.masks.read
            vectors = [self.factor(p.fast, self.cells[0, v] | depth, p.lane, masks[v]) for v in range(self.vectors)]
            for v in range(self.vectors):
                ask_ks(p, self.cells[0, v] | depth)
        ask_rows(p, self.cells[self.rows - 1, 0] | depth, self.rows)
        for r in range(self.rows):
            row = self.factor(p.slow, self.cells[r, 0] | depth, None)
            for v in range(self.vectors):
                slot = self.sums[(r, v), part]
                old = e.op(f"load {kind}, ptr {slot}")
                e.do(f"store {kind} {mathlib.add_product(self.lanes, row, vectors[v], old)}, ptr {slot}")

    def quad_step(self, quads: Quads, depth: dict[int, Val], part: int) -> None:
        """Four k of bytes at once."""
        if self.panel:
            words = [self.panel.read(depth, v) for v in range(self.vectors)]
        else:
            words = [self.words(self.p.fast, self.cells[0, v] | depth, self.masks.read[v]) for v in range(self.vectors)]
        vectors = [quads.prepare(word, slow=False) for word in words]
        for r in range(self.rows):
            word = "" if self.p.apart else self.word(self.p.slow, self.cells[r, 0] | depth)
            for v in range(self.vectors):
                own = self.own_words(self.cells[r, v] | depth, self.masks.read[v]) if self.p.apart else word
                self.add_quad(quads, (r, v), part, quads.prepare(own, slow=True), vectors[v])
        for v in range(self.vectors if quads.corrected else 0):
            self.add_quad(quads, (CORRECTION, v), part, [quads.bias()], vectors[v])

    def add_quad(self, quads: Quads, cell: Cell, part: int, factor: list[str], vector: list[str]) -> None:
        """Four products more in every lane of a cell."""
        slot = self.sums[cell, part]
        old = self.e.op(f"load {self.lanes.type}, ptr {slot}")
        self.e.do(f"store {self.lanes.type} {quads.add(old, factor, vector)}, ptr {slot}")

    def own_words(self, at: dict[int, Val], mask: str) -> str:
        """Four bytes of the slow input for every lane: lanes are neighbours, the four of one lane lie apart."""
        e, f, source, quad, width = self.e, self.p.f, self.p.slow, self.p.quad, self.lanes.width
        assert quad is not None
        few, many = f.lanes(source, width), f.lanes(source, 4 * width)
        if source.strides[quad] == Poly.of(width) and not mask:
            whole = f.read(source, at, self.p.lane, 4 * width)
        else:
            whole = joined(
                f, few.kind, [f.read(source, at | {quad: t}, self.p.lane, width, mask) for t in range(4)], width
            )
        words = shuffled(f, many.type, whole, "", [t * width + lane for lane in range(width) for t in range(4)])
        return e.op(f"bitcast {many.type} {words} to {self.lanes.type}")

    def words(self, source: View, at: dict[int, Val], mask: str) -> str:
        """Four bytes for every lane, lane after lane."""
        kind, where = self.lanes.type, self.p.f.pointer(source, at)
        if not mask:
            return self.e.op(f"load {kind}, ptr {where}, align 1")
        rest = ("i32 1", f"{self.lanes.mask} {mask}", f"{kind} poison")
        return self.e.call(f"masked.load.{self.lanes.suffix}.p0", kind, f"ptr {where}", *rest)

    def word(self, source: View, at: dict[int, Val]) -> str:
        """Four bytes, the same in every lane."""
        return self.lanes.splat(self.e.op(f"load i32, ptr {self.p.f.pointer(source, at)}, align 1"))

    def factor(self, source: View, at: dict[int, Val], lane: int | None, mask: str = "") -> str:
        """Elements of an input in the accumulators' dtype."""
        value = self.p.f.read(source, at, lane, self.lanes.width, mask)
        return convert(self.p.f.lanes(source, self.lanes.width), self.lanes, value)

    def total(self, cell: Cell, parts: int) -> str:
        """The sum of a cell's partial sums."""
        values = [self.e.op(f"load {self.lanes.type}, ptr {self.sums[cell, n]}") for n in range(parts)]
        while len(values) > 1:
            odd = values[len(values) // 2 * 2 :]
            values = [mathlib.join(self.lanes, "add", *values[i : i + 2]) for i in range(0, len(values) - 1, 2)] + odd
        if self.quads and self.quads.corrected and cell[0] != CORRECTION:
            return self.lanes.two("sub", values[0], self.total((CORRECTION, cell[1]), parts))
        return values[0]
