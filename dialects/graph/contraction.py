"""Matrix multiplication and convolution: the operations of the matrix unit."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects.builtin import FloatAttr, IntegerAttr, IntegerType, TensorType, i32, i64
from xdsl.ir import Attribute
from xdsl.irdl import (
    base,
    irdl_op_definition,
    operand_def,
    opt_operand_def,
    opt_prop_def,
    prop_def,
    result_def,
    traits_def,
)
from xdsl.traits import Pure
from xdsl.utils.exceptions import VerifyException

from vcc.dialects.graph.base import (
    AnyTensor,
    GraphOp,
    I64Array,
    Tensor,
    Value,
    broadcast,
    i64s,
    ints,
    is_float,
    require,
    same_dtype,
    shape_text,
    tensor_of,
)
from vcc.dialects.graph.window import Window, window_of


def product_dtype(name: str, a: Tensor, b: Tensor) -> Attribute:
    """The dtype of sums of products: the floats' own; i32 for any mix of signed and unsigned 8-bit integers."""
    elements = (a.element_type, b.element_type)
    if all(isinstance(element, IntegerType) and element.width.data == 8 for element in elements):
        return i32
    element = same_dtype(name, [a, b])
    require(is_float(element), f"{name}: takes floats or 8-bit integers, not {element}")
    return element


def matmul_type(a: Tensor, b: Tensor) -> Tensor:
    """[..., M, K] x [..., K, N] -> [..., M, N]; leading axes broadcast."""
    left, right = a.get_shape(), b.get_shape()
    if len(left) < 2 or len(right) < 2:
        raise VerifyException(f"matmul: operands {shape_text(left)} and {shape_text(right)} need two axes")
    require(left[-1] == right[-2], f"matmul: first operand has {left[-1]} columns, second has {right[-2]} rows")
    element = product_dtype("matmul", a, b)
    batch = broadcast("matmul", [TensorType(element, left[:-2]), TensorType(element, right[:-2])])
    return TensorType(element, (*batch, left[-2], right[-1]))


def conv_type(x: Tensor, w: Tensor, bias: Tensor | None, window: Window, group: int) -> Tensor:
    """[N, C, spatial...] and [M, C/group, kernel...] -> [N, M, spatial...]; the bias is [M]."""
    shape, weight = x.get_shape(), w.get_shape()
    require(3 <= len(shape) <= 5, f"conv: input {shape_text(shape)} needs one to three spatial axes")
    require(
        len(weight) == len(shape), f"conv: weight {shape_text(weight)} and input {shape_text(shape)} differ in rank"
    )
    require(group >= 1, f"conv: group {group} must be positive")
    require(
        weight[1] * group == shape[1],
        f"conv: weight has {weight[1]} input channels per group, input has {shape[1]}/{group}",
    )
    require(weight[0] % group == 0, f"conv: {weight[0]} output channels do not divide into {group} groups")
    require(
        window.kernel == weight[2:],
        f"conv: kernel is {shape_text(window.kernel)}, weight has {shape_text(weight[2:])}",
    )
    element = product_dtype("conv", x, w)
    if bias is not None:
        require(
            bias.get_shape() == weight[:1],
            f"conv: bias is {shape_text(bias.get_shape())}, weight has {weight[0]} output channels",
        )
        require(bias.element_type == element, f"conv: bias is {bias.element_type}, the result is {element}")
    return TensorType(element, (shape[0], weight[0], *window.output("conv", shape[2:])))


@irdl_op_definition
class MatmulOp(GraphOp):
    """`graph.matmul %a, %b`: matrix products over the last two axes; leading axes broadcast.

    f16 and bf16 accumulate in f32; 8-bit integers give i32.
    """

    name = "graph.matmul"
    a = operand_def(AnyTensor)
    b = operand_def(AnyTensor)
    result = result_def(AnyTensor)
    traits = traits_def(Pure())
    assembly_format = "$a `,` $b attr-dict `:` functional-type(operands, results)"

    def __init__(self, a: Value, b: Value):
        super().__init__(operands=[a, b], result_types=[matmul_type(tensor_of(a), tensor_of(b))])

    def inferred_type(self) -> Tensor:
        return matmul_type(tensor_of(self.a), tensor_of(self.b))


@irdl_op_definition
class ConvOp(GraphOp):
    """`graph.conv %x, %w, %bias`: cross-correlation of [N, C, spatial...] with [M, C/group, kernel...].

    `pads` are the zeros at the begin of each spatial axis, then those at the ends, as in ONNX. `border`, if given, is
    what stands there instead of zero: a number of the input's dtype, such as a zero point.
    """

    name = "graph.conv"
    x = operand_def(AnyTensor)
    w = operand_def(AnyTensor)
    bias = opt_operand_def(AnyTensor)
    pads = prop_def(I64Array)
    strides = prop_def(I64Array)
    dilations = prop_def(I64Array)
    group = prop_def(IntegerAttr.constr(type=i64))
    border = opt_prop_def(base(FloatAttr) | base(IntegerAttr))
    result = result_def(AnyTensor)
    traits = traits_def(Pure())
    assembly_format = "$x `,` $w (`,` $bias^)? attr-dict `:` functional-type(operands, results)"

    def __init__(
        self,
        x: Value,
        w: Value,
        bias: Value | None = None,
        *,
        pads: Sequence[int] | None = None,
        strides: Sequence[int] | None = None,
        dilations: Sequence[int] | None = None,
        group: int = 1,
        border: Attribute | None = None,
    ):
        kernel = tensor_of(w).get_shape()[2:]
        window = window_of(kernel, strides, pads, dilations)
        super().__init__(
            operands=[x, w, bias],
            properties={
                "pads": i64s(window.pads),
                "strides": i64s(window.strides),
                "dilations": i64s(window.dilations),
                "group": IntegerAttr(group, i64),
                "border": border,
            },
            result_types=[
                conv_type(tensor_of(x), tensor_of(w), None if bias is None else tensor_of(bias), window, group)
            ],
        )

    @property
    def window(self) -> Window:
        """The kernel's size, strides, pads and dilations."""
        return Window(tensor_of(self.w).get_shape()[2:], ints(self.strides), ints(self.pads), ints(self.dilations))

    @property
    def fill(self) -> float:
        """What stands around the input."""
        return 0.0 if self.border is None else float(self.border.value.data)

    def inferred_type(self) -> Tensor:
        bias = None if self.bias is None else tensor_of(self.bias)
        if self.border is not None:
            element = tensor_of(self.x).element_type
            require(self.border.type == element, f"conv: border {self.border} is not of dtype {element}")
        return conv_type(tensor_of(self.x), tensor_of(self.w), bias, self.window, self.group.value.data)
