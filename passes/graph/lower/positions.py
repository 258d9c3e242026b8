"""Operators whose elements depend on where they are: OneHot, Trilu, EyeLike, Range, and ConstantOfShape."""

from __future__ import annotations

import numpy as np
from xdsl.dialects.builtin import i64
from xdsl.ir import SSAValue

from vcc.dialects import graph
from vcc.dialects.graph import shape_of, tensor_of
from vcc.dialects.weights import attribute_array, numpy_dtype_of
from vcc.passes.graph.lower.constraints import constant, number_tensors
from vcc.passes.graph.lower.node import Node
from vcc.passes.graph.lower.registry import lowers


@lowers("OneHot", needs=[number_tensors, constant("The depth", 1)])
def lower_one_hot(node: Node) -> SSAValue:
    """The on value where the position along the new axis is the index; negative indices count from the end."""
    indices, values = node.cast(node.x, i64), node.required(2)
    result = node.result_shape(0)
    axis = node.axis(node.int("axis", -1), len(result))
    depth = result[axis]
    below = node.compare("lt", indices, node.scalar(0, indices))
    places = node.select(below, node.binary("add", indices, node.scalar(depth, indices)), indices)
    shape = shape_of(places)
    places = node.reshape(places, (*shape[:axis], 1, *shape[axis:]))
    ramp = np.arange(depth, dtype=np.int64).reshape([-1 if i == axis else 1 for i in range(len(result))])
    off, on = (node.reshape(node.slice(values, [i], [1]), ()) for i in range(2))
    return node.select(node.compare("eq", node.array(ramp), places), on, off)


@lowers("Trilu", needs=[constant("The diagonal", 1)])
def lower_trilu(node: Node) -> SSAValue:
    """Zero on one side of a diagonal."""
    shape, diagonal = node.shape(0), node.constant(1)
    k = 0 if diagonal is None else int(diagonal.reshape(-1)[0])
    rows, columns = np.arange(shape[-2])[:, None], np.arange(shape[-1])
    kept = columns - rows >= k if node.int("upper", 1) else columns - rows <= k
    return node.select(node.array(kept), node.x, node.scalar(0))


@lowers("EyeLike")
def lower_eye_like(node: Node) -> SSAValue:
    """A constant."""
    type = node.result_type(0)
    eye = np.eye(*type.get_shape(), k=node.int("k", 0))
    return node.array(eye.astype(numpy_dtype_of(type.element_type)))


@lowers("Range")
def lower_range(node: Node) -> SSAValue:
    """The start, and each position times the step."""
    (size,) = node.result_shape(0)
    ramp = node.array(np.arange(size).astype(node.dtype(0)))
    start, step = (node.reshape(node.required(i), ()) for i in (0, 2))
    return node.binary("add", start, node.binary("mul", ramp, step))


@lowers("ConstantOfShape")
def lower_constant_of_shape(node: Node) -> SSAValue:
    """One number, repeated to the shape that inference found; by default a float zero."""
    type = node.result_type(0)
    value = node.op.attribute("value")
    number = np.zeros(1, np.float32) if value is None else attribute_array(value, node.ctx)
    scalar = node.array(number.reshape(()).astype(numpy_dtype_of(type.element_type)))
    return node.emit(graph.ExpandOp(scalar, tensor_of(node.op.results[0]).get_shape()))
