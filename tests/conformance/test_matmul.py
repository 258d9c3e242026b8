"""Matrix products of every kind against ONNX Runtime."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from conformance import Case, check, node, parametrize, random


def matmul(
    name: str, a: tuple[int, ...], b: tuple[int, ...], *, dynamic: bool = False, dtype: Any = np.float32
) -> Case:
    """A product whose right side is constant, or an input."""
    left, right = random(*a, dtype=dtype), random(*b, dtype=dtype, seed=1)
    feeds = {"a": left} | ({"b": right} if dynamic else {})
    return Case(name, [node("MatMul", "a b")], feeds, {} if dynamic else {"b": right}, terms=a[-1])


def gemm(name: str, a: tuple[int, ...], b: tuple[int, ...], c: tuple[int, ...] | None, **attributes: Any) -> Case:
    """A Gemm with constant weights."""
    constants = {"b": random(*b, seed=1)} | ({} if c is None else {"c": random(*c, seed=2)})
    return Case(name, [node("Gemm", ["a", *constants], **attributes)], {"a": random(*a)}, constants)


def dynamic_gemm(name: str, a: tuple[int, ...], b: tuple[int, ...], **attributes: Any) -> Case:
    """A Gemm of two inputs."""
    return Case(name, [node("Gemm", "a b", **attributes)], {"a": random(*a), "b": random(*b, seed=1)})


def fused(name: str, *after: Any, extra: dict[str, Any] | None = None, m: int = 33, n: int = 45) -> Case:
    """A product with operators after it; the product is `p`."""
    constants = {"w": random(20, n, seed=1), **(extra or {})}
    return Case(name, [node("MatMul", "a w", "p"), *after], {"a": random(m, 20)}, constants)


CASES = [
    matmul("square", (64, 64), (64, 64)),
    matmul("tails", (37, 29), (29, 53)),
    matmul("one-row", (1, 100), (100, 77)),
    matmul("one-column", (50, 30), (30, 1)),
    matmul("one-by-one", (1, 40), (40, 1)),
    matmul("long-sum", (3, 5000), (5000, 7)),
    matmul("k-1", (9, 1), (1, 11)),
    matmul("vector-left", (40,), (40, 9)),
    matmul("vector-right", (9, 40), (40,)),
    matmul("vector-both", (40,), (40,)),
    matmul("batched", (3, 10, 20), (3, 20, 14), dynamic=True),
    matmul("batched-constant", (3, 10, 20), (3, 20, 14)),
    matmul("broadcast-right", (2, 3, 10, 20), (20, 14)),
    matmul("broadcast-both", (2, 1, 10, 20), (3, 20, 14), dynamic=True),
    matmul("broadcast-left", (10, 20), (4, 20, 14), dynamic=True),
    matmul("dynamic", (37, 29), (29, 53), dynamic=True),
    # vn1 multiplies no f64 matrices.
    replace(matmul("f64", (17, 19), (19, 23), dtype=np.float64), host=frozenset({"MatMul"})),
    matmul("f16", (17, 40), (40, 23), dtype=np.float16),
    matmul("rank-6", (2, 1, 2, 1, 5, 6), (3, 1, 2, 6, 7), dynamic=True),
    gemm("gemm", (5, 30), (30, 20), (20,)),
    gemm("gemm-trans-a", (30, 5), (30, 20), (20,), transA=1),
    gemm("gemm-trans-b", (5, 30), (20, 30), (20,), transB=1),
    gemm("gemm-both", (30, 5), (20, 30), None, transA=1, transB=1),
    gemm("gemm-factors", (5, 30), (30, 20), (5, 1), alpha=0.5, beta=2.0),
    gemm("gemm-scalar", (5, 30), (30, 20), (1,)),
    dynamic_gemm("gemm-dynamic", (6, 31), (31, 21), alpha=3.0),
    dynamic_gemm("gemm-dynamic-trans", (31, 6), (21, 31), transA=1, transB=1),
    fused("bias-relu", node("Add", "p c", "s"), node("Relu", "s"), extra={"c": random(45, seed=5)}),
    fused(
        "two-additions",
        node("Add", "c p", "s"),
        node("Add", "s d", "t"),
        node("Add", "t e"),
        extra={"c": random(45, seed=5), "d": random(33, 45, seed=6), "e": random(33, 1, seed=7)},
    ),
    fused("doubled", node("Add", "p p")),
    fused("gelu", node("Erf", "p", "e"), node("Mul", "e p", "f"), node("Add", "f p")),
    fused("to-half", node("Cast", "p", to=10)),
    fused("wide", node("Relu", "p"), m=2, n=700),
    fused("tall", node("Relu", "p"), m=700, n=2),
]


@parametrize(CASES)
def test_matmul(case: Case, target: str):
    check(case, target)


ATTENTION = Case(
    "attention",
    [
        node("Reshape", "x heads", "h"),
        node("Transpose", "h", "q", perm=[0, 2, 1, 3]),
        node("Transpose", "h", "k", perm=[0, 2, 3, 1]),
        node("MatMul", "q k", "s"),
        node("Mul", "s scale", "t"),
        node("Softmax", "t", "p", axis=-1),
        node("MatMul", "p q", "o"),
        node("Transpose", "o", "u", perm=[0, 2, 1, 3]),
        node("Reshape", "u flat"),
    ],
    {"x": random(2, 13, 24)},
    {
        "heads": np.array([2, 13, 3, 8], np.int64),
        "flat": np.array([2, 13, 24], np.int64),
        "scale": np.array(0.35, np.float32),
    },
)


@parametrize([ATTENTION])
def test_attention(case: Case, target: str):
    check(case, target)
