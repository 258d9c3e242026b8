"""ONNX Runtime's operators on quantised tensors: in floats between a dequantisation and a quantisation."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto

from vcc.compiler.frontend.runtime.body import Body, UnsupportedFormError, stands_for

_WINDOW = ("auto_pad", "ceil_mode", "count_include_pad", "kernel_shape", "pads", "strides")


def real(body: Body, first: int) -> str:
    """The numbers that an input and the scale and zero point behind it mean."""
    return body.op("DequantizeLinear", body.required(first), body.required(first + 1), body.input(first + 2))


def quantised(body: Body, y: str, scale: int) -> str:
    """Numbers in the quantised dtype of the scale's zero point, which stands behind it; u8 without one."""
    return body.op("QuantizeLinear", y, body.required(scale), body.input(scale + 1))


@stands_for("QLinearAdd")
def add(body: Body) -> str:
    """The sum of two tensors."""
    return quantised(body, body.op("Add", real(body, 0), real(body, 3)), 6)


@stands_for("QLinearMul")
def multiply(body: Body) -> str:
    """The product of two tensors."""
    return quantised(body, body.op("Mul", real(body, 0), real(body, 3)), 6)


@stands_for("QLinearSigmoid")
def sigmoid(body: Body) -> str:
    """The logistic function."""
    return quantised(body, body.op("Sigmoid", real(body, 0)), 3)


@stands_for("QLinearLeakyRelu")
def leaky_relu(body: Body) -> str:
    """LeakyRelu."""
    return quantised(body, body.op("LeakyRelu", real(body, 0), **body.only("alpha")), 3)


@stands_for("QLinearSoftmax")
def softmax(body: Body) -> str:
    """Softmax along one axis; as it was before opset 13 only where that is the last."""
    axis = body.number("axis", -1)
    if body.number("opset", 13) < 13 and axis != -1:
        raise UnsupportedFormError("of flattened axes")
    return quantised(body, body.op("Softmax", real(body, 0), axis=axis), 3)


@stands_for("QLinearAveragePool")
def average_pool(body: Body) -> str:
    """The mean of each window."""
    if body.number("channels_last", 0):
        raise UnsupportedFormError("with channels last")
    return quantised(body, body.op("AveragePool", real(body, 0), **body.only(*_WINDOW)), 3)


@stands_for("QLinearGlobalAveragePool")
def global_average_pool(body: Body) -> str:
    """The mean of all positions."""
    if body.number("channels_last", 0):
        raise UnsupportedFormError("with channels last")
    return quantised(body, body.op("GlobalAveragePool", real(body, 0)), 3)


@stands_for("QLinearConcat")
def concat(body: Body) -> str:
    """Tensors of different scales one behind the other."""
    parts = [real(body, first) for first in range(2, len(body.inputs), 3)]
    return quantised(body, body.op("Concat", *parts, axis=body.attributes["axis"]), 0)


def scaled_sums(body: Body, sums: str, *scales: str) -> str:
    """Sums in i32 as the numbers that they mean."""
    factor = scales[0]
    for scale in scales[1:]:
        factor = body.op("Mul", factor, scale)
    return body.op("Mul", body.op("Cast", sums, to=TensorProto.FLOAT), factor)


@stands_for("QGemm")
def gemm(body: Body) -> str:
    """alpha * a x b + c, the bias in i32; quantised if there is a scale for the result."""
    a, b = body.required(0), body.required(3)
    if body.number("transA", 0):
        a = body.op("Transpose", a, perm=[1, 0])
    if body.number("transB", 0):
        b = body.op("Transpose", b, perm=[1, 0])
    sums, c = body.op("MatMulInteger", a, b, body.input(2), body.input(5)), body.input(6)
    sums = sums if c is None else body.op("Add", sums, c)
    y = scaled_sums(body, sums, body.required(1), body.required(4), body.constant(body.number("alpha", 1.0)))
    return y if body.input(7) is None else quantised(body, y, 7)


@stands_for("MatMulIntegerToFloat")
def matmul_to_float(body: Body) -> str:
    """A product of bytes as floats, and a bias."""
    sums = body.op("MatMulInteger", body.required(0), body.required(1), body.input(4), body.input(5))
    y, bias = scaled_sums(body, sums, body.required(2), body.required(3)), body.input(6)
    return y if bias is None else body.op("Add", y, bias)


@stands_for("DynamicQuantizeMatMul")
def dynamic_matmul(body: Body) -> str:
    """The same where the first operand is quantised by its own range."""
    a, scale, zero = body.make("DynamicQuantizeLinear", body.required(0), outputs=3)
    sums = body.op("MatMulInteger", a, body.required(1), zero, body.input(3))
    y, bias = scaled_sums(body, sums, scale, body.required(2)), body.input(4)
    return y if bias is None else body.op("Add", y, bias)


@stands_for("QuantizeLinear")
def quantize(body: Body) -> str:
    """The standard's, which ONNX Runtime has for more dtypes in old opsets."""
    return body.op("QuantizeLinear", *(body.input(i) for i in range(3)), **body.only("axis"))


@stands_for("DequantizeLinear")
def dequantize(body: Body) -> str:
    """The standard's, which ONNX Runtime has for more dtypes in old opsets."""
    return body.op("DequantizeLinear", *(body.input(i) for i in range(3)), **body.only("axis"))


@stands_for("MatMulNBits")
def matmul_of_nibbles(body: Body) -> str:
    """a x b^T + bias, where b is [N, blocks, bytes] of two numbers of four bits each, or of bytes, scaled by block."""
    n, k, size = (int(body.attributes[name]) for name in ("N", "K", "block_size"))
    bits, a = int(body.number("bits", 4)), body.required(0)
    if bits not in (4, 8) or body.input(4) is not None:
        raise UnsupportedFormError("of this many bits or with reordered columns")
    blocks = -(-k // size)
    weights = body.op("Reshape", unpacked(body, body.required(1), bits), body.ints(n, blocks, size))
    zeros = body.input(3)
    if zeros is None:
        points = body.constant(1 << (bits - 1))
    elif body.rank(3) is None:
        raise UnsupportedFormError("with zero points of unknown rank")
    else:
        per_row = blocks + blocks % 2 if bits == 4 else blocks
        all_points = body.op("Reshape", unpacked(body, zeros, bits), body.ints(n, per_row))
        points = body.op("Slice", all_points, body.ints(0), body.ints(blocks), body.ints(1))
        points = body.op("Unsqueeze", body.op("Cast", points, to=TensorProto.FLOAT), body.ints(2))
    scales = body.op("Reshape", body.op("Cast", body.required(2), to=TensorProto.FLOAT), body.ints(n, blocks, 1))
    numbers = body.op("Mul", body.op("Sub", body.op("Cast", weights, to=TensorProto.FLOAT), points), scales)
    rows = body.op("Reshape", numbers, body.ints(n, blocks * size))
    matrix = body.op("Transpose", body.op("Slice", rows, body.ints(0), body.ints(k), body.ints(1)), perm=[1, 0])
    y, bias = body.op("MatMul", a, body.op("CastLike", matrix, a)), body.input(5)
    return y if bias is None else body.op("Add", y, bias)


def unpacked(body: Body, packed: str, bits: int) -> str:
    """Bytes with an axis for the numbers in each, the lower four bits first."""
    if bits == 8:
        return packed
    low = body.op("BitwiseAnd", packed, body.constant(15, np.uint8))
    high = body.op("BitShift", packed, body.constant(4, np.uint8), direction="RIGHT")
    return body.op("Concat", *(body.op("Unsqueeze", each, body.ints(-1)) for each in (low, high)), axis=-1)
