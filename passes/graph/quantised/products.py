"""Products of dequantised bytes become products of the bytes: exact sums in i32, scaled afterwards.

    MatMul(DequantizeLinear(a), DequantizeLinear(b))              ->  Mul(Cast(MatMulInteger(a, b)), sa * sb)
    QuantizeLinear(MatMul(DequantizeLinear(a), DequantizeLinear(b)))  ->  QLinearMatMul(a, b)

Likewise Gemm, and Conv as ConvInteger or QLinearConv. The second operand may have one scale for each column (filter).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np
from onnx import TensorProto
from xdsl.context import Context
from xdsl.dialects.builtin import StringAttr, f32, i32
from xdsl.ir import Attribute, Operation, SSAValue
from xdsl.pattern_rewriter import PatternRewriter, RewritePattern

from vcc.dialects.graph.structure import REMARK
from vcc.dialects.onnx import SchemaOp
from vcc.dialects.weights import constant_array, make_constant
from vcc.passes.graph.quantised.movements import PRODUCTS
from vcc.passes.graph.quantised.nodes import (
    Quantised,
    attributes_of,
    dequantised,
    element,
    is_node,
    make,
    quantised,
    static_shape,
)

#: Longer sums of products of two bytes could leave i32.
_LONGEST = (2**31 - 1) // 255**2
#: What may stand between the scores of an attention and their softmax.
_BETWEEN = ("Mul", "Div", "Add", "Sub", "Where", "Cast", "Reshape")
_CHOSEN = "multiplies the bytes that its operands are dequantised from"
#: Two scales so near to each other are the same but for rounding.
_ROUNDING = 2.0**-22


@dataclass(frozen=True)
class _Bias:
    """What is added to a product: to its sums in i32, or to the numbers that they mean."""

    value: SSAValue
    integer: bool


class MultiplyBytes(RewritePattern):
    """A product of two dequantised tensors as one of their bytes; a remark says why one stays a product of floats."""

    def __init__(self, ctx: Context):
        self.ctx = ctx

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter) -> None:
        if not isinstance(op, SchemaOp) or not is_node(op, *PRODUCTS):
            return
        a, b = dequantised(op.operands[0]), dequantised(op.operands[1])
        if a is None or b is None:
            return
        if reason := self._obstacle(op, a, b):
            op.attributes[REMARK] = StringAttr(f"a product of floats, though of dequantised bytes: {reason}")
            return
        product = _Product(op, a, b, self.ctx, rewriter)
        if (last := _sole_quantisation(op)) is not None and product.requantise(last):
            return
        product.dequantise()

    def _obstacle(self, op: SchemaOp, a: Quantised, b: Quantised) -> str:
        """Why a product is not one of bytes; empty if it can be."""
        left, right, result = (static_shape(value) for value in (a.bytes, b.bytes, op.results[0]))
        if left is None or right is None or result is None or min(len(left), len(right)) < 2:
            return "an operand is a vector" if result else "its shape is not known"
        if a.axis is not None:
            return "its first operand has a scale for each position of an axis"
        columns = _column_axis(op, len(right))
        if b.axis is not None and (b.axis != columns or (op.op_type != "Conv" and len(right) > 2)):
            return "its second operand has a scale for each position of an axis that is summed over"
        if (prod(right[1:]) if op.op_type == "Conv" else left[-1]) > _LONGEST:
            return "its sums might not fit into i32"
        if op.op_type == "Gemm" and (op.attribute("alpha") != 1 or op.attribute("transA")):
            return "it has a factor, or a transposed first operand"
        if op.op_type == "Gemm" and op.input(2) is not None and op.attribute("beta") != 1:
            return "its bias has a factor"
        if op.op_type == "Conv" and len(left) not in (3, 4, 5):
            return "it has more than three spatial axes"
        return "its scores go through a softmax into a product of floats" if _makes_attention(op) else ""


def _column_axis(op: SchemaOp, rank: int) -> int:
    """The axis of the second operand whose positions become those of the result."""
    if op.op_type == "Conv":
        return 0
    return rank - 2 if op.op_type == "Gemm" and op.attribute("transB") else rank - 1


def _sole_quantisation(op: Operation) -> SchemaOp | None:
    """The QuantizeLinear with one scale that alone reads a result."""
    uses = list(op.results[0].uses)
    if len(uses) != 1 or uses[0].index != 0 or not isinstance(user := uses[0].operation, SchemaOp):
        return None
    found = quantised(user)
    return user if found is not None and found.axis is None else None


def _makes_attention(op: SchemaOp) -> bool:
    """Whether a softmax of the result is multiplied as it is: attention, which is one kernel in floats."""
    value = op.results[0]
    while (uses := list(value.uses)) and len(uses) == 1:
        user = uses[0].operation
        if is_node(user, "Softmax"):
            return any(is_node(use.operation, "MatMul") and use.index == 0 for use in user.results[0].uses)
        if not is_node(user, *_BETWEEN):
            return False
        value = user.results[0]
    return False


class _Product:
    """Builds the nodes of one product."""

    def __init__(self, op: SchemaOp, a: Quantised, b: Quantised, ctx: Context, rewriter: PatternRewriter):
        self.op, self.a, self.b, self.ctx, self.rewriter = op, a, b, ctx, rewriter
        shape = static_shape(op.results[0])
        assert shape is not None
        self.shape = shape
        self.bias = self._bias()

    def _emit(
        self,
        op_type: str,
        inputs: list[SSAValue | None],
        shape: tuple[int, ...],
        element: Attribute,
        attributes: dict[str, Attribute] | None = None,
    ) -> SSAValue:
        op = make(op_type, inputs, shape, element, attributes)
        self.rewriter.insert(op)
        return op.results[0]

    def _constant(self, array: np.ndarray) -> SSAValue:
        op = make_constant(array, self.ctx)
        self.rewriter.insert(op)
        return op.result

    def _reshaped(self, value: SSAValue, shape: tuple[int, ...]) -> SSAValue:
        type = element(value)
        assert type is not None
        return self._emit("Reshape", [value, self._constant(np.array(shape, np.int64))], shape, type)

    def _bias(self) -> _Bias | None:
        """The bias; in i32 where that is what it is dequantised from, by the product of the operands' scales."""
        value = None if self.op.op_type == "MatMul" else self.op.input(2)
        if value is None:
            return None
        source = value.owner
        if not isinstance(source, SchemaOp) or not is_node(source, "DequantizeLinear"):
            return _Bias(value, False)
        zero = source.input(2)
        point = None if zero is None else constant_array(zero, self.ctx)
        scales = [constant_array(each, self.ctx) for each in (self.a.scale, self.b.scale, source.operands[1])]
        known = [each.reshape(-1).astype(np.float64) for each in scales if each is not None]
        if element(source.operands[0]) != i32 or (zero is not None and (point is None or point.any())):
            return _Bias(value, False)
        if len(known) == 3 and known[2].size in (1, max(known[1].size, 1)):
            exact = known[0] * known[1]
            if np.all(np.abs(exact - known[2]) <= _ROUNDING * exact):
                return _Bias(source.operands[0], True)
        return _Bias(value, False)

    def _operands(self) -> tuple[SSAValue, SSAValue]:
        """The bytes, the second ones with the columns last."""
        a, b = self.a.bytes, self.b.bytes
        if self.op.op_type == "Gemm" and self.op.attribute("transB"):
            rows, columns = static_shape(b) or (0, 0)
            type = element(b)
            assert type is not None
            b = self._emit("Transpose", [b], (columns, rows), type, attributes_of(perm=[1, 0]))
        return a, b

    def _window(self) -> dict[str, Attribute]:
        return dict(self.op.node_attributes) if self.op.op_type == "Conv" else {}

    def requantise(self, last: SchemaOp) -> bool:
        """Replace the product and the QuantizeLinear after it by one node; False if its bias prevents that."""
        convolves, target = self.op.op_type == "Conv", quantised(last)
        assert target is not None
        if self.bias is not None and not (convolves and self.bias.integer):
            return False
        type = element(target.bytes)
        assert type is not None
        a, b = self._operands()
        zeros = [self._zero(each) for each in (self.a, self.b, target)]
        inputs: list[SSAValue | None] = [a, self.a.scale, zeros[0], b, self.b.scale, zeros[1], target.scale, zeros[2]]
        if convolves and self.bias is not None:
            inputs.append(self.bias.value)
        op_type = "QLinearConv" if convolves else "QLinearMatMul"
        self.rewriter.insert(new := make(op_type, inputs, self.shape, type, self._window()))
        new.attributes[REMARK] = StringAttr(_CHOSEN)
        self.rewriter.replace(last, [], [new.results[0]])
        self.rewriter.erase(self.op)
        return True

    def _zero(self, of: Quantised) -> SSAValue:
        """The zero point, a constant where it was left out."""
        if of.zero is not None:
            return of.zero
        type = element(of.bytes)
        assert type is not None
        return self._constant(np.zeros((), np.uint8 if "u" in str(type) else np.int8))

    def dequantise(self) -> None:
        """Replace the product by one in i32 that is scaled."""
        convolves, rank = self.op.op_type == "Conv", len(self.shape)
        a, b = self._operands()
        op_type = "ConvInteger" if convolves else "MatMulInteger"
        sums = self._emit(op_type, [a, b, self.a.zero, self.b.zero], self.shape, i32, self._window())
        per_filter = (-1, *(1,) * (rank - 2))
        bias = None if self.bias is None else self.bias.value
        if bias is not None and convolves:
            bias = self._reshaped(bias, (self.shape[1], *per_filter[1:]))
        if bias is not None and self.bias is not None and self.bias.integer:
            sums, bias = self._emit("Add", [sums, bias], self.shape, i32), None
        scale, other = self.a.scale, self.b.scale
        if convolves and self.b.axis is not None:
            other = self._reshaped(other, (self.shape[1], *per_filter[1:]))
        if static_shape(scale) == (1,):
            scale = self._reshaped(scale, ())
        factor = self._emit("Mul", [scale, other], static_shape(other) or (), f32)
        real = self._emit("Cast", [sums], self.shape, f32, attributes_of(to=int(TensorProto.FLOAT)))
        inputs: list[SSAValue | None] = [real, factor]
        scaled = make("Mul", inputs, self.shape, f32)
        if bias is not None:
            self.rewriter.insert(scaled)
            scaled = make("Add", [scaled.results[0], bias], self.shape, f32)
        scaled.attributes[REMARK] = StringAttr(_CHOSEN)
        self.rewriter.replace(self.op, scaled)
