"""Shapes of which only some sizes are known: shape arithmetic where a model leaves dimensions open.

A partial value stands for a tensor of integers with at most one dimension: a tuple of sizes, None where a size is not
known, and whether the tensor is a scalar. It is what Shape gives for `tensor<?x3x4xf32>`: (None, 3, 4).
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from xdsl.dialects.builtin import DYNAMIC_INDEX, TensorType
from xdsl.ir import Attribute, SSAValue

from vcc.dialects.onnx import SchemaOp

#: More sizes than any shape has; longer vectors are data.
_MAX_SIZES = 64

Sizes = tuple[int | None, ...]


@dataclass(frozen=True)
class Partial:
    """Integers of which some are not known; `scalar` if the tensor has no dimension (and `sizes` one element)."""

    sizes: Sizes
    scalar: bool = False


#: The partial value of an SSA value, or None.
Lookup = Callable[[SSAValue], "Partial | None"]


def partial_of_array(array: np.ndarray) -> Partial | None:
    """An array as a partial value, all known; None if it is no small vector or scalar of integers."""
    if array.dtype.name not in ("int64", "int32") or array.ndim > 1 or array.size > _MAX_SIZES:
        return None
    return Partial(tuple(int(each) for each in array.reshape(-1)), array.ndim == 0)


def partial_result(op: SchemaOp, lookup: Lookup) -> Partial | None:
    """What is known of the only result of `op`; None if nothing is."""
    if op.domain != "" or len(op.results) != 1 or (rule := _RULES.get(op.op_type)) is None:
        return None
    return rule(op, lookup)


def target_shape(op: SchemaOp, lookup: Lookup) -> Attribute | None:
    """The result type that the partial value of a shape operand decides, for Reshape, Expand and ConstantOfShape."""
    position = {"Reshape": 1, "Expand": 1, "ConstantOfShape": 0}.get(op.op_type)
    if op.domain != "" or position is None or position >= len(op.operands):
        return None
    wanted = lookup(op.operands[position])
    result = op.results[0].type
    if wanted is None or wanted.scalar or not isinstance(source := op.operands[0].type, TensorType):
        return None
    if op.op_type == "ConstantOfShape":
        if not isinstance(result, TensorType):
            return None
        return TensorType(result.element_type, [_dimension(size) for size in wanted.sizes])
    sizes = list(source.get_shape())
    if op.op_type == "Expand":
        return TensorType(source.element_type, _broadcast(sizes, wanted.sizes))
    return TensorType(source.element_type, _reshaped(sizes, wanted.sizes, bool(op.attribute("allowzero", 0))))


def _dimension(size: int | None) -> int:
    return DYNAMIC_INDEX if size is None or size < 0 else size


def _broadcast(source: list[int], wanted: Sizes) -> list[int]:
    rank = max(len(source), len(wanted))
    left = [1] * (rank - len(source)) + source
    right = [1] * (rank - len(wanted)) + [_dimension(size) for size in wanted]
    return [_broadcast_size(a, b) for a, b in zip(left, right, strict=True)]


def _broadcast_size(a: int, b: int) -> int:
    """Of two sizes, one of which must be 1 if they differ; against an open one only a size above 1 is sure."""
    if a == b or b == 1:
        return a
    if a == 1:
        return b
    return next((size for size in (a, b) if size > 1), DYNAMIC_INDEX)


def _reshaped(source: list[int], wanted: Sizes, allow_zero: bool) -> list[int]:
    sizes: list[int] = []
    for index, size in enumerate(wanted):
        if size == 0 and not allow_zero:
            sizes.append(source[index] if index < len(source) else DYNAMIC_INDEX)
        else:
            sizes.append(_dimension(size))
    open_sizes = [index for index, size in enumerate(sizes) if size == DYNAMIC_INDEX]
    if len(open_sizes) == 1 and DYNAMIC_INDEX not in source:
        known = int(np.prod([size for size in sizes if size != DYNAMIC_INDEX], dtype=np.int64))
        total = int(np.prod(source, dtype=np.int64))
        if known > 0 and total % known == 0:
            sizes[open_sizes[0]] = total // known
    return sizes


def _shape(op: SchemaOp, lookup: Lookup) -> Partial | None:
    type = op.operands[0].type
    if not isinstance(type, TensorType):
        return None
    sizes = tuple(None if size == DYNAMIC_INDEX else size for size in type.get_shape())
    return Partial(sizes[slice(op.attribute("start", 0), op.attribute("end", None))])


def _same(op: SchemaOp, lookup: Lookup) -> Partial | None:
    return lookup(op.operands[0])


def _cast(op: SchemaOp, lookup: Lookup) -> Partial | None:
    # To floating point and back happens, but what is done in between is no shape arithmetic.
    return lookup(op.operands[0]) if op.attribute("to") in (6, 7) else None


def _known(op: SchemaOp, position: int, lookup: Lookup) -> tuple[int, ...] | None:
    """The integers of an operand if all are known; () if it is absent."""
    value = op.input(position)
    if value is None:
        return ()
    found = lookup(value)
    if found is None or None in found.sizes:
        return None
    return tuple(size for size in found.sizes if size is not None)


def _gather(op: SchemaOp, lookup: Lookup) -> Partial | None:
    data, at = lookup(op.operands[0]), lookup(op.operands[1])
    if data is None or at is None or data.scalar or None in at.sizes:
        return None
    count = len(data.sizes)
    if any(index is None or not -count <= index < count for index in at.sizes):
        return None
    return Partial(tuple(data.sizes[index] for index in at.sizes if index is not None), at.scalar)


def _slice(op: SchemaOp, lookup: Lookup) -> Partial | None:
    data = lookup(op.operands[0])
    if op.opset >= 10:
        bounds = [_known(op, position, lookup) for position in (1, 2, 4)]
    else:
        bounds = [tuple(op.attribute("starts", [])), tuple(op.attribute("ends", [])), ()]
    if data is None or data.scalar or None in bounds:
        return None
    starts, ends, steps = (bound or () for bound in bounds)
    if len(starts) != 1 or len(ends) != 1 or len(steps) > 1 or 0 in steps:
        return None
    step = steps[0] if steps else 1
    # The end of a backwards slice counts as the one before the first where it is far out.
    end = None if step < 0 and ends[0] < -len(data.sizes) else ends[0]
    return Partial(data.sizes[starts[0] : end : step])


def _concat(op: SchemaOp, lookup: Lookup) -> Partial | None:
    sizes: list[int | None] = []
    for value in op.operands:
        part = lookup(value)
        if part is None:
            # The length counts even where no element is known.
            type = value.type
            if not isinstance(type, TensorType) or type.get_num_dims() != 1 or not type.has_static_shape():
                return None
            part = Partial((None,) * min(type.get_shape()[0], _MAX_SIZES + 1))
        sizes += part.sizes
    return Partial(tuple(sizes)) if len(sizes) <= _MAX_SIZES else None


def _unsqueeze(op: SchemaOp, lookup: Lookup) -> Partial | None:
    data = lookup(op.operands[0])
    return Partial(data.sizes) if data is not None and data.scalar else None


def _squeeze(op: SchemaOp, lookup: Lookup) -> Partial | None:
    data = lookup(op.operands[0])
    return Partial(data.sizes, True) if data is not None and len(data.sizes) == 1 else None


def _elementwise(compute: Callable[[int, int], int]) -> Callable[[SchemaOp, Lookup], Partial | None]:
    def rule(op: SchemaOp, lookup: Lookup) -> Partial | None:
        left, right = lookup(op.operands[0]), lookup(op.operands[1])
        if left is None or right is None:
            return None
        count = max(len(left.sizes), len(right.sizes))
        if count == 0 or not {len(left.sizes), len(right.sizes)} <= {1, count}:
            return None
        pairs = zip(left.sizes * (count // len(left.sizes)), right.sizes * (count // len(right.sizes)), strict=True)
        sizes = tuple(None if a is None or b is None else compute(a, b) for a, b in pairs)
        return Partial(sizes, left.scalar and right.scalar)

    return rule


_RULES: dict[str, Callable[[SchemaOp, Lookup], Partial | None]] = {
    "Shape": _shape,
    "Identity": _same,
    "Cast": _cast,
    "Gather": _gather,
    "Slice": _slice,
    "Concat": _concat,
    "Unsqueeze": _unsqueeze,
    "Squeeze": _squeeze,
    "Add": _elementwise(operator.add),
    "Sub": _elementwise(operator.sub),
    "Mul": _elementwise(operator.mul),
}
