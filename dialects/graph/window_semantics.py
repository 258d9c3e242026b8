"""Convolution and pooling in numpy over a sliding window view: what `graph.conv` and `graph.pool` compute."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

from vcc.dialects.graph.attributes import PoolFn
from vcc.dialects.graph.window import Window

Array: TypeAlias = np.ndarray[Any, Any]


def windows(x: Array, window: Window, fill: float) -> Array:
    """[N, C, spatial...] -> a view [N, C, windows..., kernel...] of the operand padded with `fill`."""
    rank = len(window.kernel)
    widths = [(0, 0), (0, 0)]
    for axis in range(rank):
        begin, end = window.pads_of(axis)
        widths.append((begin, end + window.overhang_of(axis)))
    padded = np.pad(x, widths, constant_values=fill) if any(map(any, widths)) else x
    axes = tuple(range(2, 2 + rank))
    view = np.lib.stride_tricks.sliding_window_view(padded, window.extents, axes)  # pyright: ignore[reportCallIssue, reportArgumentType]
    steps = [slice(None, None, stride) for stride in window.strides]
    taps = [slice(None, None, dilation) for dilation in window.dilations]
    return view[(slice(None), slice(None), *steps, *taps)]


def conv(window: Window, group: int, border: float, x: Array, w: Array, bias: Array | None = None) -> Array:
    """Cross-correlation of x within a border; 8-bit integers accumulate in int32."""
    if x.dtype.kind in "iu":
        x, w = x.astype(np.int32), w.astype(np.int32)
    rank = len(window.kernel)
    view = windows(x, window, border)
    per_input, per_output = x.shape[1] // group, w.shape[0] // group
    if per_input == 1 and per_output == 1:
        spatial, kernel = "abc"[:rank], "ijk"[:rank]
        y = np.einsum(f"nz{spatial}{kernel},z{kernel}->nz{spatial}", view, w[:, 0])
    else:
        parts: list[Array] = []
        for g in range(group):
            channels = view[:, g * per_input : (g + 1) * per_input]
            weights = w[g * per_output : (g + 1) * per_output]
            contracted = [1, *range(2 + rank, 2 + 2 * rank)]
            product = np.tensordot(channels, weights, (contracted, list(range(1, 2 + rank))))
            parts.append(np.moveaxis(product, -1, 1))
        y = np.concatenate(parts, 1) if group > 1 else parts[0]
    return y if bias is None else y + bias.reshape(-1, *(1,) * rank)


def pool(fn: PoolFn, window: Window, count_include_pad: bool, x: Array) -> Array:
    """Max, sum or average of each window; see `graph.pool` for what an average divides by."""
    kernel_axes = tuple(range(-len(window.kernel), 0))
    if fn is PoolFn.MAX:
        least = np.iinfo(x.dtype).min if x.dtype.kind in "iu" else -np.inf
        return windows(x, window, least).max(kernel_axes)
    total = windows(x, window, 0).sum(kernel_axes, dtype=x.dtype)
    if fn is PoolFn.ADD:
        return total
    counted = np.ones((1, 1, *x.shape[2:]), x.dtype)
    if count_include_pad:
        spatial = [window.pads_of(axis) for axis in range(len(window.kernel))]
        counted = np.pad(counted, [(0, 0), (0, 0), *spatial], constant_values=1)
        bare = Window(window.kernel, window.strides, (0,) * len(window.pads), window.dilations, window.overhang)
        return total / windows(counted, bare, 0).sum(kernel_axes)
    return total / windows(counted, window, 0).sum(kernel_axes)
