"""Matrix products: which dimension lies along vectors, which blocks of sums stay in registers, the loops around them.

A block is some rows times some vectors of the result. One input (`fast`) is read in vectors along the lanes, the other
(`slow`) one number at a time, which goes to every lane. The fast input is best in panels, whose vectors for one k
after the other lie side by side: constant weights come so; others are copied into one first where enough rows use it
(panels.py). The block itself is microkernel.py's; where both inputs are dense along K alone, it is dot.py's.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

from vcc.runtime.isa.expr import ONE, ZERO
from vcc.runtime.isa.kernel import Instr, Loop, Role, View
from vcc.runtime.native import dot
from vcc.runtime.native.emit import Val
from vcc.runtime.native.epilogue import Fused, free_dims, view
from vcc.runtime.native.frame import Frame
from vcc.runtime.native.microkernel import Masks, Tile
from vcc.runtime.native.panels import Panel, can_turn, pays

#: At most so many vectors side by side in a block.
MOST_VECTORS = 4
#: What another block shape costs, in parts of the whole: machine code takes time to make.
VARIANT = 0.02


class Product:
    """One `mmad`, cut to agree with the drain that takes its sums if `fused` says so.

    `around` is the reduce loop whose sum it forms, if any. `lane` is the dimension along vectors, `vector` the one
    along which a block has several vectors (the lane's own, unless that is just one vector long), `row` that of its
    rows; `outer` are loops around the fast input, `inner` loops in which it is used again, `depth` K.
    """

    def __init__(self, frame: Frame, instr: Instr, around: Loop | None = None, fused: Fused | None = None):
        self.f, self.e, self.around, self.fused = frame, frame.e, around, fused
        self.instr = fused.product if fused else instr
        self.dst, dims, free = view(self.instr, "dst"), self.instr.domain, free_dims(self.instr)
        self.sizes = [self.e.poly(dim.size, frame.env) for dim in dims]
        self.depth = [i for i, dim in enumerate(dims) if dim.role is Role.K]
        self.fast, self.slow, self.lane = self.choose_lane()
        self.lanes = frame.lanes(self.dst, frame.width([self.dst]) if self.lane is not None else 1)
        self.vector = self.choose_vector(free)
        rest = [i for i in free if i not in (self.lane, self.vector)]
        reused = [i for i in rest if self.fast.strides[i] == ZERO]
        self.row = max(reused, key=lambda i: dims[i].max, default=None)
        self.outer = [i for i in rest if i not in reused]
        self.inner = [i for i in reused if i != self.row]
        self.rows, self.vectors = self.block()
        self.panel = Panel(self, self.vectors) if pays(self) else None

    def choose_lane(self) -> tuple[View, View, int | None]:
        """The input that is read in vectors, the other, and the dimension: dense in what is written, best in both."""
        a, b = view(self.instr, "a"), view(self.instr, "b")
        free = free_dims(self.instr)
        lanes = [i for i in (self.fused.lanes() if self.fused else free) if self.fused or self.dst.strides[i] == ONE]
        found = [
            (v.strides[i] == ONE, self.instr.domain[i].max, v, w, i)
            for i in lanes
            for v, w in ((b, a), (a, b))
            if w.strides[i] == ZERO and v.strides[i] != ZERO
        ]
        if self.fused and self.fused.limit:
            found = [f for f in found if f[-1] == self.fused.limit.weights[0][0]]
        found = [f for f in found if f[0] or can_turn(self, f[2])]
        if not found:
            return b, a, None
        *_, fast, slow, lane = max(found, key=lambda f: f[:2])
        return fast, slow, lane

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

    def block(self) -> tuple[int, int]:
        """Rows and vectors per block: the fewest estimated cycles for the dimensions' largest sizes."""
        rows = self.instr.domain[self.row].max if self.row is not None else 1
        columns = self.instr.domain[self.vector].max if self.vector is not None else 1
        columns = -(-columns // self.lanes.width) if self.vector == self.lane else columns

        def cycles(m: int, n: int) -> float:  # multiply-adds, or loads, two per cycle; panels and rows from L2
            return max(m * n, m + n) / 2 + 0.15 * (m + n)

        def total(size: tuple[int, int]) -> float:
            m, n = size
            whole, left = divmod(columns, n)
            tail = 0 if self.overlaps(self.row) else rows % m
            down = -(-rows // m) if not tail else rows // m
            across = [(whole, n), (1, left)] if left else [(whole, n)]
            cost = sum(count * (down * cycles(m, v) + (cycles(tail, v) if tail else 0)) for count, v in across)
            return cost * (1 + VARIANT * (len(across) * (1 + (tail > 0)) - 1))

        most = self.f.cpu.registers - 1
        sizes = [
            (m, n)
            for n in range(1, min(MOST_VECTORS, columns) + 1)
            for m in range(1, min(rows, most) + 1)
            if m * n + n <= most
        ]
        return min(sizes, key=total)

    def overlaps(self, dim: int | None) -> bool:
        """Whether the last indices of a dimension may be computed twice: nothing read there may have been written."""
        if self.fused is None or dim is None:
            return self.around is not None or self.instr.attrs.get("zero", ONE) == ONE
        drain, at = self.fused.drain, self.fused.order[dim]
        return all(v.strides[at] == ZERO for r, v in drain.views() if r not in ("dst", "src"))

    def is_dense(self) -> bool:
        """Whether the product is computed in vectors."""
        return self.lane is not None or dot.possible(self)

    def emit(self) -> None:
        """Appends the loops over blocks."""
        if self.lane is None and dot.possible(self):
            dot.Dot(self).emit()
            return
        with ExitStack() as loops:
            index = {i: loops.enter_context(self.e.loop(0, self.bound(i))) for i in self.outer}
            for at, vectors, left in self.columns():
                place = index | at
                masks = Masks(self, place, vectors, left)
                if self.panel:
                    self.panel.fill(place, masks)
                with ExitStack() as again:
                    for i in self.inner:
                        place = place | {i: again.enter_context(self.e.loop(0, self.sizes[i]))}
                    for row, rows in self.blocks_along(self.row, self.rows):
                        Tile(self, place | row, rows, vectors, masks).emit()

    def cell(self, place: dict[int, Val], cell: tuple[int, Val]) -> dict[int, Val]:
        """The place of one vector of a block that begins at `place`."""
        at = dict(place)
        if self.row is not None:
            at[self.row] = self.e.add(place.get(self.row, 0), cell[0])
        if self.vector is not None:
            pitch = self.lanes.width if self.vector == self.lane else 1
            at[self.vector] = self.e.add(place.get(self.vector, 0), self.e.mul(cell[1], pitch))
        return at

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

    def steps(self, size: Val, step: int) -> Iterator[tuple[Val, int]]:
        """Blocks over 0..size of `step`, and a smaller one if that does not divide the constant size."""
        assert isinstance(size, int)
        for at, count, _ in self.e.blocks(size, [step, size % step] if size % step else [step]):
            yield at, count

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
            whole = self.e.add(size, self.e.mul(self.e.scalar("mod", size, count), -1))
            with self.e.loop(0, whole, count) as at:
                yield {dim: at}, count
            if count > 1:
                with self.e.loop(whole, size) as at:
                    yield {dim: at}, 1
