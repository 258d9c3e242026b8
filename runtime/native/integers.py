"""Integer and boolean arithmetic: wraps, divides towards zero, traps where there is no result."""

from __future__ import annotations

from vcc.runtime.native.lanes import Lanes

_BINARY = {"add": "add", "sub": "sub", "mul": "mul", "and": "and", "or": "or", "xor": "xor"}


def unary(lanes: Lanes, fn: str, a: str) -> str:
    """abs, neg, sign, relu of integers; not of booleans."""
    zero, one, signed = lanes.constant(0), lanes.constant(1), lanes.dtype.kind == "i"
    if fn == "not":
        return lanes.two("xor", a, one)
    if fn == "neg":
        return lanes.two("sub", zero, a)
    if not signed:
        return lanes.intrinsic("umin", a, one) if fn == "sign" else a
    if fn == "abs":
        return lanes.e.call(f"abs.{lanes.suffix}", lanes.type, f"{lanes.type} {a}", "i1 false")
    if fn == "sign":
        return lanes.intrinsic("smax", lanes.intrinsic("smin", a, one), lanes.constant(-1))
    return lanes.intrinsic("smax", a, zero)


def binary(lanes: Lanes, fn: str, a: str, b: str, mask: str) -> str:
    """`mask`, if not empty, says which lanes count: others cannot trap."""
    if fn in _BINARY:
        return lanes.two(_BINARY[fn], a, b)
    if fn in ("min", "max"):
        return lanes.intrinsic(f"{'s' if lanes.dtype.kind == 'i' else 'u'}{fn}", a, b)
    b = lanes.select(mask, b, lanes.constant(1)) if mask else b
    return _power(lanes, a, b) if fn == "pow" else _divide(lanes, fn, a, b)


def trap_any(lanes: Lanes, condition: str, message: str) -> None:
    """Traps if the condition holds in any lane."""
    found = lanes.e.call(f"vector.reduce.or.v{lanes.width}i1", "i1", f"{lanes.mask} {condition}")
    lanes.e.trap_if(found, message)


def _divide(lanes: Lanes, fn: str, a: str, b: str) -> str:
    e, zero, one = lanes.e, lanes.constant(0), lanes.constant(1)
    what = "division" if fn == "div" else "remainder"
    trap_any(lanes, lanes.two("icmp eq", b, zero), f"integer {what} by zero")
    if lanes.dtype.kind != "i":
        return lanes.two("udiv" if fn == "div" else "urem", a, b)
    minus = lanes.two("icmp eq", b, lanes.constant(-1))  # the least number divided by -1 would be a fault
    safe = lanes.select(minus, one, b)
    if fn == "div":
        return lanes.select(minus, lanes.two("sub", zero, a), lanes.two("sdiv", a, safe))
    rest = lanes.select(minus, zero, lanes.two("srem", a, safe))
    if fn == "fmod":
        return rest
    apart = lanes.two("icmp slt", lanes.two("xor", rest, b), zero)
    wrong = e.op(f"and {lanes.mask} {lanes.two('icmp ne', rest, zero)}, {apart}")
    return lanes.select(wrong, lanes.two("add", rest, b), rest)


def _power(lanes: Lanes, a: str, b: str) -> str:
    """Squares the base for every bit of the exponent."""
    e, one = lanes.e, lanes.constant(1)
    if lanes.dtype.kind == "i":
        trap_any(lanes, lanes.two("icmp slt", b, lanes.constant(0)), "integer to a negative power")
    base, left, result = (e.variable(lanes.type, value) for value in (a, b, one))
    with e.loop(0, lanes.bits):
        square, rest, product = (e.op(f"load {lanes.type}, ptr {slot}") for slot in (base, left, result))
        odd = lanes.two("icmp ne", lanes.two("and", rest, one), lanes.constant(0))
        times = lanes.select(odd, lanes.two("mul", product, square), product)
        e.do(f"store {lanes.type} {times}, ptr {result}")
        e.do(f"store {lanes.type} {lanes.two('mul', square, square)}, ptr {base}")
        e.do(f"store {lanes.type} {lanes.two('lshr', rest, one)}, ptr {left}")
    return e.op(f"load {lanes.type}, ptr {result}")
