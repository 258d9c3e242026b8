"""GridSample: elements at positions that are data, interpolated between their neighbours.

Every output element is a weighted sum of a few input elements per axis. Channels come last, so that one gather fetches
all channels of a position.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import product
from math import prod

import numpy as np
from xdsl.dialects.builtin import i32
from xdsl.ir import SSAValue

from vcc.dialects import graph
from vcc.passes.graph.lower.constraints import float_tensors
from vcc.passes.graph.lower.node import Node
from vcc.passes.graph.lower.registry import lowers

_MODES = {"bilinear": "linear", "linear": "linear", "nearest": "nearest", "bicubic": "cubic", "cubic": "cubic"}
#: The coefficient of Keys' cubic kernel that the standard fixes.
_CUBIC = -0.75


@dataclass(frozen=True)
class Tap:
    """One of the elements along an axis that make an output element: where it is, and its weight (None for one)."""

    index: SSAValue
    weight: SSAValue | None


def one_dtype(node: Node) -> bool:
    """The input and the grid must have one dtype."""
    return node.dtype(0) == node.dtype(1)


def few_taps(node: Node) -> bool:
    """Cubic interpolation takes two spatial axes."""
    return _MODES[node.string("mode", "linear")] != "cubic" or len(node.shape(0)) == 4


@lowers("GridSample", needs=[float_tensors, one_dtype, few_taps])
def lower_grid_sample(node: Node) -> SSAValue:
    """A gather and a product for each combination of taps, and their sum."""
    batch, channels, *sizes = node.shape(0)
    places = prod(node.shape(1)[1:-1])
    rank = len(sizes)
    rows = node.reshape(node.transpose(node.x, (0, *range(2, rank + 2), 1)), (batch * prod(sizes), channels))
    # The grid's last axis names the axes from the last to the first.
    grid = node.reshape(node.required(1), (batch, places, rank))
    taps = [
        _taps(node, node.slice(grid, (0, 0, rank - 1 - i), (batch, places, 1)), size) for i, size in enumerate(sizes)
    ]
    first = node.array((np.arange(batch, dtype=np.int32) * prod(sizes)).reshape(batch, 1, 1))
    total: SSAValue | None = None
    for chosen in product(*taps):
        index = first
        for tap, step in zip(chosen, [prod(sizes[i + 1 :]) for i in range(rank)], strict=True):
            index = node.binary("add", index, node.scale(tap.index, step))
        picked = node.emit(graph.GatherOp(rows, node.reshape(index, (batch, places)), 0))
        weights = [tap.weight for tap in chosen if tap.weight is not None]
        if weights:
            picked = node.binary("mul", picked, reduce(lambda a, b: node.binary("mul", a, b), weights))
        total = picked if total is None else node.binary("add", total, picked)
    assert total is not None
    return node.reshape(node.transpose(total, (0, 2, 1)), node.result_shape(0))


def _taps(node: Node, grid: SSAValue, size: int) -> list[Tap]:
    """The taps of one axis for its coordinates, -1..1 from end to end."""
    mode, padding = _MODES[node.string("mode", "linear")], node.string("padding_mode", "zeros")
    x = _denormalised(node, grid, size)
    if mode == "cubic":
        return [_tap(node, index, weight, size, padding) for index, weight in _cubic_taps(node, x)]
    if padding != "zeros":
        x = _inside(node, _reflected(node, x, size) if padding == "reflection" else x, size)
    if mode == "nearest":
        return [_tap(node, node.unary("round", x), None, size, padding)]
    floor = node.unary("floor", x)
    fraction = node.binary("sub", x, floor)
    one = node.scalar(1)
    pairs = [(floor, node.binary("sub", one, fraction)), (node.binary("add", floor, one), fraction)]
    return [_tap(node, index, weight, size, padding) for index, weight in pairs]


def _denormalised(node: Node, grid: SSAValue, size: int) -> SSAValue:
    """-1..1 as positions: of the centres of the outermost elements with align_corners, else of their edges."""
    shifted = node.binary("add", grid, node.scalar(1))
    if node.int("align_corners", 0):
        return node.scale(shifted, (size - 1) / 2)
    return node.binary("sub", node.scale(shifted, size / 2), node.scalar(0.5))


def _inside(node: Node, x: SSAValue, size: int) -> SSAValue:
    return node.binary("min", node.binary("max", x, node.scalar(0)), node.scalar(size - 1))


def _reflected(node: Node, x: SSAValue, size: int) -> SSAValue:
    """Positions mirrored at both ends until they lie between them."""
    low, high = (0.0, size - 1.0) if node.int("align_corners", 0) else (-0.5, size - 0.5)
    span = high - low
    if span == 0:
        return node.binary("mul", x, node.scalar(0))
    distance = node.unary("abs", node.binary("sub", x, node.scalar(low)))
    around = node.binary("mod", distance, node.scalar(2 * span))
    back = node.binary("min", around, node.binary("sub", node.scalar(2 * span), around))
    return node.binary("add", back, node.scalar(low))


def _cubic_taps(node: Node, x: SSAValue) -> list[tuple[SSAValue, SSAValue]]:
    """Four neighbours with the weights of Keys' kernel."""
    floor = node.unary("floor", x)
    fraction = node.binary("sub", x, floor)
    found: list[tuple[SSAValue, SSAValue]] = []
    a = _CUBIC
    for offset in (-1, 0, 1, 2):
        distance = node.unary("abs", node.binary("sub", fraction, node.scalar(offset)))
        factors = (a + 2, -(a + 3), 0.0, 1.0) if offset in (0, 1) else (a, -5 * a, 8 * a, -4 * a)
        found.append((node.binary("add", floor, node.scalar(offset)), _polynomial(node, distance, factors)))
    return found


def _polynomial(node: Node, x: SSAValue, factors: Sequence[float]) -> SSAValue:
    """The polynomial whose first factor is that of the highest power."""
    total = node.scalar(factors[0])
    for factor in factors[1:]:
        total = node.binary("add", node.binary("mul", total, x), node.scalar(factor))
    return total


def _tap(node: Node, position: SSAValue, weight: SSAValue | None, size: int, padding: str) -> Tap:
    """A tap at a whole position: outside the axis it weighs nothing, or another element takes its place."""
    if padding == "reflection":
        position = _reflected(node, position, size)
    index = _inside(node, position, size)
    if padding == "zeros":
        inside = node.cast(node.compare("eq", index, position), node.element)
        weight = inside if weight is None else node.binary("mul", weight, inside)
    return Tap(node.cast(index, i32), weight)
