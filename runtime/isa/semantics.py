"""What each instruction computes, in numpy: the meaning that every engine is held to.

A semantic function receives `Args` and returns the new contents of the output view. Input arrays have the full shape
of the domain, broadcast where a stride is 0; the output has the domain's shape without its reduction dimensions.
Arithmetic is done in the output's dtype and wraps for integers; comparisons and casts say what they do.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vcc.runtime.isa.dtypes import DType
from vcc.runtime.isa.kernel import Role

Array = NDArray[Any]


Axes = tuple[int, ...]


@dataclass(frozen=True)
class Args:
    """The evaluated operands of one instruction.

    `inputs` by role name; `out` is the current content of the output; `roles` has a role for every dimension;
    `attrs` has evaluated attributes: predicates and integers as int, numbers as float, names as str.
    """

    inputs: dict[str, Array]
    out: Array
    dtype: DType
    roles: tuple[Role, ...]
    attrs: dict[str, Any]

    def axes(self, *roles: Role) -> Axes:
        """The positions of the dimensions that have one of the roles."""
        return tuple(i for i, role in enumerate(self.roles) if role in roles)

    def accumulate(self, value: Array) -> Array:
        """The value, added to the old output unless the `zero` predicate holds."""
        return value if self.attrs["zero"] else self.out + value


Semantics = Callable[[Args], Array]


#: erf is 1 in float64 from here on, and tabulated at so many points a unit below.
_ERF_END, _ERF_POINTS = 6, 4096


@cache
def _erf_table() -> tuple[Array, Array]:
    points = np.arange(_ERF_END * _ERF_POINTS + 1) / _ERF_POINTS
    values = np.array([math.erf(point) for point in points])
    return values, 2 / math.sqrt(math.pi) * np.exp(-points * points)


def _erf(x: Array) -> Array:
    """The Taylor series around the nearest tabulated point; within 2 ulp in float64."""
    magnitude = np.minimum(np.nan_to_num(np.abs(x.astype(np.float64)), posinf=_ERF_END), _ERF_END)
    index = np.rint(magnitude * _ERF_POINTS).astype(np.intp)
    values, slopes = _erf_table()
    x0 = index / _ERF_POINTS
    d = magnitude - x0
    series = 1 - d * (x0 - d * ((2 * x0 * x0 - 1) / 3 + d * x0 * (3 - 2 * x0 * x0) / 6))
    return np.where(np.isnan(x), np.nan, np.copysign(values[index] + slopes[index] * d * series, x))


def _sigmoid(x: Array) -> Array:
    wide = x.astype(np.float64) if x.dtype != np.float64 else x
    e = np.exp(-np.abs(wide))
    return np.where(wide >= 0, 1 / (1 + e), e / (1 + e))


def _divide(a: Array, b: Array) -> Array:
    if a.dtype.kind in "iu":
        if not np.all(b):
            raise ZeroDivisionError("integer division by zero")
        floor = a // b
        return floor + ((floor * b != a) & ((a < 0) != (b < 0))).astype(a.dtype)
    return a / b


def _remainder(ufunc: np.ufunc) -> Callable[[Array, Array], Array]:
    def apply(a: Array, b: Array) -> Array:
        if a.dtype.kind in "iu" and not np.all(b):
            raise ZeroDivisionError("integer remainder by zero")
        return ufunc(a, b)

    return apply


def _power(a: Array, b: Array) -> Array:
    if b.dtype.kind == "i" and np.any(b < 0):
        raise ArithmeticError("integer to a negative power")
    return np.power(a, b)


UNARY: dict[str, Callable[[Array], Array]] = {
    "abs": np.abs,
    "neg": np.negative,
    "exp": np.exp,
    "log": np.log,
    "sqrt": np.sqrt,
    "rsqrt": lambda x: 1 / np.sqrt(x),
    "recip": lambda x: 1 / x,
    "tanh": np.tanh,
    "erf": _erf,
    "sigmoid": _sigmoid,
    "sin": np.sin,
    "cos": np.cos,
    "floor": np.floor,
    "ceil": np.ceil,
    "round": np.rint,
    "sign": np.sign,
    "relu": lambda x: np.maximum(x, np.zeros((), x.dtype)),
    "not": np.logical_not,
}
BINARY: dict[str, Callable[[Array, Array], Array]] = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": _divide,
    "mod": _remainder(np.mod),
    "fmod": _remainder(np.fmod),
    "pow": _power,
    "min": np.minimum,
    "max": np.maximum,
    "and": np.bitwise_and,
    "or": np.bitwise_or,
    "xor": np.bitwise_xor,
}
COMPARE: dict[str, Callable[[Array, Array], Array]] = {
    "eq": np.equal,
    "ne": np.not_equal,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
}
REDUCE: dict[str, np.ufunc] = {"add": np.add, "max": np.maximum, "min": np.minimum, "mul": np.multiply}


def unary(fn: str) -> Semantics:
    """One operand, element by element."""
    function = UNARY[fn]
    return lambda args: function(args.inputs["a"])


def binary(fn: str) -> Semantics:
    """Two operands, element by element."""
    function = BINARY[fn]
    return lambda args: function(args.inputs["a"], args.inputs["b"])


def compare(fn: str) -> Semantics:
    """Two operands, element by element, to a boolean."""
    function = COMPARE[fn]
    return lambda args: function(args.inputs["a"], args.inputs["b"])


def copy(args: Args) -> Array:
    """The source as it is."""
    return args.inputs["src"]


def fma(args: Args) -> Array:
    """a * b + c; an engine may round once or twice."""
    return args.inputs["a"] * args.inputs["b"] + args.inputs["c"]


def select(args: Args) -> Array:
    """a where the condition is not zero, else b."""
    return np.where(args.inputs["cond"], args.inputs["a"], args.inputs["b"])


def cast(args: Args) -> Array:
    """The source in another dtype: floats to integers truncate and saturate, NaN becomes 0; integers wrap."""
    source, target = args.inputs["src"], args.dtype
    if source.dtype.kind in "fV" and target.kind in "iu":  # numpy calls bf16 a V
        info = np.iinfo(target.numpy)
        low, high = float(info.min), float(info.max)
        wide = np.nan_to_num(np.trunc(source.astype(np.float64)), nan=0.0, posinf=high, neginf=low)
        exact = np.clip(wide, low, np.nextafter(high, 0) if target.size == 8 else high).astype(target.numpy)
        return np.where(wide >= high, info.max, exact).astype(target.numpy)
    return source.astype(target.numpy)


#: Up to so many reduced positions are joined one after another, which is faster for the small windows of pooling.
MAX_WINDOW = 64


def _is_window(source: Array, axes: Axes) -> bool:
    positions = math.prod(source.shape[axis] for axis in axes)
    return 0 < positions <= MAX_WINDOW and source.size >= 16 * positions


def _positions(source: Array, axes: Axes) -> Iterator[Array]:
    """The parts of the source at every index of the reduced dimensions."""
    index: list[Any] = [slice(None)] * source.ndim
    for position in np.ndindex(*(source.shape[axis] for axis in axes)):
        for axis, i in zip(axes, position, strict=True):
            index[axis] = i
        yield source[tuple(index)]


def reduce(fn: str) -> Semantics:
    """All elements along the `reduce` dimensions become one, joined with the old output unless `zero` holds."""
    ufunc = REDUCE[fn]

    def apply(args: Args) -> Array:
        source, axes = args.inputs["src"], args.axes(Role.REDUCE)
        if _is_window(source, axes):
            parts = _positions(source, axes)
            result = next(parts).copy()
            for part in parts:
                ufunc(result, part, out=result)
        else:
            result = ufunc.reduce(source, axis=axes, dtype=args.dtype.numpy)
        return result if args.attrs["zero"] else ufunc(args.out, result)

    return apply


def mac(args: Args) -> Array:
    """Sum over the `reduce` dimensions of a * b, added to the old output unless `zero` holds."""
    a, b, axes = args.inputs["a"], args.inputs["b"], args.axes(Role.REDUCE)
    if not _is_window(a, axes) and a.dtype.char in np.typecodes["AllInteger"] + "efd":
        letters = "abcdefgh"[: len(args.roles)]
        kept = "".join(c for c, role in zip(letters, args.roles, strict=True) if role is not Role.REDUCE)
        return args.accumulate(np.einsum(f"{letters},{letters}->{kept}", a, b))
    total = np.zeros(args.out.shape, a.dtype)
    for part, other in zip(_positions(a, axes), _positions(b, axes), strict=True):
        total += part * other
    return args.accumulate(total)


def _matrix(array: Array, batch: Axes, rows: Axes, columns: Axes) -> Array:
    """The operand as [batch, rows, columns]; dimensions that it does not have (stride 0) are taken once."""
    used = {*batch, *rows, *columns}
    index = tuple(slice(None) if i in used else 0 for i in range(array.ndim))
    order = [i for i in (*batch, *rows, *columns) if i in used]
    where = {axis: position for position, axis in enumerate(sorted(used))}
    moved = array[index].transpose([where[i] for i in order])
    sizes = [math.prod(array.shape[i] for i in group) for group in (batch, rows, columns)]
    return moved.reshape(sizes)


def mmad(args: Args) -> Array:
    """Sum over the `k` dimensions of a[.., m, k] * b[.., k, n], added to the old output unless `zero` holds."""
    batch, m, n, k = (args.axes(role) for role in (Role.PARALLEL, Role.M, Role.N, Role.K))
    # Integers go through float64, which holds their sums exactly and has a fast matrix product.
    wide = args.dtype.numpy if args.dtype.is_float else np.dtype(np.float64)
    a = _matrix(args.inputs["a"], batch, m, k).astype(wide, copy=False)
    b = _matrix(args.inputs["b"], batch, k, n).astype(wide, copy=False)
    product = np.matmul(a, b)
    if not args.dtype.is_float:
        product = product.astype(np.int64).astype(args.dtype.numpy)
    kept = [i for i, role in enumerate(args.roles) if role is not Role.K]
    order = [*batch, *m, *n]
    shape = args.inputs["a"].shape
    back = [order.index(i) for i in kept]
    return args.accumulate(product.reshape([shape[i] for i in order]).transpose(back))


def drain(args: Args) -> Array:
    """act(src * scale + bias + residual) in the source's dtype, then cast to the destination's."""
    value = args.inputs["src"]
    if "scale" in args.inputs:
        value = value * args.inputs["scale"]
    if "bias" in args.inputs:
        value = value + args.inputs["bias"]
    if "residual" in args.inputs:
        value = value + args.inputs["residual"]
    if args.attrs["act"] == "relu":
        value = np.maximum(value, np.zeros((), value.dtype))
    return cast(Args({"src": value}, args.out, args.dtype, args.roles, {}))


def scan_add(args: Args) -> Array:
    """Running sums (inclusive) along the `scan` dimension."""
    (axis,) = args.axes(Role.SCAN)
    return np.add.accumulate(args.inputs["src"], axis=axis, dtype=args.dtype.numpy)


def order_of(x: Array, axis: int, *, descending: bool) -> Array:
    """The positions along an axis in sorted order; equal elements keep theirs, NaN is greater than any number."""
    keys = x.astype(np.float32) if x.dtype.kind == "V" else x  # numpy cannot sort what it calls V, bf16
    if not descending:
        return np.argsort(keys, axis, kind="stable")
    # Backwards twice, so that equal elements keep their order.
    return keys.shape[axis] - 1 - np.flip(np.argsort(np.flip(keys, axis), axis, kind="stable"), axis)


def order(args: Args) -> Array:
    """Positions in sorted order along the `scan` dimension."""
    (axis,) = args.axes(Role.SCAN)
    return order_of(args.inputs["src"], axis, descending=args.attrs["by"] == "descending")


def iota(args: Args) -> Array:
    """start + step * index along the `scan` dimension."""
    (axis,) = args.axes(Role.SCAN)
    size = args.out.shape[axis]
    ramp = (args.attrs["start"] + args.attrs["step"] * np.arange(size)).astype(args.dtype.numpy)
    shape = [1] * args.out.ndim
    shape[axis] = size
    return np.broadcast_to(ramp.reshape(shape), args.out.shape)
