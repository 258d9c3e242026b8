"""Chains: consecutive vector instructions over one domain become one loop whose values stay in registers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from vcc.runtime.isa.expr import ONE, Poly
from vcc.runtime.isa.kernel import Immediate, Instr, Role, View
from vcc.runtime.isa.semantics import BINARY, COMPARE, REDUCE, UNARY
from vcc.runtime.native.emit import Val, scalar_type, unsupported
from vcc.runtime.native.frame import Frame, adds

REDUCTIONS = {f"reduce.{fn}" for fn in REDUCE} | {"mac"}
VECTOR = {*UNARY, *BINARY, *(f"cmp.{fn}" for fn in COMPARE), *REDUCTIONS}
VECTOR |= {"fma", "select", "cast", "copy", "drain", "load", "store", "mov"}
#: Vectors per iteration of a lane loop, so that running sums do not wait for each other.
UNROLL = 4
AHEAD = 4096


def reduced(instr: Instr) -> tuple[int, ...]:
    return tuple(i for i, dim in enumerate(instr.domain) if dim.role is Role.REDUCE)


def joins(instr: Instr) -> str:
    """The arithmetic with which a reduction joins two values."""
    return "add" if instr.op == "mac" else instr.op.removeprefix("reduce.")


class Chain:
    """Instructions that may run together, element by element. `take` says whether the next one still may."""

    def __init__(self, frame: Frame):
        self.f, self.e = frame, frame.e
        self.instrs: list[Instr] = []
        self.mask, self.copy = "", 0

    def take(self, instr: Instr) -> bool:
        """Adds the instruction if each element of it needs only the same elements of those before."""
        if self.instrs:
            first, folds = self.instrs[0], [reduced(i) for i in (*self.instrs, instr) if i.op in REDUCTIONS]
            if (
                instr.op not in VECTOR
                or [d.size for d in instr.domain] != [d.size for d in first.domain]
                or (first.when, instr.when) != (None, None)
                or len(set(folds)) > 1
                or any(self.conflict(earlier, instr) for earlier in self.instrs)
            ):
                return False
        elif instr.op not in VECTOR:
            raise unsupported(instr.op)
        self.instrs.append(instr)
        return True

    def conflict(self, earlier: Instr, later: Instr) -> bool:
        for role, view in earlier.views():
            for other_role, other in later.views():
                if view.buffer == other.buffer and "dst" in (role, other_role):
                    whole = view.buffer not in self.f.buffers
                    whole |= (role == "dst" and earlier.op in REDUCTIONS) or (other_role == "dst" and later.op in REDUCTIONS)
                    if whole or view != other:
                        return True
        return False

    def emit(self) -> None:
        """Appends the loops."""
        first = self.instrs[0]
        if first.when is not None:
            self.e.branch(self.e.truth(self.e.poly(first.when, self.f.env)), self.loops)
        else:
            self.loops()

    def loops(self) -> None:
        self.sizes = [self.e.poly(dim.size, self.f.env) for dim in self.instrs[0].domain]
        self.folds = [i for i in self.instrs if i.op in REDUCTIONS]
        inner = reduced(self.folds[0]) if self.folds else ()
        self.lane = self.choose_lane(inner)
        views = [view for i in self.instrs for _, view in i.views()]
        self.width = self.f.width(*views) if self.lane is not None else 1
        self.dead = self.unread()
        parallel = [i for i in range(len(self.sizes)) if i not in inner and i != self.lane]
        inner = [i for i in inner if i != self.lane]
        if self.lane is not None:
            (inner if self.folds and self.lane in reduced(self.folds[0]) else parallel).append(self.lane)
        self.unroll = UNROLL if self.lane is not None and (not self.folds or self.lane in inner) else 1
        self.over(parallel, {}, (lambda index: self.fold(inner, index)) if self.folds else self.body)

    def choose_lane(self, inner: tuple[int, ...]) -> int | None:
        """The dimension along which most views are dense or constant; None where there is none worth it."""
        best, best_score = None, 0
        for i, dim in enumerate(self.instrs[0].domain):
            strides = [v.strides[i].constant for instr in self.instrs for _, v in instr.views()]
            score = sum({1: 4, 0: 0}.get(s if s is not None else -1, -3) for s in strides) * min(dim.max, 16)
            if dim.size.constant != 1 and score > best_score:
                best, best_score = i, score
        return best

    def unread(self) -> set[str]:
        """Buffers of which every read takes a value that this chain has in a register."""
        written: set[View] = set()
        forwarded: Counter[str] = Counter()
        for instr in self.instrs:
            forwarded.update(v.buffer for role, v in instr.views() if role != "dst" and v in written)
            dst = instr.operands["dst"]
            if isinstance(dst, View) and instr.op not in REDUCTIONS:
                written.add(dst)
        return {v.buffer for v in written if v.buffer in self.f.buffers and self.f.reads[v.buffer] == forwarded[v.buffer]}

    def over(self, dims: list[int], index: dict[int, Val], then: Callable[[dict[int, Val]], None]) -> None:
        """Runs `then` for every index of the dimensions; along the lane dimension in whole vectors and a masked rest."""
        if not dims:
            then(index)
            return
        e, dim, rest = self.e, dims[0], dims[1:]
        size = self.sizes[dim]
        if dim != self.lane:
            with e.loop(0, size) as i:
                self.over(rest, {**index, dim: i}, then)
            return
        low: Val = 0
        for copies in (self.unroll, 1) if self.unroll > 1 else (1,):
            step = self.width * copies
            end = size // step * step if isinstance(size, int) else e.op(f"and i64 {size}, {-step}")
            if end != low:
                with e.loop(low, end, step) as i:
                    for self.copy in range(copies):
                        self.over(rest, {**index, dim: e.add(i, self.copy * self.width)}, then)
            low, self.copy = end, 0
        if low != size:
            with e.loop(low, size, self.width) as i:
                self.mask = self.f.mask(self.width, 0, e.add(size, e.mul(i, -1)))
                self.over(rest, {**index, dim: i}, then)
                self.mask = ""

    def fold(self, inner: list[int], index: dict[int, Val]) -> None:
        """Reductions over the inner dimensions: running values in registers, joined and stored at the end."""
        e, across, bits = self.e, self.lane in inner, f"<{self.width} x i1>"
        self.sums: list[list[str]] = []
        self.nans = [e.variable(bits) for _ in self.folds]  # lanes in which max or min met a NaN
        for instr, nan in zip(self.folds, self.nans, strict=True):
            lanes = self.f.lanes(self.f.dtype(instr, "dst"), self.width)
            start = lanes.constant(identity(instr, lanes.dtype.kind, lanes.dtype.size))
            self.sums.append([e.variable(lanes.type) for _ in range(self.unroll)])
            for slot in self.sums[-1]:
                e.do(f"store {lanes.type} {start}, ptr {slot}")
            e.do(f"store {bits} zeroinitializer, ptr {nan}")
        self.over(inner, index, self.body)
        for instr, slots, nan in zip(self.folds, self.sums, self.nans, strict=True):
            lanes, fn = self.f.lanes(self.f.dtype(instr, "dst"), self.width), joins(instr)
            values, found = [e.op(f"load {lanes.type}, ptr {slot}") for slot in slots], e.op(f"load {bits}, ptr {nan}")
            while len(values) > 1:
                values = [lanes.join(fn, *values[i : i + 2]) for i in range(0, len(values), 2)]
            value, half = values[0], self.width // 2 if across else 0
            while half:
                turn = ", ".join(f"i32 {(i + half) % self.width}" for i in range(self.width))
                moved = e.op(f"shufflevector {lanes.type} {value}, {lanes.type} poison, <{self.width} x i32> <{turn}>")
                value, half = lanes.join(fn, value, moved), half // 2
            if across:
                lanes = self.f.lanes(lanes.dtype, 1)
                value = e.op(f"shufflevector <{self.width}{lanes.type[2:]} {value}, <{self.width}{lanes.type[2:]} poison, <1 x i32> zeroinitializer")
                found = e.op(f"bitcast i1 {e.call(f'llvm.vector.reduce.or.v{self.width}i1', 'i1', f'{bits} {found}')} to <1 x i1>")
            if fn in ("max", "min") and lanes.dtype.is_float:
                value = lanes.select(found, lanes.constant(float("nan")), value)
            self.finish(instr, index, fn, value, None if across else self.lane)

    def finish(self, instr: Instr, index: dict[int, Val], fn: str, value: str, lane: int | None) -> None:
        dst, zero = instr.operands["dst"], instr.attrs.get("zero", ONE)
        assert isinstance(dst, View) and isinstance(zero, Poly)
        width = self.width if lane is not None else 1
        if adds(instr):
            lanes = self.f.lanes(self.f.dtypes[dst.buffer], width)
            joined = lanes.binary(fn, self.f.read(dst, index, lane, width, self.mask), value)
            fresh = self.e.truth(self.e.poly(zero, self.f.env))
            value = self.e.op(f"select i1 {fresh}, {lanes.type} {value}, {lanes.type} {joined}")
        self.f.write(dst, index, lane, width, value, self.mask)

    def body(self, index: dict[int, Val]) -> None:
        """One vector of every instruction of the chain."""
        values: dict[View, str] = {}
        for instr in self.instrs:
            inputs: dict[str, str] = {}
            within = self.valid(instr, index)
            for role, operand in instr.operands.items():
                dtype = self.f.dtype(instr, role)
                if not isinstance(operand, View):
                    inputs[role] = self.f.scalar(operand, dtype, self.width)
                elif role != "dst":
                    if operand not in values:
                        fill = instr.attrs.get("fill", 0.0) if within and instr.op == "load" else None
                        mask = within or (self.mask if self.lane is not None and operand.strides[self.lane] != Poly() else "")
                        other = self.f.scalar(Immediate(fill), dtype, self.width) if isinstance(fill, float) else "poison"
                        self.prefetch(operand, index, 0)
                        values[operand] = self.f.read(operand, index, self.lane, self.width, mask, other)
                    inputs[role] = values[operand]
            dst = instr.operands["dst"]
            assert isinstance(dst, View)
            if instr.op in REDUCTIONS:
                self.accumulate(instr, inputs)
                continue
            values[dst] = self.f.compute(instr, inputs, self.width)
            if dst.buffer not in self.dead:
                mask = within if within and instr.op == "store" else self.mask
                self.prefetch(dst, index, 1)
                self.f.write(dst, index, self.lane, self.width, values[dst], mask)

    def prefetch(self, view: View, index: dict[int, Val], write: int) -> None:
        """Asks for what lies one row ahead in global memory (at most `AHEAD` elements): hardware stops at pages."""
        if view.buffer not in self.f.buffers and self.lane is not None and view.strides[self.lane] == ONE:
            ahead = self.e.scalar("min", [AHEAD, self.sizes[self.lane]])
            kind = scalar_type(self.f.dtypes[view.buffer])
            where = self.e.address(self.f.pointer(view, index), kind, ahead)
            self.e.declarations.add("declare void @llvm.prefetch.p0(ptr, i32, i32, i32)")
            self.e.do(f"call void @llvm.prefetch.p0(ptr {where}, i32 {write}, i32 3, i32 1)")

    def accumulate(self, instr: Instr, inputs: dict[str, str]) -> None:
        e, lanes = self.e, self.f.lanes(self.f.dtype(instr, "dst"), self.width)
        which = [i is instr for i in self.folds].index(True)
        slot, nan = self.sums[which][self.copy], self.nans[which]
        old, value = e.op(f"load {lanes.type}, ptr {slot}"), inputs.get("src", "")
        if instr.op == "mac":
            new = lanes.fma(inputs["a"], inputs["b"], old)
        else:
            new = lanes.join(joins(instr), old, value)
        e.do(f"store {lanes.type} {lanes.select(self.mask, new, old) if self.mask else new}, ptr {slot}")
        if joins(instr) in ("max", "min") and lanes.dtype.is_float:
            bits, here = f"<{self.width} x i1>", lanes.two("fcmp uno", value, value)
            here = e.op(f"select {bits} {self.mask}, {bits} {here}, {bits} zeroinitializer") if self.mask else here
            before = e.op(f"load {bits}, ptr {nan}")
            e.do(f"store {bits} {e.op(f'or {bits} {before}, {here}')}, ptr {nan}")

    def valid(self, instr: Instr, index: dict[int, Val]) -> str:
        """The mask of a load's or store's valid intervals and of the loop's rest; empty where it has none."""
        e, mask, outside = self.e, "", ""
        bounds = [(i, *(e.poly(p, self.f.env) for p in d.valid)) for i, d in enumerate(instr.domain) if d.valid]
        for i, low, high in bounds:
            if i == self.lane:
                start = e.mul(index[i], -1)
                mask = self.f.mask(self.width, e.add(low, start), e.add(high, start))
                continue
            inside = e.op(f"and i1 {e.condition('sge', index[i], low)}, {e.condition('slt', index[i], high)}")
            outside = e.op(f"and i1 {outside}, {inside}") if outside else inside
        if outside:
            first = e.op(f"insertelement <{self.width} x i1> poison, i1 {outside}, i64 0")
            kind = f"<{self.width} x i1>"
            rows = e.op(f"shufflevector {kind} {first}, {kind} poison, <{self.width} x i32> zeroinitializer")
            mask = e.op(f"and {kind} {mask}, {rows}") if mask else rows
        return e.op(f"and <{self.width} x i1> {mask}, {self.mask}") if mask and self.mask else mask


def identity(instr: Instr, kind: str, size: int) -> float | int:
    """The value that joins without effect."""
    fn = joins(instr)
    if fn not in ("max", "min"):
        return 1 if fn == "mul" else 0
    if kind == "f":
        return float("-inf") if fn == "max" else float("inf")
    low, high = (0, 2 ** (8 * size) - 1) if kind == "u" else (-(2 ** (8 * size - 1)), 2 ** (8 * size - 1) - 1)
    return low if fn == "max" else high
