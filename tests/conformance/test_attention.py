"""Attention, which is found in its parts, against ONNX Runtime, and against float64 in many orders of the pipes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from conformance import TINY, Case, assert_close, check, node, parametrize, random, run_image
from onnx import NodeProto

from vcc.compiler.compilation import Compilation
from vcc.compiler.options import Options
from vcc.dialects import graph


def attention(
    name: str,
    q: tuple[int, ...],
    k: tuple[int, ...],
    v: tuple[int, ...],
    mask: Any = None,
    *,
    after: tuple[NodeProto, ...] = (),
    dtype: Any = np.float32,
) -> Case:
    """softmax(q k^T * 0.3 + mask) v, the result being `y` or what `after` makes of `o`."""
    feeds = {"q": random(*q, dtype=dtype), "k": random(*k, dtype=dtype, seed=1), "v": random(*v, dtype=dtype, seed=2)}
    order = [*range(len(k) - 2), len(k) - 1, len(k) - 2]
    nodes = [
        node("Transpose", "k", "kt", perm=order),
        node("MatMul", "q kt", "s"),
        node("Mul", "s scale", "t"),
        *([] if mask is None else [node("Add", "t mask", "m")]),
        node("Softmax", "t" if mask is None else "m", "p", axis=-1),
        node("MatMul", "p v", "o" if after else "y"),
        *after,
    ]
    constants = {"scale": np.array(0.3, dtype)}
    if mask is not None:
        feeds["mask"] = np.asarray(mask, dtype)
    return Case(name, nodes, feeds, constants, terms=k[-2])


def causal(rows: int, keys: int, lowest: float) -> Any:
    return np.where(np.tri(rows, keys, keys - rows, dtype=bool), 0.0, lowest).astype(np.float32)


CASES = [
    attention("plain", (5, 8), (7, 8), (7, 6)),
    attention("heads", (2, 3, 40, 16), (2, 3, 50, 16), (2, 3, 50, 24)),
    attention("one-query", (1, 4, 1, 32), (1, 4, 77, 32), (1, 4, 77, 32)),
    attention("one-key", (3, 9, 8), (3, 1, 8), (3, 1, 8)),
    attention("many-keys", (1, 2, 6, 16), (1, 2, 700, 16), (1, 2, 700, 16)),
    attention("deep", (1, 2, 3, 600), (1, 2, 30, 600), (1, 2, 30, 700)),
    attention("small-heads", (40, 5, 8), (40, 5, 8), (40, 5, 8)),
    attention("key-mask", (2, 3, 17, 16), (2, 3, 90, 16), (2, 3, 90, 24), random(2, 1, 1, 90, seed=3)),
    attention("full-mask", (2, 3, 17, 16), (2, 3, 33, 16), (2, 3, 33, 16), random(2, 3, 17, 33, seed=3)),
    attention("causal", (2, 70, 8), (2, 70, 8), (2, 70, 8), causal(70, 70, float("-inf"))),
    attention("causal-finite", (2, 3, 90, 8), (2, 3, 90, 8), (2, 3, 90, 8), causal(90, 90, -3.4028234663852886e38)),
    attention("masked-first", (4, 8), (90, 8), (90, 8), np.where(np.arange(90) < 60, -np.inf, 0.0)),
    attention(
        "tail",
        (2, 3, 21, 8),
        (2, 3, 40, 8),
        (2, 3, 40, 8),
        after=(node("Relu", "o", "r"), node("Add", "r q", "z"), node("Transpose", "z", perm=[0, 2, 1, 3])),
    ),
    attention("f16", (2, 3, 17, 16), (2, 3, 90, 16), (2, 3, 90, 24), random(2, 1, 1, 90, seed=3), dtype=np.float16),
    Case(
        "shared-keys",
        [
            node("Expand", "k shape", "ke"),
            node("Expand", "v shape", "ve"),
            node("Transpose", "ke", "kt", perm=[0, 1, 3, 2]),
            node("MatMul", "q kt", "s"),
            node("Softmax", "s", "p", axis=-1),
            node("MatMul", "p ve"),
        ],
        {"q": random(2, 6, 9, 8), "k": random(2, 1, 20, 8, seed=1), "v": random(2, 1, 20, 8, seed=2)},
        {"shape": np.array([2, 6, 20, 8])},
    ),
]


def grouped(name: str, rows: int, *, transposed: bool, mask: Any = None) -> Case:
    """Six heads of queries in three groups that share keys and values, the layout of decoders."""
    nodes = [
        *(
            step
            for kv in "kv"
            for step in (
                node("Unsqueeze", f"{kv} two", f"{kv}u"),
                node("Expand", f"{kv}u groups", f"{kv}g"),
                node("Reshape", f"{kv}g heads", f"{kv}h"),
            )
        ),
        node("Transpose", "kh", "kt", perm=[0, 1, 3, 2]),
        *([node("Transpose", "q", "qt", perm=[0, 2, 1, 3])] if transposed else []),
        node("MatMul", "qt kt" if transposed else "q kt", "s"),
        *([] if mask is None else [node("Add", "s mask", "m")]),
        node("Softmax", "s" if mask is None else "m", "p", axis=-1),
        node("MatMul", "p vh", "o"),
        node("Transpose", "o", "u", perm=[0, 2, 1, 3]),
        node("Reshape", "u flat"),
    ]
    return Case(
        name,
        nodes,
        {
            "q": random(*((2, rows, 6, 8) if transposed else (2, 6, rows, 8))),
            "k": random(2, 3, 20, 8, seed=1),
            "v": random(2, 3, 20, 8, seed=2),
            **({} if mask is None else {"mask": mask}),
        },
        {
            "two": np.array([2]),
            "groups": np.array([2, 3, 2, 20, 8]),
            "heads": np.array([2, 6, 20, 8]),
            "flat": np.array([2, rows, 48]),
        },
    )


GROUPED = [
    grouped("groups-decode", 1, transposed=False),
    grouped("groups", 13, transposed=True),
    grouped("groups-mask", 13, transposed=True, mask=random(2, 1, 13, 20, seed=3)),
    grouped("groups-head-mask", 13, transposed=False, mask=random(6, 1, 20, seed=3)),
]


@parametrize(GROUPED)
def test_grouped_heads_take_one_launch(case: Case, target: str):
    """Neither keys nor values are repeated, and the heads come together in the store."""
    image = Compilation.from_model(case.model(), Options(target=target)).encode()
    assert len(image.host.steps) == 1
    check(case, target)


def test_parts_become_attention():
    """Otherwise the cases would not test it."""
    for case in CASES:
        compilation = Compilation.from_model(case.model(), Options(target="vn1"))
        compilation.advance("fuse")
        found = sum(isinstance(op, graph.AttentionOp) for op in compilation.module.walk())
        assert found == 1, case.name


@parametrize(CASES)
def test_attention(case: Case, target: str):
    check(case, target)


@pytest.mark.parametrize("name", ["many-keys", "causal", "f16"])
def test_online_attention_in_many_orders(name: str):
    """On the tiny machine the keys come in blocks; the reference is computed in float64."""
    case = next(case for case in CASES if case.name == name)
    image = Compilation.from_model(case.model(), Options(target=TINY)).encode()
    q, k, v, *mask = (array.astype(np.float64) for array in case.feeds.values())
    scores = q @ k.swapaxes(-1, -2) * 0.3 + (mask[0] if mask else 0.0)
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    expected = weights / weights.sum(-1, keepdims=True) @ v
    (actual,) = run_image(image, case.feeds)
    assert_close(actual, expected.astype(actual.dtype), case.terms)
    for seed in range(60):
        (other,) = run_image(image, case.feeds, seed, 1 + seed % 3, seed < 3)
        np.testing.assert_array_equal(other, actual, err_msg=f"order {seed}")


PROJECTIONS = Case(
    "projections",
    [
        *(
            step
            for name, perm in (("q", [0, 2, 1, 3]), ("k", [0, 2, 3, 1]), ("v", [0, 2, 1, 3]))
            for step in (
                node("MatMul", f"x w{name}", f"{name}0"),
                node("Add", f"{name}0 b{name}", f"{name}1"),
                node("Reshape", f"{name}1 heads", f"{name}2"),
                node("Transpose", f"{name}2", f"{name}3", perm=perm),
            )
        ),
        node("MatMul", "q3 k3", "s"),
        node("Mul", "s scale", "t"),
        node("Softmax", "t", "p", axis=-1),
        node("MatMul", "p v3", "o"),
        node("Transpose", "o", "u", perm=[0, 2, 1, 3]),
        node("Reshape", "u flat", "f"),
        node("MatMul", "f wo", "g"),
        node("Add", "g x"),
    ],
    {"x": random(2, 37, 32)},
    {
        **{f"w{name}": random(32, 32, seed=i) * 0.3 for i, name in enumerate("qkvo")},
        **{f"b{name}": random(32, seed=9 + i) for i, name in enumerate("qkv")},
        "heads": np.array([2, 37, 2, 16]),
        "flat": np.array([2, 37, 32]),
        "scale": np.array(0.25, np.float32),
    },
    terms=37,
)


@parametrize([PROJECTIONS])
def test_self_attention_takes_three_launches(case: Case, target: str):
    """One product for queries, keys and values, one attention, one product with the residual."""
    image = Compilation.from_model(case.model(), Options(target=target)).encode()
    assert len(image.host.steps) == 3
    check(case, target)
