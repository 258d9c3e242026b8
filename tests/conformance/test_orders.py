"""A hundred random legal orders of every kernel family: exactly the results of program order."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from conformance import TINY, Case, check_orders, compile_model, node, random, run_image
from onnx import TensorProto

SEEDS = range(100)


def case(name: str, *nodes: Any, shape: tuple[int, ...], **constants: Any) -> Case:
    """A model of one input x."""
    return Case(name, nodes, {"x": random(*shape)}, constants)


FAMILIES = [
    case("conv", node("Conv", "x w", pads=[1, 1, 1, 1]), shape=(1, 8, 6, 7), w=random(12, 8, 3, 3, seed=1)),
    case(
        "conv-residual",
        node("Conv", "x w", "c", pads=[1, 1, 1, 1]),
        node("Add", "c x", "s"),
        node("Sigmoid", "s"),
        shape=(1, 16, 5, 5),
        w=random(16, 16, 3, 3, seed=1),
    ),
    case("depthwise", node("Conv", "x w", group=16), shape=(1, 16, 7, 9), w=random(16, 1, 3, 3, seed=1)),
    case("matmul", node("MatMul", "x w"), shape=(19, 70), w=random(70, 21, seed=1)),
    case("matmul-square", node("MatMul", "x x", "p"), node("Relu", "p"), shape=(23, 23)),
    case("pool", node("MaxPool", "x", kernel_shape=[3, 3], strides=[2, 2]), shape=(2, 16, 9, 9)),
    case("reduce", node("ReduceSum", "x a"), shape=(9, 1500), a=np.array([1], np.int64)),
    case("softmax", node("Softmax", "x", axis=1), shape=(13, 90)),
    case("layer-norm", node("LayerNormalization", "x g"), shape=(13, 90), g=random(90, seed=1)),
    case("elementwise", node("Add", "x b", "s"), node("Exp", "s"), shape=(11, 300), b=random(300, seed=1)),
    case("cast", node("Cast", "x", to=TensorProto.INT32), shape=(7, 900)),
    case("transpose", node("Transpose", "x", perm=[1, 0]), shape=(60, 70)),
    case("concat", node("Concat", "x b", axis=1), shape=(9, 200), b=random(9, 31, seed=1)),
]


@pytest.mark.parametrize("target", [TINY, "vn1"], ids=["tiny", "vn1"])
@pytest.mark.parametrize("each", FAMILIES, ids=[case.name for case in FAMILIES])
def test_a_hundred_orders(each: Case, target: str):
    image = compile_model(each.model(), target)
    check_orders(each, image, run_image(image, each.feeds), SEEDS)
