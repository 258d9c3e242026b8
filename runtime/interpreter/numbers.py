"""Polys made into one Python function per instruction: the scalar pipe's work when it issues an instruction."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from vcc.runtime.isa.expr import Poly

Env = Mapping[str, int]
Numbers = tuple[int, ...]

#: A longer sum is evaluated term by term: Python's own parser nests one level per term.
MAX_INLINE_TERMS = 64


class NumberList:
    """The Polys that one instruction needs; `add` gives each the position of its value in the tuple."""

    def __init__(self):
        self._polys: list[Poly] = []

    def add(self, *polys: Poly) -> int:
        """Append Polys and return the position of the first."""
        start = len(self._polys)
        self._polys.extend(polys)
        return start

    def compile(self) -> Callable[[Env], Numbers]:
        """A function from register values to the tuple of all values."""
        return compile_numbers(self._polys)


def compile_numbers(polys: Sequence[Poly]) -> Callable[[Env], Numbers]:
    """A function from register values to the values of `polys`; constants are not computed again."""
    constants = [poly.constant for poly in polys]
    if None not in constants:
        known = tuple(value for value in constants if value is not None)
        return lambda env: known
    texts = [_python(poly, position) for position, poly in enumerate(polys)]
    return eval(f"lambda e: ({','.join(texts)},)", {"polys": tuple(polys)})


def compile_number(poly: Poly) -> Callable[[Env], int]:
    """A function from register values to the value of one Poly."""
    constant = poly.constant
    if constant is not None:
        return lambda env: constant
    return eval(f"lambda e: {_python(poly, 0)}", {"polys": (poly,)})


def _python(poly: Poly, position: int) -> str:
    if len(poly.terms) > MAX_INLINE_TERMS or any(len(m) > MAX_INLINE_TERMS for m, _ in poly.terms):
        return f"polys[{position}].evaluate(e)"
    products = ["*".join([f"({c})", *(f"e[{name!r}]" for name in monomial)]) for monomial, c in poly.terms]
    return "+".join(products) or "0"
