"""Elementwise operators, activations, logic and casts give what ONNX Runtime gives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from lowered import Case, op_names

RNG = np.random.default_rng(7)
X = np.concatenate([RNG.standard_normal(50) * 3, [0.0, -0.0, 2.5, 3.5, -1.5, 1.0]]).astype(np.float32).reshape(2, 4, 7)
POSITIVE = np.abs(X) + 0.1
I = RNG.integers(-9, 9, (2, 4, 7)).astype(np.int32)  # noqa: E741
NONZERO = np.where(I == 0, 3, I).astype(np.int32)
B = X > 0

FLOAT_FUNCTIONS = ["Abs", "Neg", "Exp", "Tanh", "Erf", "Sigmoid", "Sin", "Cos", "Tan", "Floor", "Ceil", "Round"]

CASES = [
    *(Case(name, [X]) for name in (FLOAT_FUNCTIONS)),
    *(Case(name, [POSITIVE]) for name in ("Log", "Sqrt", "Reciprocal")),
    *(Case(name, [x]) for x in (X, I) for name in ("Abs", "Neg", "Sign", "Relu")),
    *(Case(name, [X, X[:, :1] + 5]) for name in ("Add", "Sub", "Mul", "Div")),
    *(Case(name, [I, NONZERO[0]]) for name in ("Add", "Sub", "Mul", "Div")),
    *(Case(name, [I, NONZERO]) for name in ("BitwiseAnd", "BitwiseOr", "BitwiseXor", "Mod")),
    Case("BitwiseNot", [I]),
    Case("BitwiseNot", [I.astype(np.uint8)]),
    Case("Mod", [I, NONZERO], {"fmod": 1}),
    Case("Mod", [X, POSITIVE], {"fmod": 1}),
    Case("Pow", [POSITIVE, X]),
    *(Case("Pow", [POSITIVE], constants={1: np.asarray(e, np.float32)}) for e in (1.0, 2.0, 0.5, -1.0, 3.0)),
    Case("Pow", [X], constants={1: np.asarray(3, np.int64)}),
    *(Case(name, [X, X[:1], X[0, :1]]) for name in ("Min", "Max", "Sum", "Mean")),
    Case("Max", [X]),
    Case("LeakyRelu", [X]),
    *(Case("LeakyRelu", [X], {"alpha": a}) for a in (0.0, 0.3, 1.5, -0.5)),
    Case("PRelu", [X, X[0, :, :1]]),
    Case("HardSigmoid", [X]),
    Case("HardSigmoid", [X], {"alpha": 0.4, "beta": 0.1}),
    Case("HardSwish", [X]),
    Case("Clip", [X]),
    Case("Clip", [X], constants={1: np.asarray(-1, np.float32), 2: np.asarray(2, np.float32)}),
    Case("Clip", [X], constants={1: np.asarray(0, np.float32), 2: np.asarray(6, np.float32)}),
    Case("Clip", [X, None, np.asarray(1.0, np.float32)]),
    Case("Clip", [X], {"min": -0.5, "max": 0.5}, opset=10),
    Case("Clip", [X], {"max": 0.5}, opset=6 + 3),
    Case("Clip", [I], constants={1: np.asarray(-2, np.int32), 2: np.asarray(2, np.int32)}),
    Case("Elu", [X]),
    Case("Elu", [X], {"alpha": 0.7}),
    Case("Selu", [X]),
    Case("Celu", [X], {"alpha": 1.7}),
    Case("Softplus", [X * 30]),
    Case("Softsign", [X]),
    Case("Mish", [X]),
    Case("Gelu", [X]),
    Case("Gelu", [X], {"approximate": "tanh"}),
    Case("ThresholdedRelu", [X]),
    Case("ThresholdedRelu", [X], {"alpha": 0.3}),
    Case("Shrink", [X], {"bias": 0.2, "lambd": 0.6}),
    *(Case(name, [X, X[:1]]) for name in ("Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual")),
    Case("Equal", [B, B[:1]]),
    *(Case(name, [B, B[:, :1]]) for name in ("And", "Or", "Xor")),
    Case("Not", [B]),
    Case("Where", [B[0], X, X[:, :1]]),
    Case("Where", [B, I, np.asarray(0, np.int32)]),
    Case("IsNaN", [np.where(B, X, np.nan).astype(np.float32)]),
    *(
        Case("IsInf", [np.where(B, X, -np.inf).astype(np.float32)], {"detect_positive": p, "detect_negative": n})
        for p in (0, 1)
        for n in (0, 1)
    ),
    Case("Cast", [X], {"to": 6}),
    Case("Cast", [X], {"to": 9}),
    Case("Cast", [I], {"to": 1}),
    Case("Cast", [B], {"to": 7}),
    Case("Cast", [X], {"to": 10}),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_equals_the_reference(case: Case):
    actual, expected = case.results()
    for y, reference in zip(actual, expected, strict=True):
        assert y.shape == reference.shape and y.dtype == reference.dtype
        np.testing.assert_allclose(y, reference, rtol=2e-6, atol=1e-6)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_no_host_call_is_left(case: Case):
    assert not {name for name in op_names(case.lowered()[0]) if name == "host"}


@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_other_float_dtypes(dtype: Any):
    x = X.astype(dtype)
    for case in (Case("Gelu", [x]), Case("Add", [x, x]), Case("HardSwish", [x])):
        actual, expected = case.results()
        np.testing.assert_allclose(actual[0], expected[0], rtol=2e-3 if dtype == "float16" else 1e-6, atol=1e-3)


def test_hard_swish_is_five_operations():
    module, _ = Case("HardSwish", [X]).lowered()
    assert op_names(module) == ["binary.mul", "binary.add", "unary.relu", "binary.min", "binary.mul"]
