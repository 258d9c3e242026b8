"""Normalisation: batch normalisation as a scale and a shift per channel, the others by mean and variance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from xdsl.ir import SSAValue

from vcc.dialects import graph
from vcc.dialects.graph import shape_of, tensor_of, window_of
from vcc.passes.graph.lower.constraints import attribute_is, float_tensors, one_output
from vcc.passes.graph.lower.node import Node
from vcc.passes.graph.lower.reduction import p_norm
from vcc.passes.graph.lower.registry import lowers


def per_channel(node: Node, value: SSAValue) -> SSAValue:
    """A vector [C] as [C, 1, ...], which broadcasts over [N, C, spatial...]."""
    return node.reshape(value, (*shape_of(value), *(1,) * (len(node.shape(0)) - 2)))


def inference_batch_norm(node: Node) -> bool:
    """It must not be in training mode."""
    return not node.int("training_mode", 0)


def same_dtypes(node: Node) -> bool:
    """All inputs must have the same dtype."""
    return len({node.dtype(i) for i in range(len(node.inputs)) if node.input(i) is not None}) == 1


@lowers(
    "BatchNormalization",
    needs=[float_tensors, one_output, inference_batch_norm, same_dtypes, attribute_is("spatial", 1, 1)],
)
def lower_batch_normalization(node: Node) -> SSAValue:
    """x * scale + shift, both computed in float64 where the parameters are constant."""
    epsilon = node.float("epsilon", 1e-5)
    arrays = [node.constant(i) for i in range(1, 5)]
    parameters = [array.astype(np.float64) for array in arrays if array is not None]
    if len(parameters) == 4:
        gamma, beta, mean, variance = parameters
        factor = gamma / np.sqrt(variance + epsilon)
        shape = (-1, *(1,) * (len(node.shape(0)) - 2))
        dtype: np.dtype[Any] = node.dtype(0)
        scale = node.array(factor.astype(dtype).reshape(shape))
        shift = node.array((beta - mean * factor).astype(dtype).reshape(shape))
    else:
        gamma, beta, mean, variance = (node.required(i) for i in range(1, 5))
        deviation = node.unary("sqrt", node.binary("add", variance, node.scalar(epsilon)))
        factor = node.binary("div", gamma, deviation)
        shift = per_channel(node, node.binary("sub", beta, node.binary("mul", mean, factor)))
        scale = per_channel(node, factor)
    return node.binary("add", node.binary("mul", node.x, scale), shift)


def standardised(node: Node, x: SSAValue, axes: Sequence[int], epsilon: float) -> SSAValue:
    """(x - mean) / sqrt(variance + epsilon) over the axes."""
    centred = node.binary("sub", x, node.mean(x, axes))
    variance = node.mean(node.binary("mul", centred, centred), axes)
    return node.binary("mul", centred, node.unary("rsqrt", node.binary("add", variance, node.scalar(epsilon, x))))


@lowers("InstanceNormalization", needs=[float_tensors, same_dtypes])
def lower_instance_normalization(node: Node) -> SSAValue:
    """Over the spatial axes, then a scale and a shift per channel."""
    y = standardised(node, node.x, range(2, len(node.shape(0))), node.float("epsilon", 1e-5))
    scaled = node.binary("mul", y, per_channel(node, node.required(1)))
    return node.binary("add", scaled, per_channel(node, node.required(2)))


@lowers("GroupNormalization", needs=[float_tensors, same_dtypes])
def lower_group_normalization(node: Node) -> SSAValue:
    """Over the spatial axes and the channels of a group; version 18 scales per group, 21 per channel."""
    shape, groups = node.shape(0), node.int("num_groups", 1)
    split = node.reshape(node.x, (shape[0], groups, -(-int(np.prod(shape[1:])) // groups)))
    y = standardised(node, split, [2], node.float("epsilon", 1e-5))
    scale, bias = node.required(1), node.required(2)
    if node.version < 21:
        column = (groups, 1)
        y = node.binary("add", node.binary("mul", y, node.reshape(scale, column)), node.reshape(bias, column))
        return node.reshape(y, shape)
    y = node.reshape(y, shape)
    return node.binary("add", node.binary("mul", y, per_channel(node, scale)), per_channel(node, bias))


def statistics_in_own_dtype(node: Node) -> bool:
    """The mean and the deviation, where they are used, must have the dtype of the input."""
    return all(not r.uses or tensor_of(r).element_type == node.element for r in node.op.results[1:])


@lowers("LayerNormalization", needs=[float_tensors, statistics_in_own_dtype, same_dtypes])
def lower_layer_normalization(node: Node) -> Sequence[SSAValue]:
    """Over the axes from `axis` on; scale and bias that broadcast within them are applied as elementwise steps.

    The statistics, where something uses them, are computed once more.
    """
    axis, epsilon = node.axis(node.int("axis", -1)), node.float("epsilon", 1e-5)
    normalised, scale, bias = node.shape(0)[axis:], node.required(1), node.input(2)
    axes = range(axis, len(node.shape(0)))
    statistics = _statistics(node, axes, epsilon) if any(r.uses for r in node.op.results[1:]) else []
    if shape_of(scale) == normalised and (bias is None or shape_of(bias) == normalised):
        return [node.emit(graph.LayerNormOp(node.x, scale, bias, axis=axis, epsilon=epsilon)), *statistics]
    y = standardised(node, node.x, axes, epsilon)
    y = node.binary("mul", y, scale)
    return [y if bias is None else node.binary("add", y, bias), *statistics]


def _statistics(node: Node, axes: Sequence[int], epsilon: float) -> list[SSAValue]:
    """The mean and one over the standard deviation, as far as the node has results for them."""
    mean = node.mean(node.x, axes)
    centred = node.binary("sub", node.x, mean)
    variance = node.mean(node.binary("mul", centred, centred), axes)
    found = [mean, node.unary("rsqrt", node.binary("add", variance, node.scalar(epsilon)))]
    return found[: len(node.outputs) - 1]


@lowers("RMSNormalization", needs=[float_tensors, same_dtypes])
def lower_rms_normalization(node: Node) -> SSAValue:
    """x / sqrt(mean(x * x) + epsilon) * scale over the axes from `axis` on."""
    axes = range(node.axis(node.int("axis", -1)), len(node.shape(0)))
    square = node.mean(node.binary("mul", node.x, node.x), axes)
    root = node.unary("rsqrt", node.binary("add", square, node.scalar(node.float("epsilon", 1e-5))))
    return node.binary("mul", node.binary("mul", node.x, root), node.required(1))


@lowers("MeanVarianceNormalization", needs=[float_tensors])
def lower_mean_variance_normalization(node: Node) -> SSAValue:
    """(x - mean) / (standard deviation + 1e-9)."""
    axes = sorted(node.axis(axis) for axis in node.ints("axes") or [0, 2, 3])
    centred = node.binary("sub", node.x, node.mean(node.x, axes))
    deviation = node.unary("sqrt", node.mean(node.binary("mul", centred, centred), axes))
    return node.binary("div", centred, node.binary("add", deviation, node.scalar(1e-9)))


@lowers("LpNormalization", needs=[float_tensors])
def lower_lp_normalization(node: Node) -> SSAValue:
    """x divided by its p-norm along the axis; where that is zero, so is x, and it stays zero."""
    norm = p_norm(node, node.x, node.int("p", 2), [node.axis(node.int("axis", -1))])
    divisor = node.select(node.compare("eq", norm, node.scalar(0)), node.scalar(1), norm)
    return node.binary("div", node.x, divisor)


@lowers("LRN", needs=[float_tensors])
def lower_lrn(node: Node) -> SSAValue:
    """x / (bias + alpha / size * sum over neighbouring channels of x * x) ** beta; the sum is a pool."""
    shape, size = node.shape(0), node.int("size", 1)
    plane = node.reshape(node.binary("mul", node.x, node.x), (shape[0], 1, shape[1], int(np.prod(shape[2:]))))
    window = window_of((size, 1), pads=((size - 1) // 2, 0, size // 2, 0))
    total = node.reshape(node.emit(graph.PoolOp("add", plane, window)), shape)
    scaled = node.scale(total, node.float("alpha", 1e-4) / size)
    base = node.binary("add", scaled, node.scalar(node.float("bias", 1.0)))
    return node.binary("div", node.x, node.binary("pow", base, node.scalar(node.float("beta", 0.75))))
