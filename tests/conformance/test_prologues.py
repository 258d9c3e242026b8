"""Elementwise operations and gathers before convolutions, poolings and products: launches, borders, and results."""

from __future__ import annotations

import numpy as np
import pytest
from conformance import Case, check, compile_model, node, parametrize, random

IMAGE = random(2, 16, 9, 7)

#: Cases and the number of launches that each takes on an accelerator.
PROLOGUES: list[tuple[Case, int]] = [
    (
        Case(
            "scale-per-channel-before-pointwise",
            [node("Mul", "x s", "m"), node("Conv", "m w")],
            {"x": IMAGE, "s": random(2, 16, 1, 1)},
            {"w": random(24, 16, 1, 1)},
            terms=16,
        ),
        1,
    ),
    (
        Case(
            "zero-border-stays-zero",
            [node("Mul", "x s", "m"), node("Tanh", "m", "t"), node("Conv", "t w", pads=[1, 1, 1, 1], strides=[2, 1])],
            {"x": IMAGE, "s": random(2, 16, 1, 1)},
            {"w": random(20, 16, 3, 3)},
            terms=144,
        ),
        1,
    ),
    (
        Case(
            "border-that-would-not-stay-zero",
            [node("Add", "x s", "m"), node("Conv", "m w", pads=[1, 1, 1, 1])],
            {"x": IMAGE, "s": random(2, 16, 1, 1)},
            {"w": random(20, 16, 3, 3)},
            terms=144,
        ),
        2,
    ),
    (
        Case(
            "offset-without-border",
            [node("Add", "x s", "m"), node("Conv", "m w", dilations=[2, 1])],
            {"x": IMAGE, "s": random(1, 16, 1, 1)},
            {"w": random(20, 16, 3, 3)},
            terms=144,
        ),
        1,
    ),
    (
        Case(
            "zero-point-with-border",
            [
                node("Cast", "x", "f", to=1),
                node("Sub", "f z", "c"),
                node("Mul", "c k", "m"),
                node("Conv", "m w", pads=[1, 0, 1, 1]),
            ],
            {"x": random(1, 5, 8, 8, dtype=np.uint8)},
            {"z": np.array([3], np.float32), "k": np.array([0.05], np.float32), "w": random(6, 5, 3, 3)},
            terms=45,
        ),
        1,
    ),
    (
        Case(
            "zero-point-whose-opposite-the-operand-cannot-hold",
            [node("DequantizeLinear", "x s z", "r"), node("AveragePool", "r", kernel_shape=[3, 2], pads=[1, 1, 1, 1])],
            {"x": random(1, 33, 5, 4, dtype=np.int8)},
            {"s": np.array(0.01, np.float32), "z": np.array(-128, np.int8)},
        ),
        1,
    ),
    (
        Case(
            "depthwise-and-grouped",
            [
                node("Mul", "x s", "m"),
                node("Conv", "m d", "c", group=16, pads=[1, 1, 1, 1]),
                node("Sigmoid", "c", "g"),
                node("Mul", "x g", "h"),
                node("Conv", "h w", group=2),
            ],
            {"x": IMAGE, "s": random(2, 16, 1, 1)},
            {"d": random(16, 1, 3, 3), "w": random(20, 8, 1, 1)},
            terms=9,
        ),
        2,
    ),
    (
        Case(
            "pool-of-a-sum-of-three",
            [
                node("Add", "x z", "a"),
                node("Neg", "a", "b"),
                node("MaxPool", "b", kernel_shape=[3, 2], strides=[2, 2]),
            ],
            {"x": IMAGE, "z": random(2, 16, 9, 7, seed=1)},
        ),
        1,
    ),
    (
        Case(
            "square-root-and-transpose-before-product",
            [node("Abs", "x", "a"), node("Sqrt", "a", "s"), node("Transpose", "s", "t", perm=[0, 2, 1]),
             node("MatMul", "t w")],
            {"x": random(3, 20, 11)},
            {"w": random(20, 17)},
            terms=20,
        ),
        1,
    ),
    (
        Case(
            "dequantised-second-operand",
            [node("Cast", "q", "f", to=1), node("Mul", "f k", "w"), node("MatMul", "x w")],
            {"x": random(2, 5, 24), "q": random(24, 40, dtype=np.int8)},
            {"k": random(40)},
            terms=24,
        ),
        1,
    ),
    (
        Case(
            "operand-that-broadcasts-along-the-batch",
            [node("Mul", "b k", "w"), node("MatMul", "x w")],
            {"x": random(2, 3, 5, 8), "b": random(3, 8, 6), "k": random(3, 1, 6)},
            terms=8,
        ),
        1,
    ),
    (
        Case(
            "one-value-for-two-convolutions",
            [node("Mul", "x s", "m"), node("Conv", "m w", "a"), node("Conv", "m v", "b"), node("Add", "a b")],
            {"x": IMAGE, "s": random(2, 16, 1, 1)},
            {"w": random(8, 16, 1, 1), "v": random(8, 16, 1, 1, seed=2)},
            terms=32,
        ),
        2,
    ),
    (
        Case(
            "one-dimension",
            [node("Mul", "x s", "m"), node("Conv", "m w", pads=[2, 2])],
            {"x": random(1, 6, 33), "s": random(1, 6, 1)},
            {"w": random(9, 6, 5)},
            terms=30,
        ),
        1,
    ),
    (
        Case(
            "embeddings-side-by-side",
            [
                node("Gather", "w i", "g"),
                node("Cast", "j", "k", to=7),
                node("Gather", "v k", "h"),
                node("Concat", "g h", axis=-1),
            ],
            {"i": np.array([[3, -1, 0], [8, 2, 2]], np.int64), "j": np.array([[1, 0, -2], [3, 3, 1]], np.float32)},
            {"w": random(9, 8), "v": random(4, 5)},
        ),
        1,
    ),
    (
        Case(
            "embedding-scaled-and-normalised",
            [
                node("Gather", "w i", "g"),
                node("Mul", "g two", "h"),
                node("Add", "h p", "a"),
                node("LayerNormalization", "a s b", axis=-1),
            ],
            {"i": np.array([[3, 1, 0, 7]], np.int64)},
            {"w": random(9, 24), "p": random(4, 24), "two": np.array(2, np.float32), "s": random(24), "b": random(24)},
        ),
        1,
    ),
    (
        Case(
            "gather-transposed-into-a-product",
            [node("Gather", "x i", "g", axis=2), node("Transpose", "g", "t", perm=[0, 2, 1]), node("MatMul", "t w")],
            {"x": random(2, 12, 9)},
            {"i": np.array([1, 0, 8, -3, 4], np.int64), "w": random(12, 7)},
            terms=12,
        ),
        1,
    ),
    (
        Case(
            "elements-at-computed-places",
            [
                node("ArgMax", "x", "m", axis=1, keepdims=1),
                node("Add", "m one", "n"),
                node("GatherElements", "z n", "g", axis=1),
                node("Sub", "g z"),
            ],
            {"x": random(6, 10), "z": random(6, 11)},
            {"one": np.array([[1]], np.int64)},
        ),
        2,
    ),
    (
        Case(
            "two-results-each-with-readers",
            [
                node("Add", "x z", "a"),
                node("Sin", "a", "b"),
                node("Conv", "a w", "p"),
                node("Conv", "b v", "q"),
                node("Add", "p q"),
            ],
            {"x": IMAGE, "z": random(2, 16, 9, 7, seed=1)},
            {"w": random(8, 16, 1, 1), "v": random(8, 16, 1, 1, seed=2)},
            terms=32,
        ),
        2,
    ),
    (
        Case(
            "pieces-computed-of-pieces",
            [
                node("Tanh", "x", "t"),
                node("Concat", "x t", "a", axis=2),
                node("Concat", "a k", "b", axis=0),
                node("Mul", "b m", "c"),
                node("Transpose", "c", "d", perm=[1, 0, 2]),
                node("Tanh", "d", "e"),
                node("Concat", "d e", "f", axis=0),
                node("Concat", "f n", "g", axis=2),
                node("Mul", "g o"),
            ],
            {"x": random(1, 2, 15)},
            {"k": random(2, 2, 30), "m": random(30), "n": random(4, 3, 2), "o": random(32)},
        ),
        2,
    ),
    (
        Case(
            "reflected-border",
            [node("Pad", "x pads", "p", mode="reflect"), node("Conv", "p w", strides=[2])],
            {"x": random(2, 3, 41)},
            {"w": random(6, 3, 5), "pads": np.array([0, 0, 7, 0, 0, 4], np.int64)},
            terms=15,
        ),
        1,
    ),
]  # fmt: skip


@parametrize([case for case, _ in PROLOGUES])
def test_prologue(case: Case, target: str):
    """The results are those of ONNX Runtime, on both engines."""
    check(case, target)


@pytest.mark.parametrize(("case", "launches"), [pytest.param(c, n, id=c.name) for c, n in PROLOGUES])
def test_launches(case: Case, launches: int):
    """Launches are so dear on an accelerator that what can be computed on the way is."""
    image = compile_model(case.model(), "vn1")
    assert len(image.host.steps) == launches, [text for _, text in image.remarks]
