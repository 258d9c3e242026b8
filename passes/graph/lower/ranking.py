"""Operators that depend on the order of the elements along an axis: ArgMax, ArgMin, TopK, Hardmax, CumSum."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from xdsl.ir import SSAValue

from vcc.dialects import graph
from vcc.dialects.graph import shape_of
from vcc.passes.graph.lower.constraints import constant, float_tensors, number_tensors
from vcc.passes.graph.lower.node import Node
from vcc.passes.graph.lower.parts import attribute_of
from vcc.passes.graph.lower.registry import lowers
from vcc.passes.graph.lower.softmax import rows_of

#: More than this and the k foremost elements would crowd the vector memory of small machines.
MOST = 4096


@lowers("ArgMax", "ArgMin", needs=[number_tensors])
def lower_arg(node: Node) -> SSAValue:
    """One operation."""
    return node.emit(
        graph.ArgOp(
            "max" if node.op_type == "ArgMax" else "min",
            node.x,
            node.axis(node.int("axis", 0)),
            keepdims=bool(node.int("keepdims", 1)),
            last=bool(node.int("select_last_index", 0)),
        )
    )


def few(node: Node) -> bool:
    """At most 4096 elements of an axis can be ranked."""
    return node.result_shape(0)[node.axis(node.int("axis", -1))] <= MOST


@lowers("TopK", needs=[number_tensors, constant("K", 1), few])
def lower_topk(node: Node) -> Sequence[SSAValue | None]:
    """The positions, and the values that a gather finds there."""
    axis = node.axis(node.int("axis", -1))
    k = node.result_shape(0)[axis]
    places = node.emit(graph.TopKOp(node.x, axis, k, largest=bool(node.int("largest", 1))))
    return [node.emit(graph.GatherElementsOp(node.x, places, axis)), places]


@lowers("Hardmax", needs=[float_tensors])
def lower_hardmax(node: Node) -> SSAValue:
    """One where the position is that of the first maximum."""
    x, axis = rows_of(node)
    shape = shape_of(x)
    place = node.emit(graph.ArgOp("max", x, axis))
    ramp = np.arange(shape[axis], dtype=np.int64).reshape([-1 if i == axis else 1 for i in range(len(shape))])
    return node.reshape(node.cast(node.compare("eq", node.array(ramp), place), node.element), shape_of(node.x))


@lowers("CumSum", needs=[number_tensors, constant("The axis", 1)])
def lower_cumsum(node: Node) -> SSAValue:
    """Without the element itself: the sum of the elements moved by one, with a zero at the end where they come in."""
    array = node.constant(1)
    assert array is not None
    axis, reverse = node.axis(int(array.reshape(-1)[0])), bool(node.int("reverse", 0))
    x = node.x
    if node.int("exclusive", 0):
        shape = shape_of(x)
        starts, sizes, low, high = [0] * len(shape), list(shape), [0] * len(shape), [0] * len(shape)
        sizes[axis] -= 1
        starts[axis], low[axis], high[axis] = (1, 0, 1) if reverse else (0, 1, 0)
        x = node.emit(graph.PadOp(node.slice(x, starts, sizes), low, high, attribute_of(0, node.element)))
    return node.emit(graph.CumSumOp(x, axis, reverse=reverse))
