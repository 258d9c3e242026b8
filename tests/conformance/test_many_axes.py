"""Movement of tensors of many axes, of empty tensors, of blocked ones, and the tail of a detector."""

from __future__ import annotations

from typing import Any

import numpy as np
from conformance import Array, Case, check, node, parametrize, random
from onnx import helper


def i64(*numbers: int) -> Array:
    return np.array(numbers, np.int64)


def bounds(starts: Array, ends: Array, axes: Array, steps: Array) -> dict[str, Any]:
    """The constant inputs of a Slice."""
    return {"s": starts, "e": ends, "a": axes, "t": steps}


MANY_AXES = [
    Case(
        "slice",
        [node("Slice", "x s e a t")],
        {"x": random(2, 3, 2, 3, 2, 3, 2, 5)},
        bounds(i64(2, -1, 4), i64(-100, -100, -100), i64(1, 3, 7), i64(-1, -2, -3)),
    ),
    Case(
        "pad",
        [node("Pad", "x p")],
        {"x": random(2, 1, 2, 3, 1, 3, 2, 3)},
        {"p": i64(1, 0, 0, 1, 0, 0, 0, 2, 0, 1, 0, 0, 1, 0, 0, 1)},
    ),
    Case(
        "pad-reflect",
        [node("Pad", "x p", mode="reflect")],
        {"x": random(2, 2, 3, 4, 5)},
        {"p": i64(0, 0, 1, 2, 1, 0, 0, 2, 1, 3)},
    ),
    Case("pad-wrap", [node("Pad", "x p", mode="wrap")], {"x": random(4, 5)}, {"p": i64(1, 2, 2, 1)}, opset=19),
    Case(
        "pad-axes",
        [node("Pad", "x p v a")],
        {"x": random(4, 5, 6)},
        {"p": i64(1, 2), "v": np.array(3, np.float32), "a": i64(-2)},
    ),
    Case("expand", [node("Expand", "x s")], {"x": random(2, 1, 2, 1, 2, 1, 2, 1)}, {"s": i64(2, 3, 2, 2, 2, 3, 2, 2)}),
    Case("tile", [node("Tile", "x r")], {"x": random(2, 3, 2, 2, 3)}, {"r": i64(1, 2, 3, 2, 2)}),
    Case("transpose", [node("Transpose", "x", perm=[7, 0, 6, 1, 5, 2, 4, 3])], {"x": random(2, 3, 2, 3, 2, 2, 2, 3)}),
]

PARTS = [
    Case(
        "split",
        [helper.make_node("Split", ["x"], ["a", "b", "c"], name="split", axis=-1, num_outputs=3)],
        {"x": random(4, 17)},
        outputs=("a", "b", "c"),
    ),
    Case(
        "split-sizes",
        [helper.make_node("Split", ["x", "s"], ["a", "b"], name="split", axis=1)],
        {"x": random(4, 7, 3)},
        {"s": i64(2, 5)},
        outputs=("a", "b"),
    ),
    Case(
        "slice-of-convolution",
        [node("Conv", "x w", "c"), node("Slice", "c s e a t")],
        {"x": random(1, 8, 9, 9)},
        {"w": random(32, 8, 3, 3), **bounds(i64(-1, 3), i64(-100, 30), i64(2, 1), i64(-2, 5))},
        terms=72,
    ),
    Case(
        "pad-of-convolution",
        [node("Conv", "x w", "c"), node("Pad", "c p")],
        {"x": random(1, 8, 9, 9)},
        {"w": random(32, 8, 3, 3), "p": i64(0, 1, 2, 0, 0, 3, 0, 1)},
        terms=72,
    ),
]

#: A model's empty result is written by a host call; all else that is empty costs nothing.
EMPTY = [
    Case("concat", [node("Concat", "x e", axis=0)], {"x": random(3, 4), "e": random(0, 4)}),
    Case("concat-two", [node("Concat", "e x f", axis=1)], {"x": random(3, 4), "e": random(3, 0), "f": random(3, 0)}),
    Case(
        "slice",
        [node("Slice", "x s e", "z"), node("Neg", "z", "n"), node("Concat", "n x", axis=0)],
        {"x": random(3, 4)},
        {"s": i64(2), "e": i64(2)},
    ),
    Case(
        "result",
        [node("Slice", "x s e", "y")],
        {"x": random(3, 4)},
        {"s": i64(2), "e": i64(2)},
        host=frozenset({"Slice"}),
    ),
    Case(
        "means-of-no-images",
        [node("Relu", "x", "z"), node("GlobalAveragePool", "z")],
        {"x": random(0, 2, 3, 4)},
        host=frozenset({"GlobalAveragePool"}),
    ),
]

DETECTOR = Case(
    "detector",
    [
        helper.make_node("Split", ["x", "s"], ["b", "c"], name="split", axis=2),
        node("ReduceMax", "c a", "m", keepdims=0),
        helper.make_node("TopK", ["m", "k"], ["v", "i"], name="topk", axis=1),
        node("Unsqueeze", "i u", "j"),
        node("Expand", "j e", "l"),
        node("GatherElements", "b l", "boxes", axis=1),
        node("ArgMax", "c", "classes", axis=2, keepdims=0),
    ],
    {"x": random(1, 840, 24)},
    {"s": i64(4, 20), "a": i64(2), "k": i64(30), "u": i64(2), "e": i64(1, 30, 4)},
    outputs=("v", "boxes", "classes"),
)


@parametrize(MANY_AXES)
def test_many_axes(case: Case, target: str):
    check(case, target)


@parametrize(PARTS)
def test_parts(case: Case, target: str):
    check(case, target)


@parametrize(EMPTY)
def test_empty(case: Case, target: str):
    check(case, target)


@parametrize([DETECTOR])
def test_detector(case: Case, target: str):
    check(case, target)
