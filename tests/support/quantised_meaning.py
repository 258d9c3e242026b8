"""What ONNX says that the nodes of quantised graphs mean, as intervals of what correct implementations may compute.

Written anew in numpy, in float64: neither the compiler nor ONNX Runtime has a part in it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
from onnx import NodeProto, TensorProto, helper
from spans import Array, Span, add, bilinear, divide, known, multiply, nearest, rounded, saturated
from windows import correlation, windows

Attributes = Mapping[str, Any]
Inputs = Sequence[Span | None]
Rule = Callable[[Inputs, Attributes], Span | tuple[Span, ...]]
AnyRule = TypeVar("AnyRule", bound=Rule)

_RULES: dict[str, Rule] = {}


def _means(op_type: str) -> Callable[[AnyRule], AnyRule]:
    def register(rule: AnyRule) -> AnyRule:
        _RULES[op_type] = rule
        return rule

    return register


def results_of(node: NodeProto, values: Mapping[str, Span]) -> tuple[Span, ...]:
    """What a node may compute from what its inputs may be."""
    inputs = [values[name] if name else None for name in node.input]
    attributes = {each.name: helper.get_attribute_value(each) for each in node.attribute}
    found = _RULES[node.op_type](inputs, attributes)
    return found if isinstance(found, tuple) else (found,)


def _given(inputs: Inputs, position: int) -> Span:
    found = inputs[position]
    assert found is not None
    return found


def _optional(inputs: Inputs, position: int) -> Span | None:
    return inputs[position] if position < len(inputs) else None


def _along(vector: Span, rank: int, axis: int) -> Span:
    """One number per position of an axis, shaped to broadcast; a single number as it is."""
    if vector.low.size == 1:
        return vector.each(lambda a: a.reshape(()))
    axis %= rank
    return vector.each(lambda a: a.reshape(*(1,) * axis, -1, *(1,) * (rank - axis - 1)))


def _offset(x: Span, zero: Span | None) -> Span:
    """x - zero point, exactly."""
    if zero is None:
        return Span(x.low, x.high, 1.0, np.dtype(np.int32))
    return Span(x.low - zero.high, x.high - zero.low, 1.0, np.dtype(np.int32))


def _zero(zero: Span | None, rank: int, axis: int) -> Span | None:
    return None if zero is None else _along(zero, rank, axis)


def _real(x: Span, scale: Span, zero: Span | None, axis: int = 1) -> Span:
    rank = len(x.shape)
    steps = _offset(x, _zero(zero, rank, axis))
    return multiply(Span(steps.low, steps.high, 1.0, np.dtype(np.float32)), _along(scale, rank, axis))


def _quantised(x: Span, scale: Span, zero: Span | None, axis: int = 1) -> Span:
    rank, dtype = len(x.shape), np.dtype(np.uint8) if zero is None else zero.dtype
    steps = nearest(divide(x, _along(scale, rank, axis)), np.int32)
    point = _zero(zero, rank, axis)
    return saturated(steps if point is None else add(steps, point), dtype)


def _triple(inputs: Inputs, first: int) -> Span:
    return _real(_given(inputs, first), _given(inputs, first + 1), _optional(inputs, first + 2))


def _requantised(total: Span, scales: Sequence[Span], y: Span, zero: Span | None) -> Span:
    """Sums in i32 times scales, in steps of y."""
    real = _floats(total)
    for scale in scales:
        real = multiply(real, scale)
    return _quantised(real, y, zero)


def _floats(x: Span) -> Span:
    return rounded(x.low, x.high, x.unit, np.maximum(abs(x.low), abs(x.high)), 1)


@_means("DequantizeLinear")
def _dequantize(inputs: Inputs, attributes: Attributes) -> Span:
    return _real(_given(inputs, 0), _given(inputs, 1), _optional(inputs, 2), attributes.get("axis", 1))


@_means("QuantizeLinear")
def _quantize(inputs: Inputs, attributes: Attributes) -> Span:
    return _quantised(_given(inputs, 0), _given(inputs, 1), _optional(inputs, 2), attributes.get("axis", 1))


@_means("DynamicQuantizeLinear")
def _dynamic(inputs: Inputs, _: Attributes) -> tuple[Span, ...]:
    x = _given(inputs, 0)
    low = x.each(lambda a: np.minimum(a.min(), 0))
    high = x.each(lambda a: np.maximum(a.max(), 0))
    below = Span(-low.high, -low.low, low.unit, low.dtype)
    if x.exact:  # a difference and a quotient of known numbers: each is rounded in one way only
        scale = known(np.array(np.float32(high.low - low.low) / np.float32(255)))
    else:
        scale = divide(add(high, below), known(np.array(255, np.float32)))
    zero = saturated(nearest(divide(below, scale), np.int32), np.uint8)
    return _quantised(x, scale, zero), scale, zero


def _matrix_product(a: Span, b: Span, dtype: Any) -> Span:
    return bilinear(np.matmul, a, b, a.shape[-1], dtype)


@_means("MatMul")
def _matmul(inputs: Inputs, _: Attributes) -> Span:
    return _matrix_product(_given(inputs, 0), _given(inputs, 1), np.float32)


@_means("Gemm")
def _gemm(inputs: Inputs, attributes: Attributes) -> Span:
    a, b, c = _given(inputs, 0), _given(inputs, 1), _optional(inputs, 2)
    product = _matrix_product(_turned(a, attributes, "transA"), _turned(b, attributes, "transB"), np.float32)
    product = multiply(product, known(np.array(attributes.get("alpha", 1.0), np.float32)))
    return product if c is None else add(product, multiply(c, known(np.array(attributes.get("beta", 1.0), np.float32))))


def _turned(a: Span, attributes: Attributes, name: str) -> Span:
    return a.each(np.transpose) if attributes.get(name) else a


def _integer_matmul(inputs: Inputs, a: int, za: int, b: int, zb: int) -> Span:
    left, right = _given(inputs, a), _given(inputs, b)
    zero_a, zero_b = _optional(inputs, za), _optional(inputs, zb)
    left = _offset(left, _zero(zero_a, len(left.shape), -2))
    return _matrix_product(left, _offset(right, _zero(zero_b, len(right.shape), -1)), np.int32)


@_means("MatMulInteger")
def _matmul_integer(inputs: Inputs, _: Attributes) -> Span:
    return _integer_matmul(inputs, 0, 2, 1, 3)


@_means("QLinearMatMul")
def _qlinear_matmul(inputs: Inputs, _: Attributes) -> Span:
    total = _integer_matmul(inputs, 0, 2, 3, 5)
    scales = [_given(inputs, 1), _along(_given(inputs, 4), len(total.shape), -1)]
    return _requantised(total, scales, _given(inputs, 6), _optional(inputs, 7))


@_means("MatMulIntegerToFloat")
def _matmul_to_float(inputs: Inputs, _: Attributes) -> Span:
    real = _floats(_integer_matmul(inputs, 0, 4, 1, 5))
    for scale in (_given(inputs, 2), _given(inputs, 3)):
        real = multiply(real, _along(scale, len(real.shape), -1))
    bias = _optional(inputs, 6)
    return real if bias is None else add(real, bias)


@_means("DynamicQuantizeMatMul")
def _dynamic_matmul(inputs: Inputs, attributes: Attributes) -> Span:
    bytes_, scale, zero = _dynamic(inputs[:1], attributes)
    rest = [_given(inputs, 1), scale, _given(inputs, 2), zero, _optional(inputs, 3), _optional(inputs, 4)]
    return _matmul_to_float([bytes_, *rest], attributes)


@_means("QGemm")
def _qgemm(inputs: Inputs, attributes: Attributes) -> Span:
    a, b = _given(inputs, 0), _given(inputs, 3)
    a, b = _turned(a, attributes, "transA"), _turned(b, attributes, "transB")
    total = _integer_matmul([a, b, inputs[2], inputs[5]], 0, 2, 1, 3)
    bias = _optional(inputs, 6)
    real = _floats(total if bias is None else add(total, bias))
    alpha = known(np.array(attributes.get("alpha", 1.0), np.float32))
    for factor in (_given(inputs, 1), _along(_given(inputs, 4), 2, -1), alpha):
        real = multiply(real, factor)
    y = _optional(inputs, 7)
    return real if y is None else _quantised(real, y, _optional(inputs, 8))


@_means("Conv")
def _conv(inputs: Inputs, attributes: Attributes) -> Span:
    x, w, bias = _given(inputs, 0), _given(inputs, 1), _optional(inputs, 2)
    found = bilinear(correlation(attributes), x, w, int(np.prod(w.shape[1:])), np.float32)
    return found if bias is None else add(found, _along(bias, len(x.shape), 1))


@_means("ConvInteger")
def _conv_integer(inputs: Inputs, attributes: Attributes) -> Span:
    x, w = _given(inputs, 0), _given(inputs, 1)
    x = _offset(x, _zero(_optional(inputs, 2), len(x.shape), 1))
    w = _offset(w, _zero(_optional(inputs, 3), len(w.shape), 0))
    return bilinear(correlation(attributes), x, w, 1, np.int32)


@_means("QLinearConv")
def _qlinear_conv(inputs: Inputs, attributes: Attributes) -> Span:
    operands = [inputs[0], inputs[3], inputs[2], inputs[5]]
    total, bias = _conv_integer(operands, attributes), _optional(inputs, 8)
    rank = len(total.shape)
    if bias is not None:
        total = add(total, _along(bias, rank, 1))
    return _requantised(total, [_given(inputs, 1), _along(_given(inputs, 4), rank, 1)], _given(inputs, 6), inputs[7])


@_means("Add")
def _add(inputs: Inputs, _: Attributes) -> Span:
    return add(_given(inputs, 0), _given(inputs, 1))


@_means("Sub")
def _sub(inputs: Inputs, _: Attributes) -> Span:
    b = _given(inputs, 1)
    return add(_given(inputs, 0), Span(-b.high, -b.low, b.unit, b.dtype))


@_means("Mul")
def _mul(inputs: Inputs, _: Attributes) -> Span:
    return multiply(_given(inputs, 0), _given(inputs, 1))


@_means("Relu")
def _relu(inputs: Inputs, _: Attributes) -> Span:
    return _given(inputs, 0).each(lambda a: np.maximum(a, 0))


@_means("Clip")
def _clip(inputs: Inputs, _: Attributes) -> Span:
    x, bounds = _given(inputs, 0), [_given(inputs, i) for i in (1, 2)]
    unit = min(x.unit, *(bound.unit for bound in bounds))
    low, high = (float(bound.low) for bound in bounds)
    return Span(np.clip(x.low, low, high), np.clip(x.high, low, high), unit, x.dtype)


@_means("LeakyRelu")
def _leaky_relu(inputs: Inputs, attributes: Attributes) -> Span:
    x = _given(inputs, 0)
    alpha = known(np.array(attributes["alpha"], np.float32))
    small = multiply(x, alpha)
    low, high = (np.where(a >= 0, a, b) for a, b in ((x.low, small.low), (x.high, small.high)))
    return Span(low, high, min(x.unit, small.unit), x.dtype)


@_means("Sigmoid")
def _sigmoid(inputs: Inputs, _: Attributes) -> Span:
    low, high = (1 / (1 + np.exp(-np.clip(a, -700, 700))) for a in (_given(inputs, 0).low, _given(inputs, 0).high))
    return rounded(low, high, 0.0, high, 4)  # the table's functions are right to 4 units in the last place


@_means("Tanh")
def _tanh(inputs: Inputs, _: Attributes) -> Span:
    low, high = np.tanh(_given(inputs, 0).low), np.tanh(_given(inputs, 0).high)
    return rounded(low, high, 0.0, np.maximum(abs(low), abs(high)), 4)


def _unit_line(x: Span, slope: float, offset: float) -> Span:
    """The line through `offset`, within 0..1."""
    line = add(multiply(x, known(np.array(slope, np.float32))), known(np.array(offset, np.float32)))
    return line.each(lambda a: np.clip(a, 0, 1))


@_means("HardSigmoid")
def _hard_sigmoid(inputs: Inputs, attributes: Attributes) -> Span:
    return _unit_line(_given(inputs, 0), attributes["alpha"], attributes["beta"])


@_means("HardSwish")
def _hard_swish(inputs: Inputs, _: Attributes) -> Span:
    x = _given(inputs, 0)
    return multiply(x, _unit_line(x, 1 / 6, 0.5))


@_means("Split")
def _split(inputs: Inputs, attributes: Attributes) -> tuple[Span, ...]:
    x, ends = _given(inputs, 0), np.cumsum(_given(inputs, 1).low.astype(int))[:-1]
    lows, highs = (np.split(each, ends, attributes["axis"]) for each in (x.low, x.high))
    return tuple(Span(low, high, x.unit, x.dtype) for low, high in zip(lows, highs, strict=True))


@_means("Concat")
def _concat(inputs: Inputs, attributes: Attributes) -> Span:
    parts = [_given(inputs, i) for i in range(len(inputs))]
    low, high = (np.concatenate(each, attributes["axis"]) for each in ([p.low for p in parts], [p.high for p in parts]))
    return Span(low, high, min(part.unit for part in parts), parts[0].dtype)


@_means("Reshape")
def _reshape(inputs: Inputs, _: Attributes) -> Span:
    return _given(inputs, 0).each(lambda a: a.reshape(_given(inputs, 1).low.astype(int)))


@_means("Transpose")
def _transpose(inputs: Inputs, attributes: Attributes) -> Span:
    return _given(inputs, 0).each(lambda a: a.transpose(attributes["perm"]))


@_means("Slice")
def _slice(inputs: Inputs, _: Attributes) -> Span:
    starts, ends, axes, steps = (_given(inputs, i).low.astype(int) for i in range(1, 5))
    places = [slice(None)] * len(_given(inputs, 0).shape)
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        places[axis] = slice(start, end, step)
    return _given(inputs, 0).each(lambda a: a[tuple(places)])


@_means("Cast")
def _cast(inputs: Inputs, attributes: Attributes) -> Span:
    assert attributes["to"] == TensorProto.FLOAT
    return _floats(_given(inputs, 0))


@_means("MaxPool")
def _max_pool(inputs: Inputs, attributes: Attributes) -> Span:
    def largest(a: Array) -> Array:
        return np.maximum.reduce([w for _, w in windows(a, attributes["kernel_shape"], attributes, -np.inf)])

    return _given(inputs, 0).each(largest)


@_means("AveragePool")
def _average_pool(inputs: Inputs, attributes: Attributes) -> Span:
    x, kernel = _given(inputs, 0), attributes["kernel_shape"]

    def total(a: Array) -> Array:
        return np.add.reduce([w for _, w in windows(a, kernel, attributes, 0.0)])

    inside = attributes.get("count_include_pad", 0) == 0
    count = total(np.ones(x.shape)) if inside else np.full((1,) * len(x.shape), float(np.prod(kernel)))
    magnitude = total(np.maximum(abs(x.low), abs(x.high)))
    sums = rounded(total(x.low), total(x.high), x.unit, magnitude, int(np.prod(kernel)))
    return _mean(sums, count)


@_means("GlobalAveragePool")
def _global_average_pool(inputs: Inputs, _: Attributes) -> Span:
    x = _given(inputs, 0)
    axes = tuple(range(2, len(x.shape)))
    size = int(np.prod(x.shape[2:]))
    magnitude = np.maximum(abs(x.low), abs(x.high)).sum(axes, keepdims=True)
    low, high = (a.sum(axes, keepdims=True) for a in (x.low, x.high))
    return _mean(rounded(low, high, x.unit, magnitude, size), np.array(float(size)))


def _mean(sums: Span, count: Array) -> Span:
    return divide(sums, known(count.astype(np.float32)))


@_means("Resize")
def _resize(inputs: Inputs, _: Attributes) -> Span:
    """Every element repeated a whole number of times along each axis."""
    factors = _given(inputs, 2).low.astype(int)

    def repeated(a: Array) -> Array:
        for axis, factor in enumerate(factors):
            a = np.repeat(a, factor, axis)
        return a

    return _given(inputs, 0).each(repeated)


def _between(inner: str) -> Callable[[Inputs, Attributes], Span]:
    """An operator on one quantised tensor: dequantised, computed, quantised."""

    def rule(inputs: Inputs, attributes: Attributes) -> Span:
        found = _RULES[inner]([_triple(inputs, 0)], attributes)
        assert isinstance(found, Span)
        return _quantised(found, _given(inputs, 3), _optional(inputs, 4))

    return rule


for _inner in ("Sigmoid", "LeakyRelu", "AveragePool", "GlobalAveragePool"):
    _RULES[f"QLinear{_inner}"] = _between(_inner)


@_means("QLinearAdd")
def _qlinear_add(inputs: Inputs, _: Attributes) -> Span:
    return _quantised(add(_triple(inputs, 0), _triple(inputs, 3)), _given(inputs, 6), _optional(inputs, 7))


@_means("QLinearMul")
def _qlinear_mul(inputs: Inputs, _: Attributes) -> Span:
    return _quantised(multiply(_triple(inputs, 0), _triple(inputs, 3)), _given(inputs, 6), _optional(inputs, 7))


@_means("QLinearConcat")
def _qlinear_concat(inputs: Inputs, attributes: Attributes) -> Span:
    parts = [_triple(inputs, first) for first in range(2, len(inputs), 3)]
    return _quantised(_concat(parts, attributes), _given(inputs, 0), _given(inputs, 1))
