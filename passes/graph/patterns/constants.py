"""Operations on constants, computed."""

from __future__ import annotations

import numpy as np
from xdsl.context import Context
from xdsl.dialects.builtin import NoneAttr
from xdsl.ir import Operation
from xdsl.pattern_rewriter import PatternRewriter, RewritePattern

from vcc.dialects.graph import ExpandOp, GraphOp, PadOp, tensor_of
from vcc.dialects.graph.semantics import compute, computes
from vcc.dialects.weights import constant_array, make_constant

#: Operations that make tensors larger are computed up to this many elements, so that weights do not grow.
GROWTH_LIMIT = 4096


class FoldConstants(RewritePattern):
    """transpose(constant) -> constant; likewise every operation of constants alone"""

    def __init__(self, ctx: Context):
        self.ctx = ctx

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter) -> None:
        if not isinstance(op, GraphOp) or not computes(op) or not op.operands:
            return
        type = tensor_of(op.results[0])
        if not isinstance(type.encoding, NoneAttr) or self._grows(op):
            return
        arrays = [constant_array(operand, self.ctx) for operand in op.operands]
        known = [array for array in arrays if array is not None]
        if len(known) == len(arrays):
            try:
                result = compute(op, known)
            except ZeroDivisionError:
                return  # it traps when the program runs, as it should
            rewriter.replace(op, make_constant(np.ascontiguousarray(result).reshape(type.get_shape()), self.ctx))

    def _grows(self, op: GraphOp) -> bool:
        size = int(np.prod(tensor_of(op.results[0]).get_shape(), dtype=np.int64))
        largest = max(int(np.prod(tensor_of(x).get_shape(), dtype=np.int64)) for x in op.operands)
        grows = isinstance(op, (ExpandOp, PadOp)) or size > largest
        return grows and size > GROWTH_LIMIT
