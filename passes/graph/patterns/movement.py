"""Movements of elements that cancel, join or do nothing."""

from __future__ import annotations

from itertools import pairwise

from xdsl.dialects.builtin import TensorType
from xdsl.ir import Operation, SSAValue
from xdsl.pattern_rewriter import PatternRewriter, RewritePattern, op_type_rewrite_pattern

from vcc.dialects.graph import (
    BinaryOp,
    CastOp,
    CompareOp,
    ConcatOp,
    ConvOp,
    ExpandOp,
    PadOp,
    RelayoutOp,
    ReshapeOp,
    SelectOp,
    SliceOp,
    TransposeOp,
    ints,
    shape_of,
)
from vcc.dialects.origin import fuse_locations


def forward(op: Operation, value: SSAValue, rewriter: PatternRewriter) -> None:
    """Replace an operation by a value of the same type."""
    assert op.results[0].type == value.type
    rewriter.replace(op, [], [value])


def join(inner: Operation, op: Operation, new: Operation, rewriter: PatternRewriter) -> None:
    """Replace an operation by one that does the work of its operand's, too, and stands for the nodes of both."""
    new.location = fuse_locations(inner, op)
    rewriter.replace(op, new)


class Identity(RewritePattern):
    """A movement or cast whose result has the operand's type, and moves nothing, is its operand."""

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter) -> None:
        match op:
            case ReshapeOp() | CastOp() | ExpandOp() | RelayoutOp():
                still = True
            case TransposeOp():
                still = ints(op.perm) == tuple(range(len(ints(op.perm))))
            case SliceOp():
                still = not any(ints(op.starts)) and all(step == 1 for step in ints(op.steps))
            case PadOp():
                still = not any(ints(op.low)) and not any(ints(op.high))
            case ConcatOp():
                still = len(op.xs) == 1
            case _:
                return
        if still and op.operands[0].type == op.results[0].type:
            forward(op, op.operands[0], rewriter)


class TransposeOfTranspose(RewritePattern):
    """transpose(transpose(x, p), q) -> transpose(x, p[q])"""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: TransposeOp, rewriter: PatternRewriter) -> None:
        if isinstance(inner := op.x.owner, TransposeOp) and unencoded(inner, op):
            first = ints(inner.perm)
            join(inner, op, TransposeOp(inner.x, [first[axis] for axis in ints(op.perm)]), rewriter)


class TransposeAsReshape(RewritePattern):
    """A transpose that keeps the order of all axes larger than one only changes the shape."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: TransposeOp, rewriter: PatternRewriter) -> None:
        shape = shape_of(op.x)
        large = [axis for axis in ints(op.perm) if shape[axis] != 1]
        if unencoded(op) and all(a < b for a, b in pairwise(large)):
            rewriter.replace(op, ReshapeOp(op.x, shape_of(op.result)))


class TransposeBetweenReshapes(RewritePattern):
    """reshape(transpose(reshape(x))) -> transpose(x), where the reshapes drop axes of one element and add them again"""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: ReshapeOp, rewriter: PatternRewriter) -> None:
        transpose = op.x.owner
        if not isinstance(transpose, TransposeOp) or not isinstance(first := transpose.x.owner, ReshapeOp):
            return
        shapes = [shape_of(value) for value in (first.x, first.result, transpose.result, op.result)]
        source, before, after, target = ([i for i, size in enumerate(shape) if size != 1] for shape in shapes)
        same = [shapes[0][i] for i in source] == [shapes[1][i] for i in before]
        same = same and [shapes[2][i] for i in after] == [shapes[3][i] for i in target]
        if not same or len(shapes[0]) != len(shapes[3]) or not unencoded(first, transpose, op):
            return
        moved = iter([source[before.index(axis)] for axis in ints(transpose.perm) if axis in before])
        ones = iter([i for i, size in enumerate(shapes[0]) if size == 1])
        perm = [next(ones) if size == 1 else next(moved) for size in shapes[3]]
        new = TransposeOp(first.x, perm)
        new.location = fuse_locations(first, transpose, op)
        rewriter.replace(op, new)


class ReshapeOfReshape(RewritePattern):
    """reshape(reshape(x)) -> reshape(x)"""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: ReshapeOp, rewriter: PatternRewriter) -> None:
        if isinstance(inner := op.x.owner, ReshapeOp) and unencoded(inner, op):
            join(inner, op, ReshapeOp(inner.x, shape_of(op.result)), rewriter)


class SliceOfSlice(RewritePattern):
    """slice(slice(x)) -> slice(x)"""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: SliceOp, rewriter: PatternRewriter) -> None:
        if not isinstance(inner := op.x.owner, SliceOp) or not unencoded(inner, op):
            return
        inner_steps = ints(inner.steps)
        starts = [a + b * s for a, b, s in zip(ints(inner.starts), ints(op.starts), inner_steps, strict=True)]
        steps = [a * b for a, b in zip(inner_steps, ints(op.steps), strict=True)]
        join(inner, op, SliceOp(inner.x, starts, ints(op.sizes), steps), rewriter)


class RelayoutOfRelayout(RewritePattern):
    """relayout(relayout(x)) -> relayout(x)"""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: RelayoutOp, rewriter: PatternRewriter) -> None:
        if isinstance(inner := op.x.owner, RelayoutOp):
            type = op.result.type
            assert isinstance(type, TensorType)
            join(inner, op, RelayoutOp(inner.x, type.encoding), rewriter)


class ExpandIntoElementwise(RewritePattern):
    """add(x, expand(y)) -> add(x, y), where the result keeps its type: elementwise operations broadcast anyway."""

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter) -> None:
        if not isinstance(op, (BinaryOp, CompareOp, SelectOp)):
            return
        for index, operand in enumerate(op.operands):
            if not isinstance(expand := operand.owner, ExpandOp):
                continue
            operands = [*op.operands[:index], expand.x, *op.operands[index + 1 :]]
            new = type(op).create(operands=operands, result_types=op.result_types, properties=op.properties)
            if new.inferred_type() == op.result.type:
                rewriter.replace(op, new)
                return
            new.erase()


class PadIntoConv(RewritePattern):
    """conv(pad(x, the border on spatial axes)) -> conv(x) with larger pads, if nothing else uses the padded tensor."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: ConvOp, rewriter: PatternRewriter) -> None:
        pad = op.x.owner
        if not isinstance(pad, PadOp) or not pad.result.has_one_use():
            return
        low, high = ints(pad.low), ints(pad.high)
        if any((*low[:2], *high[:2])) or not unencoded(pad, op) or pad.value.value.data != op.fill:
            return
        pads = [a + b for a, b in zip(ints(op.pads), (*low[2:], *high[2:]), strict=True)]
        new = ConvOp(
            pad.x,
            op.w,
            op.bias,
            pads=pads,
            strides=ints(op.strides),
            dilations=ints(op.dilations),
            group=op.group.value.data,
            border=op.border,
        )
        rewriter.replace(op, new)
        rewriter.erase(pad)


def is_zero(pad: PadOp) -> bool:
    """Whether a border is of zeros."""
    return pad.value.value.data == 0


def unencoded(*ops: Operation) -> bool:
    """Whether no operand or result has an encoding: row-major order is what reshapes and merged movements speak of."""
    values = [value for op in ops for value in (*op.operands, *op.results)]
    return all(
        value.type == TensorType(value.type.element_type, value.type.shape)
        for value in values
        if isinstance(value.type, TensorType)
    )


MOVEMENT_PATTERNS: tuple[RewritePattern, ...] = (
    Identity(),
    TransposeOfTranspose(),
    TransposeAsReshape(),
    TransposeBetweenReshapes(),
    ReshapeOfReshape(),
    SliceOfSlice(),
    RelayoutOfRelayout(),
    ExpandIntoElementwise(),
    PadIntoConv(),
)
