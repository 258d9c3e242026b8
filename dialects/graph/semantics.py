"""What every operation of the `graph` dialect computes, in numpy, on arrays in their logical shape.

Elementwise functions are those of the instruction table; windows and matrix products are written here a second time,
so that a wrong tiling cannot hide. Float16 and bfloat16 are computed in float32 and rounded after each operation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
from xdsl.ir import Operation

from vcc.dialects.graph.base import ints, shape_of, tensor_of
from vcc.dialects.graph.contraction import ConvOp, MatmulOp
from vcc.dialects.graph.elementwise import BinaryOp, CastOp, CompareOp, LookupOp, SelectOp, UnaryOp
from vcc.dialects.graph.fused import AttentionOp, GeluApproximation, GeluOp, RmsNormOp
from vcc.dialects.graph.indexed_semantics import INDEXED_RULES
from vcc.dialects.graph.movement import ConcatOp, ExpandOp, PadOp, RelayoutOp, ReshapeOp, SliceOp, TransposeOp
from vcc.dialects.graph.recurrence import RecurrenceOp
from vcc.dialects.graph.recurrence_semantics import recurrence
from vcc.dialects.graph.reduction import LayerNormOp, ReduceOp, SoftmaxOp
from vcc.dialects.graph.window import PoolOp
from vcc.dialects.graph.window_semantics import conv, pool
from vcc.dialects.weights import numpy_dtype_of
from vcc.runtime.isa import semantics
from vcc.runtime.isa.dtypes import dtype_of

Array: TypeAlias = np.ndarray[Any, Any]
Rule: TypeAlias = Callable[[Any, Sequence[Array]], Array]


def computes(op: Operation) -> bool:
    """Whether `compute` knows the operation: all of the dialect but kernels and host calls."""
    return type(op) in _RULES


def compute(op: Operation, args: Sequence[Array]) -> Array:
    """The result of one operation on arrays; KeyError for one that `computes` denies."""
    rule = _RULES[type(op)]
    dtype = numpy_dtype_of(tensor_of(op.results[0]).element_type)
    with np.errstate(all="ignore"):
        result = rule(op, [_widen(arg) for arg in args])
    return np.asarray(result if result.dtype == dtype else result.astype(dtype))


def _widen(array: Array) -> Array:
    narrow = array.dtype == np.float16 or array.dtype.name == "bfloat16"
    return array.astype(np.float32) if narrow else array


def _cast(op: CastOp, args: Sequence[Array]) -> Array:
    dtype = numpy_dtype_of(tensor_of(op.result).element_type)
    empty = np.empty(0, dtype)
    return semantics.cast(semantics.Args({"src": args[0]}, empty, dtype_of(dtype), (), {}))


def _reduce(op: Any, args: Sequence[Array]) -> Array:
    function = semantics.REDUCE[str(op.fn.data)]
    return np.asarray(function.reduce(args[0], axis=ints(op.axes), dtype=args[0].dtype, keepdims=bool(op.keepdims)))


def _softmax(op: SoftmaxOp, args: Sequence[Array]) -> Array:
    axis = op.axis.value.data
    e = np.exp(args[0] - args[0].max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


def _layer_norm(op: LayerNormOp, args: Sequence[Array]) -> Array:
    x = args[0]
    axes = tuple(range(op.axis.value.data, x.ndim))
    centred = x - x.mean(axes, keepdims=True)
    variance = np.square(centred).mean(axes, keepdims=True)
    y = centred / np.sqrt(variance + x.dtype.type(op.epsilon.value.data)) * args[1]
    return y + args[2] if len(args) == 3 else y


def _gelu(op: GeluOp, args: Sequence[Array]) -> Array:
    x = args[0]
    number = x.dtype.type
    if op.approximate.data is GeluApproximation.TANH:
        cubic = x + number(0.044715) * x * x * x
        curve = semantics.UNARY["tanh"](number(np.sqrt(2 / np.pi)) * cubic)
    else:
        curve = semantics.UNARY["erf"](x * number(np.sqrt(0.5)))
    return number(0.5) * x * (number(1) + curve)


def _rms_norm(op: RmsNormOp, args: Sequence[Array]) -> Array:
    x = args[0]
    square = np.square(x).mean(tuple(range(op.axis.value.data, x.ndim)), keepdims=True)
    return x / np.sqrt(square + x.dtype.type(op.epsilon.value.data)) * args[1]


def _attention(op: AttentionOp, args: Sequence[Array]) -> Array:
    q, k, v, *mask = args
    scores = np.matmul(q, k.swapaxes(-1, -2)) * q.dtype.type(op.scale.value.data)
    scores = scores + mask[0] if mask else scores
    e = np.exp(scores - scores.max(-1, keepdims=True))
    return np.matmul(e / e.sum(-1, keepdims=True), v)


def _matmul(_: MatmulOp, args: Sequence[Array]) -> Array:
    if args[0].dtype.kind in "iu":
        return np.matmul(args[0].astype(np.int32), args[1].astype(np.int32))
    return np.matmul(args[0], args[1])


def _slice(op: SliceOp, args: Sequence[Array]) -> Array:
    x = args[0]
    for axis, numbers in enumerate(zip(*map(ints, (op.starts, op.sizes, op.steps)), strict=True)):
        start, size, step = numbers
        x = np.take(x, start + step * np.arange(size), axis)
    return x


def _pad(op: PadOp, args: Sequence[Array]) -> Array:
    widths = list(zip(ints(op.low), ints(op.high), strict=True))
    value: Any = op.value
    number = value.value.data
    return np.pad(args[0], widths, constant_values=bool(number) if args[0].dtype == np.bool_ else number)


_RULES: dict[type[Operation], Rule] = {
    **INDEXED_RULES,
    RecurrenceOp: recurrence,
    UnaryOp: lambda op, args: semantics.UNARY[op.fn.data.value](args[0]),
    BinaryOp: lambda op, args: semantics.BINARY[op.fn.data.value](args[0], args[1]),
    CompareOp: lambda op, args: semantics.COMPARE[op.fn.data.value](args[0], args[1]),
    SelectOp: lambda _, args: np.where(args[0], args[1], args[2]),
    CastOp: _cast,
    LookupOp: lambda _, args: args[1][args[0]],
    ReduceOp: _reduce,
    SoftmaxOp: _softmax,
    LayerNormOp: _layer_norm,
    GeluOp: _gelu,
    RmsNormOp: _rms_norm,
    AttentionOp: _attention,
    MatmulOp: _matmul,
    ConvOp: lambda op, args: conv(op.window, op.group.value.data, op.fill, *args),
    PoolOp: lambda op, args: pool(op.fn.data, op.window, bool(op.count_include_pad), args[0]),
    TransposeOp: lambda op, args: args[0].transpose(ints(op.perm)),
    ReshapeOp: lambda op, args: args[0].reshape(shape_of(op.result)),
    SliceOp: _slice,
    ConcatOp: lambda op, args: np.concatenate(args, op.axis.value.data),
    PadOp: _pad,
    ExpandOp: lambda op, args: np.broadcast_to(args[0], shape_of(op.result)),
    RelayoutOp: lambda _, args: args[0],
}
