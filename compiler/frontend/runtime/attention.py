"""ONNX Runtime's attention operators, as the standard's Attention and RotaryEmbedding."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto

from vcc.compiler.frontend.runtime.body import Body, UnsupportedFormError, stands_for


def keys_mask(body: Body, mask: str, like: str, rank: int | None) -> str:
    """A mask of ones and zeros, [batch, keys] or [batch, queries, keys], as numbers to add to the scores."""
    low = body.like(body.number("mask_filter_value", -10000.0), like)
    off = body.op("Sub", body.like(1, like), body.op("CastLike", mask, like))
    return body.op("Mul", body.op("Unsqueeze", off, body.ints(1) if rank == 3 else body.ints(1, 2)), low)


def settings(body: Body) -> dict[str, object]:
    """The attributes of the standard's Attention."""
    heads = body.attributes["num_heads"]
    found: dict[str, object] = {"q_num_heads": heads, "kv_num_heads": heads}
    if body.number("scale", 0.0):
        found["scale"] = body.attributes["scale"]
    if body.number("unidirectional", 0):
        found["is_causal"] = 1
    return found


def added(body: Body, *masks: str | None) -> str | None:
    """The sum of the masks that are there."""
    total: str | None = None
    for mask in masks:
        total = mask if total is None else total if mask is None else body.op("Add", total, mask)
    return total


@stands_for("Attention")
def attention(body: Body) -> list[str | None]:
    """The projection to query, key and value, attention, and the caches in one tensor."""
    if body.number("do_rotary", 0) or body.number("past_present_share_buffer", 0):
        raise UnsupportedFormError("with rotation or shared caches")
    x, bias = body.required(0), body.input(2)
    projected = body.op("MatMul", x, body.required(1))
    projected = projected if bias is None else body.op("Add", projected, bias)
    sizes = body.attributes.get("qkv_hidden_sizes")
    parts = None if sizes is None else body.ints(*sizes)
    split = {"axis": -1} if parts else {"axis": -1, "num_outputs": 3}
    q, k, v = body.make("Split", projected, parts, outputs=3, **split)
    mask, rank, past = body.input(3), body.rank(3), body.input(4)
    if mask is not None and rank == 1 and past is None:
        # Of each sample so many keys from the first on count.
        length = body.op("Gather", body.op("Shape", x), body.constant(1, np.int64))
        keys = body.op("Range", body.constant(0, np.int64), length, body.constant(1, np.int64))
        counts = body.op("Unsqueeze", body.op("Cast", mask, to=TensorProto.INT64), body.ints(1))
        mask, rank = body.op("Cast", body.op("Less", keys, counts), to=TensorProto.INT32), 2
    if mask is not None and rank not in (2, 3):
        raise UnsupportedFormError("with a mask of this or an unknown rank")
    bias_of_keys = None if mask is None else keys_mask(body, mask, x, rank)
    caches: list[str | None] = [None, None]
    if past is not None:
        caches = [body.op("Gather", past, body.constant(i, np.int64), axis=0) for i in (0, 1)]
    total = added(body, bias_of_keys, body.input(5))
    if past is None:
        return [body.op("Attention", q, k, v, total, **settings(body)), None]
    y, *present = body.make("Attention", q, k, v, total, *caches, outputs=3, **settings(body))
    stacked = [body.op("Unsqueeze", each, body.ints(0)) for each in present]
    return [y, body.op("Concat", *stacked, axis=0)]


@stands_for("MultiHeadAttention")
def multi_head_attention(body: Body) -> list[str | None]:
    """Attention of given queries, keys and values, with a bias of all three."""
    operands = [body.required(i) for i in range(3)]
    bias, mask = body.input(3), body.input(4)
    if bias is not None:
        parts = body.make("Split", bias, outputs=3, axis=0, num_outputs=3)
        operands = [body.op("Add", x, part) for x, part in zip(operands, parts, strict=True)]
    if any(body.rank(i) not in (None, 3) for i in range(3)) or (mask is not None and body.rank(4) not in (2, 3)):
        raise UnsupportedFormError("with packed operands or a mask of this or an unknown rank")
    if any(body.input(i) is not None for i in (8, 9)):
        raise UnsupportedFormError("with shared caches")
    bias_of_keys = None if mask is None else keys_mask(body, mask, operands[0], body.rank(4))
    total, caches = added(body, bias_of_keys, body.input(5)), [body.input(6), body.input(7)]
    count = 3 if caches[0] is not None else 1
    made = body.make("Attention", *operands, total, *caches, outputs=count, **settings(body))
    return [*made, *([None] * (3 - count))]


@stands_for("RotaryEmbedding")
def rotary_embedding(body: Body) -> str:
    """The rotation by positions that are given for each token."""
    if body.rank(1) != 2 or body.number("scale", 1.0) != 1:
        raise UnsupportedFormError("with a scale or without a position for each token")
    inputs = [body.required(i) for i in (0, 2, 3, 1)]
    return body.op("RotaryEmbedding", *inputs, **body.only("interleaved", "num_heads", "rotary_embedding_dim"))
