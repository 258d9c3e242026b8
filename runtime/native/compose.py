"""Copies that disappear: a buffer that only mirrors memory elsewhere is replaced by views of that memory.

A `load` or `mov` that alone writes its buffer goes: readers read its source. A `store` that alone writes an output
goes: its buffer then lies in the output from its first, complete, writing on. Bounds of registers prove that every
access sees what it would have seen; where they do not, the copy stays.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace

from vcc.runtime.isa.expr import ONE, ZERO, Poly
from vcc.runtime.isa.kernel import (
    Forall,
    If,
    Instr,
    Kernel,
    Let,
    Loop,
    Operand,
    Role,
    ScalarLoad,
    Statement,
    TensorParam,
    View,
    walk,
)
from vcc.runtime.isa.table import OPS
from vcc.runtime.isa.verifier_ranges import Scope, scoped
from vcc.runtime.native.iteration import common, recut

Access = tuple[int, Instr, str, Operand]  # place in program order, instruction, role, view


class Composer:
    """One kernel; places are the numbers of its statements in program order."""

    def __init__(self, kernel: Kernel, in_place: Mapping[str, str] | None = None):
        self.kernel, self.in_place = kernel, in_place or {}
        count = Counter(map(id, walk(kernel.body)))  # of an object that stands in two places nothing is known
        self.scopes = {id(s): scope for s, scope in scoped(kernel) if count[id(s)] == 1}
        self.slots = {b.name: b.slots for b in kernel.buffers}
        self.dtypes = {b.name: b.dtype for b in kernel.buffers}
        self.dtypes |= {p.name: p.dtype for p in kernel.params if isinstance(p, TensorParam)}
        self.modes = {p.name: p.mode for p in kernel.params if isinstance(p, TensorParam)}
        self.statements: list[Statement | None] = list(walk(kernel.body))
        self.at: list[Scope | None] = [self.scopes.get(id(s)) for s in self.statements]
        self.blocks: list[tuple[int, ...]] = []  # around every statement, the blocks, and the ends of the loops
        self.ends: list[tuple[int, ...]] = []
        self.number(kernel.body, (), ())

    def number(self, body: tuple[Statement, ...], blocks: tuple[int, ...], ends: tuple[int, ...]) -> None:
        blocks = (*blocks, len(self.blocks))
        for statement in body:
            self.blocks.append(blocks)
            self.ends.append(ends)
            if isinstance(statement, Loop | Forall):
                end = len(self.blocks) + sum(1 for _ in walk(statement.body)) - 1
                self.number(statement.body, blocks, (*ends, end))
            elif isinstance(statement, If):
                self.number(statement.then, blocks, ends)
                self.number(statement.orelse, blocks, ends)

    def run(self) -> Kernel:
        """The kernel without the copies that could go."""
        for place, copy in enumerate(self.statements):
            scope = self.at[place]
            if isinstance(copy, Instr) and copy.op in ("load", "mov", "store") and copy.when is None and scope:
                near, far = (copy.operands[r] for r in (("src", "dst") if copy.op == "store" else ("dst", "src")))
                fits = all(scope.never_negative(d.size) and scope.never_negative(d.max - d.size) for d in copy.domain)
                if fits and not any(d.valid for d in copy.domain) and isinstance(near, View) and isinstance(far, View):
                    self.vanish(place, copy, near, far)
        return replace(self.kernel, body=tuple(self.rebuild(self.kernel.body, iter(self.statements))))

    def accesses(self, buffer: str) -> list[Access]:
        found = [(place, s) for place, s in enumerate(self.statements) if isinstance(s, Instr)]
        return [(place, s, role, v) for place, s in found for role, v in s.views() if v.buffer == buffer]

    def vanish(self, place: int, copy: Instr, near: View, far: View) -> None:
        """Replaces every access to the buffer `near` by one to `far` and drops the copy, if that is safe."""
        others = [a for a in self.accesses(near.buffer) if a[0] != place]
        if near.buffer not in self.slots or not others or self.dtypes[near.buffer] != self.dtypes[far.buffer]:
            return
        if copy.op == "store":
            copy = walked_like(copy, others[0][1])
            near, far = view_of(copy, "src"), view_of(copy, "dst")
            first, last = others[0][0], place
            safe = self.owns(place, copy, near, far, others[0]) and others[-1][0] < place
            safe = safe and not self.read_late(far, others[0][0], place)
        else:
            ends = [next((e for e in self.ends[p] if e not in self.ends[place]), p) for p, *_ in others]
            first, last = place, max(ends)
            places = {far.buffer, self.in_place.get(far.buffer, far.buffer)}
            written = [p for b in places for p, _, role, _ in self.accesses(b) if role == "dst" and first < p <= last]
            safe = all(p > place and role != "dst" for p, _, role, _ in others)
            safe &= self.modes.get(far.buffer, "in") == "in" and not written
        names = {r for p in (near.base, near.slot, far.base, far.slot, *far.strides) for r in p.registers}
        for s in self.statements[first + 1 : last + 1]:
            defined = {name for name, _, _ in s.ranges} if isinstance(s, Forall) else set[str]()
            defined |= {s.register} if isinstance(s, Let | ScalarLoad | Loop) else set()
            safe &= not defined & names
        changed: dict[int, Instr] = {}
        for p, use, role, _ in others if safe else []:
            use = split(changed.get(p, use), role, copy, near)
            view = self.through(place, copy, near, far, (p, use, role, use.operands[role]))
            if view is None:
                return
            changed[p] = replace(use, operands={**use.operands, role: view})
        for p, use in changed.items():
            self.scopes[id(use)], self.statements[p] = self.scopes[id(self.statements[p])], use
        if changed:
            self.statements[place] = None

    def read_late(self, far: View, first: int, place: int) -> bool:
        """Whether an input in the output's place is read after the output would be first written, or, while it is,
        at other elements than those that are written: those that an index names, and whole rows that are ordered."""
        inputs = [name for name, output in self.in_place.items() if output == far.buffer]
        reads = [(p, replace(view, buffer=far.buffer)) for n in inputs for p, _, _, view in self.accesses(n)
                 if isinstance(view, View)]  # fmt: skip
        writer = self.statements[first]
        apart = isinstance(writer, Instr) and (writer.op == "order" or bool(OPS[writer.op].indexed))
        return any(first < p < place or (p == first and (apart or view != far)) for p, view in reads)

    def owns(self, place: int, copy: Instr, near: View, far: View, first: Access) -> bool:
        """Whether a store is its output's only access, and the first access to its buffer writes all it takes."""
        where, instr, role, view = first
        same = view == near and [d.size for d in instr.domain] == [d.size for d in copy.domain]
        fresh = role == "dst" and instr.when is None and not any(d.role.is_reduction or d.valid for d in instr.domain)
        alone = self.modes.get(far.buffer) == "out" and len(self.accesses(far.buffer)) == 1
        return same and fresh and alone and self.blocks[where] == self.blocks[place] and "zero" not in instr.attrs

    def through(self, place: int, copy: Instr, near: View, far: View, access: Access) -> View | None:
        """The accessing view composed with the copy, or None where it may touch elements that are not copied.

        Its address is written as digits over the copy's strides in `near`: digit i is the index along dimension i.
        """
        at, use, role, view = access
        assert isinstance(view, View)
        scope, blocks = self.at[at], self.blocks[place]
        order = [i for i, dim in enumerate(copy.domain) if dim.size != ONE]
        pitches = {i: near.strides[i].constant or 0 for i in order}
        nested = self.blocks[at][: len(blocks)] == blocks
        slots = view.slot == near.slot or self.slots[near.buffer] == 1
        if scope is None or not nested or not slots or min(pitches.values(), default=1) <= 0:
            return None
        order.sort(key=lambda i: -pitches[i])
        least = dict.fromkeys(order, ZERO)  # of each digit; `spare` is what is left above its largest value
        spare = {i: copy.domain[i].size - 1 for i in order}
        terms = [(d.size - 1, s.constant, False) for d, s in zip(use.domain, view.strides, strict=True)]
        terms += [(Poly(((m, 1),)), c, True) for m, c in (view.base - near.base).terms]
        strides, base = list[Poly](), far.base
        if OPS[use.op].indexed == role:  # the index is one more dimension, of which the instruction knows the pitch
            limit, pitch = use.attrs.get("limit", ZERO), use.attrs.get("pitch", ONE)
            assert isinstance(limit, Poly) and isinstance(pitch, Poly)
            terms.append((limit - 1, pitch.constant, False))
        for reach, rest, fixed in terms:  # an index, from 0 to `reach`, or a fixed part of the base; times `rest`
            if rest is None:
                return None
            moved = ZERO
            for i in order:
                quotient = int(rest / pitches[i])
                rest -= quotient * pitches[i]
                moved = moved + far.strides[i] * quotient
                spare[i] = spare[i] - (reach * quotient if fixed or quotient > 0 else ZERO)
                least[i] = least[i] + (reach * quotient if fixed or quotient < 0 else ZERO)
            if rest and reach != ZERO:
                return None
            strides += [] if fixed else [moved]
            base = base + (moved * reach if fixed else ZERO)
        if OPS[use.op].indexed == role and strides.pop() != use.attrs.get("pitch", ONE):
            return None
        safe = all(scope.never_negative(value) for value in (*least.values(), *spare.values()))
        return View(far.buffer, tuple(strides), base, far.slot) if safe else None

    def rebuild(self, body: tuple[Statement, ...], kept: Iterator[Statement | None]) -> Iterator[Statement]:
        for statement in body:
            new = next(kept)
            if isinstance(statement, Loop | Forall):
                yield replace(statement, body=tuple(self.rebuild(statement.body, kept)))
            elif isinstance(statement, If):
                then = tuple(self.rebuild(statement.then, kept))
                yield replace(statement, then=then, orelse=tuple(self.rebuild(statement.orelse, kept)))
            elif new is not None:
                yield new


def view_of(instr: Instr, role: str) -> View:
    """An operand that is a view."""
    view = instr.operands[role]
    assert isinstance(view, View)
    return view


def walked_like(copy: Instr, writer: Instr) -> Instr:
    """A copy that walks 448 elements at once, by the 28 x 16 of what wrote them, if they are cut so."""
    pieces = common(copy.domain, writer.domain)
    return recut(copy, pieces[0]) if pieces and all(len(kept) == 1 for kept in pieces[1]) else copy


def split(use: Instr, role: str, copy: Instr, near: View) -> Instr:
    """The instruction with a dimension that runs over several of the copy's dimensions cut into these."""
    view = use.operands[role]
    spans = [(near.strides[i].constant, d.size.constant) for i, d in enumerate(copy.domain) if d.size != ONE]
    known = [(pitch, pitch * count) for pitch, count in spans if pitch and count]
    for at, dim in enumerate(use.domain):
        assert isinstance(view, View)
        size, step = dim.size.constant, view.strides[at].constant or 0
        inner = next(
            (end // step for pitch, end in known if pitch <= step < end and not (step % pitch or end % step)), 0
        )
        if size and 1 < inner < size and size % inner == 0 and dim.valid is None and dim.role is not Role.SCAN:
            outer = replace(dim, size=Poly.of(size // inner), max=size // inner)
            dims = (*use.domain[:at], outer, replace(dim, size=Poly.of(inner), max=inner), *use.domain[at + 1 :])
            cut = {
                r: replace(v, strides=(*v.strides[:at], v.strides[at] * inner, *v.strides[at:])) for r, v in use.views()
            }
            return split(replace(use, domain=dims, operands={**use.operands, **cut}, tap=None), role, copy, near)
    return use
