"""Which input elements make each output element of a Resize along one axis, and with which weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

Array: TypeAlias = np.ndarray[Any, Any]

#: How a position between elements becomes an index.
ROUNDING: dict[str, Callable[[Array], Array]] = {
    "round_prefer_floor": lambda x: np.ceil(x - np.float32(0.5)),
    "round_prefer_ceil": lambda x: np.floor(x + np.float32(0.5)),
    "floor": np.floor,
    "ceil": np.ceil,
}
TRANSFORMS = ("half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric")


@dataclass(frozen=True)
class Method:
    """The attributes of a Resize, by their ONNX names; `mode` is nearest, linear or cubic."""

    mode: str
    transform: str
    nearest_mode: str = "round_prefer_floor"
    cubic_coeff_a: float = -0.75
    exclude_outside: bool = False


@dataclass(frozen=True)
class Taps:
    """`indices` [taps, out] of input elements and their `weights` [taps, out], which sum to one."""

    indices: Array
    weights: Array


def taps_of(method: Method, size: int, out: int, scale: float) -> Taps:
    """The taps of an axis of `size` elements that becomes one of `out`."""
    x = _positions(method.transform, size, out, np.float32(scale))
    if method.mode == "nearest":
        picked = np.clip(ROUNDING[method.nearest_mode](x), 0, size - 1).astype(np.int64)
        return Taps(picked[None], np.ones((1, out)))
    floor = np.floor(x).astype(np.int64)
    fraction = x.astype(np.float64) - floor
    if method.mode == "linear":
        indices, weights = np.stack([floor, floor + 1]), np.stack([1 - fraction, fraction])
    else:
        indices = floor + np.arange(-1, 3)[:, None]
        weights = _cubic(np.abs(fraction - np.arange(-1, 3)[:, None]), method.cubic_coeff_a)
        if method.exclude_outside:
            weights = np.where((indices >= 0) & (indices < size), weights, 0)
            weights = weights / weights.sum(0)
    return _drop_unused(Taps(np.clip(indices, 0, size - 1), weights))


def _positions(transform: str, size: int, out: int, scale: np.float32) -> Array:
    """Where each output element lies among the input's, in float32 as runtimes compute it."""
    o, half = np.arange(out, dtype=np.float32), np.float32(0.5)
    if transform == "asymmetric":
        return o / scale
    if transform == "align_corners":
        return o * np.float32(size - 1) / np.float32(out - 1) if out > 1 else np.zeros_like(o)
    if transform == "pytorch_half_pixel" and out == 1:
        return np.zeros_like(o)
    x = (o + half) / scale - half
    if transform == "half_pixel_symmetric":
        adjustment = np.float32(out) / (scale * np.float32(size))
        x = x + np.float32(size) / 2 * (1 - adjustment)
    return x.astype(np.float32)


def neighbours(transform: str, size: int, out: int, scale: float) -> Taps:
    """The two taps of linear interpolation, never fewer, with weights in float32 as ONNX Runtime has them for bytes.

    Positions are clipped to the input, and where both taps are its last element each counts a half. (Its
    core/providers/cpu/tensor/upsample.cc, SetupUpsampleBilinear.)
    """
    x = np.clip(_positions(transform, size, out, np.float32(scale)), np.float32(0), np.float32(size - 1))
    low = np.minimum(np.floor(x).astype(np.int64), size - 1)
    high = np.minimum(low + 1, size - 1)
    weights = np.abs(x - np.stack([high, low]).astype(np.float32))
    return Taps(np.stack([low, high]), np.where(low == high, np.float32(0.5), weights))


def _cubic(distance: Array, a: float) -> Array:
    """Keys' kernel of four taps."""
    near = ((a + 2) * distance - (a + 3)) * distance * distance + 1
    far = ((a * distance - 5 * a) * distance + 8 * a) * distance - 4 * a
    return np.where(distance <= 1, near, np.where(distance < 2, far, 0))


def _drop_unused(taps: Taps) -> Taps:
    used = np.any(taps.weights != 0, axis=1)
    return Taps(taps.indices[used], taps.weights[used])


def by_offset(taps: Taps, size: int) -> dict[int, Array] | None:
    """For an axis of which every element becomes `repeat` neighbours: weights [size, repeat] by the tap's distance.

    Output element i * repeat + p is the sum over d of weights[d][i, p] * input[i + d]. None if the output is not a
    multiple of the input, or takes elements from farther away than cubic interpolation does.
    """
    out = taps.indices.shape[1]
    if out % size:
        return None
    offsets = taps.indices - np.arange(out) // (out // size)
    if np.abs(offsets).max() > 2:
        return None
    found: dict[int, Array] = {}
    for offset in np.unique(offsets):
        weights = np.where(offsets == offset, taps.weights, 0).sum(0)
        found[int(offset)] = weights.reshape(size, out // size)
    return found
