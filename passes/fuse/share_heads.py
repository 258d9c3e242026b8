"""Attention whose groups of query heads share keys and values: groups become an axis, and nothing is repeated.

    %e = graph.expand %k : [B, Hk, 1, S, D] -> [B, Hk, G, S, D]
    %r = graph.reshape %e : -> [B, Hk * G, S, D]
    graph.attention %q, %r, ...      ->  graph.attention (%q as [B, Hk, G, Sq, D]), %e, ...

The expansion is then a view, through which the kernel loads one copy of keys and values for a whole group.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation, SSAValue
from xdsl.passes import ModulePass
from xdsl.pattern_rewriter import PatternRewriter, RewritePattern, op_type_rewrite_pattern

from vcc.dialects import graph
from vcc.dialects.graph import ints
from vcc.dialects.graph.base import shape_of
from vcc.passes.rewriting import rewrite


@dataclass(frozen=True)
class ShareHeads(ModulePass):
    """Attention over repeated heads becomes attention over groups of heads."""

    name = "share-heads"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        rewrite(op, [_Share()], pass_name=self.name)


class _Share(RewritePattern):
    """Splits the axis of the heads in two."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: graph.AttentionOp, rewriter: PatternRewriter) -> None:
        keys, values = _repeated(op.k), _repeated(op.v)
        if keys is None or values is None or shape_of(keys)[:-2] != shape_of(values)[:-2]:
            return
        split = shape_of(keys)[-4:-2]
        axis = len(shape_of(op.q)) - 3
        ops: list[Operation] = []
        queries = _split(op.q, axis, split, ops)
        mask = op.mask
        if mask is not None and len(shape_of(mask)) >= 3:
            heads = len(shape_of(mask)) - 3
            mask = _split(mask, heads, split if shape_of(mask)[heads] > 1 else (1, 1), ops)
        attention = graph.AttentionOp(queries, keys, values, mask, scale=float(op.scale.value.data))
        ops.append(attention)
        users = [use.operation for use in op.result.uses]
        if len(users) == 1 and isinstance(transpose := users[0], graph.TransposeOp):
            # Stays next to the attention, whose store can do it.
            moved = graph.TransposeOp(attention, _split_perm(ints(transpose.perm), axis))
            result = graph.ReshapeOp(moved, shape_of(transpose.result))
            rewriter.insert([*ops, moved, result])
            rewriter.replace(transpose, [], [result.result])
            rewriter.erase(op)
            return
        rewriter.replace(op, [*ops, graph.ReshapeOp(attention, shape_of(op.result))])


def _repeated(value: SSAValue) -> SSAValue | None:
    """The expansion [..., Hk, G, S, D] of [..., Hk, 1, S, D] of which a value is the reshape to [..., Hk * G, S, D]."""
    if not isinstance(reshape := value.owner, graph.ReshapeOp) or not isinstance(
        expand := reshape.x.owner, graph.ExpandOp
    ):
        return None
    before, wide, after = shape_of(expand.x), shape_of(expand.result), shape_of(value)
    fits = len(before) == len(wide) >= 4 and before[-3] == 1 and (*before[:-3], wide[-3], *before[-2:]) == wide
    merged = (*wide[:-4], wide[-4] * wide[-3], *wide[-2:]) == after if fits else False
    return expand.result if merged and wide[-3] > 1 else None


def _split(value: SSAValue, axis: int, sizes: Sequence[int], ops: list[Operation]) -> SSAValue:
    """A value with an axis split in two; below a transpose, so that this stays a view."""
    if isinstance(transpose := value.owner, graph.TransposeOp):
        perm = ints(transpose.perm)
        inner = _split(transpose.x, perm[axis], sizes, ops)
        ops.append(graph.TransposeOp(inner, _split_perm(perm, perm[axis])))
    else:
        shape = shape_of(value)
        ops.append(graph.ReshapeOp(value, [*shape[:axis], *sizes, *shape[axis + 1 :]]))
    return ops[-1].results[0]


def _split_perm(perm: Sequence[int], axis: int) -> list[int]:
    """The permutation that moves the same after the operand's `axis` was split in two."""
    moved: list[int] = []
    for source in perm:
        moved += [source, source + 1] if source == axis else [source + (source > axis)]
    return moved
