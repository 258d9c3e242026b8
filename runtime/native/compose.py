"""Copies that disappear: a buffer that only mirrors memory elsewhere is replaced by views of that memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from vcc.runtime.isa.expr import ONE, ZERO, Interval, Poly, scalar_fold
from vcc.runtime.isa.kernel import Forall, If, Instr, Kernel, Let, Loop, ScalarLoad, ScalarParam, Statement, View, walk
from vcc.runtime.isa.table import OPS

_WORD = (-(2**63), 2**63 - 1)


def registers_of(statement: Statement) -> Iterator[tuple[str, Poly, Poly]]:
    """The loop registers that a statement defines, with their half-open bounds."""
    if isinstance(statement, Loop):
        yield statement.register, statement.low, statement.high
    elif isinstance(statement, Forall):
        yield from statement.ranges


def register_ranges(kernel: Kernel) -> dict[str, Interval]:
    """An interval for every register; where a name is used twice, one that holds both."""
    env: dict[str, Interval] = {p.name: (p.low, p.high) for p in kernel.params if isinstance(p, ScalarParam)}
    for statement in walk(kernel.body):
        found = [(name, low.interval(env)[0], high.interval(env)[1] - 1) for name, low, high in registers_of(statement)]
        if isinstance(statement, Let):
            found = [(statement.register, *_let_range(statement, env))]
        elif isinstance(statement, ScalarLoad):
            found = [(statement.register, *_WORD)]
        for name, low, high in found:
            old = env.get(name, (low, high))
            env[name] = (min(low, old[0]), max(high, old[1]))
    return env


def _let_range(let: Let, env: Mapping[str, Interval]) -> Interval:
    (a, b), (c, d) = (arg.interval(env) for arg in let.args)
    if let.fn == "mul" or (let.fn == "div" and c > 0):
        corners = [scalar_fold(let.fn, [x, y]) for x in (a, b) for y in (c, d)]
        return min(corners), max(corners)
    if let.fn in ("add", "min", "max"):
        return scalar_fold(let.fn, [a, c]), scalar_fold(let.fn, [b, d])
    if let.fn in ("div", "mod"):
        return (0, d - 1) if let.fn == "mod" and c > 0 else _WORD
    return 0, 1


@dataclass
class Site:
    """A statement with its place: its number in program order, the blocks around it, where the loops around it end."""

    statement: Statement
    index: int
    blocks: tuple[int, ...]
    ends: tuple[int, ...]


def _sites(body: tuple[Statement, ...], blocks: tuple[int, ...], ends: tuple[int, ...], out: list[Site]) -> list[Site]:
    blocks = (*blocks, len(out))
    for statement in body:
        out.append(Site(statement, len(out), blocks, ends))
        if isinstance(statement, Loop | Forall):
            _sites(statement.body, blocks, (*ends, len(out) + sum(1 for _ in walk(statement.body)) - 1), out)
        elif isinstance(statement, If):
            _sites(statement.then, blocks, ends, out)
            _sites(statement.orelse, blocks, ends, out)
    return out


class Composer:
    """Removes copies from one kernel where intervals of registers prove that every access sees what it would have seen.

    A `load` or `mov` that alone writes its buffer goes: readers read its source. A `store` that alone writes an output
    goes: its buffer then lies in the output from its first, complete, writing on.
    """

    def __init__(self, kernel: Kernel):
        self.kernel, self.ranges = kernel, register_ranges(kernel)
        self.slots = {b.name: b.slots for b in kernel.buffers}
        self.modes = {p.name: p.mode for p in kernel.params if not isinstance(p, ScalarParam)}
        self.sites = _sites(kernel.body, (), (), [])
        self.dropped: set[int] = set()

    def run(self) -> Kernel:
        """The kernel without the copies that could go."""
        for site in self.sites:
            copy = site.statement
            if isinstance(copy, Instr) and copy.op in ("load", "mov", "store") and copy.when is None:
                near, far = (copy.operands[r] for r in (("src", "dst") if copy.op == "store" else ("dst", "src")))
                whole = all(d.valid is None and self.within(d.size, d.max) for d in copy.domain)
                if whole and isinstance(near, View) and isinstance(far, View) and near.buffer in self.slots:
                    self.vanish(site, copy, near, far)
        return replace(self.kernel, body=tuple(self.rebuild(self.kernel.body, iter(self.sites))))

    def within(self, value: Poly, high: int) -> bool:
        least, most = value.interval(self.ranges)
        return least >= 0 and most <= high

    def accesses(self, buffer: str) -> list[tuple[Site, Instr, str, View]]:
        found = [(s, s.statement) for s in self.sites if s.index not in self.dropped]
        return [(s, i, r, v) for s, i in found if isinstance(i, Instr) for r, v in i.views() if v.buffer == buffer]

    def vanish(self, site: Site, copy: Instr, near: View, far: View) -> None:
        """Replaces every access to the buffer `near` by one to `far` and drops the copy, if that is safe."""
        others = [a for a in self.accesses(near.buffer) if a[0] is not site]
        if copy.op == "store":
            if not others or not self.owns(site, copy, near, far, others[0]):
                return
            span = (others[0][0].index, site.index)
            safe = all(span[0] <= s.index < span[1] for s, *_ in others)
        else:
            ends = [next((e for e in s.ends if e not in site.ends), s.index) for s, *_ in others]
            span = (site.index, max(ends, default=site.index))
            safe = all(role != "dst" and s.index > site.index for s, _, role, _ in others)
            writers = [a for a in self.accesses(far.buffer) if a[2] == "dst" and span[0] < a[0].index <= span[1]]
            safe &= self.modes.get(far.buffer, "in") == "in" and not writers
        names = {r for p in (near.base, near.slot, far.base, far.slot, *far.strides) for r in p.registers}
        for s in self.sites[span[0] + 1 : span[1] + 1]:
            defined = {name for name, _, _ in registers_of(s.statement)}
            defined |= {s.statement.register} if isinstance(s.statement, Let | ScalarLoad) else set()
            safe &= not defined & names
        views = [self.through(site, copy, near, far, *access) for access in others] if safe else [None]
        if None not in views:
            for (s, _, role, _), view in zip(others, views, strict=True):
                assert isinstance(s.statement, Instr) and view is not None
                s.statement = replace(s.statement, operands={**s.statement.operands, role: view})
            self.dropped.add(site.index)

    def owns(self, site: Site, copy: Instr, near: View, far: View, first: tuple[Site, Instr, str, View]) -> bool:
        """Whether a store is its output's only access, and the first access to its buffer writes all it takes."""
        where, instr, role, view = first
        same = view == near and [d.size for d in instr.domain] == [d.size for d in copy.domain]
        fresh = role == "dst" and instr.when is None and not any(d.role.is_reduction for d in instr.domain)
        alone = self.modes.get(far.buffer) == "out" and len(self.accesses(far.buffer)) == 1
        return same and fresh and alone and where.blocks == site.blocks and "zero" not in instr.attrs

    def through(self, site: Site, copy: Instr, near: View, far: View, at: Site, use: Instr, role: str, view: View) -> View | None:
        """The access `view` composed with the copy, or None where it might touch elements that are not copied.

        The address is written as digits over the copy's strides in `near`: digit i is the index along its dimension i.
        """
        order = [i for i, dim in enumerate(copy.domain) if dim.size != ONE]
        pitches = {i: near.strides[i].constant or 0 for i in order}
        slots = view.slot == near.slot or self.slots[near.buffer] == 1
        if at.blocks[: len(site.blocks)] != site.blocks or not slots or OPS[use.op].indexed == role or min(pitches.values(), default=1) <= 0:
            return None
        order.sort(key=lambda i: -pitches[i])
        least = dict.fromkeys(order, ZERO)  # of each digit; `spare` is what is left above its largest value
        spare = {i: copy.domain[i].size - 1 for i in order}
        factors = [(None, d.size - 1, s.constant) for d, s in zip(use.domain, view.strides, strict=True)]
        factors += [(Poly(((m, 1),)), Poly(((m, 1),)), c) for m, c in (view.base - near.base).terms]
        strides: list[Poly] = []
        base = far.base
        for factor, reach, rest in factors:
            if rest is None:
                return None
            moved = ZERO
            for i in order:
                quotient = int(rest / pitches[i])
                rest -= quotient * pitches[i]
                moved = moved + far.strides[i] * quotient
                if factor is not None or quotient > 0:
                    spare[i] = spare[i] - reach * quotient
                if factor is not None or quotient < 0:
                    least[i] = least[i] + reach * quotient
            if rest and reach != ZERO:
                return None
            strides += [moved] if factor is None else []
            base = base + (moved * factor if factor is not None else ZERO)
        safe = all(self.within(value, 2**62) for value in (*least.values(), *spare.values()))
        return View(far.buffer, tuple(strides), base, far.slot) if safe else None

    def rebuild(self, body: tuple[Statement, ...], sites: Iterator[Site]) -> Iterator[Statement]:
        for statement in body:
            site = next(sites)
            if isinstance(statement, Loop | Forall):
                yield replace(statement, body=tuple(self.rebuild(statement.body, sites)))
            elif isinstance(statement, If):
                then = tuple(self.rebuild(statement.then, sites))
                yield replace(statement, then=then, orelse=tuple(self.rebuild(statement.orelse, sites)))
            elif site.index not in self.dropped:
                yield site.statement
