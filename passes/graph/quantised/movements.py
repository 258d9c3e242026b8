"""Dequantisations move behind movements, so that bytes are moved, and what lies between two quantisations goes.

Transpose(DequantizeLinear(x))                     ->  DequantizeLinear(Transpose(x))
QuantizeLinear(Concat(x, y)), both dequantised     ->  Concat(QuantizeLinear(x), QuantizeLinear(y))
QuantizeLinear(DequantizeLinear(x)), equal scales  ->  x
QuantizeLinear(Relu(x)) to 0..255 with zero at 0   ->  QuantizeLinear(x)
"""

from __future__ import annotations

import numpy as np
from xdsl.context import Context
from xdsl.dialects.builtin import TensorType
from xdsl.ir import Operation, SSAValue
from xdsl.pattern_rewriter import PatternRewriter, RewritePattern

from vcc.dialects.onnx import SchemaOp, make_schema_op
from vcc.dialects.weights import constant_array, numpy_dtype_of
from vcc.passes.graph.quantised.nodes import (
    Quantised,
    attributes_of,
    dequantised,
    element,
    is_node,
    quantised,
    same_quantisation,
    static_shape,
)

#: Operators whose result holds elements of their first operand, which a factor and an offset do not change.
MOVEMENTS = (
    *("Reshape", "Transpose", "Squeeze", "Unsqueeze", "Flatten", "Slice", "Expand", "Identity"),
    *("DepthToSpace", "SpaceToDepth", "MaxPool"),
)
PRODUCTS = frozenset({"MatMul", "Gemm", "Conv"})


def is_movement(op: Operation) -> bool:
    """Whether an operation only moves elements of its first operand, or of all its operands (Concat)."""
    if not is_node(op, *MOVEMENTS, "Concat", "Gather", "Resize"):
        return False
    assert isinstance(op, SchemaOp)
    if op.op_type == "Resize" and (op.attribute("mode", "nearest") != "nearest" or _crops(op)):
        return False
    return not any(result.first_use for result in op.results[1:]) and (op.op_type != "MaxPool" or op.opset >= 12)


def _crops(resize: SchemaOp) -> bool:
    """Whether a Resize has elements that are none of its operand's."""
    return resize.attribute("coordinate_transformation_mode", "half_pixel") == "tf_crop_and_resize"


def serves_bytes(value: SSAValue) -> bool:
    """Whether movements alone lie between a value and a product, or something that quantises it."""
    for use in value.uses:
        op = use.operation
        if is_node(op, *PRODUCTS) and use.index < 2:
            return True
        if is_node(op, "QuantizeLinear") and use.index == 0:
            return True
        moves = (is_movement(op) or is_node(op, "Split")) and (use.index == 0 or is_node(op, "Concat"))
        if moves and any(map(serves_bytes, op.results)):
            return True
    return False


class DequantiseLater(RewritePattern):
    """Movement(DequantizeLinear(x)) -> DequantizeLinear(Movement(x)), if a product or QuantizeLinear follows.

    Or if x is a table of which rows are gathered.
    """

    def __init__(self, ctx: Context):
        self.ctx = ctx

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter) -> None:
        if not isinstance(op, SchemaOp) or not is_movement(op) or static_shape(op.results[0]) is None:
            return
        moved = len(op.operands) if op.op_type == "Concat" else 1
        found = [dequantised(value) for value in op.operands[:moved]]
        known = [each for each in found if each is not None]
        if len(known) < moved or not (self._looks_up(op, known[0]) or serves_bytes(op.results[0])):
            return
        first = known[0]
        if op.op_type == "MaxPool" and not self._keeps_order(first):
            return
        if any(not same_quantisation(first, other, self.ctx) for other in known[1:]):
            return
        axis = self._axis(op, first)
        if first.axis is not None and axis is None:
            return
        shape = static_shape(op.results[0])
        assert shape is not None
        type = element(first.bytes)
        assert type is not None
        bytes = op.create(
            operands=[*(each.bytes for each in known), *op.operands[moved:]],
            result_types=[TensorType(type, shape), *op.result_types[1:]],
            properties=op.properties,
        )
        rewriter.insert(bytes)
        rewriter.replace(op, self._dequantise(op.operands[0], bytes.results[0], axis), None)

    def _looks_up(self, op: SchemaOp, table: Quantised) -> bool:
        """Whether rows of a constant table are gathered, which takes a quarter of the memory as bytes."""
        return op.op_type == "Gather" and constant_array(table.bytes, self.ctx) is not None

    def _keeps_order(self, x: Quantised) -> bool:
        """Whether a greater byte is known to mean a greater number."""
        scale = constant_array(x.scale, self.ctx)
        return scale is not None and bool((scale > 0).all())

    def _axis(self, op: SchemaOp, x: Quantised) -> int | None:
        """The axis of the scales in the result; only a transpose is sure to keep it."""
        if x.axis is None or op.op_type != "Transpose":
            return None
        rank = len(static_shape(x.bytes) or ())
        return op.attribute("perm", list(reversed(range(rank)))).index(x.axis)

    def _dequantise(self, old: SSAValue, bytes: SSAValue, axis: int | None) -> SchemaOp:
        like = old.owner
        assert isinstance(like, SchemaOp)
        shape = static_shape(bytes)
        real = element(old)
        assert shape is not None and real is not None
        attributes = {name: value for name, value in like.node_attributes.items() if name != "axis"}
        if axis is not None:
            attributes |= attributes_of(axis=axis)
        inputs = [bytes, *like.inputs[1:]]
        return make_schema_op(like.schema, inputs, [TensorType(real, shape)], attributes)


class SplitBytes(RewritePattern):
    """Split(DequantizeLinear(x)) -> DequantizeLinear of each result of Split(x), if bytes are needed of one."""

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter) -> None:
        if not isinstance(op, SchemaOp) or not is_node(op, "Split") or not any(map(serves_bytes, op.results)):
            return
        x = dequantised(op.operands[0])
        if x is None or x.axis is not None or any(static_shape(result) is None for result in op.results):
            return
        type, like = element(x.bytes), op.operands[0].owner
        assert type is not None and isinstance(like, SchemaOp)
        bytes = op.create(
            operands=[x.bytes, *op.operands[1:]],
            result_types=[TensorType(type, static_shape(result) or ()) for result in op.results],
            properties=op.properties,
        )
        attributes = {name: value for name, value in like.node_attributes.items() if name != "axis"}
        real = [
            make_schema_op(like.schema, [piece, *like.inputs[1:]], [result.type], attributes)
            for piece, result in zip(bytes.results, op.results, strict=True)
        ]
        rewriter.insert(bytes)
        rewriter.replace(op, real, [each.results[0] for each in real])


class QuantisePieces(RewritePattern):
    """QuantizeLinear(Concat(x, y)) -> Concat(QuantizeLinear(x), QuantizeLinear(y)), if all of them are dequantised.

    What is requantised alone is a table of 256 bytes, or nothing where scales are equal. What else makes pieces
    stays in a kernel of its own.
    """

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter) -> None:
        target = quantised(op)
        if target is None or target.axis is not None or not isinstance(op, SchemaOp):
            return
        concat = op.operands[0].owner
        if not isinstance(concat, SchemaOp) or not is_node(concat, "Concat") or not op.operands[0].has_one_use():
            return
        shapes = [static_shape(piece) for piece in concat.operands]
        if not all(dequantised(piece) for piece in concat.operands) or None in shapes:
            return
        type = element(target.bytes)
        assert type is not None
        pieces: list[Operation] = [
            make_schema_op(op.schema, [piece, *op.inputs[1:]], [TensorType(type, shape or ())], op.node_attributes)
            for piece, shape in zip(concat.operands, shapes, strict=True)
        ]
        whole = concat.create(
            operands=[piece.results[0] for piece in pieces],
            result_types=op.result_types,
            properties=concat.properties,
        )
        rewriter.replace(op, [*pieces, whole], whole.results)


class QuantiseAgain(RewritePattern):
    """QuantizeLinear(DequantizeLinear(x)) -> x, where both have one scale and zero point: rounding finds x again."""

    def __init__(self, ctx: Context):
        self.ctx = ctx

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter) -> None:
        after = quantised(op)
        before = None if after is None else dequantised(op.operands[0])
        if after is not None and before is not None and same_quantisation(before, after, self.ctx):
            rewriter.replace(op, [], [before.bytes])


class SaturatedAnyway(RewritePattern):
    """QuantizeLinear(Relu(x)) -> QuantizeLinear(x), likewise Clip, where no byte means a number that these change."""

    def __init__(self, ctx: Context):
        self.ctx = ctx

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter) -> None:
        result = quantised(op)
        if result is None or result.axis is not None:
            return
        bounds = self._bounds(op.operands[0].owner)
        scale = constant_array(result.scale, self.ctx)
        zero = np.zeros(1) if result.zero is None else constant_array(result.zero, self.ctx)
        dtype = element(result.bytes)
        if bounds is None or scale is None or zero is None or dtype is None:
            return
        info, step, offset = np.iinfo(numpy_dtype_of(dtype)), float(scale.reshape(-1)[0]), int(zero.reshape(-1)[0])
        low, high = (bound / step + offset for bound in bounds)
        if step > 0 and low <= info.min and high >= info.max:
            inner = op.operands[0].owner
            assert isinstance(inner, SchemaOp) and isinstance(op, SchemaOp)
            inputs = [inner.operands[0], *op.inputs[1:]]
            new = make_schema_op(op.schema, inputs, op.result_types, op.node_attributes)
            rewriter.replace(op, new)

    def _bounds(self, op: object) -> tuple[float, float] | None:
        """The range to which a Relu or Clip limits its operand."""
        if is_node(op, "Relu"):
            return 0.0, np.inf
        if not isinstance(op, SchemaOp) or not is_node(op, "Clip"):
            return None
        if op.opset < 11:
            return float(op.attribute("min", -np.inf)), float(op.attribute("max", np.inf))
        arrays = [
            limit if value is None else constant_array(value, self.ctx)
            for value, limit in zip((op.input(1), op.input(2)), (np.array(-np.inf), np.array(np.inf)), strict=True)
        ]
        known = [float(array.reshape(-1)[0]) for array in arrays if array is not None]
        return (known[0], known[1]) if len(known) == 2 else None
