"""Operations along one axis that depend on order: positions of extremes, the k foremost, running sums."""

from __future__ import annotations

from xdsl.dialects.builtin import IntegerAttr, TensorType, i1, i64
from xdsl.irdl import irdl_op_definition, operand_def, prop_def, result_def, traits_def
from xdsl.traits import Pure

from vcc.dialects.graph.attributes import ArgFn, ArgFnAttr
from vcc.dialects.graph.base import (
    AnyTensor,
    GraphOp,
    Tensor,
    Value,
    is_float,
    is_int,
    require,
    shape_text,
    tensor_of,
)


def _check(name: str, x: Tensor, axis: int) -> tuple[int, ...]:
    shape, element = x.get_shape(), x.element_type
    require(is_float(element) or is_int(element), f"{name}: takes numbers, not {element}")
    require(0 <= axis < len(shape), f"{name}: axis {axis} is out of range for {shape_text(shape)}")
    return shape


def arg_type(x: Tensor, axis: int, keepdims: bool) -> Tensor:
    """i64; the axis becomes 1, or goes."""
    shape = _check("arg", x, axis)
    require(shape[axis] > 0, f"arg: axis {axis} of {shape_text(shape)} is empty")
    return TensorType(i64, [*shape[:axis], *([1] if keepdims else []), *shape[axis + 1 :]])


def topk_type(x: Tensor, axis: int, k: int) -> Tensor:
    """i64; k positions along the axis."""
    shape = _check("topk", x, axis)
    require(0 <= k <= shape[axis], f"topk: axis {axis} of {shape_text(shape)} does not have {k} elements")
    return TensorType(i64, [*shape[:axis], k, *shape[axis + 1 :]])


def cumsum_type(x: Tensor, axis: int) -> Tensor:
    """The operand's type."""
    return TensorType(x.element_type, _check("cumsum", x, axis))


@irdl_op_definition
class ArgOp(GraphOp):
    """`graph.arg max %x {axis, keepdims, last}`: where along the axis the extreme is; of equals the first, or last."""

    name = "graph.arg"
    fn = prop_def(ArgFnAttr)
    x = operand_def(AnyTensor)
    axis = prop_def(IntegerAttr.constr(type=i64))
    keepdims = prop_def(IntegerAttr.constr(type=i1))
    last = prop_def(IntegerAttr.constr(type=i1))
    result = result_def(AnyTensor)
    traits = traits_def(Pure())
    assembly_format = "$fn $x attr-dict `:` functional-type(operands, results)"

    def __init__(self, fn: ArgFn | str, x: Value, axis: int, *, keepdims: bool = True, last: bool = False):
        super().__init__(
            operands=[x],
            properties={
                "fn": ArgFnAttr(ArgFn(fn)),
                "axis": IntegerAttr(axis, i64),
                "keepdims": IntegerAttr.from_bool(keepdims),
                "last": IntegerAttr.from_bool(last),
            },
            result_types=[arg_type(tensor_of(x), axis, keepdims)],
        )

    def inferred_type(self) -> Tensor:
        return arg_type(tensor_of(self.x), self.axis.value.data, bool(self.keepdims))


@irdl_op_definition
class TopKOp(GraphOp):
    """`graph.topk %x {axis, k, largest}`: the positions of the k foremost elements, foremost first.

    Of equal elements the one with the lower position comes first. Their values are a `graph.gather_elements` away.
    """

    name = "graph.topk"
    x = operand_def(AnyTensor)
    axis = prop_def(IntegerAttr.constr(type=i64))
    k = prop_def(IntegerAttr.constr(type=i64))
    largest = prop_def(IntegerAttr.constr(type=i1))
    result = result_def(AnyTensor)
    traits = traits_def(Pure())
    assembly_format = "$x attr-dict `:` functional-type(operands, results)"

    def __init__(self, x: Value, axis: int, k: int, *, largest: bool = True):
        super().__init__(
            operands=[x],
            properties={
                "axis": IntegerAttr(axis, i64),
                "k": IntegerAttr(k, i64),
                "largest": IntegerAttr.from_bool(largest),
            },
            result_types=[topk_type(tensor_of(x), axis, k)],
        )

    def inferred_type(self) -> Tensor:
        return topk_type(tensor_of(self.x), self.axis.value.data, self.k.value.data)


@irdl_op_definition
class CumSumOp(GraphOp):
    """`graph.cumsum %x {axis, reverse}`: the sum of the elements up to each, that one included, or from it on."""

    name = "graph.cumsum"
    x = operand_def(AnyTensor)
    axis = prop_def(IntegerAttr.constr(type=i64))
    reverse = prop_def(IntegerAttr.constr(type=i1))
    result = result_def(AnyTensor)
    traits = traits_def(Pure())
    assembly_format = "$x attr-dict `:` functional-type(operands, results)"

    def __init__(self, x: Value, axis: int, *, reverse: bool = False):
        super().__init__(
            operands=[x],
            properties={"axis": IntegerAttr(axis, i64), "reverse": IntegerAttr.from_bool(reverse)},
            result_types=[cumsum_type(tensor_of(x), axis)],
        )

    def inferred_type(self) -> Tensor:
        return cumsum_type(tensor_of(self.x), self.axis.value.data)
