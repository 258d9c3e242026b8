"""The matrix micro-kernel: a block of accumulators stays in vector registers over all of K, then an epilogue."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import replace

from vcc.runtime.isa.expr import ONE, ZERO, Poly
from vcc.runtime.isa.kernel import Instr, Let, Loop, Role, Statement, View
from vcc.runtime.native.emit import Val
from vcc.runtime.native.frame import Frame

Tiles = Iterable[tuple[int, Val, Val, bool]]


class Product:
    """One `mmad`. `around` are reduce loops whose sum it forms, `drain` what becomes of the sum, if they are known."""

    def __init__(self, frame: Frame, instr: Instr, around: Loop | None = None, drain: Instr | None = None):
        self.f, self.e, self.instr, self.around, self.drain = frame, frame.e, instr, around, drain
        self.dst, self.a, self.b = (self.view(instr, role) for role in ("dst", "a", "b"))
        self.sums = self.f.lanes(self.f.dtypes[self.dst.buffer], self.choose())

    def view(self, instr: Instr, role: str) -> View:
        view = instr.operands[role]
        assert isinstance(view, View)
        return view

    def choose(self) -> int:
        """Finds the dimension of the lanes and that of the rows; gives the lanes of a vector."""
        self.lane = self.row = None
        dims = self.instr.domain
        free = [i for i, dim in enumerate(dims) if dim.role is not Role.K and dim.size.constant != 1]
        for fast, slow in ((self.b, self.a), (self.a, self.b)):
            for i in free:
                if self.lane is None and (fast.strides[i], slow.strides[i], self.dst.strides[i]) == (ONE, ZERO, ONE):
                    self.lane, self.fast, self.slow = i, fast, slow
        if self.lane is None:
            self.fast, self.slow = self.b, self.a
        rows = [i for i in free if i != self.lane and self.fast.strides[i] == ZERO]
        self.row = max(rows, key=lambda i: dims[i].max, default=None)
        self.outer = [i for i in free if i not in (self.lane, self.row)]
        self.depth = [i for i, dim in enumerate(dims) if dim.role is Role.K]
        return self.f.width(self.a, self.b, self.dst) if self.lane is not None else 1

    def block(self) -> tuple[int, int]:
        """Rows and vectors per tile: the fewest estimated cycles for the dimensions' largest sizes."""
        rows = self.instr.domain[self.row].max if self.row is not None else 1
        columns = -(-self.instr.domain[self.lane].max // self.sums.width) if self.lane is not None else 1

        def cycles(mr: int, nv: int) -> float:
            def tile(r: int) -> float:
                return max(r * nv, 12) / 2 + 0.15 * (r + nv) if r else 0

            return (rows // mr * tile(mr) + tile(rows % mr)) * -(-columns // nv)

        spare = self.f.cpu.registers - 1
        sizes = [(m, n) for n in range(1, min(4, columns) + 1) for m in range(1, min(rows, spare) + 1) if m * n + n <= spare]
        return min(sizes, key=lambda size: cycles(*size))

    def emit(self) -> None:
        """Appends the loops over tiles."""
        if self.instr.when is not None:
            when, self.instr = self.instr.when, replace(self.instr, when=None)
            self.e.branch(self.e.truth(self.e.poly(when, self.f.env)), self.emit)
            return
        mr, nv = self.block()
        with ExitStack() as loops:
            index: dict[int, Val] = {}
            for i in self.outer:
                index[i] = loops.enter_context(self.e.loop(0, self.e.poly(self.instr.domain[i].size, self.f.env)))
            self.columns(nv, lambda n, count, mask: self.rows(mr, lambda m, high: self.tile(index, m, high, n, count, mask)))

    def columns(self, nv: int, tile: Callable[[Val, int, str], None]) -> None:
        if self.lane is None:
            tile(0, 1, "")
            return
        e, width = self.e, self.sums.width
        size, low = e.poly(self.instr.domain[self.lane].size, self.f.env), 0
        for count in (nv, 1) if nv > 1 else (nv,):
            step = count * width
            end = size // step * step if isinstance(size, int) else e.op(f"and i64 {size}, {-step}") if step & (step - 1) == 0 \
                else e.op(f"mul i64 {e.op(f'udiv i64 {size}, {step}')}, {step}")
            if end != low:
                with e.loop(low, end, step) as at:
                    tile(at, count, "")
            low = end
        if low != size:
            with e.loop(low, size, width) as at:
                tile(at, 1, self.f.mask(width, 0, e.op(f"sub i64 {size}, {at}")))

    def rows(self, mr: int, tile: Callable[[Val, int], None]) -> None:
        if self.row is None:
            tile(0, 1)
            return
        e, size, low = self.e, self.e.poly(self.instr.domain[self.row].size, self.f.env), 0
        for count in (mr, size % mr if isinstance(size, int) else 1):
            if count:
                end = size // count * count if isinstance(size, int) and not low else size
                if isinstance(size, str) and count > 1:
                    end = e.op(f"mul i64 {e.op(f'udiv i64 {size}, {count}')}, {count}")
                if end != low:
                    with e.loop(low, end, count) as at:
                        tile(at, count)
                low = end

    def tile(self, index: dict[int, Val], m: Val, mr: int, n: Val, nv: int, mask: str) -> None:
        """`mr` rows of `nv` vectors."""
        e, sums = self.e, self.sums
        cells = [(r, v) for r in range(mr) for v in range(nv)]
        slots = {cell: e.variable(sums.type) for cell in cells}

        def at(r: int, v: int) -> dict[int, Val]:
            place = {**index}
            if self.row is not None:
                place[self.row] = e.add(m, r)
            if self.lane is not None:
                place[self.lane] = e.add(n, v * sums.width)
            return place

        def fill(old: bool) -> None:
            for cell in cells:
                value = self.f.read(self.dst, at(*cell), self.lane, sums.width, mask) if old else "zeroinitializer"
                e.do(f"store {sums.type} {value}, ptr {slots[cell]}")

        zero = self.instr.attrs.get("zero", ONE)
        assert isinstance(zero, Poly)
        if self.around or zero == ONE:
            fill(False)
        else:
            e.branch(e.truth(e.poly(zero, self.f.env)), lambda: fill(False), lambda: fill(True))
        with ExitStack() as loops:
            if self.around:
                low, high = e.poly(self.around.low, self.f.env), e.poly(self.around.high, self.f.env)
                self.f.env[self.around.register] = loops.enter_context(e.loop(low, high, self.around.step))
            self.steps(loops, at, slots, mask)
        for cell in cells:
            value = e.op(f"load {sums.type}, ptr {slots[cell]}")
            if self.drain:
                self.epilogue(self.drain, at(*cell), value, mask)
            else:
                self.f.write(self.dst, at(*cell), self.lane, sums.width, value, mask)

    def steps(self, loops: ExitStack, at: Callable[[int, int], dict[int, Val]], slots: dict[tuple[int, int], str], mask: str) -> None:
        """Loops over the k dimensions; the last one is unrolled if it is short."""
        sizes = [self.e.poly(self.instr.domain[i].size, self.f.env) for i in self.depth]
        last = sizes[-1] if sizes else 1
        unroll = last if isinstance(last, int) and last <= 16 else next((u for u in (8, 4) if isinstance(last, int) and last % u == 0), 1)
        place: dict[int, Val] = {}
        for i, size in zip(self.depth, sizes, strict=True):
            place[i] = loops.enter_context(self.e.loop(0, size, unroll if i == self.depth[-1] else 1))
        for u in range(unroll):
            if self.depth:
                place[self.depth[-1]] = self.e.add(place[self.depth[-1]], 1 if u else 0)
            self.step(place, at, slots, mask)

    def step(self, place: dict[int, Val], at: Callable[[int, int], dict[int, Val]], slots: dict[tuple[int, int], str], mask: str) -> None:
        sums, f = self.sums, self.f
        vectors: dict[int, str] = {}
        for (r, v), slot in slots.items():
            if v == 0:
                row = f.lanes(f.dtypes[self.slow.buffer], sums.width)
                row = row.cast(f.read(self.slow, {**at(r, 0), **place}, None, sums.width), sums.dtype)
            if v not in vectors:
                column = f.lanes(f.dtypes[self.fast.buffer], sums.width)
                vectors[v] = column.cast(f.read(self.fast, {**at(0, v), **place}, self.lane, sums.width, mask), sums.dtype)
            old = self.e.op(f"load {sums.type}, ptr {slot}")
            self.e.do(f"store {sums.type} {sums.fma(row, vectors[v], old)}, ptr {slot}")

    def epilogue(self, drain: Instr, index: dict[int, Val], value: str, mask: str) -> None:
        order = matching(self.instr, self.dst, drain, self.view(drain, "src"))
        assert order is not None
        place = {order[i]: at for i, at in index.items()}
        lane = order[self.lane] if self.lane is not None else None
        inputs = {"src": value}
        for role, operand in drain.operands.items():
            if role not in ("dst", "src"):
                inputs[role] = (
                    self.f.read(operand, place, lane, self.sums.width, mask if operand.strides[lane or 0] != ZERO else "")
                    if isinstance(operand, View)
                    else self.f.scalar(operand, self.sums.dtype, self.sums.width)
                )
        self.f.write(self.view(drain, "dst"), place, lane, self.sums.width, self.f.compute(drain, inputs, self.sums.width), mask)


def matching(mmad: Instr, dst: View, drain: Instr, src: View) -> dict[int, int] | None:
    """For each dimension of the product, that of the drain which walks the accumulators in the same way."""
    order: dict[int, int] = {}
    left = [i for i, dim in enumerate(drain.domain) if dim.size.constant != 1]
    for i, dim in enumerate(mmad.domain):
        if dim.role is Role.K or dim.size.constant == 1:
            continue
        found = [j for j in left if drain.domain[j].size == dim.size and src.strides[j] == dst.strides[i]]
        if not found:
            return None
        order[i] = found[0]
        left.remove(found[0])
    return order if not left and dst.base == src.base and dst.slot == src.slot else None


def accumulation(loop: Loop) -> Instr | None:
    """The only instruction of a loop if that is an `mmad` which starts a new sum in the loop's first iteration."""
    lets = [s for s in loop.body if isinstance(s, Let)]
    others: list[Statement] = [s for s in loop.body if not isinstance(s, Let)]
    if loop.kind != "reduce" or len(others) != 1:
        return None
    instr = others[0]
    if not isinstance(instr, Instr) or instr.op != "mmad" or instr.when is not None:
        return None
    first = {let.register: let.args for let in lets if let.fn == "eq"}
    used = {r for _, v in instr.views() for p in (v.base, v.slot, *v.strides) for r in p.registers}
    used |= {r for dim in instr.domain for r in dim.size.registers}
    zero = instr.attrs.get("zero", ONE)
    name = str(zero).removeprefix("%")
    if name not in first or first[name][0] - first[name][1] not in (Poly.of(loop.register) - loop.low, loop.low - loop.register):
        return None
    dst = instr.operands["dst"]
    varies = isinstance(dst, View) and loop.register in dst.base.registers | dst.slot.registers
    return None if varies or used & {let.register for let in lets} else instr
