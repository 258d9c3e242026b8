"""Operators that move elements but do not compute: shapes, orders, parts and copies."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from xdsl.ir import SSAValue

from vcc.dialects import graph
from vcc.dialects.graph import shape_of
from vcc.dialects.weights import numpy_dtype_of
from vcc.passes.graph.lower.node import Node
from vcc.passes.graph.lower.registry import lowers


@lowers("Transpose")
def lower_transpose(node: Node) -> SSAValue:
    """The axes in another order, by default reversed."""
    perm = node.ints("perm")
    return node.transpose(node.x, range(len(node.shape(0)))[::-1] if perm is None else perm)


@lowers("Reshape", "Flatten", "Squeeze", "Unsqueeze")
def lower_reshape(node: Node) -> SSAValue:
    """The elements in the shape that inference found."""
    return node.reshape(node.x, node.result_shape(0))


@lowers("Identity")
def lower_identity(node: Node) -> SSAValue:
    """The operand itself."""
    return node.x


def inference_mode(node: Node) -> bool:
    """It must not be in training mode."""
    mode = node.constant(2)
    return node.version < 12 or node.input(2) is None or (mode is not None and not mode.any())


@lowers("Dropout", needs=[inference_mode])
def lower_dropout(node: Node) -> Sequence[SSAValue]:
    """In inference the operand itself, of which the mask keeps all."""
    if len(node.outputs) == 1 or not node.op.results[1].uses:
        return [node.x]
    true = node.array(np.ones((), numpy_dtype_of(node.result_type(1).element_type)))
    return [node.x, node.emit(graph.ExpandOp(true, node.shape(0)))]


@lowers("Expand")
def lower_expand(node: Node) -> SSAValue:
    """The operand broadcast to the shape that inference found."""
    return node.emit(graph.ExpandOp(node.x, node.result_shape(0)))


@lowers("Concat")
def lower_concat(node: Node) -> SSAValue:
    """The operands one behind the other; empty ones add nothing."""
    parts = [value for value in node.present if 0 not in shape_of(value)]
    return node.emit(graph.ConcatOp(parts, node.axis(node.int("axis", 1))))


@lowers("Split")
def lower_split(node: Node) -> Sequence[SSAValue]:
    """One slice per output, as long as inference found."""
    axis, shape = node.axis(node.int("axis", 0)), node.shape(0)
    parts: list[SSAValue] = []
    start = 0
    for index in range(len(node.outputs)):
        size = node.result_shape(index)[axis]
        starts = [start if i == axis else 0 for i in range(len(shape))]
        parts.append(node.slice(node.x, starts, [*shape[:axis], size, *shape[axis + 1 :]]))
        start += size
    return parts


@lowers("Tile", since=6)
def lower_tile(node: Node) -> SSAValue:
    """Copies along new axes of size one, which then merge with the old ones."""
    return node.repeat(node.x, node.result_shape(0), whole=True)


@lowers("DepthToSpace")
def lower_depth_to_space(node: Node) -> SSAValue:
    """Channels to blocks of pixels, in the order DCR (the default) or CRD."""
    n, c, h, w = node.shape(0)
    b = node.int("blocksize", 1)
    if node.string("mode", "DCR") == "DCR":
        split, perm = (n, b, b, c // (b * b), h, w), (0, 3, 4, 1, 5, 2)
    else:
        split, perm = (n, c // (b * b), b, b, h, w), (0, 1, 4, 2, 5, 3)
    return node.reshape(node.transpose(node.reshape(node.x, split), perm), (n, c // (b * b), h * b, w * b))


@lowers("SpaceToDepth")
def lower_space_to_depth(node: Node) -> SSAValue:
    """Blocks of pixels to channels, in the order DCR (the default) or CRD."""
    n, c, h, w = node.shape(0)
    b = node.int("blocksize", 1)
    split = node.reshape(node.x, (n, c, h // b, b, w // b, b))
    perm = (0, 3, 5, 1, 2, 4) if node.string("mode", "DCR") == "DCR" else (0, 1, 3, 5, 2, 4)
    return node.reshape(node.transpose(split, perm), (n, c * b * b, h // b, w // b))
