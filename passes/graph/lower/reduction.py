"""Reductions along axes, and the global pools, which are reductions over the spatial axes."""

from __future__ import annotations

from xdsl.dialects.builtin import IntegerType, Signedness
from xdsl.ir import SSAValue

from vcc.dialects.graph import shape_of
from vcc.dialects.graph.base import is_bool
from vcc.passes.graph.lower.constraints import constant, float_tensors, number_tensors, spatial_axes
from vcc.passes.graph.lower.node import Node
from vcc.passes.graph.lower.registry import lowers

_PLAIN = {"ReduceSum": "add", "ReduceMax": "max", "ReduceMin": "min", "ReduceProd": "mul"}
_CONSTANT_AXES = constant("The axes", 1)
_BYTE = IntegerType(8, Signedness.UNSIGNED)


def axes_of(node: Node) -> list[int] | None:
    """The axes to reduce, ascending; None where the node is a no-op because it names none."""
    array = node.constant(1)
    named = node.ints("axes") if array is None else [int(axis) for axis in array.reshape(-1)]
    if named:
        return sorted({node.axis(axis) for axis in named})
    return None if node.int("noop_with_empty_axes", 0) else list(range(len(node.shape(0))))


def _reduce(node: Node, fn: str, x: SSAValue) -> SSAValue:
    axes = axes_of(node)
    return x if axes is None else node.reduce(fn, x, axes, keepdims=bool(node.int("keepdims", 1)))


def numbers_or_truths(node: Node) -> bool:
    """The first input must be a tensor of floats or integers, or for the extremes of bools."""
    return number_tensors(node) or (is_bool(node.element) and node.op_type in ("ReduceMax", "ReduceMin"))


@lowers(*_PLAIN, needs=[numbers_or_truths, _CONSTANT_AXES])
def lower_reduce(node: Node) -> SSAValue:
    """One reduction; of truth values as bytes."""
    if not is_bool(node.element):
        return _reduce(node, _PLAIN[node.op_type], node.x)
    return node.cast(_reduce(node, _PLAIN[node.op_type], node.cast(node.x, _BYTE)), node.element)


@lowers("ReduceMean", needs=[float_tensors, _CONSTANT_AXES])
def lower_reduce_mean(node: Node) -> SSAValue:
    """The sum times one over the number of elements."""
    axes = axes_of(node)
    return node.x if axes is None else node.mean(node.x, axes, keepdims=bool(node.int("keepdims", 1)))


@lowers("ReduceL1", needs=[number_tensors, _CONSTANT_AXES])
def lower_reduce_l1(node: Node) -> SSAValue:
    """The sum of magnitudes."""
    return _reduce(node, "add", node.unary("abs", node.x))


@lowers("ReduceSumSquare", needs=[number_tensors, _CONSTANT_AXES])
def lower_reduce_sum_square(node: Node) -> SSAValue:
    """The sum of squares."""
    return _reduce(node, "add", node.binary("mul", node.x, node.x))


@lowers("ReduceL2", needs=[float_tensors, _CONSTANT_AXES])
def lower_reduce_l2(node: Node) -> SSAValue:
    """The square root of the sum of squares."""
    return node.unary("sqrt", _reduce(node, "add", node.binary("mul", node.x, node.x)))


@lowers("ReduceLogSum", needs=[float_tensors, _CONSTANT_AXES])
def lower_reduce_log_sum(node: Node) -> SSAValue:
    """The logarithm of the sum."""
    return node.unary("log", _reduce(node, "add", node.x))


@lowers("ReduceLogSumExp", needs=[float_tensors, _CONSTANT_AXES])
def lower_reduce_log_sum_exp(node: Node) -> SSAValue:
    """max + log(sum(exp(x - max))), which does not overflow."""
    axes = axes_of(node)
    if axes is None:
        return node.x
    top = node.reduce("max", node.x, axes)
    total = node.reduce("add", node.unary("exp", node.binary("sub", node.x, top)), axes)
    result = node.binary("add", node.unary("log", total), top)
    return node.reshape(result, node.result_shape(0))


@lowers("GlobalAveragePool", needs=[float_tensors, spatial_axes])
def lower_global_average_pool(node: Node) -> SSAValue:
    """The mean over the spatial axes."""
    return node.mean(node.x, range(2, len(node.shape(0))))


@lowers("GlobalMaxPool", needs=[number_tensors, spatial_axes])
def lower_global_max_pool(node: Node) -> SSAValue:
    """The greatest element of the spatial axes."""
    return node.reduce("max", node.x, range(2, len(node.shape(0))))


@lowers("GlobalLpPool", since=2, needs=[float_tensors, spatial_axes])
def lower_global_lp_pool(node: Node) -> SSAValue:
    """The p-norm over the spatial axes."""
    return p_norm(node, node.x, node.int("p", 2), list(range(2, len(shape_of(node.x)))))


def p_norm(node: Node, x: SSAValue, p: int, axes: list[int]) -> SSAValue:
    """(sum |x|^p)^(1/p), with the reduced axes kept."""
    if p == 1:
        return node.reduce("add", node.unary("abs", x), axes)
    if p == 2:
        return node.unary("sqrt", node.reduce("add", node.binary("mul", x, x), axes))
    total = node.reduce("add", node.binary("pow", node.unary("abs", x), node.scalar(p)), axes)
    return node.binary("pow", total, node.scalar(1 / p))
