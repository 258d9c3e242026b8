"""Conversions between dtypes, as the instruction `cast` makes them."""

from __future__ import annotations

from vcc.runtime.native.lanes import Lanes


def truth(lanes: Lanes, value: str) -> str:
    """The mask of lanes that are not zero; NaN is not."""
    return lanes.two("fcmp une" if lanes.dtype.is_float else "icmp ne", value, "zeroinitializer")


def boolean(target: Lanes, mask: str) -> str:
    """A mask as booleans in registers."""
    return target.e.op(f"zext {target.mask} {mask} to {target.type}")


def convert(source: Lanes, target: Lanes, value: str) -> str:
    """Floats to integers truncate and saturate, NaN becomes 0; integers wrap; floats round to nearest."""
    if source.dtype == target.dtype:
        return value
    if target.dtype.kind == "b":
        return boolean(target, truth(source, value))
    if source.dtype.is_float and target.dtype.is_float:
        return _float(source, target, value)
    if source.dtype.is_float and target.bits < 32:
        return _small_integer(source, target, value)
    if source.dtype.is_float:
        return _integer(source, target, value)
    signed = source.dtype.kind == "i"
    if target.dtype.is_float:
        return target.rounded(source.cast("sitofp" if signed else "uitofp", value, source.type, target.type))
    wider = target.bits > source.bits
    return source.cast(("sext" if signed else "zext") if wider else "trunc", value, source.type, target.type)


def _small_integer(source: Lanes, target: Lanes, value: str) -> str:
    """Clips while it is a float: a NaN becomes the other operand of a minimum or maximum, which is one instruction."""
    low, high = (source.constant(float(bound)) for bound in (target.lowest(), target.highest()))
    clipped = source.select(source.two("fcmp ogt", value, low), value, low)
    clipped = source.select(source.two("fcmp olt", clipped, high), clipped, high)
    whole = f"<{source.width} x i32>"
    number = source.cast("fptosi", clipped, source.type, whole)
    if target.lowest() != 0:
        number = source.e.op(
            f"select {source.mask} {source.two('fcmp ord', value, value)}, {whole} {number}, {whole} zeroinitializer"
        )
    return source.cast("trunc", number, whole, target.type)


def _integer(source: Lanes, target: Lanes, value: str) -> str:
    """Truncated and saturated, 0 for NaN. LLVM's own saturating conversion takes one lane after the other."""
    e, signed, bits = source.e, target.dtype.kind == "i", 8 * target.dtype.size
    end = 2.0 ** (bits - signed)
    low, high = source.constant(-end if signed else -1.0), source.constant(end)
    above = source.two("fcmp oge" if signed else "fcmp ogt", value, low)
    below = source.two("fcmp olt", value, high)
    inside = e.op(f"and {source.mask} {above}, {below}")
    near = source.select(inside, value, source.constant(0))
    whole = source.cast("fptosi" if signed else "fptoui", near, source.type, target.type)
    least, most = target.constant(target.lowest()), target.constant(target.highest())
    large = target.select(source.two("fcmp oge", value, high), most, whole)
    return target.select(source.two("fcmp ole", value, low), least, large) if signed else large


def _float(source: Lanes, target: Lanes, value: str) -> str:
    if source.bits < target.bits:
        return source.cast("fpext", value, source.type, target.type)
    if source.bits == target.bits:
        return target.rounded(value)
    near = source.cast("fptrunc", value, source.type, target.type)
    return target.rounded(_to_odd(source, target, value, near) if target.dtype.name == "f16" else near)


def _to_odd(source: Lanes, target: Lanes, value: str, near: str) -> str:
    """An f64 as the f32 next to it towards zero, its last bit set if it is not exact: rounding that again is right."""
    e, word = source.e, target.word
    back = e.op(f"fpext {target.type} {near} to {source.type}")
    large, exact = (
        e.op(f"fcmp {test} {source.type} {a}, {b}")
        for test, a, b in (
            ("ogt", source.intrinsic("fabs", back), source.intrinsic("fabs", value)),
            ("ueq", back, value),
        )
    )
    bits = e.op(f"bitcast {target.type} {near} to {word}")
    less = e.op(f"sub {word} {bits}, {e.op(f'zext {target.mask} {large} to {word}')}")
    odd = e.op(f"or {word} {less}, splat (i32 1)")
    return e.op(f"bitcast {word} {e.op(f'select {target.mask} {exact}, {word} {bits}, {word} {odd}')} to {target.type}")
