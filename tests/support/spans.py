"""What correct implementations of f32 arithmetic may compute: for every element an interval of float64.

A sum of n products in f32, in any order, is off by at most n units of 2^-24 of the sum of the magnitudes (N. Higham,
"Accuracy and Stability of Numerical Algorithms", 2nd edition, section 3.1). No error at all is made where every term is
a multiple of one power of two and the magnitudes add up to at most 2^24 times it: then everything fits 24 bits.
Integers are exact. So an interval is wider than a point only where implementations may really differ.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

#: Half the distance between neighbouring f32 numbers, relative to them.
ROUNDING = 2.0**-24
#: Roundings that any operation may make beyond one for each of its terms: factors that compilers fold or split.
FOLDED = 8
#: The smallest number above zero in f32.
_TINY = 2.0**-149


@dataclass(frozen=True)
class Span:
    """`low` and `high` in float64, of what is `dtype` in the graph.

    All numbers that may come out are multiples of `unit`, a power of two, or it is 0.
    """

    low: Array
    high: Array
    unit: float
    dtype: np.dtype[Any]

    @property
    def shape(self) -> tuple[int, ...]:
        return self.low.shape

    @property
    def exact(self) -> bool:
        """Whether all correct implementations agree."""
        return bool(np.array_equal(self.low, self.high))

    def each(self, change: Callable[[Array], Array]) -> Span:
        """After a function that never decreases, or moves elements, and makes nothing but numbers of the unit."""
        return replace(self, low=change(self.low), high=change(self.high))

    def outside(self, actual: Array) -> Array:
        """Which elements of a result are out of the interval."""
        found = actual.astype(np.float64)
        return ~((self.low <= found) & (found <= self.high))


def known(array: Array) -> Span:
    """Numbers that are given."""
    wide = array.astype(np.float64)
    return Span(wide, wide, 1.0 if array.dtype.kind in "iub" else _common_unit(wide), array.dtype)


def _common_unit(numbers: Array) -> float:
    """The greatest power of two that divides all numbers; 1 if all are zero."""
    mantissa, exponent = np.frexp(numbers[numbers != 0])
    if not mantissa.size:
        return 1.0
    digits = (mantissa * 2.0**53).astype(np.int64)
    return float(np.min(np.ldexp((digits & -digits).astype(np.float64), exponent - 53)))


def rounded(low: Array, high: Array, unit: float, magnitude: Array, terms: int, dtype: Any = np.float32) -> Span:
    """The result of an operation that adds `terms` terms, whose magnitudes are `magnitude` together."""
    if np.dtype(dtype).kind in "iu":
        return Span(low, high, 1.0, np.dtype(dtype))
    if unit and float(magnitude.max(initial=0)) <= unit / ROUNDING:
        return Span(low, high, unit, np.dtype(dtype))
    slack = (terms + FOLDED) * (ROUNDING * magnitude + _TINY)
    return Span(low - slack, high + slack, 0.0, np.dtype(dtype))


def bilinear(product: Callable[[Array, Array], Array], a: Span, b: Span, terms: int, dtype: Any = np.float32) -> Span:
    """The sums of `terms` products of an element of each that `product` makes, which is linear in both."""
    (x, dx), (y, dy) = _centred(a), _centred(b)
    centre, radius = product(x, y), np.zeros(())
    if not (a.exact and b.exact):
        radius = product(abs(x), dy) + product(dx, abs(y)) + product(dx, dy)
    magnitude = product(abs(x) + dx, abs(y) + dy)
    return rounded(centre - radius, centre + radius, a.unit * b.unit, magnitude, terms, dtype)


def _centred(span: Span) -> tuple[Array, Array]:
    return (span.low + span.high) / 2, (span.high - span.low) / 2


def add(a: Span, b: Span) -> Span:
    """The sum, broadcast."""
    size = np.maximum(abs(a.low), abs(a.high)) + np.maximum(abs(b.low), abs(b.high))
    return rounded(a.low + b.low, a.high + b.high, min(a.unit, b.unit), size, 1, a.dtype)


def multiply(a: Span, b: Span) -> Span:
    """The product, broadcast."""
    return bilinear(np.multiply, a, b, 1, a.dtype)


def divide(a: Span, b: Span) -> Span:
    """The quotient of a number and a positive one; exact where that is a power of two."""
    corners = [x / y for x in (a.low, a.high) for y in (b.low, b.high)]
    low, high = np.minimum.reduce(corners), np.maximum.reduce(corners)
    if b.exact and bool(np.all(np.frexp(b.low)[0] == 0.5)):
        return Span(low, high, a.unit / float(b.low.max()), a.dtype)
    return rounded(low, high, 0.0, np.maximum(abs(low), abs(high)), 1)


def nearest(a: Span, dtype: Any) -> Span:
    """Rounded to the nearest integers, ties to even."""
    return Span(np.rint(a.low), np.rint(a.high), 1.0, np.dtype(dtype))


def saturated(a: Span, dtype: Any) -> Span:
    """Clipped to an integer dtype."""
    info = np.iinfo(dtype)
    return Span(np.clip(a.low, info.min, info.max), np.clip(a.high, info.min, info.max), 1.0, np.dtype(dtype))
