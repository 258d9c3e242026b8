"""Operations that combine elements along axes: reduce, and the row operations softmax and layer norm."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from xdsl.dialects.builtin import FloatAttr, IntegerAttr, TensorType, f32, i1, i64
from xdsl.irdl import irdl_op_definition, operand_def, opt_operand_def, prop_def, result_def, traits_def
from xdsl.traits import Pure

from vcc.dialects.graph.attributes import ReduceFn, ReduceFnAttr
from vcc.dialects.graph.base import (
    AnyTensor,
    GraphOp,
    I64Array,
    Tensor,
    Value,
    i64s,
    ints,
    is_float,
    is_int,
    require,
    same_dtype,
    shape_text,
    tensor_of,
)


def reduce_type(x: Tensor, axes: Sequence[int], keepdims: bool) -> Tensor:
    """Reduced axes become 1, or go; axes ascend and are not negative."""
    shape, element = x.get_shape(), x.element_type
    require(is_float(element) or is_int(element), f"reduce: takes numbers, not {element}")
    require(all(a < b for a, b in pairwise(axes)), f"reduce: axes {list(axes)} must ascend")
    require(
        all(0 <= axis < len(shape) for axis in axes),
        f"reduce: axes {list(axes)} are out of range for {shape_text(shape)}",
    )
    sizes = [1 if axis in axes else size for axis, size in enumerate(shape) if keepdims or axis not in axes]
    return TensorType(element, sizes)


def softmax_type(x: Tensor, axis: int) -> Tensor:
    """Floats; the result has the operand's type."""
    shape = x.get_shape()
    require(is_float(x.element_type), f"softmax: takes floats, not {x.element_type}")
    require(0 <= axis < len(shape), f"softmax: axis {axis} is out of range for {shape_text(shape)}")
    return x


def layer_norm_type(x: Tensor, scale: Tensor, bias: Tensor | None, axis: int) -> Tensor:
    """Floats; scale and bias have the shape of the normalised axes."""
    shape = x.get_shape()
    require(is_float(x.element_type), f"layer_norm: takes floats, not {x.element_type}")
    require(0 <= axis < len(shape), f"layer_norm: axis {axis} is out of range for {shape_text(shape)}")
    for what, type in (("scale", scale), ("bias", bias)):
        if type is not None:
            require(
                type.get_shape() == shape[axis:],
                f"layer_norm: {what} is {shape_text(type.get_shape())}, the axes have {shape_text(shape[axis:])}",
            )
            same_dtype("layer_norm", [x, type])
    return x


@irdl_op_definition
class ReduceOp(GraphOp):
    """`graph.reduce add %x {axes, keepdims}`: combines the elements of the axes, in any order."""

    name = "graph.reduce"
    fn = prop_def(ReduceFnAttr)
    x = operand_def(AnyTensor)
    axes = prop_def(I64Array)
    keepdims = prop_def(IntegerAttr.constr(type=i1))
    result = result_def(AnyTensor)
    traits = traits_def(Pure())
    assembly_format = "$fn $x attr-dict `:` functional-type(operands, results)"

    def __init__(self, fn: ReduceFn | str, x: Value, axes: Sequence[int], *, keepdims: bool = True):
        super().__init__(
            operands=[x],
            properties={
                "fn": ReduceFnAttr(ReduceFn(fn)),
                "axes": i64s(axes),
                "keepdims": IntegerAttr.from_bool(keepdims),
            },
            result_types=[reduce_type(tensor_of(x), axes, keepdims)],
        )

    def inferred_type(self) -> Tensor:
        return reduce_type(tensor_of(self.x), ints(self.axes), bool(self.keepdims))


@irdl_op_definition
class SoftmaxOp(GraphOp):
    """`graph.softmax %x {axis}`: exp(x - max) / sum(exp(x - max)) along the axis."""

    name = "graph.softmax"
    x = operand_def(AnyTensor)
    axis = prop_def(IntegerAttr.constr(type=i64))
    result = result_def(AnyTensor)
    traits = traits_def(Pure())
    assembly_format = "$x attr-dict `:` functional-type(operands, results)"

    def __init__(self, x: Value, axis: int):
        super().__init__(
            operands=[x],
            properties={"axis": IntegerAttr(axis, i64)},
            result_types=[softmax_type(tensor_of(x), axis)],
        )

    def inferred_type(self) -> Tensor:
        return softmax_type(tensor_of(self.x), self.axis.value.data)


@irdl_op_definition
class LayerNormOp(GraphOp):
    """`graph.layer_norm %x, %scale, %bias {axis, epsilon}`: normalises over the axes from `axis` to the last.

    (x - mean) / sqrt(variance + epsilon) * scale + bias, with the variance of the population.
    """

    name = "graph.layer_norm"
    x = operand_def(AnyTensor)
    scale = operand_def(AnyTensor)
    bias = opt_operand_def(AnyTensor)
    axis = prop_def(IntegerAttr.constr(type=i64))
    epsilon = prop_def(FloatAttr.constr(type=f32))
    result = result_def(AnyTensor)
    traits = traits_def(Pure())
    assembly_format = "$x `,` $scale (`,` $bias^)? attr-dict `:` functional-type(operands, results)"

    def __init__(self, x: Value, scale: Value, bias: Value | None, *, axis: int, epsilon: float):
        types = tensor_of(x), tensor_of(scale), None if bias is None else tensor_of(bias)
        super().__init__(
            operands=[x, scale, bias],
            properties={"axis": IntegerAttr(axis, i64), "epsilon": FloatAttr(epsilon, f32)},
            result_types=[layer_norm_type(*types, axis)],
        )

    def inferred_type(self) -> Tensor:
        bias = None if self.bias is None else tensor_of(self.bias)
        return layer_norm_type(tensor_of(self.x), tensor_of(self.scale), bias, self.axis.value.data)
