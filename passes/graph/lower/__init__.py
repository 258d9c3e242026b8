"""How ONNX operators become `graph` operations: a file per operator family.

`find_lowering` and `all_lowerings` know all families once this package is imported.
"""

from __future__ import annotations

from vcc.passes.graph.lower import (
    activation,
    attention,
    convolution,
    einsum,
    elementwise,
    grid_sample,
    indexed,
    integer_products,
    logic,
    matmul,
    movement,
    normalization,
    parts,
    pooling,
    positions,
    quantization,
    ranking,
    recurrent,
    recurrent_bytes,
    reduction,
    resize,
    softmax,
    spectral,
    transposed_convolution,
    trigonometric,
)
from vcc.passes.graph.lower.node import Node
from vcc.passes.graph.lower.registry import Lowering, all_lowerings, describe, find_lowering

#: The operator families, in the order of the manual.
FAMILIES = (
    elementwise,
    activation,
    trigonometric,
    logic,
    reduction,
    softmax,
    spectral,
    normalization,
    matmul,
    convolution,
    einsum,
    attention,
    transposed_convolution,
    pooling,
    resize,
    grid_sample,
    movement,
    parts,
    indexed,
    ranking,
    positions,
    recurrent,
    recurrent_bytes,
    quantization,
    integer_products,
)

__all__ = ["FAMILIES", "Lowering", "Node", "all_lowerings", "describe", "find_lowering"]
