"""Scalar expressions: sums of products of constants and 64-bit registers.

Sizes, bases, strides, slots, intervals and predicates of the instruction set are all `Poly`s. A register is a
kernel parameter, a loop variable or the result of a scalar instruction; it is written `%name` in assembly.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

Monomial = tuple[str, ...]
Interval = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Poly:
    """`sum(coefficient * product(registers))`: terms sorted by registers, no zero coefficient, () is the constant."""

    terms: tuple[tuple[Monomial, int], ...] = ()

    @staticmethod
    def of(value: PolyLike) -> Poly:
        """A Poly from an integer, a register name or a Poly."""
        if isinstance(value, Poly):
            return value
        if isinstance(value, str):
            return Poly((((value,), 1),))
        return Poly((((), int(value)),)) if value else ZERO

    @staticmethod
    def collect(terms: Mapping[Monomial, int]) -> Poly:
        """A Poly in normal form from unsorted terms."""
        return Poly(tuple(sorted((m, c) for m, c in terms.items() if c)))

    @property
    def constant(self) -> int | None:
        """The value if no register occurs, else None."""
        if not self.terms:
            return 0
        return self.terms[0][1] if len(self.terms) == 1 and not self.terms[0][0] else None

    @property
    def registers(self) -> frozenset[str]:
        return frozenset(name for monomial, _ in self.terms for name in monomial)

    def evaluate(self, env: Mapping[str, int]) -> int:
        """The value when every register has one. Raises KeyError for a register that has none."""
        total = 0
        for monomial, coefficient in self.terms:
            for name in monomial:
                coefficient *= env[name]
            total += coefficient
        return total

    def interval(self, env: Mapping[str, Interval]) -> Interval:
        """Bounds (inclusive) when every register lies in an interval; exact where each register occurs once."""
        low = high = 0
        for monomial, coefficient in self.terms:
            a = b = coefficient
            for name in monomial:
                lo, hi = env[name]
                corners = (a * lo, a * hi, b * lo, b * hi)
                a, b = min(corners), max(corners)
            low, high = low + min(a, b), high + max(a, b)
        return low, high

    def substitute(self, replacements: Mapping[str, PolyLike]) -> Poly:
        """This Poly with registers replaced; those not named stay."""
        total = ZERO
        for monomial, coefficient in self.terms:
            product = Poly.of(coefficient)
            for name in monomial:
                product = product * replacements.get(name, name)
            total = total + product
        return total

    def __add__(self, other: PolyLike) -> Poly:
        merged = dict(self.terms)
        for monomial, coefficient in Poly.of(other).terms:
            merged[monomial] = merged.get(monomial, 0) + coefficient
        return Poly.collect(merged)

    def __mul__(self, other: PolyLike) -> Poly:
        merged: dict[Monomial, int] = {}
        for m1, c1 in self.terms:
            for m2, c2 in Poly.of(other).terms:
                key = tuple(sorted(m1 + m2))
                merged[key] = merged.get(key, 0) + c1 * c2
        return Poly.collect(merged)

    def __neg__(self) -> Poly:
        return self * -1

    def __sub__(self, other: PolyLike) -> Poly:
        return self + Poly.of(other) * -1

    def __radd__(self, other: PolyLike) -> Poly:
        return self + other

    def __rsub__(self, other: PolyLike) -> Poly:
        return Poly.of(other) - self

    def __rmul__(self, other: PolyLike) -> Poly:
        return self * other

    def __str__(self) -> str:
        text = ""
        for monomial, coefficient in reversed(self.terms):
            factors = "*".join(f"%{name}" for name in monomial)
            body = (
                factors
                if factors and abs(coefficient) == 1
                else "*".join(filter(None, (str(abs(coefficient)), factors)))
            )
            text += ("-" if coefficient < 0 else "+" if text else "") + body
        return text or "0"


PolyLike = Poly | int | str
ZERO = Poly()
ONE = Poly((((), 1),))


def scalar_fold(fn: str, args: list[int]) -> int:
    """The value of one scalar instruction on 64-bit integers; division and remainder round towards minus infinity.

    Raises ZeroDivisionError as the machine traps.
    """
    match fn:
        case "add":
            return sum(args)
        case "mul":
            return prod(args)
        case "min":
            return min(args)
        case "max":
            return max(args)
        case "div":
            return args[0] // args[1]
        case "mod":
            return args[0] % args[1]
        case "eq" | "ne" | "lt" | "le" | "gt" | "ge":
            a, b = args
            return int({"eq": a == b, "ne": a != b, "lt": a < b, "le": a <= b, "gt": a > b, "ge": a >= b}[fn])
        case "and":
            return int(all(args))
        case "or":
            return int(any(args))
        case _:
            raise KeyError(fn)


#: Scalar instructions and how many operands each takes.
SCALAR_FNS: dict[str, int] = {
    "add": 2, "mul": 2, "min": 2, "max": 2, "div": 2, "mod": 2,
    "eq": 2, "ne": 2, "lt": 2, "le": 2, "gt": 2, "ge": 2, "and": 2, "or": 2,
}  # fmt: skip
