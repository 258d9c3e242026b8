"""Operators that reach elements by index tensors: Gather, GatherElements, GatherND, and the scatters."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np
from numpy.typing import NDArray
from xdsl.dialects.builtin import i64
from xdsl.ir import SSAValue

from vcc.dialects import graph
from vcc.passes.graph.lower.constraints import number_tensors
from vcc.passes.graph.lower.node import Node
from vcc.passes.graph.lower.registry import lowers


def combines_numbers(node: Node) -> bool:
    """With a reduction, the first input must be a tensor of floats or integers."""
    return _reduction(node) is None or number_tensors(node)


def _reduction(node: Node) -> str | None:
    name = node.string("reduction", "none")
    return None if name == "none" else name


def _start_and_step(node: Node) -> tuple[int, int] | None:
    """Where constant indices of rank 0 or 1 begin and how far apart they are; None if they are not evenly spaced."""
    indices = node.constant(1)
    if indices is None or indices.ndim > 1 or indices.size == 0:
        return None
    size = node.shape(0)[node.axis(node.int("axis", 0))]
    flat = indices.reshape(-1).astype(np.int64)
    flat = np.where(flat < 0, flat + size, flat)
    steps = np.diff(flat)
    if steps.size == 0:
        return int(flat[0]), 1
    return (int(flat[0]), int(steps[0])) if steps[0] != 0 and (steps == steps[0]).all() else None


@lowers("Gather")
def lower_gather(node: Node) -> SSAValue:
    """Evenly spaced constant indices are a slice, without the axis where the index is a scalar."""
    axis, spaced = node.axis(node.int("axis", 0)), _start_and_step(node)
    if spaced is None:
        return node.emit(graph.GatherOp(node.x, node.required(1), axis))
    shape = node.shape(0)
    starts, sizes, steps = [0] * len(shape), list(shape), [1] * len(shape)
    starts[axis], steps[axis] = spaced
    sizes[axis] = prod(node.shape(1))
    return node.reshape(node.slice(node.x, starts, sizes, steps), node.result_shape(0))


@lowers("GatherElements")
def lower_gather_elements(node: Node) -> SSAValue:
    """One operation."""
    return node.emit(graph.GatherElementsOp(node.x, node.required(1), node.axis(node.int("axis", 0))))


@lowers("ScatterElements", "Scatter", needs=[combines_numbers])
def lower_scatter_elements(node: Node) -> SSAValue:
    """One operation."""
    axis = node.axis(node.int("axis", 0))
    return node.emit(graph.ScatterElementsOp(node.x, node.required(1), node.required(2), axis, _reduction(node)))


@lowers("GatherND")
def lower_gather_nd(node: Node) -> SSAValue:
    """The indexed axes become one, and each tuple of indices the position along it."""
    batch, shape, indices = node.int("batch_dims", 0), node.shape(0), node.shape(1)
    end = batch + indices[-1]
    places = _positions(node, shape[:end], batch)
    rows = node.reshape(node.x, (prod(shape[:end]), *shape[end:]))
    return node.reshape(node.emit(graph.GatherOp(rows, places, 0)), node.result_shape(0))


@lowers("ScatterND", needs=[combines_numbers])
def lower_scatter_nd(node: Node) -> SSAValue:
    """As GatherND."""
    shape, indices = node.shape(0), node.shape(1)
    end = indices[-1]
    places = node.reshape(_positions(node, shape[:end], 0), (prod(indices[:-1]),))
    rows = node.reshape(node.x, (prod(shape[:end]), *shape[end:]))
    updates = node.reshape(node.required(2), (prod(indices[:-1]), *shape[end:]))
    return node.reshape(node.emit(graph.ScatterOp(rows, places, updates, 0, _reduction(node))), shape)


@lowers("ReverseSequence")
def lower_reverse_sequence(node: Node) -> SSAValue:
    """A gather whose positions count down from the end of each sequence, and go on upwards behind it."""
    batch, time, shape = node.int("batch_axis", 1), node.int("time_axis", 0), node.shape(0)
    lengths = node.cast(node.required(1), i64)
    lengths = node.reshape(lengths, [size if axis == batch else 1 for axis, size in enumerate(shape)])
    ramp = np.arange(shape[time]).reshape([-1 if axis == time else 1 for axis in range(len(shape))])
    steps = node.array(ramp)
    back = node.binary("sub", node.binary("sub", lengths, node.scalar(1, lengths)), steps)
    places = node.select(node.compare("lt", steps, lengths), back, steps)
    return node.emit(graph.GatherElementsOp(node.x, node.emit(graph.ExpandOp(places, shape)), time))


def _positions(node: Node, sizes: Sequence[int], batch: int) -> SSAValue:
    """The row-major position of each index tuple, the second input's last axis, in an array of `sizes`.

    Its first `batch` coordinates are those of the tuple itself. An index outside its axis may name another row.
    """
    tuples, constant = node.required(1), node.constant(1)
    outer = node.shape(1)[:-1]
    steps = [prod(sizes[i + 1 :]) for i in range(len(sizes))]
    offsets = _batch_offsets(outer, steps[:batch])
    if constant is not None:
        wide = constant.astype(np.int64)
        wide = np.where(wide < 0, wide + np.array(sizes[batch:], np.int64), wide)
        return node.array(np.asarray(wide @ np.array(steps[batch:], np.int64) + offsets, np.int64))
    total: SSAValue | None = None
    for coordinate, (size, step) in enumerate(zip(sizes[batch:], steps[batch:], strict=True)):
        starts, lengths = [0] * len(outer) + [coordinate], [*outer, 1]
        index = node.reshape(node.slice(tuples, starts, lengths), outer)
        if len(sizes) > batch + 1 or batch:
            zero, behind = node.scalar(0, index), node.scalar(size, index)
            index = node.select(node.compare("lt", index, zero), node.binary("add", index, behind), index)
            index = node.scale(node.cast(index, i64), step)
        total = index if total is None else node.binary("add", total, index)
    assert total is not None, "the schema wants at least one index in a tuple"
    return node.binary("add", total, node.array(offsets)) if batch else total


def _batch_offsets(shape: Sequence[int], steps: Sequence[int]) -> NDArray[np.int64]:
    """What the leading coordinates of each tuple add to its position."""
    offsets = np.zeros((1,) * len(shape), np.int64)
    for axis, step in enumerate(steps):
        ramp = np.arange(shape[axis], dtype=np.int64) * step
        offsets = offsets + ramp.reshape([-1 if i == axis else 1 for i in range(len(shape))])
    return np.ascontiguousarray(np.broadcast_to(offsets, tuple(shape)))
