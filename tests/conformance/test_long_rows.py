"""Rows that do not fit the vector memory, against ONNX Runtime, and the longest there are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from conformance import TINY, Case, assert_close, check, node, parametrize, random, reference, run_image

from vcc.compiler.compilation import Compilation
from vcc.compiler.options import Options

SCALE = {"g": random(2400, seed=1), "b": random(2400, seed=2)}


def softmax(name: str, x: Any, axis: int) -> Case:
    return Case(name, [node("Softmax", "x", axis=axis)], {"x": x}, targets=[TINY])


def rms_norm(name: str, *shape: int) -> Case:
    """As models write it."""
    return Case(
        name,
        [
            node("Mul", "x x", "s"),
            node("ReduceMean", "s axes", "m"),
            node("Add", "m e", "a"),
            node("Sqrt", "a", "r"),
            node("Div", "x r", "n"),
            node("Mul", "n g"),
        ],
        {"x": random(*shape)},
        {"axes": np.array([-1]), "e": np.array(1e-5, np.float32), "g": random(shape[-1], seed=1)},
        targets=[TINY],
    )


CASES = [
    softmax("softmax", random(5, 2400), 1),
    softmax("softmax-tail", random(3, 2311), 1),
    softmax("softmax-first", random(2500, 3), 0),
    softmax("softmax-middle", random(2, 2300, 3), 1),
    softmax("softmax-f64", random(2, 2400, dtype=np.float64), 1),
    softmax("softmax-masked", np.where(np.arange(2400) < 1900, -np.inf, random(2, 2400)).astype(np.float32), 1),
    softmax("softmax-large", random(2, 2400) * 1000, 1),
    Case(
        "softmax-epilogue",
        [node("Softmax", "x", "s", axis=1), node("Mul", "s g", "m"), node("Add", "m x")],
        {"x": random(3, 2400)},
        {"g": SCALE["g"]},
        targets=[TINY],
    ),
    Case(
        "layer-norm",
        [node("LayerNormalization", "x g b", axis=-1)],
        {"x": random(3, 2400) + 100},
        SCALE,
        targets=[TINY],
    ),
    Case(
        "layer-norm-two-axes",
        [node("LayerNormalization", "x g", "n", axis=1), node("Relu", "n")],
        {"x": random(3, 50, 48)},
        {"g": SCALE["g"].reshape(50, 48)},
        targets=[TINY],
    ),
    rms_norm("rms-norm", 3, 2400),
]


@parametrize(CASES)
def test_long_rows(case: Case, target: str):
    check(case, target)


@pytest.mark.parametrize("name", ["softmax-tail", "layer-norm", "rms-norm"])
def test_one_kernel_in_many_orders(name: str):
    """The row is read in parts by one kernel; every legal order gives the same result."""
    case = next(case for case in CASES if case.name == name)
    image = Compilation.from_model(case.model(), Options(target=TINY)).encode()
    assert len(image.host.steps) == 1
    (expected,) = run_image(image, case.feeds)
    for seed in range(60):
        (actual,) = run_image(image, case.feeds, seed, 1 + seed % 3, seed < 3)
        np.testing.assert_array_equal(actual, expected, err_msg=f"order {seed}")


def test_f16_sums_of_a_long_row_are_f32():
    """The exponentials of 80000 equal numbers add up to more than f16 can hold.

    The result is subnormal in f16, where neighbours are 0.5 % apart.
    """
    case = Case("f16", [node("Softmax", "x", axis=1)], {"x": np.ones((1, 80_000), np.float16)})
    (actual,) = run_image(Compilation.from_model(case.model(), Options(target="vn1")).encode(), case.feeds)
    np.testing.assert_allclose(actual.astype(np.float64), 1 / 80_000, rtol=5e-3)


@pytest.mark.parametrize(
    "case",
    [
        Case("softmax", [node("Softmax", "x", axis=1)], {"x": random(1, 1_000_000)}),
        Case("sum", [node("ReduceSum", "x", keepdims=0)], {"x": random(1000, 1000) + 1}),
        Case("product", [node("MatMul", "x w")], {"x": random(2, 1_000_000)}, {"w": random(1_000_000, 3, seed=1)}),
    ],
    ids=lambda case: case.name,
)
def test_a_million(case: Case):
    model = case.model()
    image = Compilation.from_model(model, Options(target="vn1")).encode()
    (actual,) = run_image(image, case.feeds)
    exact = reference(model, case.feeds)[0]
    if case.name == "product":
        exact = (case.feeds["x"].astype(np.float64) @ case.constants["w"].astype(np.float64)).astype(np.float32)
    assert_close(actual, exact, what=case.name)
