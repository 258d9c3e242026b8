"""What fusion joins: how many launches it takes, and that the results stay those of ONNX Runtime in any order."""

from __future__ import annotations

import numpy as np
import pytest
from conformance import Case, check, compile_model, node, parametrize, random

I64 = np.int64

#: Cases and the number of launches that each takes on any target.
LAUNCHES: list[tuple[Case, int]] = [
    (
        Case(
            "extremes-of-one-tensor",
            [
                node("Tanh", "x", "t"),
                node("ReduceMin", "t axes", "low", keepdims=0),
                node("ReduceMax", "t axes", "high", keepdims=0),
                node("ReduceSum", "t axes", "total", keepdims=0),
            ],
            {"x": random(11, 3, 70)},
            {"axes": np.array([1, 2], I64)},
            outputs=("low", "high", "total"),
            terms=210,
        ),
        1,
    ),
    (
        Case(
            "bias-behind-reshape",
            [
                node("MatMul", "x w", "m"),
                node("Reshape", "m heads", "r"),
                node("Add", "r b", "a"),
                node("Relu", "a"),
            ],
            {"x": random(2, 7, 24)},
            {"w": random(24, 20), "b": random(4, 5), "heads": np.array([2, 7, 4, 5], I64)},
            terms=24,
        ),
        1,
    ),
    (
        Case(
            "bias-along-a-part-of-the-columns",
            [node("MatMul", "x w", "m"), node("Reshape", "m heads", "r"), node("Add", "r b")],
            {"x": random(14, 24)},
            {"w": random(24, 20), "b": random(1, 5), "heads": np.array([14, 4, 5], I64)},
            terms=24,
        ),
        1,
    ),
    (
        Case(
            "heads-with-unit-axes",
            [
                node("MatMul", "x w", "m"),
                node("Reshape", "m split", "r"),
                node("Transpose", "r", "t", perm=[0, 3, 2, 1, 4]),
                node("Reshape", "t heads", "h"),
                node("MatMul", "h v", "p"),
                node("Transpose", "p", "q", perm=[0, 2, 1, 3]),
                node("Reshape", "q joined"),
            ],
            {"x": random(9, 16), "v": random(1, 3, 8, 6)},
            {
                "w": random(16, 24),
                "split": np.array([1, 9, 1, 3, 8], I64),
                "heads": np.array([1, 3, 9, 8], I64),
                "joined": np.array([9, 18], I64),
            },
            terms=24,
        ),
        2,
    ),
    (
        Case(
            "elementwise-behind-transpose",
            [
                node("MatMul", "x w", "m"),
                node("Reshape", "m split", "r"),
                node("Transpose", "r", "t", perm=[1, 0, 2]),
                node("Mul", "t s", "a"),
                node("Round", "a", "c"),
                node("Add", "c z"),
            ],
            {"x": random(10, 16), "z": random(3, 10, 8)},
            {"w": random(16, 24), "split": np.array([10, 3, 8], I64), "s": random(3, 1, 8)},
            terms=16,
        ),
        2,
    ),
    (
        Case(
            "nearest-then-add",
            [
                node("Resize", ["x", "", "scales"], "r", mode="nearest", coordinate_transformation_mode="asymmetric",
                     nearest_mode="floor"),
                node("Add", "r z"),
            ],
            {"x": random(1, 5, 4, 6), "z": random(1, 5, 8, 18)},
            {"scales": np.array([1, 1, 2, 3], np.float32)},
        ),
        1,
    ),
    (
        Case(
            "stacks-in-a-concat",
            [
                node("Concat", "a b", "c", axis=3),
                node("Concat", "b a", "d", axis=3),
                node("Concat", "c d", axis=2),
            ],
            {"a": random(1, 7, 5, 1), "b": random(1, 7, 5, 1, seed=1)},
        ),
        1,
    ),
    (
        Case(
            "pieces-through-views",
            [
                node("Slice", "x first last axes", "s"),
                node("Pad", "s pads", "p"),
                node("Exp", "x", "e"),
                node("Transpose", "t", "u", perm=[1, 0]),
                node("Concat", "p x e u", axis=1),
            ],
            {"x": random(9, 11), "t": random(4, 9)},
            {
                "first": np.array([3], I64),
                "last": np.array([9], I64),
                "axes": np.array([1], I64),
                "pads": np.array([0, 2, 0, 1], I64),
            },
        ),
        1,
    ),
    (
        Case(
            "reduction-of-a-product",
            [node("Mul", "x z", "p"), node("Tanh", "p", "q"), node("ReduceSum", "q axes", "r"), node("Sqrt", "r")],
            {"x": random(6, 40, 9), "z": random(40, 9, low=0.1), },
            {"axes": np.array([1], I64)},
            terms=40,
        ),
        1,
    ),
    (
        Case(
            "softmax-of-a-masked-row",
            [node("Mul", "x s", "a"), node("Add", "a mask", "b"), node("Softmax", "b", axis=-1)],
            {"x": random(12, 50), "mask": random(50)},
            {"s": np.array(0.5, np.float32)},
        ),
        1,
    ),
    (
        Case(
            "long-row-of-a-sum",
            [node("Add", "x z", "a"), node("Softmax", "a", axis=-1)],
            {"x": random(2, 9000), "z": random(9000)},
            terms=9000,
        ),
        1,
    ),
    (
        Case(
            "two-results-of-a-product",
            [
                node("MatMul", "x w", "m"),
                node("Add", "m b", "a"),
                node("Sigmoid", "a", "s"),
                node("Mul", "a s", "y"),
                node("ReduceMax", "a axes", "top", keepdims=0),
            ],
            {"x": random(30, 24)},
            {"w": random(24, 20), "b": random(20), "axes": np.array([1], I64)},
            outputs=("y", "top"),
            terms=24,
        ),
        2,
    ),
    (
        Case(
            "two-results-of-a-convolution",
            [
                node("Conv", "x w", "c", pads=[1, 1, 1, 1]),
                node("Relu", "c", "r"),
                node("Sigmoid", "c", "s"),
                node("Mul", "s r", "y"),
            ],
            {"x": random(1, 16, 9, 9)},
            {"w": random(16, 16, 3, 3)},
            outputs=("y", "c"),
            terms=144,
        ),
        1,
    ),
    (
        Case(
            "siblings",
            [
                node("Mul", "a c", "p"),
                node("Mul", "b d", "q"),
                node("Mul", "a d", "r"),
                node("Mul", "b c", "s"),
                node("Sub", "p q", "re"),
                node("Add", "r s", "im"),
            ],
            {"a": random(70, 33), "b": random(70, 33, seed=1)},
            {"c": random(33), "d": random(33, seed=1)},
            outputs=("re", "im"),
        ),
        1,
    ),
    (
        Case(
            "siblings-in-a-concat",
            [node("Exp", "x", "e"), node("Neg", "x", "n"), node("Concat", "e n", axis=0)],
            {"x": random(21, 33)},
        ),
        1,
    ),
    (
        Case(
            "a-value-between-that-another-kernel-needs-first",
            [
                node("Exp", "x", "e"),
                node("MatMul", "e w", "m"),
                node("Relu", "m", "n"),
                node("Add", "e n", "y"),
            ],
            {"x": random(20, 20)},
            {"w": random(20, 20)},
            terms=400,
        ),
        1,
    ),
]  # fmt: skip


@parametrize([case for case, _ in LAUNCHES])
def test_against_onnx_runtime(case: Case, target: str):
    check(case, target)


@pytest.mark.parametrize(("case", "launches"), [pytest.param(c, n, id=c.name) for c, n in LAUNCHES])
def test_launches(case: Case, launches: int):
    image = compile_model(case.model(), "vn1")
    assert len(image.host.steps) == launches, [text for _, text in image.remarks]
