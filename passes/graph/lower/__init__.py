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
    reduction,
    resize,
    softmax,
    transposed_convolution,
)
from vcc.passes.graph.lower.node import Node
from vcc.passes.graph.lower.registry import Lowering, all_lowerings, describe, find_lowering

#: The operator families, in the order of the manual.
FAMILIES = (
    elementwise,
    activation,
    logic,
    reduction,
    softmax,
    normalization,
    matmul,
    convolution,
    einsum,
    attention,
    transposed_convolution,
    pooling,
    resize,
    movement,
    parts,
    indexed,
    ranking,
    positions,
    recurrent,
    quantization,
    integer_products,
)

__all__ = ["FAMILIES", "Lowering", "Node", "all_lowerings", "describe", "find_lowering"]
