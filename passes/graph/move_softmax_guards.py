"""`move-softmax-guards`: PyTorch's guard against queries without keys goes behind the product of attention.

    mask = select(allowed, 0, -inf)                        low  = select(allowed, 0, lowest number)
    p    = softmax(scores + mask)                     ->   p    = softmax(scores + low)
    y    = matmul(select(p != p, 0, p), v)                 y    = select(any(allowed), matmul(p, v), 0)

A row without a key is NaN in the first form, and zero after the guard; in the second it is finite, and replaced in the
result. So the scores need not leave the chip (rule `attention`). A constant mask that leaves every row a key, and one
whose low number is finite, need no guard at all. What differs: scores that are NaN, or infinite where they are allowed,
give NaN instead of zero.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp, f32
from xdsl.ir import Operation, SSAValue
from xdsl.passes import ModulePass
from xdsl.pattern_rewriter import PatternRewriter, RewritePattern, op_type_rewrite_pattern

from vcc.dialects.graph import (
    BinaryFn,
    BinaryOp,
    CastOp,
    CompareFn,
    CompareOp,
    MatmulOp,
    ReduceOp,
    SelectOp,
    SoftmaxOp,
    shape_of,
    tensor_of,
)
from vcc.dialects.graph.base import is_float
from vcc.dialects.weights import constant_array, make_constant, numpy_dtype_of
from vcc.passes.rewriting import rewrite


@dataclass(frozen=True)
class MoveSoftmaxGuards(ModulePass):
    """Move every guard of a masked softmax along rows, whose only user is a matrix product."""

    name = "move-softmax-guards"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        rewrite(op, [MoveGuard(ctx)], pass_name=self.name)


def guarded(op: MatmulOp, ctx: Context) -> SoftmaxOp | None:
    """The softmax along rows whose NaNs are replaced by zero before a product has it as first operand."""
    guard = op.a.owner
    if not isinstance(guard, SelectOp) or not isinstance(test := guard.condition.owner, CompareOp):
        return None
    softmax = guard.b.owner
    zero = constant_array(guard.a, ctx)
    is_guard = test.fn.data is CompareFn.NE and test.a is test.b is guard.b and guard.result.has_one_use()
    if not is_guard or not isinstance(softmax, SoftmaxOp) or zero is None or zero.any():
        return None
    rows = softmax.axis.value.data == len(shape_of(softmax.result)) - 1
    return softmax if rows and guard.result.type == softmax.result.type else None


@dataclass
class MoveGuard(RewritePattern):
    """matmul(select(p != p, 0, p), v) with p = softmax(scores + mask), as above."""

    ctx: Context

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: MatmulOp, rewriter: PatternRewriter) -> None:
        softmax = guarded(op, self.ctx)
        if softmax is None or not is_float(tensor_of(softmax.x).element_type):
            return
        total = softmax.x.owner
        if not isinstance(total, BinaryOp) or total.fn.data is not BinaryFn.ADD:
            return
        for scores, mask in ((total.a, total.b), (total.b, total.a)):
            if self._leaves_keys(mask, shape_of(softmax.x)):
                rewriter.replace(op, MatmulOp(softmax.result, op.b))
                return
            allowed = self._allowed(mask)
            if allowed is not None and shape_of(mask)[-1:] == shape_of(softmax.x)[-1:]:
                self._move(op, softmax, scores, mask, allowed, rewriter)
                return

    def _leaves_keys(self, mask: SSAValue, scores: tuple[int, ...]) -> bool:
        """Whether a mask lets every row have a key: a constant one, or a choice of two finite numbers."""
        if isinstance(op := mask.owner, SelectOp):
            numbers = [constant_array(value, self.ctx) for value in (op.a, op.b)]
            return all(number is not None and bool(np.isfinite(number).all()) for number in numbers)
        array = constant_array(mask, self.ctx)
        if array is None or array.shape[-1:] != scores[-1:] or np.isnan(array).any():
            return False
        return bool((array > -math.inf).any(-1).all())

    def _allowed(self, mask: SSAValue) -> SSAValue | None:
        """What says where a mask is zero, and elsewhere it is minus infinity."""
        op = mask.owner
        if not isinstance(op, SelectOp) or shape_of(op.condition) != shape_of(mask):
            return None
        zero, low = constant_array(op.a, self.ctx), constant_array(op.b, self.ctx)
        found = zero is not None and low is not None and not zero.any() and bool(np.isneginf(low).all())
        return op.condition if found else None

    def _move(
        self,
        op: MatmulOp,
        softmax: SoftmaxOp,
        scores: SSAValue,
        mask: SSAValue,
        allowed: SSAValue,
        rewriter: PatternRewriter,
    ) -> None:
        made: list[Operation] = []

        def add(new: Operation) -> SSAValue:
            made.append(new)
            return new.results[0]

        dtype = numpy_dtype_of(tensor_of(mask).element_type)
        lowest = add(make_constant(np.array(_lowest(dtype), dtype), self.ctx))
        zero = add(make_constant(np.zeros((), dtype), self.ctx))
        low = add(SelectOp(allowed, zero, lowest))
        chances = add(SoftmaxOp(add(BinaryOp("add", scores, low)), softmax.axis.value.data))
        product = add(MatmulOp(chances, op.b))
        some = add(ReduceOp("max", add(CastOp(allowed, f32)), [len(shape_of(allowed)) - 1], keepdims=True))
        alive = add(CompareOp("gt", some, add(make_constant(np.zeros((), np.float32), self.ctx))))
        for each in made:
            each.location = softmax.location
        made[made.index(product.owner)].location = op.location  # pyright: ignore[reportArgumentType]
        result = SelectOp(alive, product, zero)
        result.location = op.location
        # Inserted first, so that only the result takes over the name.
        rewriter.insert([*made, result])
        rewriter.replace(op, [], [result.result])


def _lowest(dtype: np.dtype[Any]) -> float:
    """A number that swallows scores, and is finite: half the lowest, since scores are added to it."""
    return float(np.finfo(dtype).min) / 2 if dtype.name != "bfloat16" else float(np.finfo(np.float32).min) / 4
