"""What gathers, scatters and the operations that depend on order compute, in numpy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
from xdsl.ir import Operation

from vcc.dialects.graph.attributes import ArgFn
from vcc.dialects.graph.indexed import GatherElementsOp, GatherOp, ScatterElementsOp, ScatterOp
from vcc.dialects.graph.ranking import ArgOp, CumSumOp, TopKOp
from vcc.runtime.isa import semantics

Array: TypeAlias = np.ndarray[Any, Any]


def _places(indices: Array, shape: Sequence[int], axis: int) -> tuple[Array, ...]:
    """The index arrays of the elements that `indices` name along an axis of `shape`."""
    grid: list[Array] = list(np.indices(indices.shape, sparse=True))
    grid[axis] = np.where(indices < 0, indices + shape[axis], indices)
    return tuple(grid)


def _gather_elements(op: GatherElementsOp, args: Sequence[Array]) -> Array:
    x, indices = args
    return x[_places(indices, x.shape, op.axis.value.data)]


def _combined(op: ScatterOp | ScatterElementsOp, old: Array, new: Array) -> Array:
    return new if op.reduction is None else semantics.REDUCE[op.reduction.data](old, new)


def _scatter(op: ScatterOp, args: Sequence[Array]) -> Array:
    x, indices, updates = args
    axis, result = op.axis.value.data, x.copy()
    slices, new = np.moveaxis(result, axis, 0), np.moveaxis(updates, axis, 0)
    for position, index in enumerate(indices):
        slices[index] = _combined(op, slices[index], new[position])
    return result


def _scatter_elements(op: ScatterElementsOp, args: Sequence[Array]) -> Array:
    x, indices, updates = args
    axis, result = op.axis.value.data, x.copy()
    for position in range(indices.shape[axis]):  # one after another, so that of equal indices the last wins
        part = (slice(None),) * axis + (slice(position, position + 1),)
        places = _places(indices[part], x.shape, axis)
        result[places] = _combined(op, result[places], updates[part])
    return result


def _arg(op: ArgOp, args: Sequence[Array]) -> Array:
    x, axis = args[0], op.axis.value.data
    find = np.argmax if op.fn.data is ArgFn.MAX else np.argmin
    if not op.last:
        return find(x, axis, keepdims=bool(op.keepdims))
    found = x.shape[axis] - 1 - find(np.flip(x, axis), axis, keepdims=bool(op.keepdims))
    return np.asarray(found)


def _topk(op: TopKOp, args: Sequence[Array]) -> Array:
    axis = op.axis.value.data
    order = semantics.order_of(args[0], axis, descending=bool(op.largest))
    return order.take(np.arange(op.k.value.data), axis)


def _cumsum(op: CumSumOp, args: Sequence[Array]) -> Array:
    x, axis = args[0], op.axis.value.data
    if not op.reverse:
        return np.cumsum(x, axis, dtype=x.dtype)
    return np.flip(np.cumsum(np.flip(x, axis), axis, dtype=x.dtype), axis)


INDEXED_RULES: dict[type[Operation], Callable[[Any, Sequence[Array]], Array]] = {
    GatherOp: lambda op, args: np.take(args[0], args[1], op.axis.value.data),
    GatherElementsOp: _gather_elements,
    ScatterOp: _scatter,
    ScatterElementsOp: _scatter_elements,
    ArgOp: _arg,
    TopKOp: _topk,
    CumSumOp: _cumsum,
}
