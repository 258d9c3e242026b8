"""Arithmetic that does nothing. Only rewrites that keep every bit, the sign of zero and NaN included."""

from __future__ import annotations

import numpy as np
from xdsl.context import Context
from xdsl.pattern_rewriter import PatternRewriter, RewritePattern, op_type_rewrite_pattern

from vcc.dialects.graph import BinaryFn, BinaryOp, SelectOp, UnaryFn, UnaryOp
from vcc.dialects.weights import constant_array
from vcc.passes.graph.patterns.movement import forward

_IDEMPOTENT = frozenset({UnaryFn.ABS, UnaryFn.RELU, UnaryFn.SIGN, UnaryFn.FLOOR, UnaryFn.CEIL, UnaryFn.ROUND})
_INVOLUTIONS = frozenset({UnaryFn.NEG, UnaryFn.NOT})
_COMMUTATIVE = frozenset({BinaryFn.ADD, BinaryFn.MUL, BinaryFn.AND, BinaryFn.OR, BinaryFn.XOR})
_NEVER_NEGATIVE = frozenset({UnaryFn.ABS, UnaryFn.EXP, UnaryFn.SIGMOID, UnaryFn.RELU})


class UnaryOfUnary(RewritePattern):
    """relu(relu(x)) -> relu(x), neg(neg(x)) -> x, relu(exp(x)) -> exp(x)"""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: UnaryOp, rewriter: PatternRewriter) -> None:
        inner = op.x.owner
        if not isinstance(inner, UnaryOp):
            return
        fn, inner_fn = op.fn.data, inner.fn.data
        same = fn is inner_fn
        if (same and fn in _IDEMPOTENT) or (fn is UnaryFn.RELU and inner_fn in _NEVER_NEGATIVE):
            if inner.result.type == op.result.type:
                forward(op, inner.result, rewriter)
        elif same and fn in _INVOLUTIONS and inner.x.type == op.result.type:
            forward(op, inner.x, rewriter)


class NeutralOperand(RewritePattern):
    """x * 1, x / 1, x - 0, x + (-0), x ** 1; for integers x + 0; for booleans x or false, x and true -> x

    x + (+0) stays for floats: it turns -0 into +0.
    """

    def __init__(self, ctx: Context):
        self.ctx = ctx

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: BinaryOp, rewriter: PatternRewriter) -> None:
        fn = op.fn.data
        pairs = [(op.a, op.b)] + ([(op.b, op.a)] if fn in _COMMUTATIVE else [])
        for kept, other in pairs:
            array = constant_array(other, self.ctx)
            if array is not None and kept.type == op.result.type and is_neutral(fn, array):
                forward(op, kept, rewriter)
                return


def is_neutral(fn: BinaryFn, array: np.ndarray) -> bool:
    """Whether every element as the second operand gives back the first exactly."""
    floating = array.dtype.kind not in "iub"
    match fn:
        case BinaryFn.MUL | BinaryFn.DIV | BinaryFn.POW:
            return bool((array == 1).all())
        case BinaryFn.SUB:
            return bool((array == 0).all() and not (floating and np.signbit(array).any()))
        case BinaryFn.ADD:
            return bool((array == 0).all() and (not floating or np.signbit(array).all()))
        case BinaryFn.OR | BinaryFn.XOR:
            return not array.any()
        case BinaryFn.AND:
            return array.dtype == np.bool_ and bool(array.all())
        case _:
            return False


class SelectOfConstant(RewritePattern):
    """select(true, a, b) -> a, select(false, a, b) -> b"""

    def __init__(self, ctx: Context):
        self.ctx = ctx

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: SelectOp, rewriter: PatternRewriter) -> None:
        array = constant_array(op.condition, self.ctx)
        if array is None:
            return
        for chosen, holds in ((op.a, array.all()), (op.b, not array.any())):
            if holds and chosen.type == op.result.type:
                forward(op, chosen, rewriter)
                return


def arithmetic_patterns(ctx: Context) -> tuple[RewritePattern, ...]:
    """All patterns of this file."""
    return UnaryOfUnary(), NeutralOperand(ctx), SelectOfConstant(ctx)
