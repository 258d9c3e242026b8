"""Predicates: what a rule's `where` may ask about values and attributes."""

from __future__ import annotations

from math import prod
from typing import Any

import ml_dtypes
import numpy as np
from xdsl.dialects.builtin import AnyFloat
from xdsl.ir import BlockArgument, Operation, SSAValue

from vcc.dialects.graph import CastOp, UnaryFn, UnaryOp, shape_of, tensor_of
from vcc.dialects.weights import ConstantOp, numpy_dtype_of
from vcc.passes.fuse.rules.facts import Facts, Registry

predicate = Registry("predicate")


@predicate
def single_use(facts: Facts, value: SSAValue) -> bool:
    """Exactly one operation uses the value, once."""
    return value.has_one_use()


@predicate
def private(facts: Facts, value: SSAValue) -> bool:
    """Only operations of the match use the value."""
    return all(use.operation in facts.matched for use in value.uses)


@predicate
def private_inner(facts: Facts) -> bool:
    """Only operations of the match use the values in between, so that all of them go."""
    root = facts.matched[0]
    return all(use.operation in facts.matched for op in facts.matched if op is not root for use in op.results[0].uses)


@predicate
def in_unit_interval(facts: Facts, value: SSAValue) -> bool:
    """The value is a constant and every element is from 0 to 1."""
    array = facts.array(value)
    return array is not None and bool(np.all((array >= 0) & (array <= 1)))


@predicate
def constant(facts: Facts, value: SSAValue) -> bool:
    """The value is a constant."""
    return not isinstance(value, BlockArgument) and isinstance(value.owner, ConstantOp)


@predicate
def scalar(facts: Facts, value: SSAValue) -> bool:
    """The value is a constant all of whose elements are one number, and that broadcasts as one number does."""
    return facts.number(value) is not None and prod(shape_of(value)) == 1


@predicate
def floating(facts: Facts, value: SSAValue) -> bool:
    """The value is of floats."""
    return tensor_of(value).element_type.name in ("f16", "f32", "f64", "bf16")


@predicate
def positive(facts: Facts, value: SSAValue) -> bool:
    """The value is a constant and every element is greater than zero."""
    array = facts.array(value)
    return array is not None and bool(np.all(array > 0))


@predicate
def same_shape(facts: Facts, a: SSAValue, b: SSAValue) -> bool:
    """Two values have one shape."""
    return shape_of(a) == shape_of(b)


@predicate
def last_axis(facts: Facts, axes: tuple[int, ...], value: SSAValue) -> bool:
    """The axes are the last one of the value's."""
    return tuple(axes) == (len(shape_of(value)) - 1,)


@predicate
def last_axes(facts: Facts, axes: tuple[int, ...], value: SSAValue) -> bool:
    """The axes are the last ones of the value's, without a gap."""
    rank = len(shape_of(value))
    return len(axes) > 0 and tuple(axes) == tuple(range(rank - len(axes), rank))


@predicate
def mean_factor(facts: Facts, factor: SSAValue, x: SSAValue, axes: tuple[int, ...]) -> bool:
    """The constant is one over the number of elements along the axes of x."""
    number, count = facts.number(factor), prod(shape_of(x)[axis] for axis in axes)
    return number is not None and abs(number * count - 1) <= max(facts.tolerance(factor), 1e-6)


@predicate
def small_epsilon(facts: Facts, epsilon: SSAValue) -> bool:
    """The constant is a number from 0 to 0.1, as is added to a variance."""
    number = facts.number(epsilon)
    return number is not None and 0 <= number <= 0.1


@predicate
def has_rows(facts: Facts, parameter: SSAValue, x: SSAValue, axes: tuple[int, ...]) -> bool:
    """The parameter has the sizes of x along the axes, and one along all others."""
    shape, full = shape_of(parameter), shape_of(x)
    wanted = tuple(size if axis in axes else 1 for axis, size in enumerate(full))
    return len(shape) <= len(full) and (1,) * (len(full) - len(shape)) + shape == wanted


@predicate
def square_is_normal(facts: Facts, value: SSAValue) -> bool:
    """The square of a constant number is a normal number of its dtype."""
    number, element = facts.number(value), tensor_of(value).element_type
    return number is not None and number**2 >= float(ml_dtypes.finfo(numpy_dtype_of(element)).tiny)


@predicate
def inverse(facts: Facts, p: tuple[int, ...], q: tuple[int, ...]) -> bool:
    """The second permutation undoes the first."""
    return [p[axis] for axis in q] == list(range(len(p)))


@predicate
def swaps_last_two(facts: Facts, perm: tuple[int, ...]) -> bool:
    """The permutation exchanges the last two axes and nothing else."""
    rank = len(perm)
    return rank >= 2 and tuple(perm) == (*range(rank - 2), rank - 1, rank - 2)


@predicate
def same_type(facts: Facts, a: SSAValue, b: SSAValue) -> bool:
    """Two values have one shape and dtype."""
    return a.type == b.type


@predicate
def no_padding(facts: Facts, pads: tuple[int, ...]) -> bool:
    """All pads are zero."""
    return not any(pads)


@predicate
def only_leading_ones(facts: Facts, a: SSAValue, b: SSAValue) -> bool:
    """The shapes differ only in axes of size one in front, and agree in the last two axes."""
    left, right = list(shape_of(a)), list(shape_of(b))
    longest = max(len(left), len(right))
    same = [1] * (longest - len(left)) + left == [1] * (longest - len(right)) + right
    return same and min(len(left), len(right)) >= 2


@predicate
def per_channel(facts: Facts, parameter: SSAValue, x: SSAValue) -> bool:
    """The parameter is a constant that varies along axis 1 of x at most."""
    shape, full = shape_of(parameter), shape_of(x)
    aligned = (1,) * (len(full) - len(shape)) + shape
    fits = len(shape) <= len(full) and all(size == 1 for axis, size in enumerate(aligned) if axis != 1)
    return fits and aligned[1] in (1, full[1]) and constant(facts, parameter)


@predicate
def absent(facts: Facts, value: Any) -> bool:
    """The optional operand is not there."""
    return value is None


@predicate
def may_join(facts: Facts, a: SSAValue, b: SSAValue) -> bool:
    """The product or sum of two constants is no larger than the larger one."""
    left, right = shape_of(a), shape_of(b)
    size = prod(np.broadcast_shapes(left, right))
    return size <= max(prod(left), prod(right))


@predicate
def per_column(facts: Facts, parameter: SSAValue, x: SSAValue) -> bool:
    """The parameter is a constant that varies along the last axis of x at most."""
    shape, full = shape_of(parameter), shape_of(x)
    fits = len(shape) <= len(full) and all(size == 1 for size in shape[:-1]) and shape[-1:] in ((), (1,), full[-1:])
    return fits and constant(facts, parameter)


@predicate
def halves(
    facts: Facts,
    x: SSAValue,
    start: tuple[int, ...],
    second: tuple[int, ...],
    half: tuple[int, ...],
    ones: tuple[int, ...],
) -> bool:
    """Slices from `start` and `second` of size `half` are the halves of the last axis of x."""
    *outer, last = shape_of(x)
    zeros = (0,) * len(outer)
    sliced = tuple(half) == (*outer, last // 2) and set(ones) == {1}
    return last % 2 == 0 and sliced and tuple(start) == (*zeros, 0) and tuple(second) == (*zeros, last // 2)


@predicate
def whole_rows(facts: Facts, parameter: SSAValue, x: SSAValue) -> bool:
    """The parameter has the whole last axis of x."""
    return shape_of(parameter)[-1:] == shape_of(x)[-1:]


@predicate
def rounded(facts: Facts, value: SSAValue) -> bool:
    """Some operation rounds the value to whole numbers, so that its last bit decides between two of them."""
    return any(_rounds(use.operation) for use in value.uses)


def _rounds(op: Operation) -> bool:
    if isinstance(op, CastOp):
        return not isinstance(tensor_of(op.result).element_type, AnyFloat)
    return isinstance(op, UnaryOp) and op.fn.data in (UnaryFn.ROUND, UnaryFn.FLOOR, UnaryFn.CEIL)


@predicate
def swallows(facts: Facts, value: SSAValue) -> bool:
    """The constant is a number so low that adding a score of up to 1e20 to it does not change it; or minus infinity."""
    number = facts.number(value)
    return number is not None and number <= -1e30 and prod(shape_of(value)) == 1
