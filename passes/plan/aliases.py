"""Movements that need no copy because their result is memory that something else is: where it lies there.

A reshape between row-major tensors is its operand. A slice that takes consecutive elements lies inside its operand.
The operands of a concatenation can be written straight into its result if they lie there one behind the other.
"""

from __future__ import annotations

from math import prod
from typing import TypeAlias

from xdsl.dialects.builtin import NoneAttr, TensorType
from xdsl.ir import Attribute, OpResult, SSAValue

from vcc.dialects.graph import ConcatOp, ReshapeOp, SliceOp, ints
from vcc.dialects.graph.attributes import Blocked
from vcc.dialects.host import tensor_bytes

#: Operations of the main function that are only other names of memory.
AliasOp: TypeAlias = ReshapeOp | SliceOp | ConcatOp


def root_of(value: SSAValue) -> SSAValue:
    """The value in whose memory `value` lies: itself, or what it is a reshape or a slice of."""
    while isinstance(value, OpResult) and isinstance(value.op, ReshapeOp | SliceOp):
        value = value.op.x
    return value


def offset_in_root(value: SSAValue) -> int:
    """The bytes of `root_of(value)` before `value`."""
    offset = 0
    while isinstance(value, OpResult) and isinstance(value.op, ReshapeOp | SliceOp):
        if isinstance(value.op, SliceOp):
            offset += slice_offset(value.op) or 0
        value = value.op.x
    return offset


def slice_offset(op: SliceOp) -> int | None:
    """The bytes before a slice of consecutive elements; None for any other."""
    source, result = op.x.type, op.result.type
    assert isinstance(source, TensorType) and isinstance(result, TensorType)
    if source.encoding != result.encoding or any(step != 1 for step in ints(op.steps)):
        return None
    shape, starts, sizes = source.get_shape(), ints(op.starts), ints(op.sizes)
    cut = [axis for axis, size in enumerate(sizes) if size != shape[axis]]
    if not cut:
        return 0
    axis = cut[0]
    if len(cut) > 1 or not _is_outermost(source, axis):
        return None
    if isinstance(encoding := source.encoding, Blocked) and axis == encoding.axis and starts[axis] % encoding.block:
        return None
    return starts[axis] * tensor_bytes(source) // shape[axis]


def concat_offsets(op: ConcatOp) -> list[int] | None:
    """The bytes of the result before each operand, if each lies there in one piece; else None."""
    result = op.result.type
    assert isinstance(result, TensorType)
    axis = op.axis.value.data % len(result.get_shape())
    if not _is_outermost(result, axis):
        return None
    offsets, end = list[int](), 0
    for operand in op.xs:
        assert isinstance(operand.type, TensorType)
        if operand.type.encoding != result.encoding:
            return None
        offsets.append(end)
        end += tensor_bytes(operand.type)
    return offsets


def _is_outermost(type: TensorType[Attribute], axis: int) -> bool:
    """Whether nothing varies more slowly in memory than `axis`, so that a part of it is in one piece.

    A part of a blocked axis is made of whole blocks, as its own type is blocked in the same way.
    """
    if prod(type.get_shape()[:axis]) != 1:
        return False
    encoding = type.encoding
    return isinstance(encoding, NoneAttr) or (isinstance(encoding, Blocked) and encoding.axis >= axis)
