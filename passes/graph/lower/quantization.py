"""Quantisation and dequantisation, per tensor or per axis, as rounding, scaling and casts."""

from __future__ import annotations

from math import prod

import numpy as np
from xdsl.ir import Attribute, SSAValue

from vcc.dialects.graph import shape_of, tensor_of
from vcc.dialects.graph.base import is_float
from vcc.dialects.weights import numpy_dtype_of
from vcc.passes.graph.lower.constraints import float_tensors
from vcc.passes.graph.lower.node import Node
from vcc.passes.graph.lower.registry import lowers

#: Elements of a tensor whose extremes are worth two kernels, and the fewest parts that it then has.
LARGE, PARTS = 1 << 16, 16


def one_scale_per_axis(node: Node) -> bool:
    """The scale must be a number, or one per position along the axis: no blocks."""
    return node.int("block_size", 0) == 0 and len(node.shape(1)) <= 1


def f32_scale(node: Node) -> bool:
    """The scale must be f32, and so must what is quantised."""
    quantised = [node.element] if node.op_type == "QuantizeLinear" else [node.result_type(0).element_type]
    return all(is_float(each) for each in quantised) and node.dtype(1) == np.float32


def small_integers(node: Node) -> bool:
    """The quantised dtype must be an integer of 8 or 16 bits, or i32 without a zero point."""
    quantised = node.result_type(0).element_type if node.op_type == "QuantizeLinear" else node.element
    dtype = numpy_dtype_of(quantised)
    return dtype.kind in "iu" and (dtype.itemsize <= 2 or (node.op_type != "QuantizeLinear" and node.input(2) is None))


def along(node: Node, value: SSAValue) -> SSAValue:
    """A vector with one element per position of the axis, shaped to broadcast; scalars as they are."""
    shape = shape_of(value)
    if shape in ((), (1,)):
        return node.reshape(value, ())
    rank = len(node.shape(0))
    axis = node.axis(node.int("axis", 1))
    return node.reshape(value, (*(1,) * axis, *shape, *(1,) * (rank - axis - 1)))


@lowers("QuantizeLinear", needs=[one_scale_per_axis, f32_scale, small_integers])
def lower_quantize(node: Node) -> SSAValue:
    """saturate(round(x / scale) + zero point), in f32, which holds all 16-bit integers."""
    scale = along(node, node.required(1))
    element = tensor_of(scale).element_type
    result = node.unary("round", node.binary("div", node.cast(node.x, element), scale))
    zero = node.input(2)
    if zero is not None:
        result = node.binary("add", result, along(node, node.cast(zero, element)))
    return saturated(node, result, node.result_type(0).element_type)


def saturated(node: Node, x: SSAValue, element: Attribute) -> SSAValue:
    """Floats without fraction as integers of a dtype of 8 or 16 bits, clipped to its range: so a cast does it."""
    return node.cast(x, element)


@lowers("DynamicQuantizeLinear", needs=[float_tensors])
def lower_dynamic_quantize(node: Node) -> list[SSAValue]:
    """The scale and zero point that map the range of the tensor and zero to 0..255; of all zeros the scale is one."""
    return list(quantised(node, node.x, node.result_type(2).element_type))


def quantised(node: Node, x: SSAValue, target: Attribute) -> tuple[SSAValue, SSAValue, SSAValue]:
    """A tensor as bytes, the scale and the zero point of its range."""
    low, high = (
        node.binary(fn, each, node.scalar(0)) for fn, each in zip(("min", "max"), extremes(node, x), strict=True)
    )
    width = node.binary("div", node.binary("sub", high, low), node.scalar(255))
    scale = node.select(node.compare("eq", width, node.scalar(0)), node.scalar(1), width)
    zero = node.unary("round", node.binary("div", node.unary("neg", low), scale))
    zero = node.binary("min", node.binary("max", zero, node.scalar(0)), node.scalar(255))
    steps = node.binary("add", node.unary("round", node.binary("div", x, scale)), zero)
    return saturated(node, steps, target), scale, node.cast(zero, target)


def extremes(node: Node, x: SSAValue) -> list[SSAValue]:
    """The least and the greatest element: of a large tensor by way of those of its parts, which cores share.

    Those of the parts follow each other, so that one kernel finds both.
    """
    shape = shape_of(x)
    parts = [x, x]
    kept = next((axes for axes in range(1, len(shape)) if prod(shape[:axes]) >= PARTS), 0)
    if kept and prod(shape) >= LARGE:
        parts = [node.reduce(fn, x, range(kept, len(shape)), keepdims=False) for fn in ("min", "max")]
    return [
        node.reduce(fn, each, range(len(shape_of(each))), keepdims=False)
        for fn, each in zip(("min", "max"), parts, strict=True)
    ]


@lowers("DequantizeLinear", needs=[one_scale_per_axis, f32_scale, small_integers])
def lower_dequantize(node: Node) -> SSAValue:
    """(x - zero point) * scale, in f32."""
    scale = along(node, node.required(1))
    element = tensor_of(scale).element_type
    value, zero = node.cast(node.x, element), node.input(2)
    if zero is not None:
        value = node.binary("sub", value, along(node, node.cast(zero, element)))
    return node.cast(node.binary("mul", value, scale), node.result_type(0).element_type)
