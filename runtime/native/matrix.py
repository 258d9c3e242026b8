"""The matrix micro-kernel: a block of accumulators stays in vector registers over all of K, then an epilogue."""

from __future__ import annotations

from contextlib import ExitStack

from vcc.runtime.isa.expr import ONE, ZERO, Poly
from vcc.runtime.isa.kernel import Instr, Let, Loop, Role, View
from vcc.runtime.native import mathlib
from vcc.runtime.native.convert import convert
from vcc.runtime.native.emit import Val
from vcc.runtime.native.frame import Frame

Cell = tuple[int, int]  # row and vector within a tile


def view(instr: Instr, role: str) -> View:
    found = instr.operands[role]
    assert isinstance(found, View)
    return found


def free_dims(instr: Instr) -> list[int]:
    """The dimensions of a product that its result has."""
    return [i for i, dim in enumerate(instr.domain) if dim.role is not Role.K and dim.size != ONE]


def lane_choices(instr: Instr) -> dict[tuple[View, View], list[int]]:
    """For each order of the two inputs the dimensions along which the first and the sums are vectors."""
    dst, b, a = view(instr, "dst"), view(instr, "b"), view(instr, "a")
    return {
        (v, w): [i for i in free_dims(instr) if (v.strides[i], w.strides[i], dst.strides[i]) == (ONE, ZERO, ONE)]
        for v, w in ((b, a), (a, b))
    }


class Product:
    """One `mmad`; `around` is the reduce loop whose sum it forms, `drain` what becomes of the sum, where known."""

    def __init__(self, frame: Frame, instr: Instr, around: Loop | None = None, drain: Instr | None = None):
        self.f, self.e, self.instr, self.around, self.drain = frame, frame.e, instr, around, drain
        self.dst, self.fast, self.slow = view(instr, "dst"), view(instr, "b"), view(instr, "a")
        dims = instr.domain
        free = free_dims(instr)
        dense = lane_choices(instr)
        found = next((pair for pair, lanes in dense.items() if lanes), None)
        self.lane = dense[found][0] if found else None
        self.fast, self.slow = found or (self.fast, self.slow)
        rows = [i for i in free if i != self.lane and self.fast.strides[i] == ZERO]
        self.row = max(rows, key=lambda i: dims[i].max, default=None)
        self.outer = [i for i in free if i not in (self.lane, self.row)]
        self.depth = [i for i, dim in enumerate(dims) if dim.role is Role.K]
        self.lanes = frame.lanes(self.dst, frame.width([self.dst]) if found else 1)
        self.sizes = [self.e.poly(dim.size, frame.env) for dim in dims]
        self.index: dict[int, Val] = {}
        self.mask = ""

    def block(self) -> tuple[int, int]:
        """Rows and vectors per tile: the fewest estimated cycles for the dimensions' largest sizes."""
        rows = self.instr.domain[self.row].max if self.row is not None else 1
        columns = -(-self.instr.domain[self.lane].max // self.lanes.width) if self.lane is not None else 1

        def cycles(size: tuple[int, int]) -> float:
            tiles = ((rows // size[0], size[0]), (1, rows % size[0]))  # 12 running sums hide the latency of fma
            return sum(n * (max(m * size[1], 12) / 2 + 0.15 * (m + size[1])) for n, m in tiles if m) * -(
                -columns // size[1]
            )

        most = self.f.cpu.registers - 1
        sizes = [
            (m, n) for n in range(1, min(4, columns) + 1) for m in range(1, min(rows, most) + 1) if m * n + n <= most
        ]
        return min(sizes, key=cycles)

    def emit(self) -> None:
        """Appends the loops over tiles."""
        rows, vectors = self.block()
        width, size = self.lanes.width, self.sizes[self.row] if self.row is not None else 1
        tail = size % rows if isinstance(size, int) else 1
        columns = self.sizes[self.lane] if self.lane is not None else 1
        with ExitStack() as loops:
            for i in self.outer:
                self.index[i] = loops.enter_context(self.e.loop(0, self.sizes[i]))
            for n, step, left in self.e.blocks(columns, sorted({vectors * width, width}, reverse=True)):
                self.mask = self.f.mask(width, 0, left) if left != 0 else ""
                for m, high, _ in self.e.blocks(size, [rows, tail] if tail and tail != rows else [rows]):
                    self.tile(m, high, n, step // width)
                self.mask = ""

    def place(self, m: Val, n: Val, cell: Cell) -> dict[int, Val]:
        at = {self.row: self.e.add(m, cell[0]), self.lane: self.e.add(n, cell[1] * self.lanes.width)}
        return self.index | {i: value for i, value in at.items() if i is not None}

    def tile(self, m: Val, rows: int, n: Val, vectors: int) -> None:
        """The product for `rows` rows of `vectors` vectors."""
        e, lanes, zero = self.e, self.lanes, self.instr.attrs.get("zero", ONE)
        assert isinstance(zero, Poly)
        cells = {(r, v): self.place(m, n, (r, v)) for r in range(rows) for v in range(vectors)}
        sums = {cell: e.variable(lanes.type, "zeroinitializer") for cell in cells}

        def resume() -> None:
            for cell, at in cells.items():
                old = self.f.read(self.dst, at, self.lane, lanes.width, self.mask)
                e.do(f"store {lanes.type} {old}, ptr {sums[cell]}")

        if not self.around and zero != ONE:
            e.branch(e.truth(e.poly(zero, self.f.env)), lambda: None, resume)
        with ExitStack() as loops:
            if self.around:
                low, high = e.poly(self.around.low, self.f.env), e.poly(self.around.high, self.f.env)
                self.f.env[self.around.register] = loops.enter_context(e.loop(low, high, self.around.step))
            depth = dict[int, Val]()
            last = self.sizes[self.depth[-1]] if self.depth else 1
            unroll = next(u for u in (16, 9, 8, 4, 3, 2, 1) if u == 1 or (isinstance(last, int) and last % u == 0))
            for i in self.depth:
                depth[i] = loops.enter_context(e.loop(0, self.sizes[i], unroll if i == self.depth[-1] else 1))
            for u in range(unroll):
                if u:
                    depth[self.depth[-1]] = e.add(depth[self.depth[-1]], 1)
                self.step({cell: at | depth for cell, at in cells.items()}, sums)
        for cell, at in cells.items():
            value = e.op(f"load {lanes.type}, ptr {sums[cell]}")
            if self.drain:
                self.epilogue(self.drain, at, value)
            else:
                self.f.write(self.dst, at, lanes.width, value, self.mask)

    def step(self, cells: dict[Cell, dict[int, Val]], sums: dict[Cell, str]) -> None:
        """One k: every row's number times every vector."""
        e, lanes, row = self.e, self.lanes, ""
        vectors = {v: self.factor(self.fast, at, self.lane) for (r, v), at in cells.items() if not r}
        for (r, v), at in cells.items():
            if v == 0:
                row = self.factor(self.slow, at, None)
            old = e.op(f"load {lanes.type}, ptr {sums[r, v]}")
            e.do(f"store {lanes.type} {mathlib.fma(lanes, row, vectors[v], old)}, ptr {sums[r, v]}")

    def factor(self, source: View, at: dict[int, Val], lane: int | None) -> str:
        """Elements of an input in the accumulators' dtype."""
        mask = self.mask if lane is not None else ""
        value = self.f.read(source, at, lane, self.lanes.width, mask)
        return convert(self.f.lanes(source, self.lanes.width), self.lanes, value)

    def epilogue(self, drain: Instr, at: dict[int, Val], value: str) -> None:
        order = matching(self.instr, drain) or {}
        place = {order[i]: index for i, index in at.items()}
        lane = order[self.lane] if self.lane is not None else None
        inputs = {"src": value}
        for role, operand in drain.operands.items():
            if role not in ("dst", "src"):
                dense = isinstance(operand, View) and self.mask
                inputs[role] = (
                    self.f.read(operand, place, lane, self.lanes.width, self.mask if dense else "")
                    if isinstance(operand, View)
                    else self.f.operand(drain, operand, self.lanes.width)
                )
        value = self.f.compute(drain, inputs, self.lanes.width)
        self.f.write(view(drain, "dst"), place, self.lanes.width, value, self.mask)


def matching(mmad: Instr, drain: Instr) -> dict[int, int] | None:
    """For each dimension of the product, that of the drain which walks the accumulators in the same way."""
    sums, src, order = view(mmad, "dst"), view(drain, "src"), dict[int, int]()
    left = [i for i, dim in enumerate(drain.domain) if dim.size != ONE]
    for i, dim in enumerate(mmad.domain):
        if dim.role is not Role.K and dim.size != ONE:
            alike = [j for j in left if drain.domain[j].size == dim.size and src.strides[j] == sums.strides[i]]
            if not alike:
                return None
            order[i] = alike[0]
            left.remove(alike[0])
    return order if not left and (sums.buffer, sums.base, sums.slot) == (src.buffer, src.base, src.slot) else None


def in_lanes(mmad: Instr, drain: Instr) -> bool:
    """Whether the drain's other operands and result can be read and written as vectors along the product's lanes."""
    lane = next((lanes[0] for lanes in lane_choices(mmad).values() if lanes), None)
    order = matching(mmad, drain)
    if lane is None or order is None:
        return True
    strides = {role: v.strides[order[lane]] for role, v in drain.views() if role != "src"}
    return strides.pop("dst") == ONE and all(stride in (ZERO, ONE) for stride in strides.values())


def accumulation(loop: Loop) -> Instr | None:
    """The only instruction of a loop if that is an `mmad` which starts a new sum in the loop's first iteration."""
    lets = {s.register: s for s in loop.body if isinstance(s, Let)}
    others = [s for s in loop.body if not isinstance(s, Let)]
    if loop.kind != "reduce" or len(others) != 1 or not isinstance(others[0], Instr) or others[0].op != "mmad":
        return None
    instr = others[0]
    used = {r for _, v in instr.views() for p in (v.base, v.slot, *v.strides) for r in p.registers}
    used |= {r for dim in instr.domain for r in dim.size.registers}
    first = lets.get(str(instr.attrs.get("zero", ONE)).removeprefix("%"))
    start = Poly.of(loop.register) - loop.low
    fresh = first is not None and first.fn == "eq" and first.args[0] - first.args[1] in (start, -start)
    sums = view(instr, "dst")
    moves = loop.register in sums.base.registers | sums.slot.registers
    return instr if fresh and instr.when is None and not moves and not used & lets.keys() else None
