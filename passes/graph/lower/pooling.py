"""Pooling over windows."""

from __future__ import annotations

from xdsl.ir import SSAValue

from vcc.dialects import graph
from vcc.dialects.graph import Window
from vcc.passes.graph.lower.constraints import float_tensors, number_tensors, one_output, spatial_axes
from vcc.passes.graph.lower.node import Node
from vcc.passes.graph.lower.registry import lowers
from vcc.passes.graph.lower.windows import resolved_window


def _window(node: Node) -> Window:
    kernel = node.ints("kernel_shape") or []
    return resolved_window(node, tuple(kernel), node.result_shape(0)[2:])


@lowers("MaxPool", needs=[number_tensors, spatial_axes, one_output])
def lower_max_pool(node: Node) -> SSAValue:
    """The greatest element of each window."""
    return node.emit(graph.PoolOp("max", node.x, _window(node)))


@lowers("AveragePool", needs=[float_tensors, spatial_axes])
def lower_average_pool(node: Node) -> SSAValue:
    """The mean of each window; padding counts with `count_include_pad` alone."""
    counted = bool(node.int("count_include_pad", 0))
    return node.emit(graph.PoolOp("average", node.x, _window(node), count_include_pad=counted))


@lowers("LpPool", since=2, needs=[float_tensors, spatial_axes])
def lower_lp_pool(node: Node) -> SSAValue:
    """(sum of |x|^p over each window)^(1/p)."""
    p, size = node.int("p", 2), node.unary("abs", node.x)
    powers = size
    if p != 1:
        powers = node.binary("mul", size, size) if p == 2 else node.binary("pow", size, node.scalar(p))
    total = node.emit(graph.PoolOp("add", powers, _window(node)))
    if p == 1:
        return total
    return node.unary("sqrt", total) if p == 2 else node.binary("pow", total, node.scalar(1 / p))
