"""Linear interpolation of the rows and columns of images of bytes, as ONNX Runtime computes it.

The sum of four weighted neighbours is cut off, not rounded, so that its last bit decides: products and sums are those
of ONNX Runtime, in f32 and in its order (core/providers/cpu/tensor/upsample.cc, UpsampleBilinear).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
from xdsl.dialects.builtin import f32
from xdsl.ir import SSAValue

from vcc.dialects import graph
from vcc.passes.graph.lower.interpolation import Method, neighbours
from vcc.passes.graph.lower.node import Node


def is_image_of_bytes(node: Node, method: Method, scales: Sequence[float]) -> bool:
    """Whether this is such a Resize; of symmetric half pixels ONNX Runtime's formula is another one."""
    dtype, shape = node.dtype(0), node.shape(0)
    known = method.mode == "linear" and method.transform != "half_pixel_symmetric"
    return known and dtype.kind in "iu" and dtype.itemsize == 1 and len(shape) == 4 and all(
        [*shape, *(scale == 1 for scale in scales[:2])]
    )  # fmt: skip


def image_of_bytes(node: Node, method: Method, scales: Sequence[float]) -> SSAValue:
    """The four neighbours of each position, weighted and added up; all channels of one are taken at once."""
    batch, channels, height, width = node.shape(0)
    *_, rows, columns = node.result_shape(0)
    down = neighbours(method.transform, height, rows, scales[2])
    across = neighbours(method.transform, width, columns, scales[3])
    pixels = node.reshape(node.transpose(node.x, [0, 2, 3, 1]), (batch, height * width, channels))
    terms: list[SSAValue] = []
    for (i, row), (j, column) in product(enumerate(down.indices), enumerate(across.indices)):
        places = (row[:, None] * width + column).reshape(-1).astype(np.int32)
        weights = (down.weights[i][:, None] * across.weights[j]).reshape(-1, 1).astype(np.float32)
        taken = node.emit(graph.GatherOp(pixels, node.array(places), 1))
        terms.append(node.binary("mul", node.cast(taken, f32), node.array(weights)))
    total = terms[0]
    for term in terms[1:]:
        total = node.binary("add", total, term)
    cut_off = node.reshape(node.cast(total, node.element), (batch, rows, columns, channels))
    return node.transpose(cut_off, [0, 3, 1, 2])
