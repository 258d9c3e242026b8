"""Data movement against ONNX Runtime: transposes, slices, pads, concatenations, expansions and mixes of them."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from typing import Any

import numpy as np
from conformance import Case, check, node, parametrize, random
from onnx import TensorProto


def transpose(shape: tuple[int, ...], perm: tuple[int, ...], dtype: Any = np.float32) -> Case:
    """A transpose alone."""
    name = f"transpose-{'x'.join(map(str, shape))}-{''.join(map(str, perm))}-{np.dtype(dtype).name}"
    return Case(name, [node("Transpose", "x", perm=perm)], {"x": random(*shape, dtype=dtype)})


def slices(
    name: str,
    shape: tuple[int, ...],
    starts: list[int],
    ends: list[int],
    steps: list[int],
    axes: list[int] | None = None,
) -> Case:
    """A slice with constant bounds."""
    numbers = {"s": starts, "e": ends, "a": axes or list(range(len(starts))), "t": steps}
    constants = {key: np.array(value, np.int64) for key, value in numbers.items()}
    return Case(f"slice-{name}", [node("Slice", "x s e a t")], {"x": random(*shape)}, constants)


def pad(
    name: str,
    shape: tuple[int, ...],
    pads: list[int],
    value: float | None = None,
    dtype: Any = np.float32,
    **attributes: Any,
) -> Case:
    """A pad."""
    constants: dict[str, Any] = {"p": np.array(pads, np.int64)}
    if value is not None:
        constants["v"] = np.array(value, dtype)
    return Case(
        f"pad-{name}", [node("Pad", ["x", *constants], **attributes)], {"x": random(*shape, dtype=dtype)}, constants
    )


def concat(name: str, axis: int, *shapes: tuple[int, ...], dtype: Any = np.float32) -> Case:
    """Inputs one behind the other."""
    feeds = {f"x{i}": random(*shape, dtype=dtype, seed=i) for i, shape in enumerate(shapes)}
    return Case(f"concat-{name}", [node("Concat", list(feeds), axis=axis)], feeds)


CASES = [
    *(transpose((5, 6, 7), perm) for perm in permutations(range(3))),
    *(transpose((3, 4, 5, 6), perm) for perm in [(0, 2, 3, 1), (0, 3, 1, 2), (3, 2, 1, 0), (1, 0, 3, 2), (2, 3, 0, 1)]),
    transpose((37, 41), (1, 0)),
    transpose((200, 300), (1, 0)),
    transpose((2, 3, 2, 3, 4), (4, 2, 0, 3, 1)),
    transpose((2, 3, 2, 3, 2, 4), (5, 3, 1, 4, 2, 0)),
    transpose((2, 3, 2, 2, 2, 2, 2, 2, 2), (8, 0, 7, 1, 6, 2, 5, 3, 4)),
    transpose((37, 41), (1, 0), np.int64),
    transpose((37, 41), (1, 0), np.int8),
    transpose((37, 41), (1, 0), np.bool_),
    slices("head", (9, 33), [0, 5], [9, 21], [1, 1]),
    slices("step", (9, 33), [1, 30], [9, 2], [3, -4]),
    slices("reversed", (9, 33), [-1], [-100], [-1], [1]),
    slices("both-reversed", (9, 33), [-1, -1], [-100, -100], [-1, -2]),
    slices("middle", (4, 20, 6), [3], [17], [2], [1]),
    pad("both", (5, 7), [1, 2, 3, 4]),
    pad("value", (5, 70), [0, 2, 1, 0], 2.5),
    pad("rank-4", (2, 3, 5, 6), [0, 1, 2, 0, 0, 0, 1, 3], -1.0),
    pad("i64", (5, 7), [1, 0, 0, 2], 9, np.int64),
    replace(pad("large-i64", (5, 7), [1, 0, 0, 2], 2**60 + 1, np.int64), host=frozenset({"Pad"})),
    pad("bool", (5, 7), [1, 0, 0, 2], None, np.bool_),
    pad("edge", (5, 7), [1, 2, 3, 1], mode="edge"),
    pad("reflect", (5, 7), [1, 2, 3, 1], mode="reflect"),
    pad("negative", (9, 9), [-1, 2, 0, -3]),
    concat("rows", 0, (3, 7), (5, 7)),
    concat("columns", 1, (9, 7), (9, 1), (9, 30)),
    concat("middle", 1, (2, 3, 5), (2, 4, 5), (2, 1, 5)),
    concat("many", 0, *[(2, 3)] * 40),
    concat("long", 1, (3, 5000), (3, 1)),
    concat("i64", 0, (3,), (4,), dtype=np.int64),
    concat("bool", 1, (3, 4), (3, 5), dtype=np.bool_),
    Case("concat-twice", [node("Concat", "x x", axis=1)], {"x": random(5, 6)}),
    Case("concat-views", [node("Transpose", "x", "t", perm=[1, 0]), node("Concat", "t c x", axis=0)],
         {"x": random(6, 6)}, {"c": random(2, 6, seed=1)}),
    Case("expand", [node("Expand", "x s")], {"x": random(3, 1, 5)}, {"s": np.array([2, 3, 4, 5], np.int64)}),
    Case("expand-scalar", [node("Expand", "x s")], {"x": random()}, {"s": np.array([7, 9], np.int64)}),
    Case("tile", [node("Tile", "x r")], {"x": random(3, 5)}, {"r": np.array([2, 3], np.int64)}),
    Case("slice-neg", [node("Slice", "x s e t", "a"), node("Neg", "a")], {"x": random(4, 9)},
         {"s": np.array([2], np.int64), "e": np.array([9], np.int64), "t": np.array([1], np.int64)}),
    Case("depth-to-space", [node("DepthToSpace", "x", blocksize=2)], {"x": random(2, 12, 3, 5)}),
    Case("depth-to-space-crd", [node("DepthToSpace", "x", blocksize=2, mode="CRD")], {"x": random(2, 12, 3, 5)}),
    Case("space-to-depth", [node("SpaceToDepth", "x", blocksize=2)], {"x": random(2, 3, 6, 10)}),
    Case("flatten", [node("Relu", "x", "r"), node("Flatten", "r", axis=1)], {"x": random(2, 3, 6, 10)}),
    Case("squeeze", [node("Squeeze", "x a", "s"), node("Unsqueeze", "s b")], {"x": random(2, 1, 6)},
         {"a": np.array([1], np.int64), "b": np.array([0, 3], np.int64)}),
]  # fmt: skip


@parametrize(CASES)
def test_movement(case: Case, target: str):
    check(case, target)


IDENTITIES = [
    Case("identity", [node("Identity", "x")], {"x": random(3, 5)}),
    Case("identity-reshape", [node("Reshape", "x s")], {"x": random(3, 8)}, {"s": np.array([4, 6], np.int64)}),
    Case("identity-i64", [node("Identity", "x")], {"x": random(3, 5, dtype=np.int64)}),
    Case("output-twice", [node("Relu", "x", "y"), node("Identity", "y", "z")], {"x": random(3, 5)}, outputs=["y", "z"]),
    Case("output-and-shape", [node("Relu", "x", "y"), node("Reshape", "y s", "z")], {"x": random(3, 4)},
         {"s": np.array([12], np.int64)}, outputs=["y", "z"]),
    Case("constant-output", [node("Add", "c c", "y"), node("Neg", "x", "z")], {"x": random(3)}, {"c": random(4)},
         outputs=["y", "z"]),
    Case("input-and-result", [node("Identity", "x", "y"), node("Neg", "x", "z")], {"x": random(3, 5)},
         outputs=["z", "y"]),
    Case("output-used", [node("Exp", "x", "y"), node("Neg", "y", "z")], {"x": random(3, 5)}, outputs=["y", "z"]),
    Case("outputs-of-one-input", [node("Exp", "x", "a"), node("Neg", "x", "b"), node("Abs", "x", "c")],
         {"x": random(3, 5)}, outputs=["c", "a", "b"]),
    Case("unused-input", [node("Neg", "x")], {"x": random(3), "unused": random(4)}),
    Case("no-input", [node("Shape", "x", "s"), node("Cast", "s", to=TensorProto.FLOAT)], {"x": random(3, 4)}),
]  # fmt: skip


@parametrize(IDENTITIES)
def test_identity(case: Case, target: str):
    check(case, target)
