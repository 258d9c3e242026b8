"""What is known about registers at each place of a kernel, and bounds of expressions that follow from it.

A register has an interval and, which is sharper, expressions over earlier registers that it is not below or above: in
`loop %c = 0..%C1`, `%c` is at most `%C1 - 1`, so `%C1*64 - %c*64` is at least 64 whatever `%C1` is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from vcc.runtime.isa.expr import Interval, Poly, scalar_fold
from vcc.runtime.isa.kernel import Forall, If, Instr, Kernel, Let, Loop, ScalarLoad, ScalarParam, Statement, TensorParam

Bounds = tuple[Poly, ...]
#: Registers are 64 bits wide; of one that may overflow nothing more is known.
LOWEST, HIGHEST = -(1 << 63), (1 << 63) - 1
#: Expressions of more terms are not made: hostile kernels would make them grow without end.
MAX_TERMS = 512
#: How many ways of bounding one expression are tried.
MAX_TRIES = 32
#: How many registers are replaced in one of them.
MAX_STEPS = 48
BOOLEANS = ("eq", "ne", "lt", "le", "gt", "ge", "and", "or")


@dataclass(frozen=True)
class Range:
    """A register lies in `interval` and is at least each of `lows` and at most each of `highs`."""

    interval: Interval
    lows: Bounds
    highs: Bounds


class Scope:
    """The registers defined at a place, in the order of their definition."""

    def __init__(self, ranges: Mapping[str, Range], lets: Mapping[str, Let] | None = None):
        self.ranges = dict(ranges)
        self.lets = dict(lets or {})
        self.order = {name: number for number, name in enumerate(self.ranges)}
        self.intervals = {name: entry.interval for name, entry in self.ranges.items()}

    def extend(self, name: str, entry: Range, let: Let | None = None) -> Scope:
        """This scope and one more register, and how it was computed."""
        return Scope({**self.ranges, name: entry}, {**self.lets, name: let} if let else self.lets)

    def assume(self, condition: Poly, truth: bool) -> Scope | None:
        """This scope where the condition is known to hold or not to hold; None if it cannot be so."""
        if not self.fits(condition):
            return self
        low, high = condition.interval(self.intervals)
        if (low == high == 0) if truth else (low > 0 or high < 0):
            return None
        (name,) = condition.registers if len(condition.registers) == 1 else ("",)
        let = self.lets.get(name) if condition == Poly.of(name) else None
        if let is None or not all(map(self.fits, let.args)):
            return self
        scope: Scope | None = self
        if let.fn == ("and" if truth else "or"):
            for arg in let.args:
                scope = scope.assume(arg, truth) if scope is not None else None
            return scope
        for difference in _differences(let, truth):
            scope = scope.assume_positive(difference) if scope is not None else None
        return scope

    def assume_positive(self, poly: Poly) -> Scope | None:
        """This scope where the expression is known to be at least 0; None if it never is."""
        if self.maximum(poly) < 0:
            return None
        ranges = dict(self.ranges)
        for monomial, coefficient in poly.terms:
            if len(monomial) != 1 or abs(coefficient) != 1:
                continue
            (name,) = monomial
            rest = poly - Poly.of(name) * coefficient
            if name not in rest.registers:
                entry = ranges[name]
                lows, highs = (
                    (entry.lows, (*entry.highs, rest)) if coefficient < 0 else ((*entry.lows, -rest), entry.highs)
                )
                ranges[name] = between(self, lows, highs)
                if ranges[name].interval[0] > ranges[name].interval[1]:
                    return None
        return Scope(ranges, self.lets)

    def minimum(self, poly: Poly) -> int:
        """A number that the expression is never below."""
        return self._search(poly, len(self.order), None, [1])

    def fits(self, poly: Poly) -> bool:
        """Whether the expression cannot overflow; nothing is known of the value of one that can."""
        low, high = poly.interval(self.intervals)
        return low >= LOWEST and high <= HIGHEST

    def never_negative(self, poly: Poly) -> bool:
        """Whether the expression is proven to be at least 0; tries harder than `minimum`."""
        return self._search(poly, len(self.order), 0, [MAX_TRIES]) >= 0

    def _search(self, poly: Poly, end: int, enough: int | None, budget: list[int]) -> int:
        """The best lower bound found by replacing registers, the last defined (before `end`) first, by their bounds.

        Of several bounds the one that looks best goes first; others are tried while `budget` lasts and the result is
        below `enough`.
        """
        best = poly.interval(self.intervals)[0]
        for _ in range(MAX_STEPS):
            name = max((n for n in poly.registers if self.order[n] < end), key=self.order.__getitem__, default=None)
            if name is None or (enough is not None and best >= enough):
                break
            end = self.order[name]
            choices = self._eliminate(poly, name)
            for other in choices[1:]:
                if enough is not None and best < enough and budget[0] > 1:
                    budget[0] -= 1
                    best = max(best, self._search(other, end, enough, budget))
            if choices:
                poly = choices[0]
                best = max(best, poly.interval(self.intervals)[0])
            elif enough is not None and budget[0] > 1 and (ends := self._ends(poly, name)):
                budget[0] -= 1
                best = max(best, min(self._search(each, end, enough, budget) for each in ends))
        return best

    def _ends(self, poly: Poly, name: str) -> list[Poly]:
        """The expression at both ends of a register's interval, where it is linear in the register.

        Between them it is nowhere below both, whatever the others are: `%t + %d*7 - 2*%d*%t`, a sequence that `%d`
        turns round, is at least 0 because it is so at the first and at the last `%t`.
        """
        if any(monomial.count(name) > 1 for monomial, _ in poly.terms):
            return []
        low, high = self.intervals[name]
        if low <= LOWEST or high >= HIGHEST:
            return []
        return [poly.substitute({name: end}) for end in (low, high)]

    def maximum(self, poly: Poly) -> int:
        """A number that the expression is never above."""
        return -self.minimum(-poly)

    def _eliminate(self, poly: Poly, name: str) -> list[Poly]:
        """Expressions without the register that are nowhere above this one, the largest first."""
        factor: dict[tuple[str, ...], int] = {}
        rest: dict[tuple[str, ...], int] = {}
        for monomial, coefficient in poly.terms:
            count = monomial.count(name)
            if count > 1:
                return []
            if count:
                at = monomial.index(name)
                factor[monomial[:at] + monomial[at + 1 :]] = coefficient
            else:
                rest[monomial] = coefficient
        slope = Poly.collect(factor)
        low, high = slope.interval(self.intervals)
        options = self.ranges[name].lows if low >= 0 else self.ranges[name].highs if high <= 0 else ()
        options = tuple(option for option in options if len(slope.terms) * len(option.terms) <= MAX_TERMS)
        candidates = [Poly.collect(rest) + slope * option for option in options]
        return sorted(candidates, key=lambda candidate: candidate.interval(self.intervals)[0], reverse=True)


def constant_range(low: int, high: int) -> Range:
    """The range of a register of which only constant bounds are known."""
    return Range((low, high), (Poly.of(low),), (Poly.of(high),))


def _differences(let: Let, truth: bool) -> list[Poly]:
    """Expressions that are at least 0 where a comparison holds, or does not hold."""
    opposite = {"lt": "ge", "ge": "lt", "le": "gt", "gt": "le", "eq": "ne", "ne": "eq"}
    fn = let.fn if truth else opposite.get(let.fn, "")
    if fn not in opposite:
        return []
    a, b = let.args
    return {"lt": [b - a - 1], "le": [b - a], "gt": [a - b - 1], "ge": [a - b], "eq": [a - b, b - a], "ne": []}[fn]


def between(scope: Scope, lows: Bounds, highs: Bounds) -> Range:
    """The range between expressions over the scope; its interval is empty (low > high) where they contradict."""
    lows, highs = (tuple(filter(scope.fits, bounds)) for bounds in (lows, highs))
    low = max((scope.minimum(poly) for poly in lows), default=LOWEST)
    high = min((scope.maximum(poly) for poly in highs), default=HIGHEST)
    return Range((low, high), _with(lows, low), _with(highs, high))


def _with(bounds: Bounds, constant: int) -> Bounds:
    """The symbolic bounds first: of equally good ones the one that may cancel is tried."""
    symbolic = tuple(poly for poly in bounds if poly.constant is None)
    return (*symbolic, Poly.of(constant))


def scoped(kernel: Kernel, fixed: Mapping[str, int] | None = None) -> Iterator[tuple[Statement, Scope]]:
    """Every statement that may run, with its scope; `fixed` gives scalar parameters that are known.

    The kernel's names must have been checked.
    """
    known = fixed or {}
    ranges = {
        p.name: constant_range(known.get(p.name, p.low), known.get(p.name, p.high))
        for p in kernel.params
        if isinstance(p, ScalarParam)
    }
    tensors = {p.name: p for p in kernel.params if isinstance(p, TensorParam)}
    yield from _walk(kernel.body, Scope(ranges), tensors)


def _walk(
    body: tuple[Statement, ...], scope: Scope, tensors: Mapping[str, TensorParam]
) -> Iterator[tuple[Statement, Scope]]:
    for statement in body:
        if not isinstance(statement, Instr) or statement.when is None:
            yield statement, scope
        match statement:
            case Let(register):
                scope = scope.extend(register, _let(statement, scope), statement)
            case ScalarLoad(register, param):
                bits, unsigned = 8 * tensors[param].dtype.size, tensors[param].dtype.kind == "u"
                span = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1)
                if unsigned and bits < 64:
                    span = (0, (1 << bits) - 1)
                scope = scope.extend(register, constant_range(*span))
            case Loop(register, low, high, _, _, inner):
                yield from _inside(((register, low, high),), inner, scope, tensors)
            case Forall(ranges, inner):
                yield from _inside(ranges, inner, scope, tensors)
            case If(condition, then, orelse):
                for truth, branch in ((True, then), (False, orelse)):
                    inside = scope.assume(condition, truth)
                    if inside is not None:
                        yield from _walk(branch, inside, tensors)
            case Instr(when=condition) if condition is not None:
                inside = scope.assume(condition, True)
                if inside is not None:
                    yield statement, inside
            case _:
                pass


def _inside(
    ranges: tuple[tuple[str, Poly, Poly], ...],
    body: tuple[Statement, ...],
    scope: Scope,
    tensors: Mapping[str, TensorParam],
) -> Iterator[tuple[Statement, Scope]]:
    for register, low, high in ranges:
        entry = between(scope, (low,), (high - 1,))
        if entry.interval[0] > entry.interval[1]:
            return  # never runs
        scope = scope.extend(register, entry)
    yield from _walk(body, scope, tensors)


def _let(let: Let, scope: Scope) -> Range:
    unknown = constant_range(LOWEST, HIGHEST)
    if not all(map(scope.fits, let.args)):
        return unknown
    entry = _computed(let, scope)
    return entry if entry.interval[0] >= LOWEST and entry.interval[1] <= HIGHEST else unknown


def _computed(let: Let, scope: Scope) -> Range:
    args = let.args
    spans = [(scope.minimum(arg), scope.maximum(arg)) for arg in args]
    (a, b), (c, d) = spans
    match let.fn:
        case "add" | "mul":
            if len(args[0].terms) * len(args[1].terms) > MAX_TERMS:
                return constant_range(LOWEST, HIGHEST)
            exact = args[0] + args[1] if let.fn == "add" else args[0] * args[1]
            return Range((scope.minimum(exact), scope.maximum(exact)), (exact,), (exact,))
        case "min":
            return Range((min(a, c), min(b, d)), (Poly.of(min(a, c)),), _with(args, min(b, d)))
        case "max":
            return Range((max(a, c), max(b, d)), _with(args, max(a, c)), (Poly.of(max(b, d)),))
        case "div" if c > 0 or d < 0:
            corners = [scalar_fold("div", [x, y]) for x in (a, b) for y in (c, d)]
            return constant_range(min(corners), max(corners))
        case "mod" if c > 0:
            if a >= 0:
                high = min(b, d - 1)
                return Range((0, high), (Poly(),), _with((args[0], args[1] - 1), high))
            return Range((0, d - 1), (Poly(),), _with((args[1] - 1,), d - 1))
        case fn if fn in BOOLEANS:
            return constant_range(0, 1)
        case _:  # a divisor that may be zero or negative
            reach = max(abs(edge) for span in spans for edge in span)
            return constant_range(-reach, reach)
