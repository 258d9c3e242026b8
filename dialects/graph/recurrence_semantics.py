"""What recurrent cells compute, in numpy, step by step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from vcc.dialects.graph.recurrence import Cell, RecurrenceOp
from vcc.runtime.isa import semantics

Array: TypeAlias = np.ndarray[Any, Any]


def recurrence(op: RecurrenceOp, args: Sequence[Array]) -> Array:
    """The states of all directions."""
    given = iter(args)
    x, r = next(given), next(given)
    others = {name: None if value is None else next(given) for name, value in op.others.items()}
    (steps, batch, _), (directions, hidden, columns) = x.shape, r.shape
    zero = np.zeros((batch, hidden), x.dtype)
    y = np.zeros((steps + op.cell.data.more, directions, batch, hidden), x.dtype)
    for d in range(directions):
        own = {name: None if value is None else value[d] for name, value in others.items()}
        h, c = (zero if own[name] is None else own[name] for name in ("h", "c"))
        backwards = bool(op.reverse) and d == directions - 1
        for t in reversed(range(steps)) if backwards else range(steps):
            h, c = _step(op.cell.data, x[t, :, d * columns :][:, :columns], r[d], h, c, own)
            y[t, d] = h
        if op.cell.data.more:
            y[steps, d] = c
    return y


def _step(cell: Cell, x: Array, r: Array, h: Any, c: Any, own: dict[str, Array | None]) -> tuple[Array, Array]:
    """The state after one step, and the cell state; in its place a `gru` has the state as it was reset."""
    sigmoid, tanh = semantics.UNARY["sigmoid"], semantics.UNARY["tanh"]
    n = h.shape[1]
    if cell is Cell.LSTM:
        product = h @ r if own["scale"] is None else _quantised_product(h, r, own)
        gates, peepholes = x + product, own["peepholes"]
        p = np.zeros((3, n), x.dtype) if peepholes is None else peepholes
        new = sigmoid(gates[:, 2 * n : 3 * n] + p[2] * c) * c
        new = new + sigmoid(gates[:, :n] + p[0] * c) * tanh(gates[:, 3 * n :])
        return sigmoid(gates[:, n : 2 * n] + p[1] * new) * tanh(new), new
    if cell is Cell.RNN_TANH:
        return tanh(x + h @ r), c
    if cell is Cell.RNN_RELU:
        return semantics.UNARY["relu"](x + h @ r), c
    z, reset = np.split(sigmoid(x[:, : 2 * n] + h @ r[:, : 2 * n]), 2, axis=1)
    if cell is Cell.GRU:
        c = reset * h
        new = tanh(x[:, 2 * n :] + c @ r[:, 2 * n :])
    else:
        product = h @ r[:, 2 * n :]
        new = tanh(x[:, 2 * n :] + reset * (product if own["bias"] is None else product + own["bias"]))
    return new + z * (h - new), c


def _quantised_product(h: Array, r: Array, own: dict[str, Array | None]) -> Array:
    """The state, quantised by its range, times bytes."""
    scale, sums, zero = own["scale"], own["sums"], own["zero"]
    assert scale is not None and sums is not None
    low, high = np.minimum(h.min(), 0), np.maximum(h.max(), 0)
    step = (high - low) / h.dtype.type(255) if high > low else h.dtype.type(1)
    point = np.round(-low / step)
    steps = np.clip(np.round(h / step) + point, 0, 255).astype(np.int32)
    total = steps @ r.astype(np.int32) - point.astype(np.int32) * sums
    if zero is not None:
        total = total - zero * steps.sum(1, keepdims=True, dtype=np.int32)
    return total.astype(h.dtype) * (scale * step)
