"""Functions: what attributes and constants of a replacement are computed with, and conditions compare."""

from __future__ import annotations

from math import prod

import numpy as np
from xdsl.ir import SSAValue

from vcc.dialects.graph import shape_of, tensor_of
from vcc.dialects.weights import numpy_dtype_of
from vcc.passes.fuse.rules.facts import Array, Facts, Registry

function = Registry("function")


@function
def rank(facts: Facts, value: SSAValue) -> int:
    """The number of axes of a value."""
    return len(shape_of(value))


@function
def dtype(facts: Facts, value: SSAValue) -> str:
    """The dtype of a value as the IR writes it: f32, i8, ui8."""
    return str(tensor_of(value).element_type)


@function
def shape(facts: Facts, value: SSAValue) -> tuple[int, ...]:
    """The shape of a value."""
    return shape_of(value)


@function
def elements(facts: Facts, value: SSAValue) -> int:
    """The number of elements of a value."""
    return prod(shape_of(value))


@function
def number(facts: Facts, value: SSAValue | None) -> float | None:
    """The number that a constant holds; None if it varies or is no constant."""
    return None if value is None else facts.number(value)


@function
def number_or_one(facts: Facts, value: SSAValue | None) -> float | None:
    """The number that a factor holds; 1 where there is no factor."""
    return 1.0 if value is None else facts.number(value)


@function
def times(facts: Facts, *numbers: float | None) -> float | None:
    """The product of numbers; None if one is not known."""
    return prod(n for n in numbers if n is not None) if None not in numbers else None


@function
def first(facts: Facts, axes: tuple[int, ...]) -> int:
    """The first of the axes."""
    return axes[0]


@function
def last_of(facts: Facts, value: SSAValue) -> int:
    """The number of a value's last axis."""
    return len(shape_of(value)) - 1


@function
def swap_last_two(facts: Facts, value: SSAValue) -> tuple[int, ...]:
    """The permutation that exchanges the last two axes of a value."""
    axes = list(range(len(shape_of(value))))
    return (*axes[:-2], axes[-1], axes[-2])


@function
def swapped_shape(facts: Facts, value: SSAValue) -> tuple[int, ...]:
    """A value's shape with the last two axes exchanged."""
    sizes = shape_of(value)
    return (*sizes[:-2], sizes[-1], sizes[-2])


def _float64(facts: Facts, value: SSAValue) -> Array:
    array = facts.array(value)
    assert array is not None, "a condition of the rule asks for a constant"
    return array.astype(np.float64)


def _as(value: SSAValue, array: Array) -> Array:
    return np.ascontiguousarray(array.astype(numpy_dtype_of(tensor_of(value).element_type)))


@function
def const_mul(facts: Facts, a: SSAValue, b: SSAValue) -> Array:
    """The product of two constants, computed in float64."""
    return _as(a, _float64(facts, a) * _float64(facts, b))


@function
def const_add(facts: Facts, a: SSAValue, b: SSAValue) -> Array:
    """The sum of two constants, computed in float64."""
    return _as(a, _float64(facts, a) + _float64(facts, b))


@function
def const_neg(facts: Facts, a: SSAValue) -> Array:
    """The negative of a constant."""
    return _as(a, -_float64(facts, a))


@function
def const_recip(facts: Facts, a: SSAValue) -> Array:
    """One over a constant, computed in float64."""
    return _as(a, 1 / _float64(facts, a))


@function
def const_square(facts: Facts, a: SSAValue) -> Array:
    """The square of a constant, computed in float64."""
    return _as(a, _float64(facts, a) ** 2)


@function
def rows(facts: Facts, x: SSAValue, axes: tuple[int, ...]) -> tuple[int, ...]:
    """The sizes of a value along axes."""
    return tuple(shape_of(x)[axis] for axis in axes)


@function
def kept_shape(facts: Facts, x: SSAValue, axes: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of a value with axes reduced to one."""
    return tuple(1 if axis in axes else size for axis, size in enumerate(shape_of(x)))


@function
def count_of(facts: Facts, axes: tuple[int, ...]) -> int:
    """How many axes there are."""
    return len(axes)


@function
def ones_of_rows(facts: Facts, x: SSAValue, axes: tuple[int, ...]) -> Array:
    """Ones in the shape of the normalised axes: a norm without a scale."""
    return np.ones([shape_of(x)[axis] for axis in axes], numpy_dtype_of(tensor_of(x).element_type))


@function
def input_scaled(facts: Facts, weights: SSAValue, factor: SSAValue, group: int) -> Array:
    """A convolution's weights times a factor per input channel."""
    w = _float64(facts, weights)
    vector = np.broadcast_to(_float64(facts, factor).reshape(-1), (w.shape[1] * group,))
    return _as(weights, w * _per_input(vector, w, group))


@function
def input_shifted(facts: Facts, weights: SSAValue, bias: SSAValue | None, offset: SSAValue, group: int) -> Array:
    """The bias of a convolution without padding that takes an offset per input channel along."""
    w = _float64(facts, weights)
    vector = np.broadcast_to(_float64(facts, offset).reshape(-1), (w.shape[1] * group,))
    added = (w * _per_input(vector, w, group)).sum(axis=tuple(range(1, w.ndim)))
    return _as(weights, added if bias is None else added + _float64(facts, bias))


def _per_input(vector: Array, w: Array, group: int) -> Array:
    """A number per input channel [C] in an order that broadcasts with the weights [M, C/group, kernel...]."""
    of_group = vector.reshape(group, w.shape[1])
    rows = np.repeat(of_group, w.shape[0] // group, axis=0)
    return rows.reshape(*rows.shape, *(1,) * (w.ndim - 2))


@function
def rows_scaled(facts: Facts, weights: SSAValue, factor: SSAValue) -> Array:
    """A matrix times a factor per row."""
    return _as(weights, _float64(facts, weights) * _float64(facts, factor).reshape(-1, 1))


@function
def in_pairs(facts: Facts, value: SSAValue) -> tuple[int, ...]:
    """A value's shape with the last axis as two halves."""
    sizes = shape_of(value)
    return (*sizes[:-1], 2, sizes[-1] // 2)


@function
def pair_starts(facts: Facts, value: SSAValue) -> tuple[int, ...]:
    """Where a slice starts that exchanges the halves of `in_pairs`."""
    return (*(0 for _ in shape_of(value)[:-1]), 1, 0)


@function
def pair_steps(facts: Facts, value: SSAValue) -> tuple[int, ...]:
    """The steps of a slice that exchanges the halves of `in_pairs`."""
    return (*(1 for _ in shape_of(value)[:-1]), -1, 1)


@function
def minus_plus(facts: Facts, value: SSAValue) -> Array:
    """The signs of the halves of `in_pairs`: -1 for the first, 1 for the second."""
    return np.array([[-1], [1]]).astype(numpy_dtype_of(tensor_of(value).element_type))
