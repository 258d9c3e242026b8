"""What rules find in models, compiled and run, against ONNX Runtime."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from conformance import Case, check, node, parametrize, random


def gelu(name: str, nodes: list[Any], constants: dict[str, float], *shape: int) -> Case:
    """A gelu of `x` out of primitive operators."""
    numbers = {key: np.asarray(number, np.float32) for key, number in constants.items()}
    return Case(name, nodes, {"x": random(*shape, low=-4, high=4)}, numbers)


ERF = [node("Div", "x root", "d"), node("Erf", "d", "e"), node("Add", "e one", "c"), node("Mul", "x c", "p")]
TANH = [
    node("Mul", "x x", "x2"), node("Mul", "x2 x", "x3"), node("Mul", "x3 cubic", "t"), node("Add", "x t", "u"),
    node("Mul", "u slope", "v"), node("Tanh", "v", "w"), node("Add", "w one", "c"), node("Mul", "x half", "h"),
    node("Mul", "h c"),
]  # fmt: skip
NUMBERS = {"one": 1.0, "half": 0.5, "root": math.sqrt(2), "cubic": 0.044715, "slope": math.sqrt(2 / math.pi)}
WEIGHTS = {"w": random(16, 24, seed=1), "b": random(24, seed=2)}
ACTIVATIONS = [
    gelu("gelu-erf", [*ERF, node("Mul", "p half")], NUMBERS, 7, 33),
    gelu("gelu-tanh", TANH, NUMBERS, 2, 5, 40),
    Case("gelu-op", [node("Gelu", "x")], {"x": random(9, 17, low=-4, high=4)}, opset=20),
    Case("gelu-op-tanh", [node("Gelu", "x", approximate="tanh")], {"x": random(9, 17, low=-4, high=4)}, opset=20),
    Case("gelu-chain", [node("Add", "x x", "a"), node("Gelu", "a", "g"), node("Mul", "g x")], {"x": random(65, 31)},
         opset=20),
    Case("gelu-after-matmul", [node("MatMul", "x w", "m"), node("Add", "m b", "a"), node("Gelu", "a")],
         {"x": random(12, 16)}, WEIGHTS, opset=20, terms=16),
    Case("gelu-after-conv", [node("Conv", "x k", "c", pads=[1, 1, 1, 1]), node("Gelu", "c")],
         {"x": random(1, 8, 9, 9)}, {"k": random(16, 8, 3, 3, seed=3)}, opset=20, terms=72),
    Case("hard-swish", [
        node("Add", "x three", "a"), node("Clip", "a zero six", "c"), node("Mul", "x c", "p"),
        node("Div", "p six", "q"), node("Mul", "q half"),
    ], {"x": random(3, 50, low=-5, high=5)}, {k: np.asarray(v, np.float32) for k, v in
        {"three": 3, "zero": 0, "six": 6, "half": 0.5}.items()}),
]  # fmt: skip


@parametrize(ACTIVATIONS)
def test_activation(case: Case, target: str):
    check(case, target)


LAYER_NORM = [
    node("ReduceMean", "x axes", "m"), node("Sub", "x m", "d"), node("Pow", "d two", "s"),
    node("ReduceMean", "s axes", "v"), node("Add", "v epsilon", "e"), node("Sqrt", "e", "r"), node("Div", "d r", "n"),
    node("Mul", "n scale", "k"), node("Add", "k bias"),
]  # fmt: skip
RMS_NORM = [
    node("Pow", "x two", "s"), node("ReduceMean", "s axes", "v"), node("Add", "v epsilon", "e"), node("Sqrt", "e", "r"),
    node("Reciprocal", "r", "i"), node("Mul", "x i", "n"), node("Mul", "n scale"),
]  # fmt: skip


def norm(name: str, nodes: list[Any], *shape: int) -> Case:
    """A norm along the last axis."""
    constants: dict[str, Any] = {
        "axes": np.array([-1]), "two": np.float32(2), "epsilon": np.float32(1e-5),
        "scale": random(shape[-1], seed=4), "bias": random(shape[-1], seed=5),
    }  # fmt: skip
    return Case(name, nodes, {"x": random(*shape)}, {k: np.asarray(v) for k, v in constants.items()}, terms=shape[-1])


NORMS = [
    norm("layer-norm", LAYER_NORM, 3, 7, 40),
    norm("layer-norm-one-row", LAYER_NORM, 1, 70),
    norm("rms-norm", RMS_NORM, 3, 7, 40),
    norm("rms-norm-one-row", RMS_NORM, 1, 70),
    norm("rms-norm-long-rows", RMS_NORM, 2, 9000),
    norm("rms-norm-chain", [*RMS_NORM[:-1], node("Mul", "n scale", "k"), node("Add", "k x")], 5, 33),
]


@parametrize(NORMS)
def test_norm(case: Case, target: str):
    check(case, target)


HALVES = {
    "zero": np.array([0]), "half": np.array([8]), "end": np.array([16]), "last": np.array([-1]),
}  # fmt: skip
ROTARY = [
    node("Slice", "x zero half last", "low"), node("Slice", "x half end last", "high"), node("Neg", "high", "n"),
    node("Concat", "n low", "turned", axis=3), node("Mul", "x cos", "a"), node("Mul", "turned sin", "b"),
    node("Add", "a b"),
]  # fmt: skip
SCALED = [node("Mul", "x f", "a"), node("Add", "a o", "s"), node("Conv", "s w b", pads=[0, 0, 0, 0], group=2)]
OTHERS = [
    Case("rotary", ROTARY, {"x": random(1, 3, 5, 16), "cos": random(1, 1, 5, 16), "sin": random(5, 16)}, HALVES),
    Case("scale-into-conv", SCALED, {"x": random(1, 8, 6, 7)}, {
        "f": random(8, 1, 1, seed=1), "o": random(8, 1, 1, seed=2), "w": random(16, 4, 3, 3, seed=3),
        "b": random(16, seed=4),
    }, terms=40),
    Case("softmax-parts", [
        node("ReduceMax", "x axes", "m"), node("Sub", "x m", "d"), node("Exp", "d", "e"),
        node("ReduceSum", "e axes", "t"), node("Div", "e t"),
    ], {"x": random(5, 6, 30)}, {"axes": np.array([1])}),
]  # fmt: skip


@parametrize(OTHERS)
def test_other(case: Case, target: str):
    check(case, target)


def attention(
    name: str, q: tuple[int, ...], k: tuple[int, ...], v: tuple[int, ...], *between: Any, **more: Any
) -> Case:
    """softmax(q x k^T ...) x v with k transposed by an operator; `between` makes `s` of the scores `p`."""
    rank = len(k)
    nodes = [
        node("Transpose", "k", "t", perm=[*range(rank - 2), rank - 1, rank - 2]), node("MatMul", "q t", "p"),
        *(between or [node("Mul", "p scale", "s")]), node("Softmax", "s", "e", axis=-1), node("MatMul", "e v"),
    ]  # fmt: skip
    feeds = {"q": random(*q), "k": random(*k, seed=1), "v": random(*v, seed=2)}
    return Case(name, nodes, feeds, {"scale": np.asarray(0.3, np.float32), **more}, terms=q[-1] + k[-2])


HEADS = ((2, 3, 10, 16), (2, 3, 20, 16), (2, 3, 20, 24))
ATTENTION = [
    attention("plain", *HEADS),
    attention("no-batch", (9, 8), (33, 8), (33, 8)),
    attention("mask", *HEADS, node("Mul", "p scale", "c"), node("Add", "c mask", "s"), mask=random(1, 1, 10, 20)),
    attention("row-mask", *HEADS, node("Div", "p scale", "c"), node("Add", "mask c", "s"), mask=random(2, 1, 1, 20)),
    attention("no-scale", *HEADS, node("Identity", "p", "s")),
    attention("other-axis", (2, 3, 20, 16), *HEADS[1:], node("Transpose", "p", "s", perm=[0, 1, 3, 2])),
    attention("selected", *HEADS, node("Mul", "p scale", "c"), node("Where", "keep c low", "s"),
              keep=np.arange(200).reshape(10, 20) % 3 != 0, low=np.asarray(np.finfo(np.float32).min)),
    attention("left-out", *HEADS, node("Where", "drop low p", "s"),
              drop=np.arange(20).reshape(1, 20) > 14, low=np.asarray(-np.inf, np.float32)),
    attention("long", (1, 2, 70, 16), (1, 2, 300, 16), (1, 2, 300, 16)),
]  # fmt: skip


@parametrize(ATTENTION)
def test_attention(case: Case, target: str):
    check(case, target)
