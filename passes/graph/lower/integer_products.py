"""Products of 8-bit integers: MatMulInteger, ConvInteger, QLinearMatMul, QLinearConv.

The machine multiplies the integers as they are; zero points are taken off the sums afterwards:

    sum (a - za) * (b - zb) = sum a * b - za * sum b - zb * sum a + K * za * zb

(B. Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference",
CVPR 2018, section 2.3). Sums of constants are constants, and zero points of zero add no operation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from xdsl.dialects.builtin import f32, i32
from xdsl.ir import SSAValue

from vcc.dialects import graph
from vcc.dialects.graph import shape_of, tensor_of
from vcc.dialects.visa import TargetMachine
from vcc.dialects.weights import constant_array, numpy_dtype_of
from vcc.passes.graph.lower.constraints import spatial_axes
from vcc.passes.graph.lower.node import Node
from vcc.passes.graph.lower.parts import attribute_of
from vcc.passes.graph.lower.quantization import saturated
from vcc.passes.graph.lower.registry import Constraint, lowers
from vcc.passes.graph.lower.windows import resolved_window

#: Longer sums of products of two bytes could leave i32.
_LONGEST = (2**31 - 1) // 255**2
#: Sums of at most this many products of two bytes are exact in f32.
_EXACT_IN_F32 = 2**24 // 255**2


@dataclass(frozen=True)
class Quantised:
    """A tensor of bytes and what in it means zero: one number, or one per position of an axis; None for zero itself."""

    value: SSAValue
    zero: SSAValue | None


def multiplies_bytes(node: Node) -> bool:
    """The machine must multiply 8-bit integers."""
    target = node.ctx.get_dialect("visa").get_interface(TargetMachine)
    machine = None if target is None else target.machine
    return machine is None or "i8" in machine.macs


def _bytes(*positions: int) -> Constraint:
    def check(node: Node) -> bool:
        """The operands must be 8-bit integers."""
        return all(node.dtype(i).kind in "iu" and node.dtype(i).itemsize == 1 for i in positions)

    return check


def _f32_scales(*positions: int) -> Constraint:
    def check(node: Node) -> bool:
        """The scales must be f32."""
        return all(node.dtype(i) == np.float32 for i in positions)

    return check


def short_sums(node: Node) -> bool:
    """Sums must be short enough for i32."""
    weights = node.shape(1 if node.op_type.endswith("Integer") else 3)
    return (prod(weights[1:]) if "Conv" in node.op_type else weights[-2 if len(weights) > 1 else 0]) <= _LONGEST


def one_zero_of_x(node: Node) -> bool:
    """The zero point of the first operand must be one number."""
    zero = node.input(2)
    return zero is None or prod(shape_of(zero)) == 1


def _operand(node: Node, value: int, zero: int) -> Quantised:
    """The operand at an input position with its zero point's; constants of zero are none."""
    point, array = node.input(zero), node.constant(zero)
    return Quantised(node.required(value), None if array is not None and not array.any() else point)


def _wide(node: Node, value: SSAValue) -> SSAValue:
    array = constant_array(value, node.ctx)
    return node.cast(value, i32) if array is None else node.array(array.astype(np.int32))


def _sums(node: Node, value: SSAValue, axes: Sequence[int]) -> SSAValue:
    """The sums along the axes, which are kept, in i32."""
    array = constant_array(value, node.ctx)
    if array is not None:
        return node.array(array.sum(tuple(axes), dtype=np.int32, keepdims=True))
    return node.reduce("add", node.cast(value, i32), axes)


def _signed(node: Node, of: Quantised, other: SSAValue) -> Quantised:
    """A constant of unsigned bytes as signed ones smaller by 128, if the other operand is unsigned, too.

    Unsigned by signed bytes is what CPUs multiply four at a time.
    """
    array, zero = constant_array(of.value, node.ctx), of.zero
    point = np.zeros((), np.uint8) if zero is None else constant_array(zero, node.ctx)
    unsigned = all(numpy_dtype_of(tensor_of(x).element_type) == np.uint8 for x in (of.value, other))
    if array is None or point is None or not unsigned:
        return of
    shifted = (point.astype(np.int16) - 128).astype(np.int8)
    return Quantised(node.array((array ^ 128).view(np.int8)), node.array(shifted) if shifted.any() else None)


def matrix_sums(node: Node, a: Quantised, b: Quantised) -> SSAValue:
    """sum over k of (a - za) * (b - zb) in i32; za is a number or one per row, zb a number or one per column."""
    b = _signed(node, b, a.value)
    left, right = a.value, b.value
    if len(shape_of(left)) == 1:
        left = node.reshape(left, (1, *shape_of(left)))
    if len(shape_of(right)) == 1:
        right = node.reshape(right, (*shape_of(right), 1))
    total = node.emit(graph.MatmulOp(left, right))
    za = None if a.zero is None else _zero_along(node, a.zero, left, -2)
    zb = None if b.zero is None else _zero_along(node, b.zero, right, -1)
    if za is not None:
        total = node.binary("sub", total, node.binary("mul", za, _sums(node, right, [len(shape_of(right)) - 2])))
    if zb is not None:
        total = node.binary("sub", total, node.binary("mul", zb, _sums(node, left, [len(shape_of(left)) - 1])))
    if za is not None and zb is not None:
        both = node.binary("mul", za, zb)
        total = node.binary("add", total, node.binary("mul", both, node.scalar(shape_of(left)[-1], both)))
    return total


def _zero_along(node: Node, zero: SSAValue, value: SSAValue, axis: int) -> SSAValue:
    """A zero point in i32, one number or shaped to broadcast along an axis of the value, -1 or -2."""
    shape = shape_of(zero)
    if prod(shape) == 1:
        shape = ()
    elif len(shape) == 1:
        shape = (*shape, 1) if axis == -2 else shape
    return _wide(node, node.reshape(zero, shape))


def convolution_sums(node: Node, x: Quantised, w: Quantised, bias: SSAValue | None) -> SSAValue:
    """A convolution of x - zx with w - zw in i32; zx is a number, zw a number or one per output channel."""
    w = w if w.zero is None else _signed(node, w, x.value)  # a new zero point would be a second convolution
    weights, group = shape_of(w.value), node.int("group", 1)
    window = resolved_window(node, weights[2:])
    value, pads, border = x.value, window.pads, 0
    if x.zero is not None and any(pads):
        point = constant_array(x.zero, node.ctx)
        if point is None:
            value, pads = _padded(node, value, x.zero, pads), [0] * len(pads)
        else:
            border = int(point.reshape(-1)[0])
    settings = {"pads": pads, "strides": window.strides, "dilations": window.dilations, "group": group}
    total = _correlation(node, value, w.value, bias, border, settings)
    rank = len(weights)
    if x.zero is not None:
        per_filter = node.reshape(_sums(node, w.value, range(1, rank)), (weights[0], *(1,) * (rank - 2)))
        zx = _wide(node, node.reshape(x.zero, ()))
        total = node.binary("sub", total, node.binary("mul", zx, per_filter))
    if w.zero is not None:
        zero = _wide(node, w.zero)
        zw = node.reshape(zero, () if prod(shape_of(zero)) == 1 else (weights[0], *(1,) * (rank - 2)))
        dtype = numpy_dtype_of(tensor_of(w.value).element_type)
        ones = np.ones((1, *weights[1:]) if group == 1 else weights, dtype)
        sums = _correlation(node, value, node.array(ones), None, border, settings)
        if x.zero is not None:
            zx = _wide(node, node.reshape(x.zero, ()))
            sums = node.binary("sub", sums, node.binary("mul", zx, node.scalar(prod(weights[1:]), sums)))
        total = node.binary("sub", total, node.binary("mul", zw, sums))
    return total


def _correlation(
    node: Node, x: SSAValue, w: SSAValue, bias: SSAValue | None, border: int, settings: Mapping[str, Any]
) -> SSAValue:
    """A convolution of bytes in i32; filters of one channel that vectors compute in f32, which is exact so far."""
    weights, of_bytes = shape_of(w), attribute_of(border, tensor_of(x).element_type)
    if weights[1] > 1 or prod(weights) // weights[0] > _EXACT_IN_F32 or _channels_in_fours(node, x, w):
        return node.emit(graph.ConvOp(x, w, bias, border=of_bytes if border else None, **settings))
    array = constant_array(w, node.ctx)
    filters = node.cast(w, f32) if array is None else node.array(array.astype(np.float32))
    of_floats = attribute_of(border, f32) if border else None
    total = node.cast(node.emit(graph.ConvOp(node.cast(x, f32), filters, None, border=of_floats, **settings)), i32)
    return (
        total
        if bias is None
        else node.binary("add", total, node.reshape(bias, (weights[0], *(1,) * (len(weights) - 2))))
    )


def _channels_in_fours(node: Node, x: SSAValue, w: SSAValue) -> bool:
    """Whether filters of one channel multiply bytes: on CPUs, for four channels at least at a time."""
    target = node.ctx.get_dialect("visa").get_interface(TargetMachine)
    machine = None if target is None else target.machine
    native = machine is not None and machine.panel > 0
    channels, constant = shape_of(x)[1], constant_array(w, node.ctx) is not None
    return native and constant and shape_of(w)[0] == channels and channels % 4 == 0 and len(shape_of(x)) <= 4


def _padded(node: Node, value: SSAValue, zero: SSAValue, pads: Sequence[int]) -> SSAValue:
    """A border of zero points that are not constant around the spatial axes, selected where a mask says so."""
    half, shape = len(pads) // 2, shape_of(value)
    low, high = [0, 0, *pads[:half]], [0, 0, *pads[half:]]
    padded = node.emit(graph.PadOp(value, low, high, attribute_of(0, tensor_of(value).element_type)))
    inside = np.pad(np.ones((1, 1, *shape[2:]), np.bool_), list(zip(low, high, strict=True)))
    return node.select(node.array(inside), padded, node.reshape(zero, ()))


@lowers("MatMulInteger", needs=[multiplies_bytes, _bytes(0, 1), short_sums])
def lower_matmul_integer(node: Node) -> SSAValue:
    """A matrix product in i32."""
    result = matrix_sums(node, _operand(node, 0, 2), _operand(node, 1, 3))
    return node.reshape(result, node.result_shape(0))


@lowers("ConvInteger", needs=[multiplies_bytes, _bytes(0, 1), spatial_axes, short_sums, one_zero_of_x])
def lower_conv_integer(node: Node) -> SSAValue:
    """A convolution in i32."""
    return convolution_sums(node, _operand(node, 0, 2), _operand(node, 1, 3), None)


def _requantised(node: Node, total: SSAValue, scales: Sequence[SSAValue], zero: SSAValue | None) -> SSAValue:
    """saturate(round(total * (xscale * wscale / yscale)) + zero point), as ONNX Runtime multiplies."""
    x, w, y = scales
    factor = node.binary("div", node.binary("mul", x, w), y)
    real = node.unary("round", node.binary("mul", node.cast(total, f32), factor))
    if zero is not None:
        real = node.binary("add", real, node.cast(node.reshape(zero, ()), f32))
    return saturated(node, real, node.result_type(0).element_type)


@lowers("QLinearMatMul", needs=[multiplies_bytes, _bytes(0, 3), _f32_scales(1, 4, 6), short_sums])
def lower_qlinear_matmul(node: Node) -> SSAValue:
    """A matrix product in i32, scaled and rounded to the result's integers."""
    total = matrix_sums(node, _operand(node, 0, 2), _operand(node, 3, 5))
    scale_a, scale_b, scale_y = node.required(1), node.required(4), node.required(6)
    if len(shape_of(scale_a)) == 1 and prod(shape_of(scale_a)) > 1:
        scale_a = node.reshape(scale_a, (*shape_of(scale_a), 1))
    scales = [node.reshape(s, ()) if prod(shape_of(s)) == 1 else s for s in (scale_a, scale_b, scale_y)]
    result = _requantised(node, total, scales, node.input(7))
    return node.reshape(result, node.result_shape(0))


@lowers(
    "QLinearConv",
    needs=[multiplies_bytes, _bytes(0, 3), _f32_scales(1, 4, 6), spatial_axes, short_sums, one_zero_of_x],
)
def lower_qlinear_conv(node: Node) -> SSAValue:
    """A convolution in i32, scaled per output channel and rounded to the result's integers."""
    total = convolution_sums(node, _operand(node, 0, 2), _operand(node, 3, 5), node.input(8))
    rank = len(node.shape(0))
    scales = [
        node.reshape(s, () if prod(shape_of(s)) == 1 else (*shape_of(s), *(1,) * (rank - 2)))
        for s in (node.required(1), node.required(4), node.required(6))
    ]
    return _requantised(node, total, scales, node.input(7))
