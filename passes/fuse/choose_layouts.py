"""Choose how tensors lie in memory: the activations of convolutional parts in blocks of channels, the rest row-major.

A blocked [N, C, H, W] lies as [N, C/b, H, W, b], which is how the matrix and vector units want to read it. Every kernel
can load or store either order through its views, so no operation is inserted: a tensor is blocked if its producer
and all its users can take it so, and its channels divide into blocks.
"""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp, TensorType
from xdsl.ir import Operation, SSAValue
from xdsl.passes import ModulePass
from xdsl.rewriter import Rewriter

from vcc.dialects import graph
from vcc.dialects.graph.attributes import Blocked
from vcc.dialects.graph.base import shape_of, tensor_of

CHANNELS = 1
ELEMENTWISE = (graph.UnaryOp, graph.BinaryOp, graph.CompareOp, graph.SelectOp, graph.CastOp)


@dataclass(frozen=True)
class ChooseLayouts(ModulePass):
    """Block the channels of what convolutions and poolings produce; `block` is the preferred size."""

    name = "choose-layouts"

    block: int = 16

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for inner in list(op.walk()):
            if len(inner.results) != 1 or not _produces_blocks(inner):
                continue
            result = inner.results[0]
            size = block_size(shape_of(result), self.block)
            if size is None or not _fits_groups(inner, size):
                continue
            if all(_takes_blocks(use.operation, use.index, size) for use in result.uses):
                type = tensor_of(result)
                blocked = TensorType(type.element_type, type.get_shape(), Blocked(CHANNELS, size))
                Rewriter.replace_value_with_new_type(result, blocked)


def block_size(shape: tuple[int, ...], preferred: int) -> int | None:
    """The channels per block: the preferred number, half of it, or the largest divisor from 4 up; None if none."""
    if not 3 <= len(shape) <= 5:
        return None
    channels = shape[CHANNELS]
    sizes = [preferred, preferred // 2, *range(preferred - 1, 3, -1)]
    return next((size for size in sizes if size > 1 and channels % size == 0), None)


def _produces_blocks(op: Operation) -> bool:
    """Convolutions and poolings do; elementwise operations and reductions carry on what they are given."""
    if isinstance(op, graph.ConvOp | graph.PoolOp):
        return True
    if isinstance(op, ELEMENTWISE):
        shape = shape_of(op.results[0])
        return any(_is_blocked(operand) and shape_of(operand) == shape for operand in op.operands)
    return isinstance(op, graph.ReduceOp) and _is_blocked(op.x) and bool(op.keepdims.value.data) and _keeps(op)


def _keeps(op: graph.ReduceOp) -> bool:
    return CHANNELS not in op.axes.get_values()


def _is_blocked(value: SSAValue) -> bool:
    return isinstance(tensor_of(value).encoding, Blocked)


def _fits_groups(op: Operation, size: int) -> bool:
    """A grouped convolution's blocks must not cross its groups, unless every channel is a group."""
    if not isinstance(op, graph.ConvOp) or is_depthwise(op):
        return True
    return shape_of(op.w)[0] // op.group.value.data % size == 0


def _takes_blocks(op: Operation, index: int, size: int) -> bool:
    """Whether a user can read the tensor in blocks."""
    if isinstance(op, graph.ConvOp):
        return index == 0 and (is_depthwise(op) or shape_of(op.w)[1] % size == 0)
    return isinstance(op, (graph.PoolOp, graph.ReduceOp, graph.TransposeOp, *ELEMENTWISE))


def is_depthwise(op: graph.ConvOp) -> bool:
    """Whether every channel of a convolution is a group of its own, with one output channel."""
    weight = shape_of(op.w)
    return weight[1] == 1 and weight[0] == op.group.value.data and op.group.value.data > 1
