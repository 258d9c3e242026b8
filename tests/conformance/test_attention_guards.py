"""Attention with PyTorch's guard against queries without keys, as one kernel, against ONNX Runtime."""

from __future__ import annotations

import numpy as np
from conformance import NATIVE, TINY, Array, Case, check, compile_model, node, parametrize, random

from vcc.runtime.isa.host import Launch

MINUS_INFINITY = np.array(-np.inf, np.float32)


def guarded(name: str, mask: Array, low: Array = MINUS_INFINITY) -> Case:
    """Attention of two heads under a mask of truth values, which is an input."""
    nodes = [
        node("MatMul", "q k", "s"),
        node("Where", "m zero low", "b"),
        node("Add", "s b", "a"),
        node("Softmax", "a", "p", axis=-1),
        node("IsNaN", "p", "n"),
        node("Where", "n zero p", "g"),
        node("MatMul", "g v"),
    ]
    feeds = {"q": random(1, 2, 6, 8), "k": random(1, 2, 8, 9), "v": random(1, 2, 9, 8), "m": mask}
    constants = {"zero": np.array(0, np.float32), "low": low}
    return Case(name, nodes, feeds, constants, targets=(NATIVE, TINY))


CASES = [
    guarded("all-but-some", np.arange(9).reshape(1, 1, 1, 9) < 7),
    guarded("each-its-own", random(1, 1, 6, 9, dtype=np.bool_) | (np.arange(9) == 0)),
    guarded("rows-without-keys", np.arange(6).reshape(1, 1, 6, 1) > np.array([2] * 9)),
    guarded("finite", np.arange(6).reshape(1, 1, 6, 1) > np.array([2] * 9), np.array(-3e38, np.float32)),
]


@parametrize(CASES)
def test_guarded_attention(case: Case, target: str):
    check(case, target)
    image = compile_model(case.model(), target)
    launches = [step.kernel for step in image.host.steps if isinstance(step, Launch)]
    assert any("attention" in kernel for kernel in launches), launches
