"""What each element-wise instruction is on vectors of one dtype."""

from __future__ import annotations

from vcc.runtime.native import integers
from vcc.runtime.native.lanes import Lanes
from vcc.runtime.native.transcendental import FUNCTIONS, transcendental

_CALLS = {"abs": "fabs", "sqrt": "sqrt", "floor": "floor", "ceil": "ceil", "round": "roundeven"}
_BINARY = {"add": "fadd", "sub": "fsub", "mul": "fmul", "div": "fdiv", "fmod": "frem"}
_FLOAT_TESTS = {"eq": "oeq", "ne": "une", "lt": "olt", "le": "ole", "gt": "ogt", "ge": "oge"}
_INT_TESTS = {"lt": "lt", "le": "le", "gt": "gt", "ge": "ge"}


def compare(lanes: Lanes, test: str, a: str, b: str) -> str:
    """The mask where `a test b`; NaN is only unequal."""
    if lanes.dtype.is_float:
        return lanes.two(f"fcmp {_FLOAT_TESTS[test]}", a, b)
    sign = "s" if lanes.dtype.kind == "i" else "u"
    return lanes.two(f"icmp {sign}{_INT_TESTS[test]}" if test in _INT_TESTS else f"icmp {test}", a, b)


def fma(lanes: Lanes, a: str, b: str, c: str) -> str:
    """a * b + c, rounded once for floats."""
    if lanes.dtype.is_float:
        return lanes.intrinsic("fma", a, b, c)
    return lanes.two("add", lanes.two("mul", a, b), c)


def add_product(lanes: Lanes, a: str, b: str, total: str) -> str:
    """A sum with a * b more, whose rounding is free."""
    return lanes.add_product(a, b, total) if lanes.dtype.is_float else fma(lanes, a, b, total)


def join(lanes: Lanes, fn: str, a: str, b: str) -> str:
    """A step of a reduction, not rounded to narrow floats.

    max and min ignore a NaN in `b`, which the reduction looks for itself.
    """
    if not lanes.dtype.is_float:
        return integers.binary(lanes, fn, a, b, "")
    if fn not in ("max", "min"):
        return lanes.two(_BINARY[fn], a, b)
    return lanes.select(lanes.two("fcmp ogt" if fn == "max" else "fcmp olt", b, a), b, a)


def binary(lanes: Lanes, fn: str, a: str, b: str, mask: str = "") -> str:
    """`mask`, if not empty, says which lanes count."""
    if not lanes.dtype.is_float:
        return integers.binary(lanes, fn, a, b, mask)
    if fn in ("max", "min"):
        return lanes.intrinsic(f"{fn}imum", a, b, flags="nsz ")
    if fn == "pow":
        return lanes.rounded(lanes.libm("pow", a, b))
    return lanes.rounded(_modulo(lanes, a, b) if fn == "mod" else lanes.two(_BINARY[fn], a, b))


def _modulo(lanes: Lanes, a: str, b: str) -> str:
    """The remainder with the sign of the divisor."""
    zero, rest = lanes.constant(0), lanes.two("frem", a, b)
    apart = lanes.e.op(f"xor {lanes.mask} {lanes.two('fcmp olt', rest, zero)}, {lanes.two('fcmp olt', b, zero)}")
    wrong = lanes.e.op(f"and {lanes.mask} {apart}, {lanes.two('fcmp one', rest, zero)}")
    moved = lanes.select(wrong, lanes.two("fadd", rest, b), rest)
    return lanes.select(lanes.two("fcmp oeq", rest, zero), lanes.intrinsic("copysign", zero, b), moved)


def unary(lanes: Lanes, fn: str, a: str) -> str:
    """One operand; the result is rounded to the dtype."""
    if not lanes.dtype.is_float:
        return integers.unary(lanes, fn, a)
    zero, one = lanes.constant(0), lanes.constant(1)
    if fn in FUNCTIONS:
        return lanes.rounded(transcendental(lanes, fn, a))
    if fn in ("recip", "rsqrt"):
        return lanes.rounded(lanes.two("fdiv", one, a if fn == "recip" else lanes.intrinsic("sqrt", a)))
    if fn == "relu":
        return lanes.select(lanes.two("fcmp olt", a, zero), zero, a)
    if fn == "sign":
        size = lanes.select(lanes.two("fcmp one", a, zero), lanes.intrinsic("copysign", one, a), a)
        return size
    if fn == "neg":
        return lanes.e.op(f"fneg {lanes.type} {a}")
    return lanes.rounded(lanes.intrinsic(_CALLS[fn], a))
