"""The shape of a product: which dimension lies along vectors, and which blocks of sums stay in registers.

A block is some rows times some vectors of the result. One input (`fast`) is read in vectors along the lanes, the other
(`slow`) one number at a time, which goes to every lane.

Sums may lie along the vectors that the drain writes, or along others: then blocks are turned before the drain. Which is
better is a matter of cycles: turning takes some for each sum, vectors that the sizes do not fill some for each k.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import NamedTuple

from vcc.runtime.isa.expr import ONE, ZERO, Poly
from vcc.runtime.isa.kernel import Instr, Loop, Role, View
from vcc.runtime.native.emit import Val
from vcc.runtime.native.epilogue import Fused, cut, free_dims, view
from vcc.runtime.native.frame import Frame
from vcc.runtime.native.lane_plan import spread
from vcc.runtime.native.quads import Quads

#: At most so many vectors side by side in a block; in one of at most `FEW_ROWS` rows, which hardly uses them again.
MOST_VECTORS, WIDE_VECTORS, FEW_ROWS = 7, 16, 2
#: What another block shape costs, in parts of the whole: machine code takes time to make.
VARIANT = 0.02
#: How many multiply-adds must be under way to hide their latency, and what one k takes at least where each waits for
#: the k before.
IN_FLIGHT, WAIT = 8, 4.6
#: How much of the fast input one block of columns reads before it comes to the next rows: a part of the second cache.
PART_BYTES = 256 * 1024
#: The longest pitch between rows of an input that is as good as a panel's.
NEAR_BYTES = 512
#: How many rows must use a panel for a copy, or for turning it, to pay.
COPY_ROWS, TURN_ROWS = 24, 4
FOUR = Poly.of(4)
#: Cycles for turning a vector of sums and storing it, for copying one of the fast input into a panel, and for a drain
#: that takes one from memory.
TURN, COPY, DRAIN = 6, 2, 6


class Choice(NamedTuple):
    """Which input is read in vectors, along which dimension; `across`: the rows along which sums are turned, if so."""

    fast: str
    lane: int | None
    across: int | None = None


class Shape:
    """One `mmad`, cut to agree with the drain that takes its sums if `fused` says so.

    `around` is the reduce loop whose sum it forms, if any. `lane` is the dimension along vectors, `vector` the one
    along which a block has several vectors (the lane's own, unless that is just one vector long), `row` that of its
    rows, of which a block may have those of several indices of `stack`; `outer` are loops around the fast input,
    `inner` loops in which it is used again, `depth` K. K may be taken in parts, one for each index of the dimension
    `part`, with sums in memory in between.
    """

    def __init__(self, frame: Frame, instr: Instr, around: Loop | None = None, fused: Fused | None = None):
        self.f, self.e, self.around, self.fused = frame, frame.e, around, fused
        self.instr, self.part = fused.product if fused else instr, None
        self.quad, whole = self.find_quad(), self.instr
        if self.quad is None:
            self.cut_quad()
        self.measure()
        choices = self.choices()
        if self.quad is not None and all(choice.lane is None for choice in choices):
            self.quad, self.instr = None, whole
            self.measure()
            choices = self.choices()
        self.cycles = self.adopt(min(choices, key=self.adopt))
        self.take_parts()

    def adopt(self, choice: Choice) -> float:
        """Takes a way to do it; gives an estimate of its cycles."""
        dims, free = self.instr.domain, free_dims(self.instr)
        self.fast_role, self.lane, self.across = choice.fast, choice.lane, choice.across
        self.lanes = self.f.lanes(self.dst, self.f.width([self.dst]) if self.lane is not None else 1)
        self.vector = self.choose_vector(free)
        rest = [i for i in free if i not in (self.lane, self.vector)]
        reused = [i for i in rest if self.fast.strides[i] == ZERO]
        self.row = max(reused, key=lambda i: dims[i].max, default=None) if self.across is None else self.across
        self.outer = [i for i in rest if i not in reused]
        self.inner = [i for i in reused if i != self.row]
        known = [i for i in self.inner if dims[i].size.constant and self.row is not None]
        self.stack = known[-1] if known and dims[self.row or 0].size.constant else None
        self.rows, self.vectors, cycles = self.block()
        if self.stack is not None and self.rows > dims[self.row or 0].max:
            self.inner.remove(self.stack)
        else:
            self.stack = None
        cycles *= prod(dims[i].max for i in (*self.outer, *self.inner, *self.depth))
        turning = prod(dims[i].max for i in free) * TURN if self.across is not None else 0
        copied = prod(d.max for d, s in zip(dims, self.fast.strides, strict=True) if s != ZERO)
        return cycles + (turning + (copied * self.copy_cycles() if self.wants_panel() else 0)) / self.lanes.width

    def copy_cycles(self) -> float:
        """Cycles for a vector of a panel; of squares that are turned only a part may exist."""
        turned = None if self.pace() else self.turned_along(self.fast)
        if self.lane is None or turned is None or self.fast.strides[self.lane] == ONE:
            return COPY * max(1, self.pace())
        size, width = self.instr.domain[turned].max, self.lanes.width
        return TURN * -(-size // width) * width / max(1, size)

    def pace(self) -> int:
        """The step between lanes of the fast input that are picked out of whole vectors for a panel, else 0."""
        known = self.lane is not None and self.quad is None and isinstance(self.sizes[self.lane], int)
        return spread(self.fast, self.lane) if known else 0

    def pays(self, apart: Shape) -> bool:
        """Whether taking the drain along is faster than the product by itself and then the drain.

        Blocks of 8 channels fill but half of a vector of 16.
        """
        sums = prod(self.instr.domain[i].max for i in free_dims(self.instr))
        passes = 2 if self.fused and self.fused.tail.instrs else 1
        return self.cycles <= apart.cycles + sums / apart.lanes.width * DRAIN * passes

    def measure(self) -> None:
        """Notes the sizes of the domain."""
        self.sizes = [self.e.poly(dim.size, self.f.env) for dim in self.instr.domain]
        self.depth = [i for i, dim in enumerate(self.instr.domain) if dim.role is Role.K]
        self.depth = [i for i in self.depth if i not in (self.part, self.quad)]

    @property
    def dst(self) -> View:
        return view(self.instr, "dst")

    @property
    def fast(self) -> View:
        return view(self.instr, self.fast_role)

    @property
    def slow(self) -> View:
        return view(self.instr, "a" if self.fast_role == "b" else "b")

    def find_quad(self) -> int | None:
        """A dimension of K of four bytes that are neighbours in both inputs, see quads.py."""
        inputs = [view(self.instr, role) for role in ("a", "b")]
        if any(self.f.dtypes[v.buffer].size != 1 for v in inputs) or self.around is not None:
            return None
        beside, dims = any(map(self.is_beside, free_dims(self.instr))), enumerate(self.instr.domain)
        fours = [i for i, d in dims if d.role is Role.K and d.size == FOUR and inputs[1].strides[i] == ONE]
        quads = [i for i in fours if inputs[0].strides[i] == ONE or (beside and inputs[0].strides[i].constant)]
        return quads[0] if quads else None

    def is_beside(self, dim: int) -> bool:
        """Whether products of bytes lie side by side along a dimension: those of a depthwise convolution's channels."""
        a, b = (view(self.instr, role).strides[dim] for role in ("a", "b"))
        return self.instr.domain[dim].role is Role.PARALLEL and a == ONE and b == FOUR

    @property
    def apart(self) -> bool:
        """Whether every lane has words of its own of the slow input, too."""
        return self.quad is not None and self.lane is not None and self.slow.strides[self.lane] != ZERO

    def cut_quad(self) -> None:
        """Cuts K by four where one input of bytes is dense along it: the words of the other come from a panel."""
        last = len(self.instr.domain) - 1
        dim, inputs = self.instr.domain[last], [view(self.instr, role) for role in ("a", "b")]
        size = dim.size.constant
        if any(self.f.dtypes[v.buffer].size != 1 for v in inputs) or self.around is not None or dim.role is not Role.K:
            return
        if size and size % 4 == 0 and any(v.strides[last] == ONE for v in inputs):
            self.instr, self.quad = cut(self.instr, last, 4), last + 1

    def is_fresh(self) -> bool:
        """Whether the product starts new sums."""
        return self.around is not None or self.instr.attrs.get("zero", ONE) == ONE

    def choices(self) -> list[Choice]:
        """The ways to do it: along vectors that are written, the best of them, or along others, which are turned."""
        lanes = self.fused.lanes() if self.fused else [i for i in free_dims(self.instr) if self.dst.strides[i] == ONE]
        dense = ONE if self.quad is None else FOUR
        found: list[tuple[bool, int, str, int]] = []
        for i in lanes:
            for fast, slow in (("b", "a"), ("a", "b")):
                stride, other = (view(self.instr, role).strides[i] for role in (fast, slow))
                words = self.quad is None or all(view(self.instr, r).strides[self.quad] == ONE for r in (fast, slow))
                ready = stride == dense and words
                turns = stride != ZERO and self.can_turn(view(self.instr, fast))
                if self.quad is not None:
                    turns = self.can_gather(view(self.instr, fast), view(self.instr, slow), i)
                if self.quad is not None and fast == "b" and self.is_beside(i):
                    found.append((True, self.instr.domain[i].max, fast, i))
                elif other == ZERO and (ready or turns):
                    found.append((ready, self.instr.domain[i].max, fast, i))
        if self.fused and self.fused.limit:
            found = [f for f in found if f[-1] == self.fused.limit.weights[0][0]]
        choices = [Choice(*max(found, key=lambda f: f[:2])[2:])] if found else []
        return [*choices, *self.turned_choices()] or [Choice("b", None)]

    def turned_choices(self) -> list[Choice]:
        """Where the drain has vectors along rows of the input that is read in vectors."""
        if self.fused is None or self.fused.limit or self.f.dtypes[self.dst.buffer].size != 4:
            return []
        dense = ONE if self.quad is None else FOUR
        written, found = self.fused.lanes(), list[Choice]()
        for i in set(free_dims(self.instr)) - set(written):
            for fast, slow in (("b", "a"), ("a", "b")):
                ours, theirs = view(self.instr, fast).strides, view(self.instr, slow).strides
                lies = (ours[i], theirs[i], self.dst.strides[i]) == (dense, ZERO, ONE)
                lies = lies and (self.quad is None or ours[self.quad] == theirs[self.quad] == ONE)
                lies = lies or (
                    self.quad is not None and fast == "b" and self.is_beside(i) and self.dst.strides[i] == ONE
                )
                if lies and self.instr.domain[i].size.constant:
                    found += [Choice(fast, i, row) for row in written if ours[row] == ZERO]
        return found

    def choose_vector(self, free: list[int]) -> int | None:
        """The dimension along which a block has several vectors."""
        dims = self.instr.domain
        if self.lane is None or dims[self.lane].max > self.lanes.width:
            return self.lane
        others = [
            i
            for i in free
            if i != self.lane
            and self.fast.strides[i] != ZERO
            and self.slow.strides[i] == ZERO
            and dims[i].size.constant is not None
        ]
        return max(others, key=lambda i: dims[i].max, default=self.lane)

    def block(self) -> tuple[int, int, float]:
        """Rows and vectors per block, and their cycles for each k: the fewest for the dimensions' largest sizes."""
        dims = self.instr.domain
        size = dims[self.row].max if self.row is not None else 1
        count = dims[self.stack].max if self.stack is not None else 1
        columns = dims[self.vector].max if self.vector is not None else 1
        columns = -(-columns // self.lanes.width) if self.vector == self.lane else columns

        def total(block: tuple[int, int]) -> float:
            m, n = block
            whole, left = divmod(columns, n)
            stacked = m > size
            rows, again = (size * count, 1) if stacked else (size, count)
            tail = 0 if not stacked and self.overlaps(self.row) else rows % m
            down = -(-rows // m) if not tail else rows // m
            across = [(whole, n), (1, left)] if left else [(whole, n)]
            cost = sum(
                k * (down * self.step_cycles(m, v) + (self.step_cycles(tail, v) if tail else 0)) for k, v in across
            )
            return again * cost * (1 + VARIANT * (len(across) * (1 + (tail > 0)) - 1))

        most = self.f.cpu.registers - 1
        wide = WIDE_VECTORS if size * count <= FEW_ROWS else MOST_VECTORS
        heights = [*range(1, min(size, most) + 1), *(size * far for far in range(2, min(count, most) + 1))]
        if self.across is not None:  # a square is no higher than a vector
            heights = [m for m in heights if min(m, size) <= self.lanes.width]
        sizes = [(m, n) for n in range(1, min(wide, columns) + 1) for m in heights if self.held(m, n) <= most]
        best = min(sizes, key=total)
        return *best, total(best) / (1 if best[0] > size else count)

    def step_cycles(self, m: int, n: int) -> float:
        """Cycles for one k of m x n sums: multiply-adds, or loads, two per cycle; panels and rows come from L2."""
        last = self.sizes[self.depth[-1]] if self.depth else 1
        quads = self.quads()
        if quads and not quads.at_once:
            return (4 * m * n + 2 * m + 3 * n) / 4 + 0.15 * (m + n) * self.f.cpu.vector_bytes / 64
        alone = self.partial_sums(m * n, n, last if isinstance(last, int) else 1) == 1
        return max(m * n / 2, (m + n) / 2, WAIT if alone else 0) + 0.15 * (m + n) * self.f.cpu.vector_bytes / 64

    def held(self, m: int, n: int) -> int:
        """Registers that a block's sums take, and what one k multiplies, but for one number."""
        quads = self.quads()
        if quads is None:
            return m * n + (n if m > 1 else 1)
        return (m + quads.corrected) * n + (n if quads.at_once else 2 * n + 2)

    def quads(self) -> Quads | None:
        """How bytes are multiplied four at a time, if they are."""
        fast, slow = (self.f.dtypes[v.buffer] for v in (self.fast, self.slow))
        return Quads(self.lanes, fast, slow) if self.quad is not None else None

    def partial_sums(self, sums: int, vectors: int, unroll: int) -> int:
        """How many sums each of a block of `sums` is made of, for one k after the other; `unroll` k are written out.

        They stay in registers beside the vectors and the number of a k, and are no more than hide their latency.
        """
        quads = self.quads()
        if quads and not quads.at_once:  # additions, which follow each other from cycle to cycle
            return 1
        room = min(2 * IN_FLIGHT, self.f.cpu.registers - vectors - 1)
        return next(n for n in (8, 4, 3, 2, 1) if unroll % n == 0 and (n == 1 or n * sums <= room))

    def overlaps(self, dim: int | None) -> bool:
        """Whether the last indices of a dimension may be computed twice: nothing read there may have been written."""
        if self.part is not None:
            return False
        if self.fused is None or dim is None:
            return self.is_fresh()
        at = self.fused.order[dim]
        return all(v.strides[at] == ZERO for v, written in self.fused.tail.memory() if not written)

    def take_parts(self) -> None:
        """Cuts K where a block of columns would not stay in the second cache from one block of rows to the next."""
        last = len(self.instr.domain) - 1
        size = self.sizes[last]
        many = self.row is not None and self.instr.domain[self.row].max > self.rows
        if self.lane is None or self.depth != [last] or not isinstance(size, int) or not many or not self.is_fresh():
            return
        if self.dst.strides[self.lane] != ONE:  # the sums between two parts lie along the lanes
            return
        most = PART_BYTES // (self.vectors * self.lanes.width * self.lanes.dtype.size)
        length = max((n for n in range(1, min(most, size) + 1) if size % n == 0), default=size)
        if self.around is None and size > most and length * 4 >= most:
            self.instr, self.part = cut(self.instr, last, length), last
            self.measure()

    def depth_sizes(self) -> list[int] | None:
        """The sizes along K, if they are constant and K has no loop around it."""
        known = [size for size in (self.sizes[i] for i in self.depth) if isinstance(size, int)]
        return known if len(known) == len(self.depth) and self.around is None else None

    def turned_along(self, fast: View) -> int | None:
        """The dimension of K along which an input is dense, in words where bytes go four at a time."""
        if self.quad is not None and fast.strides[self.quad] != ONE:
            return None
        return next((i for i in self.depth if fast.strides[i] == (ONE if self.quad is None else FOUR)), None)

    def users(self, fast: View) -> int:
        """How many rows use an input."""
        return prod(self.instr.domain[i].max for i in free_dims(self.instr) if fast.strides[i] == ZERO)

    def can_turn(self, fast: View) -> bool:
        """Whether an input that is not dense along the lanes is so along K, and enough rows use its panel."""
        known = self.depth_sizes() is not None and self.turned_along(fast) is not None
        return known and self.users(fast) >= TURN_ROWS

    def can_gather(self, fast: View, slow: View, lane: int) -> bool:
        """Whether words of four k of the fast input can be made in a panel: turned, or of four rows of bytes."""
        if self.quad is None or slow.strides[self.quad] != ONE or self.depth_sizes() is None:
            return False
        dense = fast.strides[lane] == ONE or self.turned_along(fast) is not None
        return dense and fast.strides[lane] != ZERO and self.users(fast) >= TURN_ROWS

    def wants_panel(self) -> bool:
        """Whether the fast input had better be read from a panel."""
        if self.lane is None or self.depth_sizes() is None:
            return False
        if self.quad is not None:
            return self.fast.strides[self.lane] != FOUR or self.fast.strides[self.quad] != ONE
        if self.fast.strides[self.lane] != ONE:
            return True
        (depth, *others) = self.depth or [-1]
        stride = self.fast.strides[depth].constant if depth >= 0 else 0
        size = self.f.dtypes[self.fast.buffer].size
        far = not others and stride is not None and stride * size > NEAR_BYTES
        return far and self.users(self.fast) >= COPY_ROWS

    def cell(self, place: dict[int, Val], cell: tuple[int, Val]) -> dict[int, Val]:
        """The place of one vector of a block that begins at `place`."""
        at = dict(place)
        far, near = divmod(cell[0], self.instr.domain[self.row or 0].max) if self.stack is not None else (0, cell[0])
        if self.row is not None:
            at[self.row] = self.e.add(place.get(self.row, 0), near)
        if self.stack is not None:
            at[self.stack] = self.e.add(place.get(self.stack, 0), far)
        if self.vector is not None:
            pitch = self.lanes.width if self.vector == self.lane else 1
            at[self.vector] = self.e.add(place.get(self.vector, 0), self.e.mul(cell[1], pitch))
        return at

    def steps(self, size: Val, step: int) -> Iterator[tuple[Val, int]]:
        """Blocks over 0..size of `step`, and a smaller one if that does not divide the constant size."""
        assert isinstance(size, int)
        for at, count, _ in self.e.blocks(size, [step, size % step] if size % step else [step]):
            yield at, count

    def row_blocks(self) -> Iterator[tuple[dict[int, Val], int]]:
        """Where each block of rows begins, and how many it has."""
        if self.stack is None or self.row is None:
            yield from self.blocks_along(self.row, self.rows)
            return
        size = self.instr.domain[self.row].max
        for at, count in self.steps(self.sizes[self.stack], self.rows // size):
            yield {self.stack: at, self.row: 0}, count * size

    def blocks_along(self, dim: int | None, count: int) -> Iterator[tuple[dict[int, Val], int]]:
        """Where each block along a dimension begins, and how many indices it has; none for no dimension."""
        if dim is None:
            yield {}, 1
            return
        size = self.sizes[dim]
        if isinstance(size, int) and (size % count == 0 or not self.overlaps(dim)):
            for at, step in self.steps(size, count):
                yield {dim: at}, step
        elif isinstance(size, int):
            with self.e.loop(0, size, count) as at:
                yield {dim: self.e.scalar("min", at, size - count)}, count  # the last one begins early enough
        else:
            end = self.e.add(size, self.e.mul(self.e.scalar("mod", size, count), -1))
            if self.overlaps(dim) and count > 1:  # all of them, if they make one whole block
                end = self.e.op(f"select i1 {self.e.op(f'icmp sge i64 {size}, {count}')}, i64 {size}, i64 0")
            last = self.e.add(size, -count)
            with self.e.loop(0, end, count) as at:
                yield {dim: self.e.scalar("min", at, last) if self.overlaps(dim) else at}, count
            if count > 1:
                with self.e.loop(end, size) as at:
                    yield {dim: at}, 1
