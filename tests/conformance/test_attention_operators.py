"""Attention and RotaryEmbedding as operators of their own (opset 23) against ONNX Runtime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from conformance import NATIVE, TINY, Array, Case, check, node, parametrize, random
from onnx import helper

TARGETS = (NATIVE, TINY)
Q, KV = (1, 2, 7, 8), (1, 2, 9, 8)


def attention(
    name: str,
    q: tuple[int, ...] = Q,
    kv: tuple[int, ...] = KV,
    more: Mapping[str, Array] | None = None,
    inputs: Sequence[str] = (),
    outputs: Sequence[str] = ("y",),
    **attributes: Any,
) -> Case:
    """An Attention; `inputs` are the names of the fourth and later ones, given in `more`."""
    feeds = {"q": random(*q), "k": random(*kv, seed=1), "v": random(*kv, seed=2), **(more or {})}
    made = helper.make_node("Attention", ["q", "k", "v", *inputs], list(outputs), name="attention", **attributes)
    return Case(name, [made], feeds, outputs=outputs, targets=TARGETS, opset=23)


def rotary(
    name: str, shape: tuple[int, ...], table: tuple[int, ...], *, places: bool = True, **attributes: Any
) -> Case:
    """A RotaryEmbedding, by positions that are an input or of tables for each place."""
    feeds = {"x": random(*shape)}
    if places:
        feeds["p"] = np.arange(10).reshape(2, 5) % 7
    made = node("RotaryEmbedding", ["x", "c", "s", *(["p"] if places else [])], **attributes)
    return Case(name, [made], feeds, {"c": random(*table), "s": random(*table, seed=3)}, targets=TARGETS, opset=23)


ATTENTION = [
    attention("four-axes"),
    attention("three-axes", (2, 7, 24), (2, 9, 24), q_num_heads=3, kv_num_heads=3),
    attention("grouped", (1, 4, 7, 8)),
    attention("causal", kv=Q, is_causal=1),
    attention("mask", more={"m": random(7, 9)}, inputs=["m"]),
    attention("bool-mask", more={"m": random(1, 1, 7, 9, dtype=np.bool_)}, inputs=["m"]),
    attention("empty-rows", more={"m": np.arange(7)[:, None] > np.full((1, 9), 2)}, inputs=["m"]),
    attention("softcap", softcap=2.0),
    attention("scale", scale=0.1),
    attention(
        "cache",
        (1, 4, 3, 8),
        (1, 2, 3, 8),
        {"pk": random(1, 2, 5, 8), "pv": random(1, 2, 5, 8, seed=4)},
        ["", "pk", "pv"],
        ("y", "k2", "v2"),
        is_causal=1,
    ),
]
ROTARY = [
    rotary("halves", (2, 3, 5, 8), (9, 4)),
    rotary("interleaved", (2, 3, 5, 8), (9, 4), interleaved=1),
    rotary("three-axes", (2, 5, 24), (2, 5, 4), places=False, num_heads=3),
    rotary("part-of-a-head", (2, 3, 5, 8), (9, 2), rotary_embedding_dim=4, num_heads=3),
]


@parametrize(ATTENTION)
def test_attention(case: Case, target: str):
    check(case, target)


@parametrize(ROTARY)
def test_rotary_embedding(case: Case, target: str):
    check(case, target)
