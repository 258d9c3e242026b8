"""Concatenations in concatenations, and those that may need no kernel because their pieces are stored in place."""

from __future__ import annotations

from xdsl.ir import Operation

from vcc.dialects import graph
from vcc.dialects.graph.base import tensor_of
from vcc.dialects.weights import ConstantOp
from vcc.passes.fuse.views import MOVES, lies_in_one_piece


def joined_by(op: Operation) -> graph.ConcatOp | None:
    """The concatenation that alone uses a concatenation, and lies in memory as it does."""
    if not isinstance(op, graph.ConcatOp) or not op.results[0].has_one_use():
        return None
    user = next(iter(op.results[0].uses)).operation
    same = isinstance(user, graph.ConcatOp) and tensor_of(user.results[0]).encoding == tensor_of(op.results[0]).encoding
    return user if same and isinstance(user, graph.ConcatOp) else None


def outermost(op: Operation) -> Operation:
    """The concatenation in which an operation ends that may be one in another: itself, if it is none."""
    while (outer := joined_by(op)) is not None:
        op = outer
    return op


def pieces(op: Operation) -> int:
    """The number of pieces of a concatenation and of those in it."""
    return sum(
        pieces(owner) if isinstance(owner := value.owner, Operation) and joined_by(owner) is op else 1
        for value in op.operands
    )


def may_alias(op: graph.ConcatOp) -> bool:
    """Whether the pieces lie one behind the other, and each is what another kernel stores: perhaps in place."""
    owners = [value.owner for value in op.operands]
    return lies_in_one_piece(op) and all(
        isinstance(o, Operation) and not isinstance(o, (*MOVES, ConstantOp)) for o in owners
    )
