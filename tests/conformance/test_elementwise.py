"""Elementwise operators: functions, dtypes, broadcasting, comparison, selection and casts against ONNX Runtime."""

from __future__ import annotations

from typing import Any

import numpy as np
from conformance import Case, check, node, parametrize, random
from onnx import TensorProto

INTEGERS = (np.int8, np.uint8, np.int32, np.int64)
DTYPES = (np.float32, np.float64, np.float16, *INTEGERS)


def unary(op_type: str, *, dtype: Any = np.float32, low: float = -2.0, shape: tuple[int, ...] = (7, 33)) -> Case:
    """A function of every element of an input, which is `low` at least."""
    name = f"{op_type}-{np.dtype(dtype).name}"
    return Case(name, [node(op_type, "x")], {"x": random(*shape, dtype=dtype, low=low)})


UNARY = [
    *(unary(op) for op in ("Abs", "Neg", "Exp", "Tanh", "Erf", "Sigmoid", "Sin", "Cos", "Floor", "Ceil", "Round")),
    *(unary(op) for op in ("Sign", "Relu", "LeakyRelu", "Elu", "Selu", "Softplus", "Softsign", "HardSigmoid")),
    *(unary(op) for op in ("HardSwish", "Celu", "ThresholdedRelu", "Mish")),
    *(unary(op, low=0.1) for op in ("Log", "Sqrt", "Reciprocal")),
    *(unary("Abs", dtype=d) for d in (np.float64, np.float16, np.int8, np.int32, np.int64)),
    *(unary("Relu", dtype=d) for d in (np.float64, np.float16, np.int8, np.int32)),
    *(unary("Exp", dtype=d) for d in (np.float64, np.float16)),
    unary("Not", dtype=np.bool_),
]


@parametrize(UNARY)
def test_unary(case: Case, target: str):
    check(case, target)


def binary(
    name: str,
    a: tuple[int, ...],
    b: tuple[int, ...],
    op_type: str = "Add",
    dtype: Any = np.float32,
    constant: bool = False,
) -> Case:
    """A function of two inputs, or of one and a constant."""
    right = {"b": random(*b, dtype=dtype, seed=1)}
    if op_type in ("Div", "Mod"):
        right["b"] = np.where(right["b"] == 0, np.ones_like(right["b"]), right["b"])
    feeds = {"a": random(*a, dtype=dtype)} | ({} if constant else right)
    return Case(name, [node(op_type, "a b")], feeds, right if constant else {})


BROADCASTS: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {
    "same": ((5, 70), (5, 70)),
    "row": ((9, 33), (33,)),
    "column": ((9, 33), (9, 1)),
    "outer": ((9, 1), (1, 33)),
    "scalar": ((9, 33), ()),
    "both-scalar": ((), ()),
    "one": ((9, 33), (1, 1)),
    "left": ((33,), (4, 9, 33)),
    "channel": ((2, 17, 5, 6), (1, 17, 1, 1)),
    "middle": ((3, 1, 5, 6), (3, 7, 1, 6)),
    "alternate": ((2, 1, 3, 1, 4), (1, 5, 1, 6, 1)),
    "rank-6": ((2, 3, 1, 2, 1, 4), (3, 2, 1, 3, 1)),
    "rank-8": ((2, 1, 2, 1, 2, 1, 2, 1), (1, 3, 1, 3, 1, 3, 1, 3)),
    "rank-9": ((2, 1, 2, 1, 2, 1, 2, 1, 2), (1, 3, 1, 2, 1, 2, 1, 2, 1)),
    "large": ((70000,), (70000,)),
    "prime": ((10007,), (1,)),
}
BINARY = [
    *(binary(f"broadcast-{name}", *shapes) for name, shapes in BROADCASTS.items()),
    *(binary(f"constant-{name}", *shapes, constant=True) for name, shapes in BROADCASTS.items()),
    *(
        binary(f"{op}-{np.dtype(d).name}", (7, 33), (7, 33), op, d)
        for op in ("Add", "Sub", "Mul", "Div")
        for d in (np.float32, np.float64, np.float16, np.int32, np.int64)
    ),
    *(binary(f"{op}-{np.dtype(d).name}", (7, 33), (33,), op, d) for op in ("Max", "Min") for d in DTYPES[2:]),
    *(binary(f"Mod-{np.dtype(d).name}", (7, 33), (33,), "Mod", d) for d in (np.int8, np.int32, np.int64)),
    *(binary(f"{op}-bool", (7, 33), (33,), op, np.bool_) for op in ("And", "Or", "Xor", "Equal")),
    *(
        binary(f"{op}-{np.dtype(d).name}", (7, 33), (33,), op, d)
        for op in ("Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual")
        for d in (np.float32, np.float64, np.int32, np.int64)
    ),
    Case(
        "Add-large-i64",
        [node("Add", "a b")],
        {"a": random(7, 33, dtype=np.int64)},
        {"b": np.array(2**60 + 1, np.int64)},
    ),
    Case("Pow", [node("Pow", "a b")], {"a": random(7, 33, low=0.1), "b": random(33, seed=1)}),
    Case("Pow-square", [node("Pow", "a b")], {"a": random(7, 33)}, {"b": np.array(2, np.float32)}),
    Case("fmod", [node("Mod", "a b", fmod=1)], {"a": random(7, 33), "b": random(33, seed=1)}),
    Case("PRelu", [node("PRelu", "a b")], {"a": random(2, 16, 5, 5)}, {"b": random(16, 1, 1, seed=1)}),
    Case("Sum", [node("Sum", "a b c")], {"a": random(5, 7), "b": random(7, seed=1), "c": random(5, 1, seed=2)}),
    Case("Mean", [node("Mean", "a b")], {"a": random(5, 7), "b": random(7, seed=1)}),
]


@parametrize(BINARY)
def test_binary(case: Case, target: str):
    check(case, target)


def cast(source: Any, target: int, shape: tuple[int, ...] = (5, 37)) -> Case:
    """A conversion of numbers that the target has (beyond its range the standard leaves the result open)."""
    low = 0.0 if np.dtype(source).kind in "fi" and target in (TensorProto.UINT8, TensorProto.UINT32) else -2.0
    values = random(*shape, dtype=source, low=low)
    name = f"{np.dtype(source).name}-to-{TensorProto.DataType.Name(target).lower()}"
    return Case(name, [node("Cast", "x", to=target)], {"x": values})


TARGET_TYPES = (
    TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.INT8, TensorProto.UINT8,
    TensorProto.INT32, TensorProto.INT64, TensorProto.BOOL,
)  # fmt: skip
CASTS = [
    *(cast(source, to) for source in (*DTYPES, np.bool_) for to in TARGET_TYPES),
    Case("Where", [node("Where", "c a b")], {"c": random(5, 1, dtype=np.bool_), "a": random(5, 7), "b": random(7)}),
    Case("Where-i64", [node("Where", "c a b")], {"c": random(5, 7, dtype=np.bool_)},
         {"a": random(5, 7, dtype=np.int64), "b": np.array(3, np.int64)}),
    Case("Where-scalars", [node("Where", "c a b")], {"c": random(5, 7, dtype=np.bool_)},
         {"a": np.array(1, np.float32), "b": np.array(0, np.float32)}),
    Case("Where-constant-condition", [node("Where", "c a b")], {"a": random(5, 7), "b": random(5, 7, seed=4)},
         {"c": random(5, 7, dtype=np.bool_)}),
    Case("mask", [node("Greater", "x t", "m"), node("Cast", "m", "f", to=TensorProto.FLOAT), node("Mul", "f x")],
         {"x": random(6, 31)}, {"t": np.array(0.5, np.float32)}),
    Case("Clip", [node("Clip", "x a b")], {"x": random(6, 31)},
         {"a": np.array(-0.5, np.float32), "b": np.array(0.75, np.float32)}),
    Case("Clip-low", [node("Clip", "x a")], {"x": random(6, 31)}, {"a": np.array(-0.5, np.float32)}),
    Case("Clip-i32", [node("Clip", "x a b")], {"x": random(6, 31, dtype=np.int32)},
         {"a": np.array(-3, np.int32), "b": np.array(9, np.int32)}),
]  # fmt: skip


@parametrize(CASTS)
def test_cast_and_select(case: Case, target: str):
    check(case, target)


def chain(length: int) -> Case:
    """As many alternating additions and functions, longer than a kernel may be."""
    nodes = [node("Add" if i % 2 else "Tanh", [f"v{i}", "x"] if i % 2 else f"v{i}", f"v{i + 1}") for i in range(length)]
    return Case(f"chain-{length}", [node("Neg", "x", "v0"), *nodes], {"x": random(5, 130)}, outputs=[f"v{length}"])


def wide_chain(width: int) -> Case:
    """Many values that live at once: all are computed before they are added."""
    nodes = [node("Add", ["x", f"k{i}"], f"a{i}") for i in range(width)]
    nodes += [node("Tanh", f"a{i}", f"t{i}") for i in range(width)]
    nodes += [node("Mul", [f"t{i}" if i == 0 else f"m{i}", f"a{i}"], f"m{i + 1}") for i in range(width)]
    constants = {f"k{i}": random(130, seed=i) for i in range(width)}
    return Case(f"wide-{width}", nodes, {"x": random(9, 130)}, constants, outputs=[f"m{width}"])


@parametrize([chain(40), chain(75), wide_chain(4), wide_chain(9)])
def test_chain(case: Case, target: str):
    check(case, target)
