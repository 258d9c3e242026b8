"""The pass `fold-constants`: what can be computed now is."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from typing_extensions import override
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp, TensorType
from xdsl.ir import Operation, SSAValue
from xdsl.passes import ModulePass
from xdsl.pattern_rewriter import PatternRewriter, RewritePattern
from xdsl.rewriter import InsertPoint

from vcc.dialects.onnx import SchemaOp, YieldOp
from vcc.dialects.weights import constant_array, make_constant, numpy_dtype_of
from vcc.passes.graph.evaluate import evaluate, is_evaluable, static_shape
from vcc.passes.graph.partial_values import Partial, partial_of_array, partial_result
from vcc.passes.graph.signature import update_signatures
from vcc.passes.rewriting import rewrite

#: Results of unknown size are computed only from operands of at most this many elements in all.
_SMALL = 4096
#: How many ops back shape arithmetic is followed.
_MAX_DEPTH = 8
#: Operators whose result may be far larger than all their operands.
_GROWING = frozenset({"ConstantOfShape", "Expand", "EyeLike", "OneHot", "Pad", "Range", "Resize", "Tile", "Upsample"})


@dataclass(frozen=True)
class FoldConstantsPass(ModulePass):
    """Replaces ops by constants where all operands are constants, or where types already say the result.

    A result may take `max_megabytes`, or as much as the operands if that is more. Random operators stay. Identity, and
    Dropout as it is in inference, give way to their operand; an If with a constant condition to its branch.
    """

    name = "fold-constants"

    max_megabytes: int = 64

    @override
    def apply(self, ctx: Context, op: ModuleOp) -> None:
        patterns = [ForwardOperand(ctx), TakeBranch(ctx), Fold(ctx, self.max_megabytes << 20)]
        rewrite(op, patterns, pass_name=self.name)
        update_signatures(op)


def _replace_by(op: Operation, value: SSAValue, rewriter: PatternRewriter) -> None:
    unused = [None] * (len(op.results) - 1)
    rewriter.replace(op, [], [value, *unused])


@dataclass
class Fold(RewritePattern):
    """`onnx.Add(constant, constant)` -> `weights.constant`; likewise Shape and Size of a static type."""

    ctx: Context
    max_bytes: int

    @override
    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter, /) -> None:
        if not isinstance(op, SchemaOp) or not op.results:
            return
        arrays = self._results(op)
        if arrays is None or not self._may_keep(op, arrays):
            return
        constants = [make_constant(array, self.ctx, op.location) for array in arrays]
        rewriter.replace(op, constants, [each.result for each in constants])

    def _results(self, op: SchemaOp) -> list[np.ndarray] | None:
        if (shape := static_shape(op)) is not None:
            return [shape]
        if (sizes := self._sizes(op)) is not None:
            return [sizes]
        if not is_evaluable(op):
            return None
        operands = [constant_array(value, self.ctx) for value in op.operands]
        present = [array for array in operands if array is not None]
        if len(present) != len(operands) or not self._may_compute(op, present):
            return None
        return evaluate(op, present, self.ctx)

    def _sizes(self, op: SchemaOp) -> np.ndarray | None:
        """The result of shape arithmetic that needs only known sizes, of a shape that has open ones too."""
        result = op.results[0].type
        if not isinstance(result, TensorType) or str(result.element_type) not in ("i64", "i32"):
            return None
        found = partial_result(op, lambda value: self._partial(value, _MAX_DEPTH))
        if found is None or any(size is None for size in found.sizes):
            return None
        array = np.array(found.sizes, numpy_dtype_of(result.element_type))
        return array.reshape(()) if found.scalar else array

    def _partial(self, value: SSAValue, depth: int) -> Partial | None:
        if (array := constant_array(value, self.ctx)) is not None:
            return partial_of_array(array)
        op = value.owner
        if depth == 0 or not isinstance(op, SchemaOp):
            return None
        return partial_result(op, lambda operand: self._partial(operand, depth - 1))

    def _may_compute(self, op: SchemaOp, operands: list[np.ndarray]) -> bool:
        limit = max(self.max_bytes, sum(array.nbytes for array in operands))
        types = [result.type for result in op.results]
        if all(isinstance(type, TensorType) and type.has_static_shape() for type in types):
            return sum(_byte_size(type) for type in types) <= limit
        return op.op_type not in _GROWING and sum(array.size for array in operands) <= _SMALL

    def _may_keep(self, op: SchemaOp, arrays: list[np.ndarray]) -> bool:
        # A result without uses may be of a type that constants cannot have; the op then stays as it is.
        return all(array.dtype.kind in "biufV" for array in arrays)


def _byte_size(type: object) -> int:
    assert isinstance(type, TensorType)
    return math.prod(type.get_shape()) * numpy_dtype_of(type.element_type).itemsize


@dataclass
class ForwardOperand(RewritePattern):
    """`onnx.Identity(x)` -> `x`, and `onnx.Dropout(x)` -> `x` where it is not training and its mask has no use."""

    ctx: Context

    @override
    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter, /) -> None:
        if not isinstance(op, SchemaOp) or op.domain != "":
            return
        if op.op_type == "Identity" or (op.op_type == "Dropout" and self._is_inference(op)):
            _replace_by(op, op.operands[0], rewriter)

    def _is_inference(self, op: SchemaOp) -> bool:
        if any(mask.first_use is not None for mask in op.results[1:]):
            return False
        training = op.input(2)
        if op.opset < 12 or training is None:
            return True
        value = constant_array(training, self.ctx)
        return value is not None and not value.any()


@dataclass
class TakeBranch(RewritePattern):
    """`onnx.If(constant)` -> the ops of the branch it takes."""

    ctx: Context

    @override
    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter, /) -> None:
        if not isinstance(op, SchemaOp) or op.op_type != "If" or op.domain != "":
            return
        if (condition := constant_array(op.operands[0], self.ctx)) is None:
            return
        block = op.graphs["then_branch" if condition.all() else "else_branch"].block
        last = block.last_op
        assert isinstance(last, YieldOp)
        values = tuple(last.values)
        rewriter.erase(last)
        rewriter.inline_block(block, InsertPoint.before(op))
        rewriter.replace(op, [], values)
