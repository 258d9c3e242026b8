"""Semantic functions on sizes where they take other ways than on small ones, and at the ends of their ranges."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from vcc.runtime.isa.dtypes import BY_NAME
from vcc.runtime.isa.kernel import Role
from vcc.runtime.isa.semantics import Args
from vcc.runtime.isa.table import OPS

P, R, M, N, K = Role.PARALLEL, Role.REDUCE, Role.M, Role.N, Role.K
Array = NDArray[Any]


def apply(op: str, inputs: dict[str, Array], out: Array, roles: tuple[Role, ...] = (), **attrs: Any) -> Array:
    """The result of an instruction's semantics."""
    dtype = next(d for d in BY_NAME.values() if d.numpy == out.dtype)
    with np.errstate(all="ignore"):
        result = OPS[op].semantics(Args(inputs, out, dtype, roles, {"zero": 1, "act": "none", **attrs}))
    return np.asarray(result).astype(out.dtype)


def windows(array: Array, size: int) -> Array:
    """Overlapping windows [h, w, i, j] of a square array."""
    return np.lib.stride_tricks.sliding_window_view(array, (size, size))


@pytest.mark.parametrize("size", [3, 9])
@pytest.mark.parametrize("dtype", ["f32", "f16", "bf16", "i16"])
@pytest.mark.parametrize("fn", ["add", "max", "min", "mul"])
def test_windows_are_reduced(fn: str, dtype: str, size: int):
    rng = np.random.default_rng(0)
    x = np.clip(rng.standard_normal((40, 40)) / 8 + 1, 0.5, 1.5)
    array = (x * 4 if dtype == "i16" else x).astype(BY_NAME[dtype].numpy)
    view = windows(array, size)
    wide = view.astype(np.int64 if dtype == "i16" else np.float64)
    ufunc = {"add": np.add, "max": np.maximum, "min": np.minimum, "mul": np.multiply}[fn]
    expected, old = ufunc.reduce(wide, axis=(2, 3)), np.ones(view.shape[:2], array.dtype)
    result = apply(f"reduce.{fn}", {"src": view}, old, (P, P, R, R))
    joined = apply(f"reduce.{fn}", {"src": view}, old, (P, P, R, R), zero=0)
    if dtype == "i16":
        assert np.array_equal(result, expected.astype(np.int16))
        assert np.array_equal(joined, ufunc(expected, 1).astype(np.int16))
    else:
        epsilon = {"f32": 2e-7, "f16": 1e-3, "bf16": 8e-3}[dtype] * (size * size if fn in ("add", "mul") else 1)
        np.testing.assert_allclose(result.astype(np.float64), expected, rtol=epsilon)
        np.testing.assert_allclose(joined.astype(np.float64), ufunc(expected, 1.0), rtol=epsilon)


@pytest.mark.parametrize("size", [3, 9])
@pytest.mark.parametrize("dtype", ["f32", "f16", "bf16", "i8"])
def test_windows_are_multiplied_and_summed(dtype: str, size: int):
    rng = np.random.default_rng(1)
    array = (rng.standard_normal((40, 40)) * (9 if dtype == "i8" else 1)).astype(BY_NAME[dtype].numpy)
    weights = (rng.standard_normal((size, size)) * (9 if dtype == "i8" else 1)).astype(array.dtype)
    view = windows(array, size)
    both = np.broadcast_to(weights, view.shape)
    wide = view.astype(np.float64) * both.astype(np.float64)
    result = apply("mac", {"a": view, "b": both}, np.zeros(view.shape[:2], array.dtype), (P, P, R, R))
    if dtype == "i8":
        assert np.array_equal(result, wide.sum((2, 3)).astype(np.int64).astype(np.int8))
    else:
        bound = {"f32": 1.2e-7, "f16": 1e-3, "bf16": 8e-3}[dtype] * size * size * np.abs(wide).sum((2, 3))
        assert np.all(np.abs(result.astype(np.float64) - wide.sum((2, 3))) <= bound)


@pytest.mark.parametrize(("a", "b"), [("i8", "i8"), ("u8", "i8"), ("i8", "u8"), ("u8", "u8")])
def test_integer_products_are_exact_and_wrap(a: str, b: str):
    ends = {"i8": -128, "u8": 255}
    left = np.full((2, 3, 40000), ends[a], BY_NAME[a].numpy)
    right = np.full((2, 3, 40000), ends[b], BY_NAME[b].numpy)
    right[1, :, ::7] = 1
    old = np.full((2, 3), 2**31 - 1, np.int32)
    result = apply("mmad", {"a": left, "b": right}, old, (M, N, K), zero=0)
    # a does not depend on n nor b on m: index 0 stands for all.
    exact = (left[:, 0, None].astype(np.int64) * right[0, None].astype(np.int64)).sum(-1) + 2**31 - 1
    assert np.array_equal(result, exact.astype(np.int32))


def test_erf_in_both_precisions():
    rng = np.random.default_rng(2)
    x = np.concatenate([rng.standard_normal(5000) * 2, rng.standard_normal(500) * 1e-8, [0.0, 5.9999, 6.0, 7.0, 1e30]])
    x = np.concatenate([x, -x])
    expected = np.array([math.erf(value) for value in x])
    result = apply("erf", {"a": x}, x)
    assert np.all(np.abs(result - expected) <= 4 * np.spacing(np.abs(expected)))
    narrow = x.astype(np.float32)
    expected = np.array([math.erf(value) for value in narrow], np.float32)
    assert np.all(np.abs(apply("erf", {"a": narrow}, narrow) - expected) <= np.spacing(np.abs(expected)))
    special = apply("erf", {"a": np.array([np.inf, -np.inf, np.nan, -0.0])}, np.zeros(4))
    assert np.array_equal(special, [1, -1, np.nan, 0], equal_nan=True) and np.signbit(special[3])


@pytest.mark.parametrize("target", ["i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64"])
@pytest.mark.parametrize("source", ["f32", "f64", "f16", "bf16"])
def test_casts_to_integers_saturate(source: str, target: str):
    values = [0.0, -0.9, 1.9, -2.5, 1e3, -1e3, 1e30, -1e30, math.inf, -math.inf, math.nan]
    with np.errstate(over="ignore"):
        array = np.array(values).astype(BY_NAME[source].numpy)
    info = np.iinfo(BY_NAME[target].numpy)
    expected: list[int] = []
    for value in array.astype(np.float64).tolist():
        whole = 0 if math.isnan(value) else max(info.min, min(info.max, value))
        expected.append(int(whole))
    result = apply("cast", {"src": array}, np.zeros(len(values), BY_NAME[target].numpy))
    assert [int(value) for value in result] == expected


def test_integer_division_truncates_even_at_the_ends():
    a = np.arange(-128, 128).astype(np.int8)
    for divisor in (-128, -7, -1, 1, 2, 127):
        b = np.full_like(a, divisor)
        expected = [int(abs(int(x)) // abs(divisor) * (1 if (x < 0) == (divisor < 0) else -1)) for x in a]
        assert np.array_equal(apply("div", {"a": a, "b": b}, a), np.array(expected).astype(np.int8))


@pytest.mark.parametrize("dtype", ["f32", "f64", "f16", "bf16"])
def test_order_is_stable_and_nan_is_greatest(dtype: str):
    x = np.array([2, np.nan, -1, 2, np.inf, np.nan, -np.inf, -0.0, 0.0]).astype(BY_NAME[dtype].numpy)
    out = np.zeros(x.size, np.int32)
    up = apply("order", {"src": x}, out, (Role.SCAN,), by="ascending")
    down = apply("order", {"src": x}, out, (Role.SCAN,), by="descending")
    assert up.tolist() == [6, 2, 7, 8, 0, 3, 4, 1, 5]
    assert down.tolist() == [1, 5, 4, 0, 3, 7, 8, 2, 6]


def test_order_of_long_rows():
    x = np.random.default_rng(0).integers(-50, 50, (3, 5000)).astype(np.int8)
    down = apply("order", {"src": x}, np.zeros(x.shape, np.int32), (P, Role.SCAN), by="descending")
    assert np.array_equal(down, np.argsort(-x.astype(np.int64), axis=1, kind="stable"))
