"""Chains: consecutive vector instructions over one domain become one loop whose values stay in registers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from math import prod

from vcc.runtime.isa.dtypes import BY_NAME
from vcc.runtime.isa.expr import ONE, ZERO, Poly
from vcc.runtime.isa.kernel import Instr, Role, View
from vcc.runtime.isa.semantics import BINARY, COMPARE, REDUCE, UNARY
from vcc.runtime.isa.table import OPS, Cost
from vcc.runtime.native import mathlib
from vcc.runtime.native.convert import convert
from vcc.runtime.native.domains import refined
from vcc.runtime.native.emit import Val
from vcc.runtime.native.frame import Frame, adds
from vcc.runtime.native.lanes import Lanes

REDUCTIONS = {"mac": "add"} | {f"reduce.{fn}": fn for fn in REDUCE}  # and how they join two values
MOVES = {"load", "store", "mov", "copy", "drain", "cast", "store.add", "iota"}
VECTOR = {*UNARY, *BINARY, *REDUCTIONS, *MOVES, *(f"cmp.{fn}" for fn in COMPARE), "select", "fma"}
#: Vectors per iteration of a lane loop, so that running values do not wait for each other.
UNROLL = 4
#: A reduction over so few elements is written out; up to so many results are computed together.
WINDOW, TOGETHER = 49, 8
#: At most how many elements ahead global memory is asked for: hardware's own looking ahead stops at pages.
AHEAD = 4096


def identity(lanes: Lanes, fn: str) -> float | int:
    """What leaves any number as it is when joined with it."""
    return {"add": 0, "mul": 1, "max": lanes.lowest(), "min": lanes.highest()}[fn]


def destination(instr: Instr) -> View:
    view = instr.operands["dst"]
    assert isinstance(view, View)
    return view


class Chain:
    """Instructions that run together, element by element; `take` says whether one more can."""

    def __init__(self, frame: Frame):
        self.f, self.e = frame, frame.e
        self.instrs: list[Instr] = []
        self.mask, self.copy = "", 0
        self.sums: dict[int, tuple[list[str], list[str]]] = {}  # running values, and the lanes that met a NaN

    def take(self, instr: Instr) -> bool:
        """Adds the instruction if each element of it needs only the same element of those before."""
        if not self.instrs or [d.size for d in self.instrs[0].domain] == [d.size for d in instr.domain]:
            return self.join(instr)
        fine = refined(instr, self.instrs[0].domain)
        if fine is not None:
            return self.join(fine)
        before = self.instrs
        cut = [refined(earlier, instr.domain) for earlier in before]
        self.instrs = [earlier for earlier in cut if earlier is not None]
        if len(self.instrs) == len(before) and self.join(instr):
            return True
        self.instrs = before
        return False

    def join(self, instr: Instr) -> bool:
        """Adds an instruction over the chain's own domain."""
        folds = {self.inner(i) for i in (*self.instrs, instr) if i.op in REDUCTIONS}
        sizes = {tuple(d.size for d in i.domain) for i in (*self.instrs, instr)}
        alone = bool(self.instrs) and any(i.when is not None for i in (*self.instrs, instr))
        clash = any(self.conflict(earlier, instr) for earlier in self.instrs)
        fits = instr.op in VECTOR and len(sizes) == 1 and len(folds) < 2 and not alone and not clash
        if not fits or (self.instrs and self.scalar([*self.instrs, instr]) and not self.scalar_alone(instr)):
            return False
        self.instrs = [*self.instrs, instr]
        return True

    def scalar_alone(self, instr: Instr) -> bool:
        """Whether neither the chain nor the instruction could run in vectors by itself."""
        return self.scalar(self.instrs) and self.scalar([instr])

    def scalar(self, instrs: list[Instr]) -> bool:
        """Whether the instructions together have no dimension for the lanes."""
        inner = next((self.inner(i) for i in instrs if i.op in REDUCTIONS), ())
        return self.choose_lane(instrs, inner) is None

    def inner(self, instr: Instr) -> tuple[int, ...]:
        return tuple(i for i, dim in enumerate(instr.domain) if dim.role is Role.REDUCE)

    def conflict(self, earlier: Instr, later: Instr) -> bool:
        whole = [
            i.op not in REDUCTIONS and i.op != "store.add" and not any(d.valid for d in i.domain)
            for i in (earlier, later)
        ]
        for role, view in earlier.views():
            for other_role, other in later.views():
                ends = (role == "dst" and not whole[0]) or (other_role == "dst" and not whole[1])
                if view.buffer == other.buffer and "dst" in (role, other_role) and (ends or view != other):
                    return True
        return False

    def emit(self) -> None:
        """Appends the loops."""
        self.sizes = [self.e.poly(dim.size, self.f.env) for dim in self.instrs[0].domain]
        inner = next((self.inner(i) for i in self.instrs if i.op in REDUCTIONS), ())
        self.lane = self.choose_lane(self.instrs, inner)
        self.width = self.f.width([v for i in self.instrs for _, v in i.views()]) if self.lane is not None else 1
        outer = [i for i in range(len(self.sizes)) if i not in inner and i != self.lane]
        rest = [i for i in inner if i != self.lane]
        self.across = self.lane in inner
        if self.lane is not None:
            most = self.instrs[0].domain[self.lane].max
            while self.width // 2 >= most > 0:  # a narrower vector rather than one that is mostly masked
                self.width //= 2
            (rest if self.across else outer).append(self.lane)
        folds = any(i.op in REDUCTIONS for i in self.instrs)  # though there may be no dimension to reduce
        self.unroll = UNROLL if self.lane is not None and (self.across or not folds) else 1
        self.dead = self.unread()
        self.slow = any(OPS[i.op].cost is Cost.TRANSCENDENTAL for i in self.instrs)
        self.flat = self.straight(inner) if folds and not self.across else False
        self.block(outer, inner, folds)
        self.over(outer, {}, (lambda index: self.fold(rest, index)) if folds else self.body)

    def straight(self, inner: tuple[int, ...]) -> bool:
        """Whether the inner dimensions are so small that their loops are written out."""
        return prod(size if isinstance(size := self.sizes[i], int) else WINDOW + 1 for i in inner) <= WINDOW

    def block(self, outer: list[int], inner: tuple[int, ...], folds: bool) -> None:
        """Chooses the dimension of which several indices are reduced together.

        Their sums do not wait for each other, and what does not depend on the dimension (weights) is read once.
        """
        self.blocked, self.together, self.count = -1, 1, 1
        free = [i for i in outer if i != self.lane and isinstance(self.sizes[i], int) and self.sizes[i] != 1]
        if folds and not self.across and self.lane is not None and free:
            self.blocked = max(free, key=lambda i: (self.shared(i), i))
            terms = prod(size if isinstance(size := self.sizes[i], int) else 1 for i in inner) if self.flat else 1
            size = self.sizes[self.blocked]
            assert isinstance(size, int)
            most = min(TOGETHER, max(1, 4 * WINDOW // terms), size)
            blocks = -(-size // most)
            self.together = -(-size // blocks)

    def shared(self, dim: int) -> int:
        """How many inputs do not depend on a dimension."""
        return sum(view.strides[dim] == ZERO for instr in self.instrs for role, view in instr.views() if role != "dst")

    def choose_lane(self, instrs: list[Instr], inner: tuple[int, ...]) -> int | None:
        """The dimension along which every view is dense or constant, most of them dense; None if there is none."""
        best, score = None, 0
        for i, dim in enumerate(instrs[0].domain):
            strides = [(n, r, v.strides[i]) for n in instrs for r, v in n.views()]
            fits = all(s == ONE or (s == ZERO and (r != "dst" or i in inner) and n.op != "load") for n, r, s in strides)
            worth = sum(s == ONE for *_, s in strides) * min(dim.max, 16)
            if fits and dim.size != ONE and worth > score:
                best, score = i, worth
        return best

    def unread(self) -> set[str]:
        """Buffers of which every read takes a value that this chain has in a register."""
        written: set[View] = set()
        forwarded: Counter[str] = Counter()
        for instr in self.instrs:
            forwarded.update(v.buffer for role, v in instr.views() if role != "dst" and v in written)
            written |= {destination(instr)} if instr.op not in REDUCTIONS else set()
        return {
            v.buffer for v in written if v.buffer in self.f.buffers and self.f.reads[v.buffer] == forwarded[v.buffer]
        }

    def over(self, dims: list[int], index: dict[int, Val], then: Callable[[dict[int, Val]], None]) -> None:
        """Runs `then` for every index of the dimensions, along the lanes in whole vectors and a masked rest."""
        if not dims:
            then(index)
            return
        dim, rest = dims[0], dims[1:]
        size = self.sizes[dim]
        if dim == self.blocked and isinstance(size, int):
            left = size % self.together
            for start, count, _ in self.e.blocks(size, [self.together, left] if left else [self.together]):
                self.count = count
                self.over(rest, {**index, dim: start}, then)
            return
        if self.flat and isinstance(size, int) and self.instrs[-1].domain[dim].role is Role.REDUCE:
            for at in range(size):
                self.over(rest, {**index, dim: at}, then)
            return
        if dim != self.lane:
            with self.e.loop(0, self.sizes[dim]) as at:
                self.over(rest, {**index, dim: at}, then)
            return
        for start, step, left in self.e.blocks(self.sizes[dim], sorted({self.width * self.unroll, self.width})[::-1]):
            self.mask = self.f.mask(self.width, 0, left) if left != 0 else ""
            for copy in range(step // self.width):
                self.copy = copy
                self.over(rest, {**index, dim: self.e.add(start, copy * self.width)}, then)
            self.mask, self.copy = "", 0

    def fold(self, inner: list[int], index: dict[int, Val]) -> None:
        """Reductions over the inner dimensions: running values in registers, joined and stored at the end."""
        folds = [
            (n, i, self.f.lanes(destination(i), self.width)) for n, i in enumerate(self.instrs) if i.op in REDUCTIONS
        ]
        places = [index]
        if self.blocked >= 0:
            places = [index | {self.blocked: self.e.add(index[self.blocked], b)} for b in range(self.count)]
        for n, instr, lanes in folds:
            start = lanes.constant(identity(lanes, REDUCTIONS[instr.op]))
            slots = [self.e.variable(lanes.type, start) for _ in range(max(self.unroll, len(places)))]
            self.sums[n] = slots, [self.e.variable(lanes.mask, "zeroinitializer") for _ in places]

        def together(at: dict[int, Val]) -> None:
            for b, place in enumerate(places if self.blocked >= 0 else [at]):
                self.copy = b if self.blocked >= 0 else self.copy
                self.body({**at, **place})

        self.over(inner, index, together)
        self.copy = 0
        for n, instr, lanes in folds:
            slots, nans = self.sums[n]
            if self.blocked < 0:
                self.joined(instr, index, lanes, slots, nans[0])
            else:
                for place, slot, nan in zip(places, slots, nans, strict=True):
                    self.joined(instr, place, lanes, [slot], nan)

    def joined(self, instr: Instr, index: dict[int, Val], lanes: Lanes, slots: list[str], nan: str) -> None:
        """Joins the running values of one result and stores it."""
        fn = REDUCTIONS[instr.op]
        values = [self.e.op(f"load {lanes.type}, ptr {slot}") for slot in slots]
        while len(values) > 1:
            values = [mathlib.join(lanes, fn, *values[i : i + 2]) for i in range(0, len(values), 2)]
        half = self.width // 2 if self.across else 0
        while half:
            values, half = [mathlib.join(lanes, fn, values[0], lanes.turned(values[0], half))], half // 2
        found = self.e.op(f"load {lanes.mask}, ptr {nan}")
        if self.across:
            kind, lanes = lanes.type, self.f.lanes(destination(instr), 1)
            values = [self.e.op(f"shufflevector {kind} {values[0]}, {kind} poison, <1 x i32> zeroinitializer")]
            found = self.e.call(f"vector.reduce.or.v{self.width}i1", "i1", f"<{self.width} x i1> {found}")
            found = self.e.op(f"bitcast i1 {found} to <1 x i1>")
        if lanes.dtype.is_float:
            values = [lanes.select(found, lanes.constant(float("nan")), values[0])]
        self.finish(instr, index, lanes, values[0])

    def finish(self, instr: Instr, index: dict[int, Val], lanes: Lanes, value: str) -> None:
        dst, zero = destination(instr), instr.attrs.get("zero", ONE)
        if adds(instr):
            assert isinstance(zero, Poly)
            old = self.f.read(dst, index, self.lane, lanes.width, self.mask)
            joined = mathlib.binary(lanes, REDUCTIONS[instr.op], old, value)
            fresh = self.e.truth(self.e.poly(zero, self.f.env))
            value = self.e.op(f"select i1 {fresh}, {lanes.type} {value}, {lanes.type} {joined}")
        self.f.write(dst, index, lanes.width, value, self.mask)

    def body(self, index: dict[int, Val]) -> None:
        """One vector of every instruction of the chain."""
        values: dict[View, str] = {}
        for n, instr in enumerate(self.instrs):
            dst, inputs, within = destination(instr), dict[str, str](), self.valid(instr, index)
            lanes = self.f.lanes(dst, self.width)
            for role, operand in instr.operands.items():
                if not isinstance(operand, View):
                    inputs[role] = self.f.operand(instr, operand, self.width)
                elif role != "dst":
                    if operand not in values:
                        fill = instr.attrs.get("fill", 0.0)
                        other = lanes.element(fill) if instr.op == "load" and isinstance(fill, float) else ""
                        mask = within if instr.op == "load" else self.mask
                        self.prefetch(operand, index, 0)
                        values[operand] = self.f.read(operand, index, self.lane, self.width, mask, other)
                    inputs[role] = values[operand]
            if instr.op in REDUCTIONS:
                self.accumulate(n, instr, lanes, inputs)
                continue
            if instr.op == "iota":
                values[dst] = self.ramp(instr, lanes, index)
            elif instr.op == "store.add":
                values[dst] = mathlib.binary(
                    lanes, "add", self.f.read(dst, index, self.lane, self.width, within), inputs["src"]
                )
            else:
                values[dst] = self.f.compute(instr, inputs, self.width, self.mask)
            again = any(destination(later) == dst for later in self.instrs[n + 1 :])
            if dst.buffer not in self.dead and not again:
                self.prefetch(dst, index, 1)
                self.f.write(
                    dst, index, self.width, values[dst], within if instr.op in ("store", "store.add") else self.mask
                )

    def ramp(self, instr: Instr, lanes: Lanes, index: dict[int, Val]) -> str:
        """iota: computed in 64 bits, then converted."""
        start, step = instr.attrs.get("start", ZERO), instr.attrs.get("step", ONE)
        assert isinstance(start, Poly) and isinstance(step, Poly)
        whole, e = Lanes(self.e, BY_NAME["i64"], self.width), self.e
        (axis,) = (i for i, dim in enumerate(instr.domain) if dim.role is Role.SCAN)
        pace = e.poly(step, self.f.env)
        value = whole.splat(str(e.add(e.poly(start, self.f.env), e.mul(pace, index[axis]))))
        if axis == self.lane and self.width > 1:
            numbers = f"<{', '.join(f'i64 {i}' for i in range(self.width))}>"
            value = whole.two("add", value, whole.two("mul", numbers, whole.splat(str(pace))))
        return convert(whole, lanes, value)

    def accumulate(self, n: int, instr: Instr, lanes: Lanes, inputs: dict[str, str]) -> None:
        e, fn, slot, nan = (
            self.e,
            REDUCTIONS[instr.op],
            self.sums[n][0][self.copy],
            self.sums[n][1][self.copy if self.blocked >= 0 else 0],
        )
        old = e.op(f"load {lanes.type}, ptr {slot}")
        new = (
            mathlib.fma(lanes, inputs["a"], inputs["b"], old)
            if "a" in inputs
            else mathlib.join(lanes, fn, old, inputs["src"])
        )
        e.do(f"store {lanes.type} {lanes.select(self.mask, new, old) if self.mask else new}, ptr {slot}")
        if fn in ("max", "min") and lanes.dtype.is_float:
            here, met = lanes.two("fcmp uno", inputs["src"], inputs["src"]), e.op(f"load {lanes.mask}, ptr {nan}")
            here = e.op(f"and {lanes.mask} {here}, {self.mask}") if self.mask else here
            e.do(f"store {lanes.mask} {e.op(f'or {lanes.mask} {met}, {here}')}, ptr {nan}")

    def prefetch(self, view: View, index: dict[int, Val], write: int) -> None:
        """Asks for what lies one row ahead in global memory, if the chain takes long enough for that to arrive."""
        far = self.slow and view.buffer not in self.f.buffers
        if far and self.lane is not None and view.strides[self.lane] == ONE:
            ahead = self.e.mul(self.e.scalar("min", AHEAD, self.sizes[self.lane]), self.f.dtypes[view.buffer].size)
            where = self.e.op(f"getelementptr i8, ptr {self.f.pointer(view, index)}, i64 {ahead}")
            self.e.call("prefetch.p0", "void", f"ptr {where}", f"i32 {write}", "i32 3", "i32 1")

    def valid(self, instr: Instr, index: dict[int, Val]) -> str:
        """The mask of valid intervals and of the loop's rest; empty where all lanes take part."""
        e, kind, mask = self.e, f"<{self.width} x i1>", self.mask
        for i, dim in enumerate(instr.domain):
            if dim.valid:
                low, high = (e.add(e.poly(bound, self.f.env), e.mul(index[i], -1)) for bound in dim.valid)
                if i != self.lane:
                    inside = e.op(f"and i1 {e.op(f'icmp sle i64 {low}, 0')}, {e.op(f'icmp sgt i64 {high}, 0')}")
                    here = self.f.lanes(destination(instr), self.width).splat(inside, "i1")
                else:
                    here = self.f.mask(self.width, low, high)
                mask = e.op(f"and {kind} {mask}, {here}") if mask else here
        return mask
