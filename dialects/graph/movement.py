"""Operations that only move elements: transpose, reshape, slice, concat, pad, expand, relayout."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from xdsl.dialects.builtin import FloatAttr, IntegerAttr, NoneAttr, TensorType, i64
from xdsl.ir import Attribute
from xdsl.irdl import base, irdl_op_definition, operand_def, prop_def, result_def, traits_def, var_operand_def
from xdsl.traits import Pure

from vcc.dialects.graph.base import (
    AnyTensor,
    GraphOp,
    I64Array,
    Tensor,
    Value,
    i64s,
    ints,
    require,
    same_dtype,
    shape_text,
    tensor_of,
)


def transpose_type(x: Tensor, perm: Sequence[int]) -> Tensor:
    """Axis i of the result is axis perm[i] of the operand."""
    shape = x.get_shape()
    require(
        sorted(perm) == list(range(len(shape))),
        f"transpose: {list(perm)} does not permute the axes of {shape_text(shape)}",
    )
    return TensorType(x.element_type, [shape[axis] for axis in perm])


def reshape_type(x: Tensor, shape: Sequence[int]) -> Tensor:
    """The same elements in row-major order in another shape."""
    require(
        prod(shape) == prod(x.get_shape()),
        f"reshape: {shape_text(x.get_shape())} has {prod(x.get_shape())} elements, {shape_text(shape)} {prod(shape)}",
    )
    return TensorType(x.element_type, shape)


def slice_type(x: Tensor, starts: Sequence[int], sizes: Sequence[int], steps: Sequence[int]) -> Tensor:
    """On each axis `sizes` elements from `starts` on, `steps` apart; steps may be negative, indices stay inside."""
    shape = x.get_shape()
    for what, values in (("starts", starts), ("sizes", sizes), ("steps", steps)):
        require(len(values) == len(shape), f"slice: {what} has {len(values)} numbers for {len(shape)} axes")
    for axis, (extent, start, size, step) in enumerate(zip(shape, starts, sizes, steps, strict=True)):
        require(step != 0, f"slice: step 0 on axis {axis}")
        last = start + (size - 1) * step
        inside = size == 0 or (0 <= start < extent and 0 <= last < extent)
        require(size >= 0 and inside, f"slice: elements {start} to {last} of axis {axis} lie outside its size {extent}")
    return TensorType(x.element_type, sizes)


def concat_type(xs: Sequence[Tensor], axis: int) -> Tensor:
    """Operands of one dtype that agree in every size but the axis's."""
    require(len(xs) > 0, "concat: needs an operand")
    element, first = same_dtype("concat", xs), xs[0].get_shape()
    require(0 <= axis < len(first), f"concat: axis {axis} is out of range for {shape_text(first)}")
    for i, x in enumerate(xs):
        shape = x.get_shape()
        agrees = len(shape) == len(first) and shape[:axis] == first[:axis] and shape[axis + 1 :] == first[axis + 1 :]
        require(agrees, f"concat: operand {i} is {shape_text(shape)}, operand 0 is {shape_text(first)}; axis is {axis}")
    return TensorType(element, (*first[:axis], sum(x.get_shape()[axis] for x in xs), *first[axis + 1 :]))


def pad_type(x: Tensor, low: Sequence[int], high: Sequence[int], value: Attribute) -> Tensor:
    """`low` elements before and `high` behind each axis; the value has the operand's dtype."""
    shape = x.get_shape()
    for what, values in (("low", low), ("high", high)):
        require(len(values) == len(shape), f"pad: {what} has {len(values)} numbers for {len(shape)} axes")
        require(all(v >= 0 for v in values), f"pad: {what} {list(values)} must not be negative")
    require(
        isinstance(value, (FloatAttr, IntegerAttr)) and value.type == x.element_type,
        f"pad: value {value} is not of dtype {x.element_type}",
    )
    return TensorType(x.element_type, [a + b + c for a, b, c in zip(low, shape, high, strict=True)])


def expand_type(x: Tensor, shape: Sequence[int]) -> Tensor:
    """The shape must be what the operand broadcasts to."""
    source = x.get_shape()
    aligned = (1,) * (len(shape) - len(source)) + source
    require(
        len(source) <= len(shape) and all(a in (1, b) for a, b in zip(aligned, shape, strict=True)),
        f"expand: {shape_text(source)} does not broadcast to {shape_text(shape)}",
    )
    return TensorType(x.element_type, shape)


@irdl_op_definition
class TransposeOp(GraphOp):
    """`graph.transpose %x {perm}`: axis i of the result is axis perm[i] of the operand."""

    name = "graph.transpose"
    x = operand_def(AnyTensor)
    perm = prop_def(I64Array)
    result = result_def(AnyTensor)
    traits = traits_def(Pure())
    assembly_format = "$x attr-dict `:` functional-type(operands, results)"

    def __init__(self, x: Value, perm: Sequence[int]):
        super().__init__(
            operands=[x], properties={"perm": i64s(perm)}, result_types=[transpose_type(tensor_of(x), perm)]
        )

    def inferred_type(self) -> Tensor:
        return transpose_type(tensor_of(self.x), ints(self.perm))


@irdl_op_definition
class ReshapeOp(GraphOp):
    """`graph.reshape %x`: the same elements in row-major (logical) order in the result's shape."""

    name = "graph.reshape"
    x = operand_def(AnyTensor)
    result = result_def(AnyTensor)
    traits = traits_def(Pure())
    assembly_format = "$x attr-dict `:` functional-type(operands, results)"

    def __init__(self, x: Value, shape: Sequence[int]):
        super().__init__(operands=[x], result_types=[reshape_type(tensor_of(x), shape)])

    def inferred_type(self) -> Tensor:
        return reshape_type(tensor_of(self.x), tensor_of(self.result).get_shape())


@irdl_op_definition
class SliceOp(GraphOp):
    """`graph.slice %x {starts, sizes, steps}`: `sizes` elements of each axis from `starts` on, `steps` apart."""

    name = "graph.slice"
    x = operand_def(AnyTensor)
    starts = prop_def(I64Array)
    sizes = prop_def(I64Array)
    steps = prop_def(I64Array)
    result = result_def(AnyTensor)
    traits = traits_def(Pure())
    assembly_format = "$x attr-dict `:` functional-type(operands, results)"

    def __init__(self, x: Value, starts: Sequence[int], sizes: Sequence[int], steps: Sequence[int]):
        super().__init__(
            operands=[x],
            properties={"starts": i64s(starts), "sizes": i64s(sizes), "steps": i64s(steps)},
            result_types=[slice_type(tensor_of(x), starts, sizes, steps)],
        )

    def inferred_type(self) -> Tensor:
        return slice_type(tensor_of(self.x), ints(self.starts), ints(self.sizes), ints(self.steps))


@irdl_op_definition
class ConcatOp(GraphOp):
    """`graph.concat %a, %b {axis}`: the operands one behind the other along the axis."""

    name = "graph.concat"
    xs = var_operand_def(AnyTensor)
    axis = prop_def(IntegerAttr.constr(type=i64))
    result = result_def(AnyTensor)
    traits = traits_def(Pure())
    assembly_format = "$xs attr-dict `:` functional-type(operands, results)"

    def __init__(self, xs: Sequence[Value], axis: int):
        super().__init__(
            operands=[xs],
            properties={"axis": IntegerAttr(axis, i64)},
            result_types=[concat_type([tensor_of(x) for x in xs], axis)],
        )

    def inferred_type(self) -> Tensor:
        return concat_type([tensor_of(x) for x in self.xs], self.axis.value.data)


@irdl_op_definition
class PadOp(GraphOp):
    """`graph.pad %x {low, high, value}`: the operand inside a border of `value`."""

    name = "graph.pad"
    x = operand_def(AnyTensor)
    low = prop_def(I64Array)
    high = prop_def(I64Array)
    value = prop_def(base(FloatAttr) | base(IntegerAttr))
    result = result_def(AnyTensor)
    traits = traits_def(Pure())
    assembly_format = "$x attr-dict `:` functional-type(operands, results)"

    def __init__(self, x: Value, low: Sequence[int], high: Sequence[int], value: Attribute):
        super().__init__(
            operands=[x],
            properties={"low": i64s(low), "high": i64s(high), "value": value},
            result_types=[pad_type(tensor_of(x), low, high, value)],
        )

    def inferred_type(self) -> Tensor:
        return pad_type(tensor_of(self.x), ints(self.low), ints(self.high), self.value)


@irdl_op_definition
class ExpandOp(GraphOp):
    """`graph.expand %x`: the operand broadcast to the result's shape."""

    name = "graph.expand"
    x = operand_def(AnyTensor)
    result = result_def(AnyTensor)
    traits = traits_def(Pure())
    assembly_format = "$x attr-dict `:` functional-type(operands, results)"

    def __init__(self, x: Value, shape: Sequence[int]):
        super().__init__(operands=[x], result_types=[expand_type(tensor_of(x), shape)])

    def inferred_type(self) -> Tensor:
        return expand_type(tensor_of(self.x), tensor_of(self.result).get_shape())


@irdl_op_definition
class RelayoutOp(GraphOp):
    """`graph.relayout %x`: the same tensor in another memory layout; only the encodings of the types differ."""

    name = "graph.relayout"
    x = operand_def(AnyTensor)
    result = result_def(AnyTensor)
    traits = traits_def(Pure())
    assembly_format = "$x attr-dict `:` functional-type(operands, results)"

    def __init__(self, x: Value, encoding: Attribute | None):
        type = tensor_of(x)
        result = TensorType(type.element_type, type.get_shape(), NoneAttr() if encoding is None else encoding)
        super().__init__(operands=[x], result_types=[result])

    def inferred_type(self) -> Tensor:
        return tensor_of(self.x)
