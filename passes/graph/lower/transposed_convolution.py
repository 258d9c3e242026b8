"""Transposed convolution, as a convolution of all phases of the stride at once and a shuffle of them into place."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any, TypeAlias

import numpy as np
from xdsl.ir import SSAValue

from vcc.dialects import graph
from vcc.dialects.graph import shape_of
from vcc.passes.graph.lower.constraints import constant, float_tensors, machine_multiplies, spatial_axes
from vcc.passes.graph.lower.node import Node
from vcc.passes.graph.lower.parts import attribute_of
from vcc.passes.graph.lower.registry import lowers

Array: TypeAlias = np.ndarray[Any, Any]


def undilated(node: Node) -> bool:
    """The kernel must not be dilated."""
    return all(d == 1 for d in node.ints("dilations") or [])


def phase_weights(w: Array, strides: Sequence[int], group: int) -> Array:
    """[C, M/group, k...] -> [M * prod(strides), C/group, ceil(k / stride)...]: one filter for each phase.

    The output at s * q + r is the sum over j of x[q - j] * w[s * j + r]: for each phase r a correlation with every
    s-th tap, in reverse. Kernels are filled up with zeros to a multiple of the stride.
    """
    kernel, rank = w.shape[2:], len(strides)
    taps = [-(-k // s) for k, s in zip(kernel, strides, strict=True)]
    fill = [(0, j * s - k) for j, s, k in zip(taps, strides, kernel, strict=True)]
    split = [size for j, s in zip(taps, strides, strict=True) for size in (j, s)]
    parts = np.pad(w, [(0, 0), (0, 0), *fill]).reshape(group, w.shape[0] // group, w.shape[1], *split)
    phase_axes, tap_axes = range(4, 4 + 2 * rank, 2), range(3, 3 + 2 * rank, 2)
    ordered = np.flip(parts, tuple(tap_axes)).transpose(0, 2, *phase_axes, 1, *tap_axes)
    return np.ascontiguousarray(ordered.reshape(group * w.shape[1] * prod(strides), w.shape[0] // group, *taps))


def begin_pads(node: Node, strides: Sequence[int], output: tuple[int, ...]) -> list[int]:
    """How much of the full result is cut off at the begin of each spatial axis."""
    kernel, rank = node.shape(1)[2:], len(strides)
    auto_pad = node.string("auto_pad", "NOTSET")
    if auto_pad in ("NOTSET", "VALID") and node.ints("output_shape") is None:
        return (node.ints("pads") or [0] * rank)[:rank] if auto_pad == "NOTSET" else [0] * rank
    extra = node.ints("output_padding") or [0] * rank
    begins: list[int] = []
    for size, stride, k, more, out in zip(node.shape(0)[2:], strides, kernel, extra, output, strict=True):
        total = max(0, stride * (size - 1) + more + k - out)
        begins.append(total // 2 if auto_pad == "SAME_UPPER" else total - total // 2)
    return begins


@lowers(
    "ConvTranspose",
    needs=[float_tensors, spatial_axes, machine_multiplies, constant("The weights and the bias", 1, 2), undilated],
)
def lower_conv_transpose(node: Node) -> SSAValue:
    """A convolution with the filters of all phases, whose channels then become positions, and a slice."""
    weights = node.constant(1)
    assert weights is not None
    rank = weights.ndim - 2
    strides = node.ints("strides") or [1] * rank
    group = node.int("group", 1)
    filters = phase_weights(weights, strides, group)
    reach = [taps - 1 for taps in filters.shape[2:]]
    phases = node.emit(graph.ConvOp(node.x, node.array(filters), pads=reach * 2, group=group))
    batch, _, *sizes = shape_of(phases)
    channels = weights.shape[1] * group
    split = node.reshape(phases, (batch, channels, *strides, *sizes))
    order = [axis for i in range(rank) for axis in (2 + rank + i, 2 + i)]
    shuffled = node.transpose(split, (0, 1, *order))
    whole = node.reshape(shuffled, (batch, channels, *(q * s for q, s in zip(sizes, strides, strict=True))))
    cut = _cut(node, whole, begin_pads(node, strides, node.result_type(0).get_shape()[2:]))
    bias = node.constant(2)
    return cut if bias is None else node.binary("add", cut, node.array(bias.reshape(-1, *(1,) * rank)))


def _cut(node: Node, whole: SSAValue, begins: Sequence[int]) -> SSAValue:
    """The part of the full result that is the output, with zeros where `output_padding` reaches behind it."""
    shape, output = shape_of(whole), node.result_type(0).get_shape()
    starts = [0, 0, *begins]
    sizes = [min(out, size - start) for out, size, start in zip(output, shape, starts, strict=True)]
    part = node.slice(whole, starts, sizes)
    high = [out - size for out, size in zip(output, sizes, strict=True)]
    if not any(high):
        return part
    return node.emit(graph.PadOp(part, [0] * len(high), high, attribute_of(0, node.element)))
