"""OneHot, Trilu, EyeLike, Range and ConstantOfShape against ONNX Runtime."""

from __future__ import annotations

from typing import Any

import numpy as np
from conformance import Case, check, node, parametrize, random
from onnx import numpy_helper


def one_hot(name: str, shape: tuple[int, ...], kind: Any, dtype: Any = np.float32, **attributes: Any) -> Case:
    """A OneHot of depth 9 with some indices outside."""
    indices = np.random.default_rng(0).integers(-12, 12, shape).astype(kind)
    constants = {"d": np.array(9, np.int64)}
    feeds = {"x": indices, "v": np.array([2, 5], dtype)}
    return Case(f"one-hot-{name}", [node("OneHot", "x d v", **attributes)], feeds, constants)


def trilu(name: str, shape: tuple[int, ...], k: int | None = None, dtype: Any = np.float32, upper: int = 1) -> Case:
    constants = {} if k is None else {"k": np.array(k, np.int64)}
    return Case(
        f"trilu-{name}", [node("Trilu", ["x", *constants], upper=upper)], {"x": random(*shape, dtype=dtype)}, constants
    )


def scalars(**numbers: Any) -> dict[str, Any]:
    return {name: np.array(number) for name, number in numbers.items()}


CASES = [
    one_hot("rows", (7,), np.int64),
    one_hot("first-axis", (4, 5), np.int64, axis=0),
    one_hot("middle-axis", (4, 5), np.int64, axis=-2),
    one_hot("i64-values", (3, 6), np.int64, np.int64),
    trilu("upper", (7, 9)),
    trilu("lower", (2, 9, 7), upper=0),
    trilu("above", (2, 3, 9, 40), 2),
    trilu("below", (9, 40), -3, upper=0),
    trilu("i64", (9, 9), 0, np.int64),
    trilu("bool", (9, 9), 1, np.bool_),
    Case("eye-like", [node("EyeLike", "x", "e", k=1), node("Add", "e x")], {"x": random(5, 7)}),
    Case(
        "constant-of-shape",
        [
            node("ConstantOfShape", "s", "c", value=numpy_helper.from_array(np.array([2.5], np.float32))),
            node("Add", "c x"),
        ],
        {"x": random(400, 1)},
        {"s": np.array([400, 600], np.int64)},
    ),
    Case(
        "range",
        [node("Range", "a b c", "r"), node("Add", "r x")],
        {"x": random(1)},
        scalars(a=np.float32(1), b=np.float32(31), c=np.float32(1.5)),
    ),
]


@parametrize(CASES)
def test_positions(case: Case, target: str):
    check(case, target)
