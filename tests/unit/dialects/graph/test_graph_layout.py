"""Blocked layouts: physical shapes, strides and conversion."""

from __future__ import annotations

import numpy as np
import pytest
from xdsl.dialects.builtin import TensorType, f32
from xdsl.dialects.test import TestOp
from xdsl.utils.exceptions import VerifyException

from vcc.dialects.graph import Blocked, RelayoutOp
from vcc.dialects.graph.layout import axis_terms, physical_shape, to_logical, to_physical

BLOCKED = TensorType(f32, [2, 32, 5, 7], Blocked(1, 16))


def test_blocked_axis_becomes_the_innermost_physical_dimension():
    assert physical_shape(BLOCKED) == (2, 2, 5, 7, 16)
    assert axis_terms(BLOCKED) == [[(2, 1120)], [(2, 560), (16, 1)], [(5, 112)], [(7, 16)]]


def test_row_major_has_one_term_per_axis():
    assert axis_terms(TensorType(f32, [2, 3, 4])) == [[(2, 12)], [(3, 4)], [(4, 1)]]


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_physical_and_back_is_the_identity_and_terms_address_it(axis: int):
    array = np.arange(4 * 8 * 12).reshape(4, 8, 12)
    type = TensorType(f32, array.shape, Blocked(axis, 4))
    physical = to_physical(array, type.encoding)
    assert physical.shape == physical_shape(type)
    assert np.array_equal(to_logical(physical, type.encoding), array)
    flat, terms = physical.reshape(-1), axis_terms(type)
    for index in np.ndindex(*array.shape):
        at = 0
        for i, of_axis in zip(index, terms, strict=True):
            for extent, stride in reversed(of_axis):
                at += i % extent * stride
                i //= extent
        assert flat[at] == array[index]


def test_a_block_must_divide_its_axis():
    x = TestOp(result_types=[TensorType(f32, [1, 24, 4, 4])])
    op = RelayoutOp(x, Blocked(1, 16))
    with pytest.raises(VerifyException, match="block 16 does not divide axis 1 of size 24"):
        op.verify()
