"""Concatenations and slices that need no copy, against ONNX Runtime; and that no launch copies."""

from __future__ import annotations

import numpy as np
import pytest
from conformance import Case, check, compile_model, node, parametrize, random

INT = np.int64


CASES = [
    Case(
        "rows",
        [node("Exp", "x", "a"), node("Relu", "x", "b"), node("Concat", "a b", "c", axis=0), node("Softmax", "c")],
        {"x": random(3, 7)},
    ),
    Case(
        "result",
        [node("Exp", "x", "a"), node("Relu", "z", "b"), node("Concat", "a b", axis=1)],
        {"x": random(1, 3, 5), "z": random(1, 2, 5, seed=1)},
    ),
    Case(
        "nested",
        [
            node("Exp", "x", "a"),
            node("Relu", "x", "b"),
            node("Neg", "x", "d"),
            node("Concat", "a b", "c", axis=0),
            node("Concat", "d c", "e", axis=0),
            node("Softmax", "e"),
        ],
        {"x": random(3, 7)},
    ),
    Case(
        "blocks",
        [
            node("Conv", "x w", "a", kernel_shape=[1, 1]),
            node("Conv", "x v", "b", kernel_shape=[1, 1]),
            node("Concat", "a b", "c", axis=1),
            node("Conv", "c u", "y", kernel_shape=[1, 1]),
        ],
        {"x": random(1, 16, 6, 5)},
        {"w": random(32, 16, 1, 1, seed=1), "v": random(16, 16, 1, 1, seed=2), "u": random(16, 48, 1, 1, seed=3)},
        terms=48,
    ),
    Case(
        "slice",
        [node("Exp", "x", "a"), node("Slice", "a s e a0", "c"), node("Softmax", "c")],
        {"x": random(6, 7)},
        {"s": np.array([2], INT), "e": np.array([5], INT), "a0": np.array([0], INT)},
    ),
]


@parametrize(CASES)
def test_aliases_have_the_values_of_copies(case: Case, target: str):
    check(case, target)


@pytest.mark.parametrize("case", [c for c in CASES if c.name != "nested"], ids=lambda case: case.name)
def test_nothing_is_copied(case: Case):
    """Concatenations in concatenations are the exception: fusion makes one copying kernel of them."""
    image = compile_model(case.model(), "vn1")
    assert not [kernel.name for kernel in image.kernels if kernel.name.startswith("concat")]
    assert len(image.host.steps) <= len([n for n in case.nodes if n.op_type not in ("Concat", "Slice")])
