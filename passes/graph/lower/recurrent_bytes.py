"""ONNX Runtime's DynamicQuantizeLSTM: products of bytes, where the input and the state are quantised by their ranges.

The input of all steps is quantised at once, the state of all sequences of a direction at each step, as ONNX Runtime
does on one thread (on several it may take the ranges of parts of the batch). Each range includes zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from xdsl.dialects.builtin import IntegerType, Signedness, f32
from xdsl.ir import SSAValue

from vcc.dialects.graph import Cell, shape_of
from vcc.passes.graph.lower.constraints import constant
from vcc.passes.graph.lower.integer_products import Quantised, matrix_sums, multiplies_bytes
from vcc.passes.graph.lower.node import Node
from vcc.passes.graph.lower.quantization import quantised
from vcc.passes.graph.lower.recurrent import (
    directions_of,
    full_sequences,
    given,
    sizes_agree,
    states,
    unclipped,
    usual_activations,
)
from vcc.passes.graph.lower.registry import lowers

GATES = Cell.LSTM.gates


def f32_inputs(node: Node) -> bool:
    """The first input must be f32."""
    return node.dtype(0) == np.float32


def weights_of_bytes(node: Node) -> bool:
    """Both weights must be 8-bit integers."""
    return all(dtype.kind in "iu" and dtype.itemsize == 1 for dtype in map(node.dtype, (1, 2)))


def shapes_of_gates(node: Node) -> bool:
    """The shapes must be those of D directions and H hidden units: X [T, B, I], W [D, I, 4 * H], R [D, H, 4 * H],
    biases [D, 8 * H], peepholes [D, 3 * H], states [D, B, H]."""
    return sizes_agree(node, GATES, transposed=True)


def scales_by_direction(node: Node) -> bool:
    """Scales must be f32, one per direction or per column of it."""
    columns, directions = node.shape(1)[2], directions_of(node)
    return all(node.dtype(i) == np.float32 and node.shape(i) in ((directions,), (directions, columns)) for i in (8, 10))


def one_zero_per_direction(node: Node) -> bool:
    """The zero points of a direction's columns must be equal and of the weights' dtype, one per direction or column."""
    tables = [node.constant(i) for i in (9, 11)]
    columns, directions = node.shape(1)[2], directions_of(node)
    return all(
        table is not None
        and table.dtype == node.dtype(position)
        and table.shape in ((directions,), (directions, columns))
        and not np.ptp(table.reshape(directions, -1), 1).any()
        for position, table in zip((1, 2), tables, strict=True)
    )


@lowers(
    "DynamicQuantizeLSTM",
    domain="com.microsoft",
    needs=[
        given("The inputs X, W and R and the scales and zero points of W and R", 0, 1, 2, 8, 9, 10, 11),
        f32_inputs,
        multiplies_bytes,
        constant("Weights, recurrence weights, biases, peepholes, scales and zero points", 1, 2, 3, 7, 8, 9, 10, 11),
        weights_of_bytes,
        shapes_of_gates,
        scales_by_direction,
        one_zero_per_direction,
        usual_activations,
        unclipped,
        full_sequences,
    ],
)
def lower_dynamic_quantize_lstm(node: Node) -> Sequence[SSAValue | None]:
    """A product of bytes for the inputs' part of all gates, then a recurrence whose weights are bytes."""
    weights, scale, zero = _weights(node, 2)
    sums = weights.astype(np.int32).sum(1, dtype=np.int32) - weights.shape[1] * zero[:, None]
    others: dict[str, SSAValue | None] = {"scale": node.array(scale), "sums": node.array(sums.astype(np.int32))}
    if zero.any():
        others["zero"] = node.array(zero)
    return states(node, Cell.LSTM, _gates(node), node.array(weights), others)


def _gates(node: Node) -> SSAValue:
    """What the input and the biases give to all gates, [T, B, D * 4 * H]."""
    steps, batch, inputs = shape_of(node.x)
    weights, scale, zero = _weights(node, 1)
    directions, _, columns = weights.shape
    matrix = np.ascontiguousarray(weights.transpose(1, 0, 2)).reshape(inputs, directions * columns)
    unsigned = IntegerType(8, Signedness.UNSIGNED)
    x, step, point = quantised(node, node.reshape(node.x, (steps * batch, inputs)), unsigned)
    zeros = node.array(np.repeat(zero.astype(np.int8), columns)) if zero.any() else None
    total = matrix_sums(node, Quantised(x, point), Quantised(node.array(matrix), zeros))
    gates = node.binary("mul", node.cast(total, f32), node.binary("mul", step, node.array(scale.reshape(-1))))
    biases = node.constant(3)
    if biases is not None:
        own, recurrent = biases.reshape(directions, 2, columns).transpose(1, 0, 2)
        gates = node.binary("add", gates, node.array((own + recurrent).reshape(-1)))
    return node.reshape(gates, (steps, batch, directions * columns))


def _weights(node: Node, position: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Weights as i8, [D, rows, 4 * H], their scale for each column, [D, 4 * H], and their zero points, i32 [D].

    Unsigned bytes and their zero points become smaller by 128.
    """
    weights, scale, zero = (node.constant(i) for i in (position, 6 + 2 * position, 7 + 2 * position))
    assert weights is not None and scale is not None and zero is not None
    directions, _, columns = weights.shape
    points = zero.reshape(directions, -1)[:, 0].astype(np.int32)
    if weights.dtype == np.uint8:
        weights, points = (weights ^ 128).view(np.int8), points - 128
    table = np.broadcast_to(scale.reshape(directions, -1), (directions, columns))
    return weights, np.ascontiguousarray(table), points
