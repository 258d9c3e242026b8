"""Resize and Upsample, axis by axis: repeated or picked elements, or weighted sums of neighbours."""

from __future__ import annotations

import numpy as np
from xdsl.ir import SSAValue

from vcc.dialects import graph
from vcc.dialects.graph import shape_of, tensor_of
from vcc.dialects.weights import numpy_dtype_of
from vcc.passes.graph.lower.constraints import float_tensors
from vcc.passes.graph.lower.interpolation import TRANSFORMS, Array, Method, Taps, by_offset, taps_of
from vcc.passes.graph.lower.node import Node
from vcc.passes.graph.lower.parts import attribute_of
from vcc.passes.graph.lower.registry import lowers
from vcc.passes.graph.lower.resize_bytes import image_of_bytes, is_image_of_bytes


def method_of(node: Node) -> Method:
    """How the node computes elements; before opset 11 without choice."""
    mode = node.string("mode", "nearest")
    if node.op_type == "Upsample" or node.version < 11:
        return Method(mode, "asymmetric", "floor")
    return Method(
        mode,
        node.string("coordinate_transformation_mode", "half_pixel"),
        node.string("nearest_mode", "round_prefer_floor"),
        node.float("cubic_coeff_a", -0.75),
        bool(node.int("exclude_outside", 0)),
    )


def known_transform(node: Node) -> bool:
    """The coordinate transformation must not be tf_crop_and_resize."""
    return method_of(node).transform in TRANSFORMS


def stretches(node: Node) -> bool:
    """The aspect ratio policy must be stretch."""
    return node.string("keep_aspect_ratio_policy", "stretch") == "stretch"


def no_antialias(node: Node) -> bool:
    """The attribute antialias must be 0."""
    return node.int("antialias", 0) == 0


def nearest_or_float(node: Node) -> bool:
    """Only floats can be interpolated, and images of bytes linearly."""
    method = method_of(node)
    if method.mode == "nearest" or float_tensors(node) or not known_scales(node):
        return True
    return is_image_of_bytes(node, method, scales_of(node))


def scales_input(node: Node) -> int:
    """The position of the scales."""
    return 2 if node.op_type == "Resize" and node.version >= 11 else 1


def known_scales(node: Node) -> bool:
    """The scales must be constant."""
    return node.input(scales_input(node)) is None or node.constant(scales_input(node)) is not None


def scales_of(node: Node) -> list[float]:
    """The factor of each axis: constant scales, or output sizes over input sizes."""
    shape, result = node.shape(0), node.result_shape(0)
    axes = node.ints("axes") or list(range(len(shape)))
    array = node.constant(scales_input(node))
    attribute = node.op.attribute("scales")  # Upsample in its first version
    listed = attribute if array is None or not array.size else array
    scales = [out / size if size else 1.0 for out, size in zip(result, shape, strict=True)]
    for axis, scale in zip(axes, [] if listed is None else listed, strict=False):
        scales[node.axis(axis)] = float(scale)
    return scales


@lowers("Resize", "Upsample", needs=[known_scales, known_transform, stretches, no_antialias, nearest_or_float])
def lower_resize(node: Node) -> SSAValue:
    """Every axis on its own, those that shrink first; of those that grow, inner ones, which move single elements."""
    method, scales = method_of(node), scales_of(node)
    shape, result = node.shape(0), node.result_shape(0)
    x = node.x
    if is_image_of_bytes(node, method, scales):
        return image_of_bytes(node, method, scales)

    def growth(axis: int) -> tuple[float, int]:
        factor = result[axis] / max(1, shape[axis])
        return factor, -axis if factor > 1 else axis

    for axis in sorted(range(len(shape)), key=growth):
        if shape[axis] and (result[axis] != shape[axis] or scales[axis] != 1):
            x = _resize_axis(node, x, axis, taps_of(method, shape[axis], result[axis], scales[axis]))
    return x


def _resize_axis(node: Node, x: SSAValue, axis: int, taps: Taps) -> SSAValue:
    if len(taps.indices) == 1:
        return _take(node, x, axis, taps.indices[0])
    shape = shape_of(x)
    offsets = by_offset(taps, shape[axis])
    if offsets is None:
        weights = [row.reshape([-1, *(1 for _ in shape[axis + 1 :])]) for row in taps.weights]
        return _weighted_sum(node, [_take(node, x, axis, row) for row in taps.indices], weights)
    # Every element becomes a group of neighbours along a new axis, which then merges with the old one.
    split = node.reshape(x, (*shape[: axis + 1], 1, *shape[axis + 1 :]))
    weights = [group.reshape([*group.shape, *(1 for _ in shape[axis + 1 :])]) for group in offsets.values()]
    total = _weighted_sum(node, [_shift(node, split, axis, offset) for offset in offsets], weights)
    return node.reshape(total, (*shape[:axis], taps.indices.shape[1], *shape[axis + 1 :]))


def _weighted_sum(node: Node, parts: list[SSAValue], weights: list[Array]) -> SSAValue:
    """The sum of the parts, each times its weights, which broadcast."""
    dtype = numpy_dtype_of(tensor_of(node.x).element_type)
    terms = [node.binary("mul", p, node.array(w.astype(dtype))) for p, w in zip(parts, weights, strict=True)]
    total = terms[0]
    for term in terms[1:]:
        total = node.binary("add", total, term)
    return total


def _shift(node: Node, x: SSAValue, axis: int, offset: int) -> SSAValue:
    """The element `offset` further along the axis in each place; zero where there is none."""
    if offset == 0:
        return x
    shape = shape_of(x)
    starts, sizes, low, high = [0] * len(shape), list(shape), [0] * len(shape), [0] * len(shape)
    sizes[axis] -= abs(offset)
    starts[axis], low[axis], high[axis] = max(0, offset), max(0, -offset), max(0, offset)
    return node.emit(graph.PadOp(node.slice(x, starts, sizes), low, high, attribute_of(0, node.element)))


def _take(node: Node, x: SSAValue, axis: int, indices: Array) -> SSAValue:
    """The elements at the indices along the axis: all in order, each repeated, evenly spaced, or any."""
    shape, out = shape_of(x), len(indices)
    size = shape[axis]
    result = (*shape[:axis], out, *shape[axis + 1 :])
    if out % size == 0 and (indices == np.arange(out) // (out // size)).all():
        return node.repeat(x, result)
    steps = np.unique(np.diff(indices))
    if len(steps) == 1 and steps[0] != 0:
        starts, strides = [0] * len(shape), [1] * len(shape)
        starts[axis], strides[axis] = int(indices[0]), int(steps[0])
        return node.slice(x, starts, result, strides)
    return node.emit(graph.GatherOp(x, node.array(indices.astype(np.int32)), axis))
