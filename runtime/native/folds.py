"""Chains with reductions: running values stay in registers, and what follows takes the results from there.

Several results are reduced together, so that their sums do not wait for each other and what they share (weights) is
read once; where there is only one, it is made of several partial sums. Small windows are written out.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from math import prod

from vcc.runtime.isa.expr import ONE, ZERO, Poly
from vcc.runtime.isa.kernel import Instr, View
from vcc.runtime.native import mathlib
from vcc.runtime.native.chain_loops import REDUCTIONS, UNROLL, ChainLoops, Index, destination
from vcc.runtime.native.frame import Frame, adds
from vcc.runtime.native.lane_plan import LanePlan
from vcc.runtime.native.lane_views import shuffled
from vcc.runtime.native.lanes import Lanes

#: A reduction over so few elements is written out; up to so many results are computed together.
WINDOW, TOGETHER = 49, 8
#: The terms and weights of a window of so many elements stay in registers; of a larger one, those of a row of it.
KEPT = 16
#: No instruction, but nothing is kept across it.
_FENCE = 'fence syncscope("singlethread") acq_rel'


def identity(lanes: Lanes, fn: str) -> float | int:
    """What leaves any number as it is when joined with it."""
    return {"add": 0, "mul": 1, "max": lanes.lowest(), "min": lanes.highest()}[fn]


class FoldLoops(ChainLoops):
    """A chain whose `inner` dimensions are reduced; `after` runs once for each vector of results."""

    def __init__(
        self, frame: Frame, instrs: Sequence[Instr], after: Sequence[Instr], inner: Sequence[int], plan: LanePlan,
        dead: set[str],
    ):  # fmt: skip
        self.after, self.inner = tuple(after), tuple(inner)
        self.across = plan.lane in inner
        super().__init__(frame, instrs, plan, dead)
        self.unroll = UNROLL if self.across else 1
        terms = prod(size if isinstance(size := self.sizes[i], int) else WINDOW + 1 for i in inner)
        self.terms = terms if terms <= WINDOW else 0  # of a window that is written out
        self.place = self.part = self.turns = 0
        self.sums: dict[int, list[list[str]]] = {}  # by instruction, for each result, its partial sums
        self.ordered: dict[int, list[str]] = {}  # by instruction, for each result, the lanes that met no NaN
        self.unseen: dict[tuple[int, int], str] = {}  # by instruction and result, a term not yet looked at for NaNs
        self.width = plan.width  # lanes of what is noted; lanes that lie apart are reduced one by one at the end
        self.blocked, self.together = self.block()
        self.parts = UNROLL if self.across else 1 if self.together >= UNROLL else UNROLL // self.together
        self.parts = min(self.parts, self.terms) if self.terms and not self.across else self.parts

    def block(self) -> tuple[int | None, int]:
        """The dimension of which several indices are reduced together, and how many."""
        dims = self.instrs[0].domain
        free = [i for i, d in enumerate(dims) if i not in self.inner and i != self.plan.lane and d.size != ONE]
        if self.across or self.plan.lane is None or not free:
            return None, 1
        shared = {i: sum(v.strides[i] == ZERO for n in self.instrs for r, v in n.views() if r != "dst") for i in free}
        dim = max(free, key=lambda i: (shared[i], i == self.plan.outer, min(dims[i].max, TOGETHER), i))
        size, most = self.sizes[dim], min(TOGETHER, max(1, TOGETHER * WINDOW // max(1, self.terms)))
        count = size // (self.plan.steps if dim == self.plan.outer else 1) if isinstance(size, int) else most
        if not count:
            return None, 1
        return dim, -(-count // -(-count // min(most, count)))

    def emit(self) -> None:
        """Appends the loops."""
        special = (*self.inner, self.plan.lane, self.plan.outer)
        outer = [i for i in range(len(self.sizes)) if i not in special]
        start: Index = {}
        if self.plan.outer in self.inner and self.plan.lane is not None:
            start = {self.plan.lane: 0}
        else:
            outer += [i for i in (self.plan.outer, self.plan.lane) if i is not None and i not in self.inner]
        self.over(outer, start, lambda index: self.fold([index]))

    def over(self, dims: Sequence[int], index: Index, then: Callable[[Index], None]) -> None:
        """As in `ChainLoops`; the blocked dimension in blocks, small windows written out."""
        if dims and dims[0] == self.blocked and dims[0] != self.plan.outer:
            dim, size = dims[0], self.sizes[dims[0]]
            left = size % self.together if isinstance(size, int) else 1
            for start, count, _ in self.e.blocks(size, [self.together, left] if left else [self.together]):
                places = [{dim: self.e.add(start, i)} for i in range(count)]
                self.over(dims[1:], {**index, dim: start}, lambda at, p=places: self.fold([at | one for one in p]))
        elif dims and dims[0] in self.inner and dims[0] not in (self.plan.outer, self.plan.lane):
            self.along_inner(dims, index, then)
        else:
            super().over(dims, index, then)

    def along_inner(self, dims: Sequence[int], index: Index, then: Callable[[Index], None]) -> None:
        dim, size = dims[0], self.sizes[dims[0]]
        slides = self.slides(dim) and not any(map(self.slides, dims[1:]))  # the innermost of those alone is written out
        if isinstance(size, int) and (self.terms or (size <= WINDOW and slides)):
            for at in range(size):
                if at and self.terms > KEPT and len(dims) == 2 and self.slides(dims[1]):
                    self.e.do(_FENCE)
                self.over(dims[1:], {**index, dim: at}, then)
            return
        last = dims[1:] == [] and self.parts > 1
        for start, step, _ in self.e.blocks(size, [self.parts, 1] if last else [1]):
            for part in range(step):
                self.part = part
                self.over(dims[1:], {**index, dim: self.e.add(start, part)}, then)
            self.part = 0

    def along_outer(self, dims: Sequence[int], index: Index, then: Callable[[Index], None]) -> None:
        """Blocks of several vectors that are reduced together, or the terms of a sum side by side in the lanes."""
        outer, lane, plan = dims[0], self.plan.lane, self.plan
        assert lane is not None
        rest = [i for i in dims[1:] if i != lane]
        if outer in self.inner:
            steps = plan.steps * self.parts
            for start, step, _ in self.e.blocks(self.sizes[outer], sorted({steps, plan.steps}, reverse=True)):
                for part in range(step // plan.steps):
                    self.part = part
                    self.over(rest, {**index, outer: self.e.add(start, part * plan.steps), lane: 0}, then)
                self.part = 0
            return
        together = self.together if outer == self.blocked else 1
        size, counts = self.sizes[outer], [plan.steps * together]
        if isinstance(size, int):
            left = size % counts[0] // plan.steps * plan.steps
            counts += [left] if left else []
        else:
            counts += [plan.steps]
        for start, count, _ in self.e.blocks(size, [*dict.fromkeys(counts), 1]):
            places: list[Index] = []
            for i in range(max(1, count // plan.steps)):
                places.append({outer: self.e.add(start, i * plan.steps), lane: 0})
            with self.using(plan if count > 1 else plan.narrow()):
                if outer == self.blocked:
                    self.over(rest, {**index, **places[0]}, lambda at, p=places: self.fold([at | one for one in p]))
                else:
                    self.over(rest, {**index, **places[0]}, then)

    @contextmanager
    def copying(self, copy: int) -> Generator[None]:
        """Several vectors of one row have a partial sum each."""
        before, self.part = self.part, copy if self.across else self.part
        yield
        self.part = before

    def fold(self, places: Sequence[Index]) -> None:
        """Reduces all inner dimensions for several results; joins and stores them and runs what follows."""
        folds = [(n, i) for n, i in enumerate(self.instrs) if i.op in REDUCTIONS]
        for n, instr in folds:
            lanes = self.f.lanes(destination(instr), self.plan.width)
            start = lanes.constant(identity(lanes, REDUCTIONS[instr.op]))
            self.sums[n] = [[self.e.variable(lanes.type, start) for _ in range(self.parts)] for _ in places]
            self.ordered[n] = [self.e.variable(self.met_type(lanes), self.all_lanes(lanes)) for _ in places]
        self.width = self.plan.width
        kept, self.turns = self.mask, 0

        def together(at: Index) -> None:
            turn = self.turns % self.parts if self.terms and not self.across else self.part
            self.turns += 1
            for self.place, place in enumerate(places):
                before, self.part = self.part, turn
                self.body(self.instrs, {**at, **place}, {})
                self.part = before
            self.place = 0

        order = [i for i in self.inner if i not in (self.plan.lane, self.plan.outer)]
        order.sort(key=self.slides)
        order += [i for i in (self.plan.outer, self.plan.lane) if i in self.inner]
        self.over(order, dict(places[0]), together)
        self.mask = kept
        self.results(folds, places)

    def slides(self, dim: int) -> bool:
        """Whether the results that are reduced together read what others read one step on along an inner dimension.

        Such a dimension comes last: what one step reads is then still in registers for the next.
        """
        if self.blocked is None or self.across:
            return False
        views = [v for i in self.instrs for role, v in i.views() if role != "dst"]
        steps = [(v.strides[self.blocked].constant, v.strides[dim].constant) for v in views]
        return self.parts == 1 and any(a and b and a % b == 0 and a // b < self.together for a, b in steps)

    def results(self, folds: Sequence[tuple[int, Instr]], places: Sequence[Index]) -> None:
        """Joins the partial sums and goes on with them."""
        plan = self.plan
        if plan.outer in self.inner:
            plan = plan.narrow()
        if self.across:
            plan = LanePlan(None, 1, 0.0)
        for number, place in enumerate(places):
            values: dict[View, str] = {}
            joined = [(instr, self.joined(instr, n, number)) for n, instr in folds]
            place = {i: at for i, at in place.items() if i not in self.inner}
            with self.using(plan):
                for instr, value in joined:
                    dst = destination(instr)
                    values[dst] = self.finish(instr, place, value)
                    again = any(destination(later) == dst for later in self.after)
                    if dst.buffer not in self.dead and not again:
                        self.views.write(dst, place, values[dst], self.mask)
                self.body(self.after, place, values)

    def joined(self, instr: Instr, n: int, number: int) -> str:
        """The partial sums of one result as one, and its lanes where they are terms of one sum."""
        fn, lanes, plan = REDUCTIONS[instr.op], self.f.lanes(destination(instr), self.plan.width), self.plan
        values = [self.e.op(f"load {lanes.type}, ptr {slot}") for slot in self.sums[n][number]]
        while len(values) > 1:
            odd = values[len(values) // 2 * 2 :]
            values = [mathlib.join(lanes, fn, *values[i : i + 2]) for i in range(0, len(values) - 1, 2)] + odd
        if last := self.unseen.pop((n, number), ""):
            self.look(n, number, lanes, last, last)
        value, found = values[0], self.e.op(f"load {self.met_type(lanes)}, ptr {self.ordered[n][number]}")
        least = 1 if self.across else plan.part if plan.outer in self.inner else plan.width
        while lanes.width > least:
            half = lanes.alike(lanes.width // 2)
            low, high = (list(range(at, at + half.width)) for at in (0, half.width))
            value = mathlib.join(half, fn, *(shuffled(self.f, lanes.type, value, "", order) for order in (low, high)))
            parts = (shuffled(self.f, self.met_type(lanes), found, "", order) for order in (low, high))
            found = self.e.op(f"and {self.met_type(half)} {', '.join(parts)}")
            lanes = half
        if not self.meets_nan(instr, lanes):
            return value
        met = (
            found
            if self.met_type(lanes) == lanes.mask
            else self.e.op(f"icmp slt {lanes.word} {found}, zeroinitializer")
        )
        return lanes.select(met, value, lanes.constant(float("nan")))

    def met_type(self, lanes: Lanes) -> str:
        """What notes the lanes that met no NaN: a mask, or where the CPU has no registers for those, words of ones."""
        return lanes.mask if self.f.cpu.vector_bytes == 64 else lanes.word

    def all_lanes(self, lanes: Lanes) -> str:
        """What notes that no lane met a NaN."""
        return f"splat ({'i1 true' if self.met_type(lanes) == lanes.mask else f'i{lanes.bits} -1'})"

    def look(self, n: int, place: int, lanes: Lanes, a: str, b: str, part: str = "") -> None:
        """Notes where one of two terms is a NaN, of the lanes of `part` if given."""
        kind, noted = self.met_type(lanes), self.ordered[n][place]
        if part:
            found = lanes.two("fcmp ord", a, b)  # in other lanes perhaps poison, which a selection alone leaves there
            here = self.e.op(f"select {lanes.mask} {part}, {lanes.mask} {found}, {lanes.mask} splat (i1 true)")
        else:
            here = lanes.two("fcmp ord", a, b)
        here = lanes.cast("sext", here, lanes.mask, kind)
        if lanes.width < self.width:  # a mask is bits, of which no fewer than eight are stored
            order = [*range(lanes.width), *[lanes.width] * (self.width - lanes.width)]
            here = shuffled(self.f, kind, here, self.all_lanes(lanes), order)
            kind = self.met_type(lanes.alike(self.width))
        before = self.e.op(f"load {kind}, ptr {noted}")
        self.e.do(f"store {kind} {self.e.op(f'and {kind} {before}, {here}')}, ptr {noted}")

    def meets_nan(self, instr: Instr, lanes: Lanes) -> bool:
        """Whether joining loses NaNs, so that they are counted apart."""
        return REDUCTIONS[instr.op] in ("max", "min") and lanes.dtype.is_float

    def finish(self, instr: Instr, index: Index, value: str) -> str:
        """The result: joined with what the output held, where the instruction adds to it."""
        dst, zero = destination(instr), instr.attrs.get("zero", ONE)
        lanes = self.f.lanes(dst, self.plan.width)
        if not adds(instr):
            return lanes.rounded(value)
        assert isinstance(zero, Poly)
        old = self.views.read(dst, index, self.mask)
        both = mathlib.binary(lanes, REDUCTIONS[instr.op], old, value)
        fresh = self.e.truth(self.e.poly(zero, self.f.env))
        return lanes.rounded(self.e.op(f"select i1 {fresh}, {lanes.type} {value}, {lanes.type} {both}"))

    def accumulate(self, n: int, instr: Instr, lanes: Lanes, inputs: dict[str, str]) -> None:
        """Joins one vector with a running value."""
        e, fn, slot = self.e, REDUCTIONS[instr.op], self.sums[n][self.place][self.part]
        old = e.op(f"load {lanes.type}, ptr {slot}")
        if "a" in inputs:
            new = mathlib.add_product(lanes, inputs["a"], inputs["b"], old)
        else:
            new = mathlib.join(lanes, fn, old, inputs["src"])
        part = self.mask if self.across else ""  # other lanes' results are not stored
        e.do(f"store {lanes.type} {lanes.select(part, new, old) if part else new}, ptr {slot}")
        if not self.meets_nan(instr, lanes):
            return
        src, key = inputs["src"], (n, self.place)
        if self.terms and not self.across and self.plan.outer not in self.inner:  # written out: two terms at once
            before = self.unseen.pop(key, "")
            if before:
                self.look(n, self.place, lanes, before, src)
            else:
                self.unseen[key] = src
        else:
            self.look(n, self.place, lanes, src, src, part)
