"""Quantised tensors among ONNX nodes: what a DequantizeLinear or QuantizeLinear says, and how new nodes are made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
from xdsl.context import Context
from xdsl.dialects.builtin import DenseArrayBase, IntegerAttr, IntegerType, TensorType, f32, i64
from xdsl.ir import Attribute, Operation, SSAValue

from vcc.dialects.onnx import SchemaOp, find_schema, make_schema_op
from vcc.dialects.weights import constant_array

#: The opset that new nodes are of.
OPSET = 21


@dataclass(frozen=True)
class Quantised:
    """Bytes, and the scale and zero point by which they are numbers; `zero` is None where it is zero.

    `axis` is the axis along which there is one scale for each position, None where there is one for all.
    """

    bytes: SSAValue
    scale: SSAValue
    zero: SSAValue | None
    axis: int | None


def is_node(op: object, *op_types: str) -> bool:
    """Whether an operation is a node of one of the standard operators."""
    return isinstance(op, SchemaOp) and op.domain == "" and op.op_type in op_types


def dequantised(value: SSAValue) -> Quantised | None:
    """The bytes that a value is dequantised from, in f32; None where it is not, or by blocks."""
    op = value.owner
    if not isinstance(op, SchemaOp) or not is_node(op, "DequantizeLinear"):
        return None
    return _parameters(op, op.operands[0], op.operands[0])


def quantised(op: Operation) -> Quantised | None:
    """The result of a QuantizeLinear from f32 to bytes; None where it is none, or by blocks."""
    if not isinstance(op, SchemaOp) or not is_node(op, "QuantizeLinear"):
        return None
    return _parameters(op, op.results[0], op.operands[0])


def _parameters(op: SchemaOp, bytes: SSAValue, ranked: SSAValue) -> Quantised | None:
    scale, real = op.operands[1], op.results[0] if op.op_type == "DequantizeLinear" else op.operands[0]
    shape, rank = static_shape(scale), len(static_shape(ranked) or ())
    if shape is None or len(shape) > 1 or op.attribute("block_size", 0) or static_shape(ranked) is None:
        return None
    if not is_bytes(bytes) or element(scale) != f32 or element(real) != f32:
        return None
    axis = op.attribute("axis", 1)
    return Quantised(bytes, scale, op.input(2), None if prod(shape) == 1 else axis + rank if axis < 0 else axis)


def static_shape(value: SSAValue) -> tuple[int, ...] | None:
    """The shape of a tensor; None where it is not known."""
    type = value.type
    return type.get_shape() if isinstance(type, TensorType) and type.has_static_shape() else None


def element(value: SSAValue) -> Attribute | None:
    """The element type of a tensor."""
    return value.type.element_type if isinstance(value.type, TensorType) else None


def is_bytes(value: SSAValue) -> bool:
    """Whether a value is a tensor of 8-bit integers."""
    found = element(value)
    return isinstance(found, IntegerType) and found.width.data == 8


def same_numbers(a: SSAValue | None, b: SSAValue | None, ctx: Context) -> bool:
    """Whether two parameters are known to be equal; None is zero."""
    if a is b:
        return True
    arrays = [np.zeros(1, np.int8) if value is None else constant_array(value, ctx) for value in (a, b)]
    first, second = (None if array is None else array.reshape(-1) for array in arrays)
    return first is not None and second is not None and np.array_equal(first, second)


def same_quantisation(a: Quantised, b: Quantised, ctx: Context) -> bool:
    """Whether bytes of one mean the same numbers as equal bytes of the other."""
    types = element(a.bytes) == element(b.bytes) and a.axis == b.axis
    return types and same_numbers(a.scale, b.scale, ctx) and same_numbers(a.zero, b.zero, ctx)


def attributes_of(**values: int | Sequence[int]) -> dict[str, Attribute]:
    """Attributes of a node that are integers or lists of them."""
    return {
        name: IntegerAttr(value, i64) if isinstance(value, int) else DenseArrayBase.from_list(i64, list(value))
        for name, value in values.items()
    }


def make(
    op_type: str,
    inputs: Sequence[SSAValue | None],
    shape: Sequence[int],
    element: Attribute,
    attributes: Mapping[str, Attribute] | None = None,
) -> SchemaOp:
    """A new node of a standard operator with one result."""
    schema = find_schema("", op_type, OPSET)
    assert schema is not None, op_type
    return make_schema_op(schema, inputs, [TensorType(element, shape)], attributes or {})
