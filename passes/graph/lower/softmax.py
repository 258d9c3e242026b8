"""Softmax and its logarithm, over one axis or, before opset 13, over all axes from one on."""

from __future__ import annotations

from math import prod

from xdsl.ir import SSAValue

from vcc.dialects import graph
from vcc.dialects.graph import shape_of
from vcc.passes.graph.lower.constraints import float_tensors
from vcc.passes.graph.lower.node import Node
from vcc.passes.graph.lower.registry import lowers


def rows_of(node: Node) -> tuple[SSAValue, int]:
    """The operand and the axis to normalise; old opsets flatten what lies before and behind their axis."""
    shape = node.shape(0)
    axis = node.axis(node.int("axis", 1 if node.version < 13 else -1))
    if node.version < 13 and axis + 1 < len(shape):
        if prod(shape[axis + 1 :]) == 1:
            return node.x, axis
        return node.reshape(node.x, (prod(shape[:axis]), prod(shape[axis:]))), 1
    return node.x, axis


@lowers("Softmax", needs=[float_tensors])
def lower_softmax(node: Node) -> SSAValue:
    """exp(x - max) / sum(exp(x - max))."""
    x, axis = rows_of(node)
    return node.reshape(node.emit(graph.SoftmaxOp(x, axis)), shape_of(node.x))


@lowers("LogSoftmax", needs=[float_tensors])
def lower_log_softmax(node: Node) -> SSAValue:
    """x - max - log(sum(exp(x - max)))."""
    x, axis = rows_of(node)
    shifted = node.binary("sub", x, node.reduce("max", x, [axis]))
    total = node.reduce("add", node.unary("exp", shifted), [axis])
    return node.reshape(node.binary("sub", shifted, node.unary("log", total)), shape_of(node.x))
