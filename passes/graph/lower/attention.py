"""Attention and rotary embedding, operators since opset 23, out of products, softmax and elementwise steps.

Fusion finds the pattern again (passes/fuse/rules/attention.rules) where one kernel can do it all.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from xdsl.dialects.builtin import f32, f64, i64
from xdsl.ir import Attribute, SSAValue

from vcc.dialects import graph
from vcc.dialects.graph import shape_of, tensor_of
from vcc.dialects.graph.base import is_bool
from vcc.dialects.weights import numpy_dtype_of
from vcc.passes.graph.lower.constraints import float_tensors, machine_multiplies
from vcc.passes.graph.lower.node import Node
from vcc.passes.graph.lower.parts import attribute_of
from vcc.passes.graph.lower.registry import lowers

#: ONNX's numbers of the dtypes that softmax_precision may name.
_PRECISIONS: dict[int, Attribute] = {1: f32, 11: f64}


@dataclass(frozen=True)
class Mask:
    """What keeps queries from keys: numbers to add to the scores, and the pairs that are allowed; None for all.

    Both broadcast to [batch, heads, queries, keys]. `empty` says that a query may be left without any key.
    """

    added: SSAValue | None
    allowed: SSAValue | None
    empty: bool


def heads_of(node: Node, value: SSAValue, count: int) -> SSAValue:
    """[batch, positions, heads * size] as [batch, heads, positions, size]; four axes as they are."""
    if len(shape_of(value)) == 4:
        return value
    batch, positions, width = shape_of(value)
    return node.transpose(node.reshape(value, (batch, positions, count, width // count)), (0, 2, 1, 3))


def shared_heads(node: Node, value: SSAValue, heads: int) -> SSAValue:
    """Every head repeated so that there are `heads`."""
    batch, own, positions, size = shape_of(value)
    if own == heads:
        return value
    split = node.reshape(value, (batch, own, 1, positions, size))
    copies = node.emit(graph.ExpandOp(split, (batch, own, heads // own, positions, size)))
    return node.reshape(copies, (batch, heads, positions, size))


def masked(node: Node, scores: SSAValue, mask: Mask, *, infinite: bool = False) -> SSAValue:
    """The scores with what the mask adds, and the lowest number (or minus infinity) where a pair is not allowed."""
    if mask.added is not None:
        scores = node.binary("add", scores, mask.added)
    if mask.allowed is None:
        return scores
    lowest = -math.inf if infinite else float(_finfo(scores).min)
    return node.select(mask.allowed, scores, node.scalar(lowest, scores))


def softmax_of_rows(node: Node, scores: SSAValue, element: Attribute | None = None) -> SSAValue:
    """Softmax along the last axis, computed in another dtype if one is given."""
    own = tensor_of(scores).element_type
    wide = node.cast(scores, own if element is None else element)
    return node.cast(node.emit(graph.SoftmaxOp(wide, len(shape_of(scores)) - 1)), own)


def without_empty_rows(node: Node, value: SSAValue, mask: Mask) -> SSAValue:
    """Zero in the rows of queries that the mask leaves no key."""
    alive: SSAValue | None = None
    if mask.allowed is not None and mask.empty:
        some = node.reduce("max", node.cast(mask.allowed, f32), [len(shape_of(mask.allowed)) - 1])
        alive = node.compare("gt", some, node.scalar(0, some))
    if mask.added is not None and mask.empty:
        top = node.reduce("max", mask.added, [len(shape_of(mask.added)) - 1])
        finite = node.compare("gt", top, node.scalar(-math.inf, top))
        alive = finite if alive is None else node.binary("and", alive, finite)
    return value if alive is None else node.select(alive, value, node.scalar(0, value))


def _finfo(value: SSAValue) -> np.finfo:  # pyright: ignore[reportMissingTypeArgument]
    dtype = numpy_dtype_of(tensor_of(value).element_type)
    return np.finfo(np.float32 if dtype.name == "bfloat16" else dtype)


def _mask(node: Node, queries: int, keys: int, past: int) -> Mask:
    added, allowed = _given_mask(node, keys)
    constant = node.constant(3)
    empty = node.input(3) is not None and (constant is None or _leaves_empty(constant))
    places = np.arange(queries)[:, None] + past - np.arange(keys)[None, :]
    valid = node.input(6)
    if valid is not None:
        # Of each sample the first `valid` keys count, and the last query stands at the last of them.
        lengths = node.reshape(node.cast(valid, i64), (shape_of(valid)[0], 1, 1, 1))
        allowed = _both(node, allowed, node.compare("lt", node.array(np.arange(keys)), lengths))
        offset = node.binary("sub", lengths, node.scalar(queries, lengths))
        distance = node.binary("add", node.array(places), offset)
        for fn, bound in _windows(node):
            allowed = _both(node, allowed, node.compare(fn, distance, node.scalar(bound, distance)))
        return Mask(added, allowed, True)
    inside = np.ones(places.shape, np.bool_)
    for fn, bound in _windows(node):
        inside &= places >= bound if fn == "ge" else places <= bound
    if not inside.all():
        allowed = _both(node, allowed, node.array(inside))
        empty = empty or not inside.any(-1).all()
    return Mask(added, allowed, empty)


def _leaves_empty(mask: np.ndarray) -> bool:  # pyright: ignore[reportMissingTypeArgument]
    alive = mask if mask.dtype == np.bool_ else mask > -math.inf
    return not bool(alive.any(-1).all())


def _windows(node: Node) -> list[tuple[str, int]]:
    """The relations that a query's position minus a key's must have with a number."""
    left, right = node.int("left_window_size", -1), node.int("right_window_size", -1)
    found = [("ge", 0)] if node.int("is_causal", 0) else []
    if left >= 0:
        found.append(("le", left))
    if right >= 0:
        found.append(("ge", -right))
    return found


def _both(node: Node, a: SSAValue | None, b: SSAValue) -> SSAValue:
    return b if a is None else node.binary("and", a, b)


def _given_mask(node: Node, keys: int) -> tuple[SSAValue | None, SSAValue | None]:
    """The mask that is an input, with the keys behind its end left out: as numbers, or as truth values."""
    mask = node.input(3)
    if mask is None:
        return None, None
    element, shape = tensor_of(mask).element_type, shape_of(mask)
    if shape[-1] not in (1, keys):
        high = [0] * (len(shape) - 1) + [keys - shape[-1]]
        value = attribute_of(0 if is_bool(element) else -math.inf, element)
        mask = node.emit(graph.PadOp(mask, [0] * len(shape), high, value))
    return (None, mask) if is_bool(element) else (mask, None)


def one_dtype(node: Node) -> bool:
    """Query, key and value must have one dtype."""
    return len({node.dtype(i) for i in range(3)}) == 1


def known_precision(node: Node) -> bool:
    """The precision of the softmax must be f32, f64, or that of the operands."""
    number = node.int("softmax_precision", 0)
    own = {"float16": 10, "bfloat16": 16, "float32": 1, "float64": 11}[node.dtype(0).name]
    return number in (0, own) or number in _PRECISIONS


@lowers("Attention", needs=[float_tensors, machine_multiplies, one_dtype, known_precision])
def lower_attention(node: Node) -> Sequence[SSAValue | None]:
    """softmax(softcap(q x k^T * scale) + mask) x v for each head; the caches are concatenations."""
    kv_heads = node.int("kv_num_heads", 0)
    q = heads_of(node, node.x, node.int("q_num_heads", 0))
    k, v = (heads_of(node, node.required(i), kv_heads) for i in (1, 2))
    past = 0
    if (past_k := node.input(4)) is not None:
        past = shape_of(past_k)[2]
        k, v = (node.emit(graph.ConcatOp([node.required(i), each], 2)) for i, each in ((4, k), (5, v)))
    batch, heads, queries, size = shape_of(q)
    all_k, all_v = shared_heads(node, k, heads), shared_heads(node, v, heads)
    mask = _mask(node, queries, shape_of(k)[2], past)
    scale = node.float("scale", 0.0) or 1 / math.sqrt(size)
    stages = [_scores(node, q, all_k, scale)]
    softcap = node.float("softcap", 0.0)
    stages.append(node.scale(node.unary("tanh", node.scale(stages[0], 1 / softcap)), softcap) if softcap else stages[0])
    wanted = [i < len(node.outputs) and bool(node.op.results[i].uses) for i in range(4)]
    mode = node.int("qk_matmul_output_mode", 0)
    stages.append(masked(node, stages[1], mask, infinite=wanted[3] and mode == 2))
    chances = softmax_of_rows(node, stages[2], _PRECISIONS.get(node.int("softmax_precision", 0)))
    y = without_empty_rows(node, node.emit(graph.MatmulOp(chances, all_v)), mask)
    if len(node.shape(0)) == 3:
        y = node.reshape(node.transpose(y, (0, 2, 1, 3)), (batch, queries, heads * shape_of(v)[3]))
    debug = None
    if wanted[3]:
        debug = without_empty_rows(node, chances, mask) if mode == 3 else stages[mode]
    return [y, k if wanted[1] else None, v if wanted[2] else None, debug][: len(node.outputs)]


def _scores(node: Node, q: SSAValue, k: SSAValue, scale: float) -> SSAValue:
    """q x k^T * scale; of narrow floats each operand takes the root of the scale, so that products do not overflow."""
    narrow = numpy_dtype_of(tensor_of(q).element_type).itemsize < 4
    if narrow:
        q, k = node.scale(q, math.sqrt(scale)), node.scale(k, math.sqrt(scale))
    product = node.emit(graph.MatmulOp(q, node.transpose(k, (0, 1, 3, 2))))
    return product if narrow else node.scale(product, scale)


@lowers("RotaryEmbedding", needs=[float_tensors])
def lower_rotary_embedding(node: Node) -> SSAValue:
    """Pairs of elements, the halves of a head or neighbours in it, turned by the angle of their position."""
    shape, tables = node.shape(0), [node.required(1), node.required(2)]
    heads = node.int("num_heads", 0)
    x = node.x if len(shape) == 4 else node.reshape(node.x, (shape[0], shape[1], heads, shape[2] // heads))
    places = node.input(3)
    if places is not None:
        tables = [node.emit(graph.GatherOp(table, places, 0)) for table in tables]
    # Tables are [batch, positions, pairs]; heads lie before or behind the positions.
    batch, positions, pairs = shape_of(tables[0])
    axes = (batch, 1, positions, pairs) if len(shape) == 4 else (batch, positions, 1, pairs)
    cos, sin = (node.reshape(table, axes) for table in tables)
    turned = turned_pairs(node, x, cos, sin, interleaved=bool(node.int("interleaved", 0)))
    return node.reshape(turned, shape)


def turned_pairs(node: Node, x: SSAValue, cos: SSAValue, sin: SSAValue, *, interleaved: bool) -> SSAValue:
    """(a cos - b sin, b cos + a sin) for the pairs of the last axis that the tables have; what is behind stays."""
    shape, pairs = shape_of(x), shape_of(cos)[-1]
    starts, step = (0, 1) if interleaved else (0, pairs), 2 if interleaved else 1
    steps = [1] * (len(shape) - 1) + [step]
    part = (*shape[:-1], pairs)
    a, b = (node.slice(x, [0] * (len(shape) - 1) + [start], part, steps) for start in starts)
    real = node.binary("sub", node.binary("mul", a, cos), node.binary("mul", b, sin))
    imaginary = node.binary("add", node.binary("mul", b, cos), node.binary("mul", a, sin))
    if interleaved:
        halves = [node.reshape(each, (*part, 1)) for each in (real, imaginary)]
        parts = [node.reshape(node.emit(graph.ConcatOp(halves, len(shape))), (*shape[:-1], 2 * pairs))]
    else:
        parts = [real, imaginary]
    if 2 * pairs < shape[-1]:
        rest = (*shape[:-1], shape[-1] - 2 * pairs)
        parts.append(node.slice(x, [0] * (len(shape) - 1) + [2 * pairs], rest))
    return parts[0] if len(parts) == 1 else node.emit(graph.ConcatOp(parts, len(shape) - 1))
