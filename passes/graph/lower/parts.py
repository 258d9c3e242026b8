"""Parts of tensors and borders around them: Slice and Pad; and what a shape alone decides."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from xdsl.dialects.builtin import AnyFloat, FloatAttr, IntegerAttr, IntegerType
from xdsl.ir import Attribute, SSAValue

from vcc.dialects import graph
from vcc.dialects.graph import shape_of
from vcc.passes.graph.lower.constraints import constant
from vcc.passes.graph.lower.node import Node
from vcc.passes.graph.lower.registry import lowers


def _numbers(node: Node, position: int, name: str) -> list[int] | None:
    """A list of integers that is an input in new opsets and an attribute in old ones."""
    array = node.constant(position)
    return node.ints(name) if array is None else [int(v) for v in array.reshape(-1)]


@lowers("Slice", needs=[constant("Starts, ends, axes and steps", 1, 2, 3, 4)])
def lower_slice(node: Node) -> SSAValue:
    """Python's slices: out-of-range bounds are clamped, negative ones count from the end."""
    shape = node.shape(0)
    starts, ends = _numbers(node, 1, "starts") or [], _numbers(node, 2, "ends") or []
    axes = _numbers(node, 3, "axes") or list(range(len(starts)))
    steps = _numbers(node, 4, "steps") or [1] * len(starts)
    ranges = [range(size) for size in shape]
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        size = shape[axis]
        # Going down, Python needs None to reach the first element, and ONNX any number below -size.
        stop = None if step < 0 and end < -size else end
        ranges[axis] = range(size)[start:stop:step]
    return node.slice(
        node.x, [r.start if len(r) else 0 for r in ranges], [len(r) for r in ranges], [r.step for r in ranges]
    )


def attribute_of(number: float, element: Attribute) -> Attribute:
    """A number as an attribute of the dtype."""
    if isinstance(element, AnyFloat):
        return FloatAttr(float(number), element)
    assert isinstance(element, IntegerType)
    if element.width.data == 1:
        return IntegerAttr.from_bool(bool(number))
    return IntegerAttr(int(number), element)


def _pads(node: Node) -> tuple[list[int], list[int]]:
    """Elements to add (or, if negative, to remove) before and behind each axis."""
    rank = len(node.shape(0))
    pads = _numbers(node, 1, "pads") or [0] * (2 * rank)
    axes_input = node.constant(3)
    axes = list(range(rank)) if axes_input is None else [node.axis(int(a)) for a in axes_input.reshape(-1)]
    low, high = [0] * rank, [0] * rank
    for position, axis in enumerate(axes):
        low[axis], high[axis] = pads[position], pads[position + len(axes)]
    return low, high


def exact_value(node: Node) -> bool:
    """The value must be a number that f64 holds exactly."""
    value = node.constant(2)
    return (
        value is None or value.size == 0 or value.dtype.kind not in "iu" or int(float(value.flat[0])) == value.flat[0]
    )


@lowers("Pad", needs=[constant("Pads, value and axes", 1, 2, 3), exact_value])
def lower_pad(node: Node) -> SSAValue:
    """A border of one value or, axis by axis, of copied slices; negative pads cut off instead."""
    low, high = _pads(node)
    x = node.x
    if min(*low, *high) < 0:
        starts = [max(0, -p) for p in low]
        sizes = [s + min(0, a) + min(0, b) for s, a, b in zip(shape_of(x), low, high, strict=True)]
        x = node.slice(x, starts, sizes)
    low, high = [max(0, p) for p in low], [max(0, p) for p in high]
    if not any(low) and not any(high):
        return x
    mode = node.string("mode", "constant")
    if mode == "constant":
        array = node.constant(2)
        number = node.op.attribute("value", 0.0) if array is None or array.size == 0 else array.reshape(-1)[0]
        return node.emit(graph.PadOp(x, low, high, attribute_of(number, node.element)))
    for axis, (before, behind) in enumerate(zip(low, high, strict=True)):
        x = _copied_border(node, x, axis, before, behind, mode)
    return x


def _copied_border(node: Node, x: SSAValue, axis: int, before: int, behind: int, mode: str) -> SSAValue:
    """One axis with a border out of the tensor itself: mirrored, the edge repeated, or wrapped around.

    A border that is longer than what there is to copy violates `graph.slice`, and the node goes to the host.
    """
    shape = shape_of(x)
    size = shape[axis]
    # Where each border starts, and the step from one of its elements to the next.
    borders = {
        "reflect": ((before, -1), (size - 2, -1)),
        "edge": ((0, 0), (size - 1, 0)),
        "wrap": ((size - before, 1), (0, 1)),
    }[mode]
    parts = [x]
    for count, (start, step), front in zip((before, behind), borders, (True, False), strict=True):
        if count:
            starts, sizes, steps = [0] * len(shape), list(shape), [1] * len(shape)
            starts[axis], sizes[axis], steps[axis] = start, count if step else 1, step or 1
            border = node.slice(x, starts, sizes, steps)
            if not step:
                border = node.emit(graph.ExpandOp(border, [*shape[:axis], count, *shape[axis + 1 :]]))
            parts = [border, *parts] if front else [*parts, border]
    return parts[0] if len(parts) == 1 else node.emit(graph.ConcatOp(parts, axis))


@lowers("Shape")
def lower_shape(node: Node) -> SSAValue:
    """A constant."""
    shape: Sequence[int] = node.shape(0)
    end = node.op.attribute("end")
    return node.array(np.asarray(shape[node.int("start", 0) : len(shape) if end is None else end], np.int64))


@lowers("Size")
def lower_size(node: Node) -> SSAValue:
    """A constant."""
    return node.array(np.asarray(np.prod(node.shape(0), dtype=np.int64)))
