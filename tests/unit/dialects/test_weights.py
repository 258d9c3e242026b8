from __future__ import annotations

from io import StringIO

import ml_dtypes
import numpy as np
import pytest
from xdsl.context import Context
from xdsl.dialects.builtin import DYNAMIC_INDEX, Builtin, DenseIntOrFPElementsAttr, ModuleOp, TensorType, f32
from xdsl.parser import Parser
from xdsl.printer import Printer
from xdsl.utils.exceptions import VerifyException

from vcc.dialects.weights import (
    ConstantOp,
    WeightAttr,
    constant_array,
    element_type_of,
    make_constant,
    numpy_dtype_of,
    register_weights,
    store_of,
)
from vcc.runtime.diagnostics import VccError


@pytest.fixture
def ctx() -> Context:
    context = Context()
    context.load_dialect(Builtin)
    register_weights(context)
    return context


ARRAYS = [
    np.array(3.5, np.float32),
    np.array([np.nan, np.inf, -np.inf, 0.1], np.float32),
    np.array([True, False]),
    np.array(True),
    np.array([250, 255], np.uint8),
    np.array([2**64 - 1], np.uint64),
    np.array([-1, 2**63 - 1]),
    np.arange(100, dtype=np.float32).reshape(10, 10).T,
    np.zeros((0, 3), np.int64),
    np.array([[1.5, 2]], ml_dtypes.bfloat16),
    np.array([1e-8, 3], np.float16),
    np.array([1, -3], ml_dtypes.int4),
    np.array([1.1, 1e30, 1e-42, -0.0], np.float32),
]


@pytest.mark.parametrize("array", ARRAYS, ids=lambda a: f"{a.dtype}{list(a.shape)}")
def test_constants_survive_the_text_bit_for_bit(ctx: Context, array: np.ndarray):
    module = ModuleOp([make_constant(array, ctx)])
    module.verify()
    text = StringIO()
    Printer(text).print_op(module)
    parsed = Parser(ctx, text.getvalue()).parse_module()
    parsed.verify()
    again = constant_array(parsed.body.block.first_op, ctx)  # pyright: ignore[reportArgumentType]
    assert again is not None
    assert (again.dtype, again.shape) == (array.dtype, array.shape)
    assert again.tobytes() == array.tobytes()


def test_large_arrays_are_digests_and_equal_ones_merge(ctx: Context):
    first, second = (make_constant(np.zeros((64, 64), np.float32), ctx) for _ in range(2))
    assert isinstance(first.value, WeightAttr)
    assert first.value == second.value
    assert len(store_of(ctx).blobs) == 1
    other_shape = make_constant(np.zeros((32, 128), np.float32), ctx)
    assert other_shape.value != first.value
    assert len(f"{first}") < 150


def test_stored_arrays_are_read_only(ctx: Context):
    store = store_of(ctx)
    array = store.get(store.add(np.zeros(100)))
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 1


def test_an_absent_digest_is_reported(ctx: Context):
    with pytest.raises(VccError, match=r"E0107.*\n.*safetensors"):
        store_of(ctx).get("abc")


def test_small_constants_are_inline(ctx: Context):
    constant = make_constant(np.arange(16), ctx)
    assert isinstance(constant.value, DenseIntOrFPElementsAttr)
    assert not store_of(ctx).blobs


@pytest.mark.parametrize("dtype", [np.complex64, np.dtype("U3"), object])
def test_other_dtypes_are_refused(ctx: Context, dtype: type):
    with pytest.raises(VccError, match="E0121"):
        make_constant(np.zeros(3, dtype), ctx)


def test_dtypes_and_element_types_correspond():
    for dtype in (bool, np.int8, np.uint16, np.float16, ml_dtypes.bfloat16, ml_dtypes.float8_e5m2, ml_dtypes.uint4):
        assert numpy_dtype_of(element_type_of(dtype)) == np.dtype(dtype)


def test_the_verifier_compares_value_and_type(ctx: Context):
    value = make_constant(np.zeros(2, np.int64), ctx).value
    with pytest.raises(VerifyException, match="the value has type"):
        ConstantOp(value, TensorType(f32, [2])).verify()
    with pytest.raises(VerifyException, match="static shape"):
        ConstantOp(value, TensorType(f32, [DYNAMIC_INDEX])).verify()


def test_a_value_that_is_no_constant_has_no_array(ctx: Context):
    assert constant_array(ModuleOp([]), ctx) is None
