"""Operations that models write as several, and that fusion finds: gelu, RMS norm, attention."""

from __future__ import annotations

from enum import auto

from xdsl.dialects.builtin import FloatAttr, IntegerAttr, TensorType, f32, i64
from xdsl.dialects.utils import EnumAttribute
from xdsl.ir import SpacedOpaqueSyntaxAttribute
from xdsl.irdl import (
    irdl_attr_definition,
    irdl_op_definition,
    operand_def,
    opt_operand_def,
    prop_def,
    result_def,
    traits_def,
)
from xdsl.traits import Pure
from xdsl.utils.exceptions import VerifyException
from xdsl.utils.str_enum import StrEnum

from vcc.dialects.graph.base import (
    AnyTensor,
    GraphOp,
    Tensor,
    Value,
    broadcast,
    is_float,
    require,
    same_dtype,
    shape_text,
    tensor_of,
)


class GeluApproximation(StrEnum):
    """How gelu's normal distribution is computed: exactly by erf, or approximately by tanh."""

    NONE = auto()
    TANH = auto()


@irdl_attr_definition
class GeluApproximationAttr(EnumAttribute[GeluApproximation], SpacedOpaqueSyntaxAttribute):
    """The approximation of a `graph.gelu`."""

    name = "graph.gelu_approximation"


def gelu_type(x: Tensor) -> Tensor:
    """Floats; the result has the operand's type."""
    require(is_float(x.element_type), f"gelu: takes floats, not {x.element_type}")
    return x


def rms_norm_type(x: Tensor, scale: Tensor, axis: int) -> Tensor:
    """Floats; the scale has the shape of the normalised axes."""
    shape = x.get_shape()
    require(is_float(x.element_type), f"rms_norm: takes floats, not {x.element_type}")
    require(0 <= axis < len(shape), f"rms_norm: axis {axis} is out of range for {shape_text(shape)}")
    require(
        scale.get_shape() == shape[axis:],
        f"rms_norm: scale is {shape_text(scale.get_shape())}, the axes have {shape_text(shape[axis:])}",
    )
    same_dtype("rms_norm", [x, scale])
    return x


def attention_type(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
    """[B..., Sq, D], [B..., Sk, D], [B..., Sk, Dv] -> [B..., Sq, Dv]; the mask broadcasts to [B..., Sq, Sk]."""
    shapes = [each.get_shape() for each in (q, k, v)]
    texts = " and ".join(map(shape_text, shapes))
    require(all(len(shape) >= 2 for shape in shapes), f"attention: operands {texts} need two axes")
    require(shapes[0][:-2] == shapes[1][:-2] == shapes[2][:-2], f"attention: the leading axes of {texts} differ")
    require(shapes[0][-1] == shapes[1][-1], f"attention: rows of q have {shapes[0][-1]}, of k {shapes[1][-1]} elements")
    require(shapes[1][-2] == shapes[2][-2], f"attention: k has {shapes[1][-2]} rows, v {shapes[2][-2]}")
    element = same_dtype("attention", [q, k, v] if mask is None else [q, k, v, mask])
    require(is_float(element), f"attention: takes floats, not {element}")
    scores = (*shapes[0][:-1], shapes[1][-2])
    if mask is not None and broadcast("attention", [mask, TensorType(element, scores)]) != scores:
        raise VerifyException(f"attention: mask {shape_text(mask.get_shape())} does not broadcast to the scores")
    return TensorType(element, (*shapes[0][:-1], shapes[2][-1]))


@irdl_op_definition
class GeluOp(GraphOp):
    """`graph.gelu none %x`: x times the normal distribution's cumulative function at x.

    x / 2 * (1 + erf(x / sqrt 2)); with `tanh`, x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x^3))).
    """

    name = "graph.gelu"
    approximate = prop_def(GeluApproximationAttr)
    x = operand_def(AnyTensor)
    result = result_def(AnyTensor)
    traits = traits_def(Pure())
    assembly_format = "$approximate $x attr-dict `:` functional-type(operands, results)"

    def __init__(self, x: Value, approximate: GeluApproximation | str = GeluApproximation.NONE):
        super().__init__(
            operands=[x],
            properties={"approximate": GeluApproximationAttr(GeluApproximation(approximate))},
            result_types=[gelu_type(tensor_of(x))],
        )

    def inferred_type(self) -> Tensor:
        return gelu_type(tensor_of(self.x))


@irdl_op_definition
class RmsNormOp(GraphOp):
    """`graph.rms_norm %x, %scale {axis, epsilon}`: x / sqrt(mean(x * x) + epsilon) * scale from `axis` to the last."""

    name = "graph.rms_norm"
    x = operand_def(AnyTensor)
    scale = operand_def(AnyTensor)
    axis = prop_def(IntegerAttr.constr(type=i64))
    epsilon = prop_def(FloatAttr.constr(type=f32))
    result = result_def(AnyTensor)
    traits = traits_def(Pure())
    assembly_format = "$x `,` $scale attr-dict `:` functional-type(operands, results)"

    def __init__(self, x: Value, scale: Value, *, axis: int, epsilon: float):
        super().__init__(
            operands=[x, scale],
            properties={"axis": IntegerAttr(axis, i64), "epsilon": FloatAttr(epsilon, f32)},
            result_types=[rms_norm_type(tensor_of(x), tensor_of(scale), axis)],
        )

    def inferred_type(self) -> Tensor:
        return rms_norm_type(tensor_of(self.x), tensor_of(self.scale), self.axis.value.data)


@irdl_op_definition
class AttentionOp(GraphOp):
    """`graph.attention %q, %k, %v, %mask {scale}`: softmax(q x k^T * scale + mask) x v, the softmax along rows."""

    name = "graph.attention"
    q = operand_def(AnyTensor)
    k = operand_def(AnyTensor)
    v = operand_def(AnyTensor)
    mask = opt_operand_def(AnyTensor)
    scale = prop_def(FloatAttr.constr(type=f32))
    result = result_def(AnyTensor)
    traits = traits_def(Pure())
    assembly_format = "$q `,` $k `,` $v (`,` $mask^)? attr-dict `:` functional-type(operands, results)"

    def __init__(self, q: Value, k: Value, v: Value, mask: Value | None = None, *, scale: float):
        types = tensor_of(q), tensor_of(k), tensor_of(v), None if mask is None else tensor_of(mask)
        super().__init__(
            operands=[q, k, v, mask],
            properties={"scale": FloatAttr(scale, f32)},
            result_types=[attention_type(*types)],
        )

    def inferred_type(self) -> Tensor:
        mask = None if self.mask is None else tensor_of(self.mask)
        return attention_type(tensor_of(self.q), tensor_of(self.k), tensor_of(self.v), mask)
