"""ArgMax, ArgMin, TopK, Hardmax and CumSum against ONNX Runtime."""

from __future__ import annotations

from typing import Any

import numpy as np
from conformance import Array, Case, check, node, parametrize, random
from onnx import helper


def coarse(*shape: int, dtype: Any = np.float32) -> Array:
    """Numbers of which many are equal."""
    return np.random.default_rng([5, *shape]).integers(-3, 4, shape).astype(dtype)


def arg(name: str, x: Array, axis: int, op_type: str = "ArgMax", **attributes: Any) -> Case:
    return Case(f"{op_type}-{name}", [node(op_type, "x", axis=axis, **attributes)], {"x": x})


ARGS = [
    case
    for op_type in ("ArgMax", "ArgMin")
    for case in (
        arg("last", random(9, 70), -1, op_type),
        arg("first", random(70, 9), 0, op_type, keepdims=0),
        arg("middle", random(3, 40, 7), 1, op_type, keepdims=0),
        arg("ties", coarse(9, 70), 1, op_type),
        arg("ties-last", coarse(9, 70), 1, op_type, select_last_index=1),
        arg("long", coarse(3, 20000), 1, op_type),
        arg("long-last", coarse(3, 20000), 1, op_type, select_last_index=1),
        arg("long-first-axis", coarse(20000, 3), 0, op_type, keepdims=0),
        arg("i8", coarse(6, 50, dtype=np.int8), 1, op_type),
        arg("i32", random(6, 50, dtype=np.int32), 1, op_type),
        arg("f64", random(6, 50, dtype=np.float64), 0, op_type),
        arg("f16", random(6, 50, dtype=np.float16), 1, op_type),
        arg("vector", random(700), 0, op_type, keepdims=0),
        arg("infinite", np.full((3, 8), np.inf, np.float32), 1, op_type),
    )
]


@parametrize(ARGS)
def test_arg(case: Case, target: str):
    check(case, target)


def topk(name: str, x: Array, k: int, axis: int = -1, **attributes: Any) -> Case:
    """Both results of TopK; of equal elements ONNX Runtime gives the first, too."""
    nodes = [helper.make_node("TopK", ["x", "k"], ["v", "i"], name="topk", axis=axis, **attributes)]
    return Case(f"topk-{name}", nodes, {"x": x}, {"k": np.array([k], np.int64)}, ("v", "i"))


TOPKS = [
    topk("last", random(9, 70), 5),
    topk("smallest", random(9, 70), 5, largest=0),
    topk("first-axis", random(70, 9), 7, 0),
    topk("middle", random(3, 40, 6), 4, 1),
    topk("one", random(9, 70), 1),
    topk("all", random(9, 40), 40),
    topk("ties", coarse(9, 70), 20),
    topk("ties-smallest", coarse(9, 70), 20, largest=0),
    topk("beside", coarse(3, 19, 37), 12, 1),
    topk("beside-smallest", coarse(21, 30), 8, largest=0),
    topk("beside-long", random(13, 700), 3),
    topk("beside-one", random(2, 50, 11), 1, 1),
    topk("beside-u32", random(12, 40).view(np.int32), 5),
    topk("long", random(2, 9000), 10),
    topk("long-ties", coarse(2, 9000), 50),
    topk("long-vector", random(9000), 100, largest=0),
    topk("i64", random(6, 50, dtype=np.int64), 6),
    topk("i32-ties", coarse(6, 50, dtype=np.int32), 6),
    topk("f64", random(6, 50, dtype=np.float64), 6),
    Case(
        "topk-values",
        [helper.make_node("TopK", ["x", "k"], ["v", "i"], name="topk"), node("Relu", "v")],
        {"x": random(6, 50)},
        {"k": np.array([4], np.int64)},
    ),
    Case(
        "topk-indices",
        [helper.make_node("TopK", ["x", "k"], ["v", "i"], name="topk"), node("Cast", "i", to=1)],
        {"x": random(6, 50)},
        {"k": np.array([4], np.int64)},
    ),
    Case("hardmax", [node("Hardmax", "x", axis=1)], {"x": coarse(6, 50)}),
    Case("hardmax-of-old", [node("Hardmax", "x")], {"x": coarse(6, 5, 11)}, opset=12),
]


@parametrize(TOPKS)
def test_topk(case: Case, target: str):
    check(case, target)


def cumsum(name: str, shape: tuple[int, ...], axis: int, dtype: Any = np.float32, **attributes: Any) -> Case:
    constants = {"a": np.array(axis, np.int64)}
    return Case(
        f"cumsum-{name}", [node("CumSum", "x a", **attributes)], {"x": random(*shape, dtype=dtype)}, constants, terms=99
    )


SUMS = [
    cumsum("last", (7, 60), 1),
    cumsum("first", (60, 7), 0),
    cumsum("middle", (3, 40, 6), -2),
    cumsum("vector", (500,), 0),
    cumsum("reverse", (7, 60), 1, reverse=1),
    cumsum("reverse-first", (60, 7), 0, reverse=1),
    cumsum("exclusive", (7, 60), 1, exclusive=1),
    cumsum("both", (7, 60), 0, exclusive=1, reverse=1),
    cumsum("long", (2, 9001), 1, np.float64),
    cumsum("long-reverse", (9001, 2), 0, np.float64, reverse=1),
    cumsum("i32", (7, 60), 1, np.int32),
    cumsum("i64-long", (2, 5000), 1, np.int64, exclusive=1),
]


@parametrize(SUMS)
def test_cumsum(case: Case, target: str):
    check(case, target)
