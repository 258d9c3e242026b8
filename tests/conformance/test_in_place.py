"""A residual whose last reader is a convolution, a product or a pooling is overwritten by its result."""

from __future__ import annotations

import numpy as np
import pytest
from conformance import Case, check, compile_model, node, parametrize, random

from vcc.runtime.isa.host import Launch

CASES = [
    Case(
        "conv",
        [
            node("Conv", "x u", "q", kernel_shape=[1, 1]),
            node("Exp", "q", "r"),
            node("Conv", "z w", "c", kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
            node("Add", "c r", "s"),
            node("Relu", "s", "t"),
            node("Conv", "t v", "y", kernel_shape=[1, 1]),
        ],
        {"x": random(1, 32, 19, 23), "z": random(1, 16, 19, 23, seed=1)},
        {"u": random(32, 32, 1, 1, seed=4), "w": random(32, 16, 3, 3, seed=2), "v": random(16, 32, 1, 1, seed=3)},
        terms=300,
    ),
    Case(
        "matmul",
        [
            node("CumSum", "x axis", "r"),
            node("MatMul", "z w", "c"),
            node("Mul", "c r", "s"),
            node("Sub", "s r", "t"),
            node("CumSum", "t axis"),
        ],
        {"x": random(37, 75), "z": random(37, 41, seed=1)},
        {"w": random(41, 75, seed=2), "axis": np.array(1)},
        terms=41,
    ),
    Case(
        "depthwise",
        [
            node("Conv", "x u", "q", kernel_shape=[1, 1]),
            node("Exp", "q", "r"),
            node("Conv", "z w", "c", kernel_shape=[3, 3], pads=[1, 1, 1, 1], group=16),
            node("Add", "c r", "s"),
            node("Conv", "s v", "y", kernel_shape=[1, 1]),
        ],
        {"x": random(1, 16, 19, 23), "z": random(1, 16, 19, 23, seed=1)},
        {"u": random(16, 16, 1, 1, seed=4), "w": random(16, 1, 3, 3, seed=2), "v": random(16, 16, 1, 1, seed=3)},
        terms=64,
    ),
]

#: The residual is what the anchor reads, too: its tiles are read by several iterations.
SHARED = Case(
    "shared",
    [
        node("Exp", "x", "r"),
        node("Conv", "r w", "c", kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        node("Add", "c r", "s"),
        node("Conv", "s v", "y", kernel_shape=[1, 1]),
    ],
    {"x": random(1, 16, 19, 23)},
    {"w": random(16, 16, 3, 3, seed=2), "v": random(16, 16, 1, 1, seed=3)},
    terms=144,
)


def overwrites(case: Case) -> list[bool]:
    """For each launch whether it writes where it reads."""
    image = compile_model(case.model(), "vn1")
    launches = [step for step in image.host.steps if isinstance(step, Launch)]
    return [launch.args[-1] in launch.args[:-1] for launch in launches]


@parametrize([*CASES, SHARED])
def test_values_are_right_in_any_order_of_the_pipes(case: Case, target: str):
    check(case, target)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_residual_is_overwritten(case: Case):
    assert any(overwrites(case))


def test_what_the_anchor_reads_is_not_overwritten():
    assert not any(overwrites(SHARED))


def test_an_operand_of_another_shape_is_not_overwritten():
    nodes = [node("Exp", "x", "r"), node("MatMul", "z w", "c"), node("Add", "c r", "s"), node("Softmax", "s")]
    feeds = {"x": random(1, 75), "z": random(37, 41, seed=1)}
    assert not any(overwrites(Case("row", nodes, feeds, {"w": np.ones((41, 75), np.float32)})))
