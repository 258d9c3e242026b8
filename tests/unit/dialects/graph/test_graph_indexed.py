"""What gathers, scatters and operations along an ordered axis compute: negative and equal indices, ties and NaN."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from xdsl.dialects.builtin import TensorType, f32, i32, i64
from xdsl.dialects.test import TestOp
from xdsl.ir import SSAValue

from vcc.dialects import graph as g
from vcc.dialects.graph.semantics import compute

X = np.arange(12, dtype=np.float32).reshape(3, 4)


def value(array: np.ndarray[Any, Any]) -> SSAValue:
    element = {"f": f32, "i": i32 if array.dtype == np.int32 else i64}[array.dtype.kind]
    return TestOp(result_types=[TensorType(element, array.shape)]).results[0]


def test_gather_is_take_and_counts_from_the_end():
    indices = np.array([[0, -1], [2, -3]], np.int32)
    result = compute(g.GatherOp(value(X), value(indices), 1), [X, indices])
    assert np.array_equal(result, X[:, [[0, 3], [2, 1]]])


def test_gather_elements_of_fewer_columns():
    indices = np.array([[2, -3], [0, 1]])
    result = compute(g.GatherElementsOp(value(X), value(indices), 0), [X, indices])
    assert result.tolist() == [[8, 1], [0, 5]]


def test_of_equal_indices_the_last_update_wins():
    indices, updates = np.array([1, -1, 1, 2]), np.arange(16, dtype=np.float32).reshape(4, 4) + 100
    result = compute(g.ScatterOp(value(X), value(indices), value(updates), 0), [X, indices, updates])
    assert np.array_equal(result, [X[0], updates[2], updates[3]])
    elements = np.array([[0, -4, 1], [3, 3, 3]])
    row = np.array([[7, 8, 9], [4, 5, 6]], np.float32)
    operation = g.ScatterElementsOp(value(X), value(elements), value(row), 1)
    result = compute(operation, [X, elements, row])
    assert result.tolist() == [[8, 9, 2, 3], [4, 5, 6, 6], [8, 9, 10, 11]]


@pytest.mark.parametrize(("fn", "last", "expected"), [("max", False, 1), ("max", True, 3), ("min", True, 4)])
def test_arg_takes_the_first_or_the_last_of_equals(fn: str, last: bool, expected: int):
    x = np.array([[2, 5, 3, 5, 2]], np.float32)
    result = compute(g.ArgOp(fn, value(x), 1, keepdims=False, last=last), [x])
    assert result.tolist() == [expected] and result.dtype == np.int64


def test_topk_keeps_the_order_of_equals_and_puts_nan_first():
    x = np.array([1, 3, np.nan, 3, 2], np.float32)
    assert compute(g.TopKOp(value(x), 0, 4), [x]).tolist() == [2, 1, 3, 4]
    assert compute(g.TopKOp(value(x), 0, 3, largest=False), [x]).tolist() == [0, 4, 1]


def test_cumsum_in_both_directions():
    x = np.array([[1, 2, 3]], np.float32)
    assert compute(g.CumSumOp(value(x), 1), [x]).tolist() == [[1, 3, 6]]
    assert compute(g.CumSumOp(value(x), 1, reverse=True), [x]).tolist() == [[6, 5, 3]]
