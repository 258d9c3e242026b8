"""Transposed convolution, as a convolution of all phases of the stride at once and a shuffle of them into place.

Where phases have different numbers of taps, as those of 3 x 3 by a stride of 2 do (4, 2, 2 and 1), or much is cut off,
each is a convolution of its own, of the positions that are wanted.
"""

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


#: Multiply-adds with the zeros that fill up kernels to multiples of the stride, and for what is cut off: so many for
#: each phase are saved by a convolution for each, which reads the input again and is a launch.
LEAST_WASTE = 1 << 19


def spread(w: Array, dilations: Sequence[int]) -> Array:
    """The filters with zeros between their taps, so that they need no dilation."""
    if all(d == 1 for d in dilations):
        return w
    whole = np.zeros((*w.shape[:2], *((k - 1) * d + 1 for k, d in zip(w.shape[2:], dilations, strict=True))), w.dtype)
    whole[(..., *(slice(None, None, d) for d in dilations))] = w
    return whole


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


def begin_pads(node: Node, kernel: Sequence[int], strides: Sequence[int], output: tuple[int, ...]) -> list[int]:
    """How much of the full result is cut off at the begin of each spatial axis; `kernel` counts the zeros within."""
    rank = len(strides)
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
    needs=[float_tensors, spatial_axes, machine_multiplies, constant("The weights", 1)],
)
def lower_conv_transpose(node: Node) -> SSAValue:
    """A convolution with the filters of all phases, whose channels then become positions, and a slice."""
    weights = node.constant(1)
    assert weights is not None
    rank = weights.ndim - 2
    weights = spread(weights, node.ints("dilations") or [1] * rank)
    strides = node.ints("strides") or [1] * rank
    begins = begin_pads(node, weights.shape[2:], strides, node.result_shape(0)[2:])
    cut = overlap_added(node, node.x, weights, strides, node.int("group", 1), begins)
    bias = node.input(2)
    return cut if bias is None else node.binary("add", cut, node.reshape(bias, (*shape_of(bias), *(1,) * rank)))


def overlap_added(
    node: Node, x: SSAValue, weights: Array, strides: Sequence[int], group: int, begins: Sequence[int]
) -> SSAValue:
    """The transposed convolution, as [N, M, spatial...] from `begins` on, of the sizes of the node's result."""
    rank, kernel, channels = weights.ndim - 2, weights.shape[2:], weights.shape[1] * group
    sizes, outputs = shape_of(x)[2:], node.result_shape(0)[2:]
    taps = [-(-k // s) for k, s in zip(kernel, strides, strict=True)]
    counts = [-(-out // s) for out, s in zip(outputs, strides, strict=True)]
    whole = prod(taps) * prod(strides) * prod(size + t - 1 for size, t in zip(sizes, taps, strict=True))
    wasted = (whole - prod(counts) * prod(kernel)) * weights.shape[0] * weights.shape[1] * shape_of(x)[0]
    pays = wasted >= LEAST_WASTE * prod(strides)
    apart = _phases_apart(node, x, weights, strides, group, begins, counts) if pays else None
    if apart is not None:  # phases lie outside channels
        split = node.reshape(apart, (shape_of(x)[0], *strides, channels, *counts))
        order = [1 + rank, *(axis for i in range(rank) for axis in (2 + rank + i, 1 + i))]
        begins = [0] * rank
    else:
        phases = _phases(node, x, weights, strides, group)
        counts = list(shape_of(phases)[2:])
        split = node.reshape(phases, (shape_of(x)[0], channels, *strides, *counts))
        order = [1, *(axis for i in range(rank) for axis in (2 + rank + i, 2 + i))]
    shuffled = node.transpose(split, (0, *order))
    flat = (shape_of(x)[0], channels, *(q * s for q, s in zip(counts, strides, strict=True)))
    return _cut(node, node.reshape(shuffled, flat), begins)


def _phases(node: Node, x: SSAValue, weights: Array, strides: Sequence[int], group: int) -> SSAValue:
    """All phases as one convolution, [N, M * prod(strides), spatial...]."""
    filters = phase_weights(weights, strides, group)
    reach = [taps - 1 for taps in filters.shape[2:]]
    return node.emit(graph.ConvOp(x, node.array(filters), pads=reach * 2, group=group))


def _phases_apart(
    node: Node, x: SSAValue, weights: Array, strides: Sequence[int], group: int, begins: Sequence[int],
    counts: Sequence[int],
) -> SSAValue | None:  # fmt: skip
    """Each phase of the result as a convolution with the taps that it has, [N, prod(strides) * M, counts...].

    The result at s * q + j is the full one at s * Q + r, where r and Q - q are what begin + j leaves and gives when
    divided by s. None if a phase would begin or end inside the input.
    """
    parts, sizes = list[tuple[Array, list[int]]](), shape_of(x)[2:]
    for phase in np.ndindex(*strides):
        places = [divmod(b + j, s) for b, j, s in zip(begins, phase, strides, strict=True)]
        own = weights[(..., *(slice(r, None, s) for (_, r), s in zip(places, strides, strict=True)))]
        own = np.pad(own, [(0, 0), (0, 0), *((0, int(size == 0)) for size in own.shape[2:])])
        filters = phase_weights(own, [1] * len(strides), group)
        taps = filters.shape[2:]
        low = [t - 1 - moved for t, (moved, _) in zip(taps, places, strict=True)]
        high = [n + t - 1 - size - b for n, t, size, b in zip(counts, taps, sizes, low, strict=True)]
        if min(*low, *high) < 0:
            return None
        parts.append((filters, [*low, *high]))
    convs = [node.emit(graph.ConvOp(x, node.array(w), pads=pads, group=group)) for w, pads in parts]
    return node.emit(graph.ConcatOp(convs, 1))


@lowers("Col2Im", needs=[float_tensors, machine_multiplies, constant("The block's shape", 2)])
def lower_col2im(node: Node) -> SSAValue:
    """A transposed convolution that puts every row of a column at the place of its tap."""
    block = node.constant(2)
    assert block is not None
    kernel = [int(size) for size in block]
    rank, taps = len(kernel), int(np.prod(block))
    ones = [1] * rank
    strides, dilations = node.ints("strides") or ones, node.ints("dilations") or ones
    batch, rows, _ = node.shape(0)
    channels, image = rows // taps, node.result_shape(0)[2:]
    pads = node.ints("pads") or [0] * (2 * rank)
    extents = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
    blocks = [(size + pads[i] + pads[i + rank] - extents[i]) // strides[i] + 1 for i, size in enumerate(image)]
    places = np.tile(np.eye(taps, dtype=node.dtype(0)).reshape(taps, 1, *kernel), (channels, 1, *ones))
    x = node.reshape(node.x, (batch, rows, *blocks))
    return overlap_added(node, x, spread(places, dilations), strides, channels, pads[:rank])


def _cut(node: Node, whole: SSAValue, begins: Sequence[int]) -> SSAValue:
    """The part of the full result that is the output, with zeros where `output_padding` reaches behind it."""
    shape, output = shape_of(whole), node.result_shape(0)
    starts = [0, 0, *begins]
    sizes = [min(out, size - start) for out, size, start in zip(output, shape, starts, strict=True)]
    part = node.slice(whole, starts, sizes)
    high = [out - size for out, size in zip(output, sizes, strict=True)]
    if not any(high):
        return part
    return node.emit(graph.PadOp(part, [0] * len(high), high, attribute_of(0, node.element)))
