"""Resize and Upsample by whole factors to the nearest pixel: every pixel is repeated."""

from __future__ import annotations

import numpy as np
from xdsl.ir import SSAValue

from vcc.passes.graph.lower.node import Node
from vcc.passes.graph.lower.registry import lowers

_ROUNDING = {
    "round_prefer_floor": lambda x: np.ceil(x - 0.5),
    "round_prefer_ceil": lambda x: np.floor(x + 0.5),
    "floor": np.floor,
    "ceil": np.ceil,
}


def nearest(node: Node) -> bool:
    """The mode must be nearest."""
    return node.string("mode", "nearest") == "nearest"


def scales_of(node: Node) -> list[float] | None:
    """The factor of each axis: constant scales, or output sizes over input sizes; None if they are not known."""
    array = node.constant(2 if node.op_type == "Resize" and node.version >= 11 else 1)
    if array is not None and array.size:
        return [float(scale) for scale in array]
    result = node.result_type(0).get_shape()
    return [out / size for out, size in zip(result, node.shape(0), strict=True)]


def repeats_pixels(node: Node) -> bool:
    """Every axis must be scaled by a whole factor, such that each pixel is repeated that often, in order."""
    if node.ints("axes") is not None or node.string("keep_aspect_ratio_policy", "stretch") != "stretch":
        return False
    scales, result = scales_of(node), node.result_type(0).get_shape()
    if scales is None or len(scales) != len(result):
        return False
    return all(_repeats(node, *axis) for axis in zip(node.shape(0), result, scales, strict=True))


def _repeats(node: Node, size: int, out: int, scale: float) -> bool:
    old = node.op_type == "Upsample" or node.version < 11
    transform = "asymmetric" if old else node.string("coordinate_transformation_mode", "half_pixel")
    positions = np.arange(out)
    if transform == "asymmetric":
        source = positions / scale
    elif transform == "half_pixel" or (transform == "pytorch_half_pixel" and out > 1):
        source = (positions + 0.5) / scale - 0.5
    else:
        return out == size and scale == 1
    rounding = _ROUNDING["floor" if old else node.string("nearest_mode", "round_prefer_floor")]
    picked = np.clip(rounding(source), 0, size - 1)
    return out % size == 0 and bool((picked == positions // (out // size)).all())


@lowers("Resize", "Upsample", needs=[nearest, repeats_pixels])
def lower_resize(node: Node) -> SSAValue:
    """Copies along new axes, which then merge with the old ones."""
    return node.repeat(node.x, node.result_type(0).get_shape())
