"""Selections as detection transformers make them: gathered boxes that several kernels read in parts."""

from __future__ import annotations

import numpy as np
from conformance import Case, check, node, parametrize, random

#: The centre and the size of chosen boxes, each by its own view of one tensor, beside a product of all of it.
BOXES = Case(
    "boxes-in-parts",
    [
        node("GatherElements", "x i", "g", axis=1),
        node("Sigmoid", "g", "s"),
        node("Unsqueeze", "s two", "u"),
        node("Slice", "u two four three", "size"),
        node("Slice", "u zero two three", "centre"),
        node("Mul", "o size", "scaled"),
        node("Add", "scaled centre", "y"),
        node("MatMul", "s w", "m"),
    ],
    {
        "x": random(1, 84, 4),
        "i": np.random.default_rng(0).integers(0, 84, (1, 20, 4)),
        "o": random(1, 20, 3, 2),
    },
    {name: np.array([i]) for i, name in enumerate(("zero", "one", "two", "three", "four"))} | {"w": random(4, 32)},
    outputs=("y", "m"),
)


@parametrize([BOXES])
def test_selections(case: Case, target: str):
    check(case, target)
