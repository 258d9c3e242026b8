"""Operators that few networks have, against ONNX Runtime."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from conformance import NATIVE, TINY, Array, Case, check, node, parametrize, random
from onnx import helper

from vcc.passes.graph.lower import transposed_convolution

TARGETS = (NATIVE, TINY)


def function(op_type: str, low: float, high: float, dtype: Any = np.float32) -> Case:
    """A function of one tensor between two bounds, which belong to it."""
    x = np.concatenate([random(3, 40, dtype=dtype, low=low, high=high).ravel(), np.array([low, high, 0.25, 1], dtype)])
    return Case(f"{op_type}-{np.dtype(dtype).name}", [node(op_type, "x")], {"x": x}, targets=TARGETS)


def shift(name: str, x: Array, by: list[int], direction: str) -> Case:
    """A BitShift by a constant."""
    made = node("BitShift", "x k", direction=direction)
    return Case(f"shift-{name}", [made], {"x": x}, {"k": np.array(by, x.dtype)}, targets=TARGETS)


BYTES = np.arange(0, 255, 3, dtype=np.uint8).reshape(17, 5)
COLUMNS = random(2, 3 * 4, 5 * 4)

CASES = [
    function("Atan", -40, 40),
    function("Asin", -1, 1),
    function("Acos", -1, 1),
    function("Sinh", -6, 6),
    function("Cosh", -6, 6),
    function("Asinh", -20, 20),
    function("Acosh", 1, 20),
    function("Atanh", -0.99, 0.99),
    Case("power-of-integers", [node("Pow", "x e")], {"x": np.arange(-5, 6)}, {"e": np.array(3)}, targets=TARGETS),
    shift("left", BYTES, [3], "LEFT"),
    shift("right", BYTES, [0, 1, 2, 7, 8], "RIGHT"),
    shift("wide", BYTES.astype(np.uint32) << 20, [5], "RIGHT"),
    Case(
        "any",
        [node("Cast", "x", "b", to=9), node("ReduceMax", "b a")],
        {"x": random(5, 7).round()},
        {"a": np.array([1])},
        opset=20,
        targets=TARGETS,
    ),
    Case(
        "layer-norm-statistics",
        [helper.make_node("LayerNormalization", ["x", "s", "b"], ["y", "m", "d"], name="norm", axis=-1)],
        {"x": random(4, 9)},
        {"s": random(9), "b": random(9, seed=1)},
        outputs=("y", "m", "d"),
        targets=TARGETS,
    ),
    Case(
        "reverse-sequence",
        [node("ReverseSequence", "x n", batch_axis=1, time_axis=0)],
        {"x": random(6, 3, 4), "n": np.array([6, 2, 4])},
        targets=TARGETS,
    ),
    Case(
        "lp-pool",
        [node("LpPool", "x", kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4, p=2)],
        {"x": random(1, 3, 9, 8)},
        targets=TARGETS,
    ),
    Case(
        "dilated-transposed-convolution",
        [node("ConvTranspose", "x w b", strides=[2, 1], dilations=[2, 3], pads=[1, 0, 2, 1])],
        {"x": random(1, 4, 5, 6), "b": random(3)},
        {"w": random(4, 3, 3, 2)},
        targets=TARGETS,
    ),
    Case(
        "columns-to-image",
        [node("Col2Im", "x s k", strides=[2, 2], pads=[1, 0, 1, 0])],
        {"x": COLUMNS},
        {"s": np.array([8, 8]), "k": np.array([2, 2])},
        targets=TARGETS,
    ),
]


def phases(name: str, sizes: tuple[int, ...], kernel: tuple[int, ...], group: int = 1, **attributes: Any) -> Case:
    """A transposed convolution of two images whose phases have different numbers of taps."""
    made = node("ConvTranspose", "x w b", group=group, **attributes)
    inputs = {"x": random(2, 4 * group, *sizes), "b": random(3 * group)}
    return Case(f"phases-{name}", [made], inputs, {"w": random(4 * group, 3, *kernel)}, targets=TARGETS)


PHASES = [
    phases("3x3-by-2", (5, 6), (3, 3), strides=[2, 2], pads=[1] * 4, output_padding=[1, 1]),
    phases("5x2-by-2x3", (4, 5), (5, 2), 2, strides=[2, 3], pads=[2, 0, 1, 1]),
    phases("dilated", (5, 4), (2, 3), strides=[2, 2], dilations=[2, 1]),
    phases("1d", (9,), (5,), strides=[4]),
    phases("4x4-by-2", (5, 6), (4, 4), strides=[2, 2], pads=[1] * 4),
    phases("odd", (5, 4), (4, 3), strides=[2, 3], pads=[1, 0, 2, 1], output_padding=[0, 2]),
    phases("cut-inside", (7, 5), (2, 2), strides=[2, 2], pads=[2, 3, 2, 0]),
    phases("output-shape", (5, 6), (3, 3), strides=[2, 2], output_shape=[10, 13]),
]


@parametrize(PHASES)
def test_phases_of_transposed_convolutions_apart(case: Case, target: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(transposed_convolution, "LEAST_WASTE", 1)
    check(case, target)


@parametrize(CASES)
def test_less_usual_operators(case: Case, target: str):
    check(case, target)
