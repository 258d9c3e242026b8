"""Signs of bytes: a product of unsigned by signed bytes is one instruction, others take more.

A quantisation to u8 and one to i8 with a zero point smaller by 128 mean the same numbers, so that the sign of what a
QuantizeLinear makes for products alone is free:

    MatMul(u8, u8)  ->  the second operand becomes i8        MatMul(i8, constant i8)  ->  the first becomes u8
"""

from __future__ import annotations

import numpy as np
from xdsl.context import Context
from xdsl.dialects.builtin import TensorType
from xdsl.ir import Attribute, Operation, SSAValue
from xdsl.pattern_rewriter import PatternRewriter, RewritePattern
from xdsl.rewriter import InsertPoint

from vcc.dialects.onnx import SchemaOp, make_schema_op
from vcc.dialects.weights import constant_array, make_constant, numpy_dtype_of
from vcc.passes.graph.quantised.movements import PRODUCTS, is_movement
from vcc.passes.graph.quantised.nodes import Quantised, dequantised, element, is_node, quantised


class SignedOperand(RewritePattern):
    """Makes one operand of a product of dequantised bytes unsigned and the other signed.

    What was shifted for one product is not shifted again for another, nor is what both operands are made of.
    """

    def __init__(self, ctx: Context):
        self.ctx = ctx
        self.settled = set[SSAValue]()

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter) -> None:
        if not isinstance(op, SchemaOp) or not is_node(op, *PRODUCTS):
            return
        a, b = dequantised(op.operands[0]), dequantised(op.operands[1])
        if a is None or b is None or element(a.bytes) != element(b.bytes):
            return
        # Weights follow when they are lowered: what is constant can be shifted there.
        unsigned = numpy_dtype_of(_element(a.bytes)) == np.uint8
        shifted, kept = (_source(b), _source(a)) if unsigned else (_source(a), _source(b))
        if shifted is not kept and isinstance(shifted, SchemaOp):
            self._shift(shifted, rewriter)

    def _shift(self, source: SchemaOp, rewriter: PatternRewriter) -> None:
        """Give what a QuantizeLinear makes for dequantisations alone the other sign."""
        made = quantised(source)
        if made is None or made.bytes in self.settled:
            return
        if constant_array(source.operands[0], self.ctx) is not None or not self._dequantised_alone(made.bytes):
            return
        zero = np.zeros((), np.uint8) if made.zero is None else constant_array(made.zero, self.ctx)
        if zero is None:
            return
        shifted = make_constant(_other_sign(zero), self.ctx)
        rewriter.insert(shifted, InsertPoint.before(source))
        inputs = [*source.inputs[:2], shifted.result]
        attributes = {k: v for k, v in source.node_attributes.items() if k != "output_dtype"}
        new = make_schema_op(source.schema, inputs, [_typed(made.bytes, shifted.result)], attributes)
        new.location = source.location
        rewriter.insert(new, InsertPoint.before(source))
        self.settled.add(new.results[0])
        self._replace(made.bytes, new.results[0], shifted.result, rewriter)

    def _dequantised_alone(self, bytes: SSAValue) -> bool:
        """Whether all that reads bytes, through movements, dequantises them by a zero point that is known."""
        for use in bytes.uses:
            op = use.operation
            if is_movement(op):
                if is_node(op, "Concat") or not self._dequantised_alone(op.results[0]):
                    return False
                continue
            found = dequantised(op.results[0]) if op.results else None
            if found is None or found.bytes is not bytes:
                return False
            if found.zero is not None and constant_array(found.zero, self.ctx) is None:
                return False
        return True

    def _replace(self, old: SSAValue, new: SSAValue, zero: SSAValue, rewriter: PatternRewriter) -> None:
        """Let all that reads bytes read shifted ones."""
        for use in list(old.uses):
            op = use.operation
            assert isinstance(op, SchemaOp)
            if is_movement(op):
                type = _typed(op.results[0], new)
                moved = make_schema_op(op.schema, [new, *op.inputs[1:]], [type], op.node_attributes)
                moved.location = op.location
                rewriter.insert(moved, InsertPoint.before(op))
                self._replace(op.results[0], moved.results[0], zero, rewriter)
            else:
                found = make_schema_op(op.schema, [new, op.inputs[1], zero], op.result_types, op.node_attributes)
                found.location = op.location
                rewriter.replace(op, found)


def _source(x: Quantised) -> object:
    """What makes bytes, behind movements."""
    source = x.bytes.owner
    while isinstance(source, SchemaOp) and is_movement(source) and not is_node(source, "Concat"):
        source = source.operands[0].owner
    return source


def _other_sign(zero: np.ndarray) -> np.ndarray:
    """A zero point of bytes of the other sign that are smaller or greater by 128."""
    target, by = (np.int8, -128) if zero.dtype == np.uint8 else (np.uint8, 128)
    return (zero.astype(np.int16) + by).astype(target)


def _element(value: SSAValue) -> Attribute:
    found = element(value)
    assert found is not None
    return found


def _typed(value: SSAValue, like: SSAValue) -> TensorType:
    assert isinstance(value.type, TensorType) and isinstance(like.type, TensorType)
    return TensorType(like.type.element_type, value.type.get_shape())
