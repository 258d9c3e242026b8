"""LSTM, GRU and RNN: one product for the inputs of all steps, then a `graph.recurrence` over their states."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from xdsl.ir import SSAValue

from vcc.dialects import graph
from vcc.dialects.graph import Cell, shape_of
from vcc.passes.graph.lower.constraints import constant, float_tensors, machine_multiplies
from vcc.passes.graph.lower.node import Node
from vcc.passes.graph.lower.registry import Constraint, lowers

#: The activations of each operator's gates for which there is a cell.
CELLS: dict[str, dict[tuple[str, ...], Cell]] = {
    "LSTM": {("sigmoid", "tanh", "tanh"): Cell.LSTM},
    "DynamicQuantizeLSTM": {("sigmoid", "tanh", "tanh"): Cell.LSTM},
    "GRU": {("sigmoid", "tanh"): Cell.GRU},
    "RNN": {("tanh",): Cell.RNN_TANH, ("relu",): Cell.RNN_RELU},
}


def _activations(node: Node) -> list[tuple[str, ...]]:
    """The activations of each direction."""
    default = next(iter(CELLS[node.op_type]))
    names = [_text(name) for name in node.op.attribute("activations") or default * directions_of(node)]
    return [tuple(names[i : i + len(default)]) for i in range(0, len(names), len(default))]


def _text(name: object) -> str:
    return (name.decode() if isinstance(name, bytes) else str(name)).lower()


def directions_of(node: Node) -> int:
    return 2 if node.string("direction", "forward") == "bidirectional" else 1


def given(what: str, *positions: int) -> Constraint:
    """A constraint that the inputs at these positions are present."""

    def check(node: Node) -> bool:
        return all(node.input(i) is not None for i in positions)

    check.__doc__ = f"{what} must be given."
    return check


def sizes_agree(node: Node, gates: int, *, transposed: bool = False) -> bool:
    """Whether all inputs but sequence_lens have the sizes that X, the direction and the columns of R ask for.

    W is [D, gates * H, I] and R [D, gates * H, H]; if `transposed`, [D, I, gates * H] and [D, H, gates * H].
    """
    x, r = node.shape(0), node.shape(2)
    if len(x) != 3 or len(r) != 3:
        return False
    directions, (_, batch, inputs) = directions_of(node), x
    hidden = r[1] if transposed else r[2]
    columns, state = gates * hidden, (directions, batch, hidden)
    if node.int("layout", 0):
        batch = x[0]
        state = (batch, directions, hidden)
    wanted = {
        1: (directions, inputs, columns) if transposed else (directions, columns, inputs),
        2: (directions, hidden, columns) if transposed else (directions, columns, hidden),
        3: (directions, 2 * columns),
        5: state,
        6: state,
        7: (directions, 3 * hidden),
    }
    return all(node.input(i) is None or node.shape(i) == shape for i, shape in wanted.items())


def shapes_of_gates(node: Node) -> bool:
    """The shapes must be those of D directions and H hidden units: X [T, B, I] ([B, T, I] with layout 1),
    W [D, gates * H, I], R [D, gates * H, H], biases [D, 2 * gates * H], peepholes [D, 3 * H], states [D, B, H]
    ([B, D, H] with layout 1)."""
    return sizes_agree(node, next(iter(CELLS[node.op_type].values())).gates)


def usual_activations(node: Node) -> bool:
    """All directions must have the operator's default activations, or Relu for an RNN."""
    kinds = set(_activations(node))
    return len(kinds) == 1 and kinds <= CELLS[node.op_type].keys()


def unclipped(node: Node) -> bool:
    """The attributes clip and input_forget must not be used."""
    return node.op.attribute("clip") is None and not node.int("input_forget", 0)


def full_sequences(node: Node) -> bool:
    """All sequences must have the input's length: sequence_lens is absent, or constant and equal to it."""
    lengths = node.constant(4)
    steps = node.shape(0)[node.int("layout", 0)]
    return node.input(4) is None or (lengths is not None and bool((lengths == steps).all()))


def full_precision(node: Node) -> bool:
    """The dtype must be f32 or f64."""
    return node.dtype(0).itemsize >= 4


def _cell(node: Node) -> Cell:
    cell = CELLS[node.op_type][_activations(node)[0]]
    return Cell.GRU_LINEAR if cell is Cell.GRU and node.int("linear_before_reset", 0) else cell


NEEDS = [
    given("The inputs X, W and R", 0, 1, 2),
    float_tensors,
    machine_multiplies,
    full_precision,
    constant("Weights, recurrence weights, biases and peepholes", 1, 2, 3, 7),
    shapes_of_gates,
    usual_activations,
    unclipped,
    full_sequences,
]


@lowers("LSTM", "GRU", "RNN", needs=NEEDS)
def lower_recurrent(node: Node) -> Sequence[SSAValue | None]:
    """One product for the inputs' part of all gates, then the recurrence."""
    cell, x = _cell(node), steps_first(node)
    weights = node.constant(2)
    assert weights is not None
    gates, bias = _gates(node, x, cell, directions_of(node))
    matrix = node.array(np.ascontiguousarray(weights.transpose(0, 2, 1)))
    return states(node, cell, gates, matrix, {"bias": None if bias is None else node.array(bias)})


def steps_first(node: Node) -> SSAValue:
    """The input as [T, B, I]."""
    return node.transpose(node.x, (1, 0, 2)) if node.int("layout", 0) else node.x


def states(
    node: Node, cell: Cell, gates: SSAValue, matrix: SSAValue, others: Mapping[str, SSAValue | None]
) -> list[SSAValue | None]:
    """Y, all rows of the recurrence, Y_h, each direction's last one, and Y_c, the row behind them.

    `gates` is [T, B, D * gates * H], `matrix` the recurrent weights, [D, H, gates * H].
    """
    directions, hidden, _ = shape_of(matrix)
    steps, batch, _ = shape_of(gates)
    batch_first = bool(node.int("layout", 0))
    reverse = node.string("direction", "forward") != "forward"
    h, c = (_state(node, position, batch_first) for position in (5, 6))
    peepholes = node.constant(7)
    given = {
        "h": h,
        "c": c if cell is Cell.LSTM else None,
        "peepholes": None if peepholes is None else node.array(peepholes.reshape(directions, 3, hidden)),
    }
    y = node.emit(graph.RecurrenceOp(cell, gates, matrix, reverse=reverse, **given, **others))
    whole = (steps, directions, batch, hidden)
    results: list[SSAValue | None] = [None if node.outputs[0] is None else node.slice(y, (0, 0, 0, 0), whole)]
    ends = [0 if reverse and d == directions - 1 else steps - 1 for d in range(directions)]
    if len(node.outputs) > 1:
        results.append(None if node.outputs[1] is None else _rows(node, y, ends))
    if len(node.outputs) > 2:
        results.append(None if node.outputs[2] is None else _rows(node, y, [steps] * directions))
    if batch_first:
        results = [
            None if r is None else node.transpose(r, (2, 0, 1, 3) if i == 0 else (1, 0, 2))
            for i, r in enumerate(results)
        ]
    return results


def _gates(node: Node, x: SSAValue, cell: Cell, directions: int) -> tuple[SSAValue, np.ndarray | None]:
    """The inputs' part of all gates, [T, B, D * gates * H], and the bias that the reset gate multiplies."""
    (steps, batch, width), hidden = shape_of(x), node.shape(2)[2]
    columns = cell.gates * hidden
    weights, biases = node.constant(1), node.constant(3)
    assert weights is not None
    matrix = node.array(np.ascontiguousarray(weights.reshape(directions * columns, width).T))
    gates = node.emit(graph.MatmulOp(node.reshape(x, (steps * batch, width)), matrix))
    inner: np.ndarray | None = None
    if biases is not None:
        own, recurrent = biases.reshape(directions, 2, columns).transpose(1, 0, 2)
        if cell is Cell.GRU_LINEAR:
            inner = np.ascontiguousarray(recurrent[:, 2 * hidden :])
            recurrent = np.concatenate([recurrent[:, : 2 * hidden], np.zeros_like(inner)], axis=1)
        gates = node.binary("add", gates, node.array((own + recurrent).reshape(-1)))
    return node.reshape(gates, (steps, batch, directions * columns)), inner


def _state(node: Node, position: int, batch_first: bool) -> SSAValue | None:
    """An initial state as [D, B, H]; None where it is zero."""
    value = node.input(position)
    array = node.constant(position)
    if value is None or (array is not None and not array.any()):
        return None
    return node.transpose(value, (1, 0, 2)) if batch_first else value


def _rows(node: Node, y: SSAValue, rows: Sequence[int]) -> SSAValue:
    """One row of each direction, [D, B, H]."""
    _, directions, batch, hidden = shape_of(y)
    if len(set(rows)) == 1:
        return node.reshape(
            node.slice(y, (rows[0], 0, 0, 0), (1, directions, batch, hidden)), (directions, batch, hidden)
        )
    parts = [
        node.reshape(node.slice(y, (row, d, 0, 0), (1, 1, batch, hidden)), (1, batch, hidden))
        for d, row in enumerate(rows)
    ]
    return node.emit(graph.ConcatOp(parts, 0))
