"""Gathers and scatters against ONNX Runtime."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from conformance import TINY, Array, Case, check, compile_model, node, parametrize, random, run_image

from vcc.runtime.diagnostics import VccError


def indices(shape: tuple[int, ...], size: int, dtype: Any = np.int64, *, positive: bool = False) -> Array:
    """Random indices of an axis, negative ones among them."""
    return np.random.default_rng([7, size, *shape]).integers(0 if positive else -size, size, shape, dtype=dtype)


def gather(
    name: str,
    shape: tuple[int, ...],
    index: tuple[int, ...],
    axis: int = 0,
    dtype: Any = np.float32,
    kind: Any = np.int64,
) -> Case:
    """A Gather by indices that are an input."""
    feeds = {"x": random(*shape, dtype=dtype), "i": indices(index, shape[axis], kind)}
    return Case(f"gather-{name}", [node("Gather", "x i", axis=axis)], feeds)


def constant_gather(name: str, shape: tuple[int, ...], index: list[Any], axis: int = 0) -> Case:
    """A Gather by constant indices."""
    constants = {"i": np.array(index, np.int64)}
    return Case(f"gather-{name}", [node("Gather", "x i", axis=axis)], {"x": random(*shape)}, constants)


GATHERS = [
    gather("rows", (50, 33), (7,)),
    gather("rows-i32", (50, 33), (2, 7), kind=np.int32),
    gather("columns", (9, 50), (13,), 1),
    gather("last-of-three", (3, 5, 40), (2, 6), -1),
    gather("middle", (4, 31, 6), (3, 5), 1),
    gather("scalar", (6, 31, 5), (), 1),
    gather("scalar-first", (31, 5), ()),
    gather("vector", (3000,), (1000,)),
    gather("wide", (8, 5000), (5,)),
    gather("long", (2000, 3), (4, 700)),
    gather("rank-8", (2, 2, 3, 2, 2), (2, 1, 2, 3), 2),
    *(
        gather(f"{np.dtype(d).name}", (20, 9), (30,), 0, d)
        for d in (np.float16, np.float64, np.int8, np.int64, np.bool_)
    ),
    constant_gather("constant", (6, 40), [3, -1, 0, 3, 17], 1),
    constant_gather("constant-matrix", (20, 6), [[3, -1], [0, 3]]),
    constant_gather("even", (20, 6), [18, 15, 12, 9]),
    constant_gather("one", (4, 20), [-3], 1),
    Case(
        "embedding-of-constants",
        [node("Gather", "t i", "e"), node("Gather", "p q", "f"), node("Add", "e f", "s"), node("Mul", "s k")],
        {"i": indices((2, 11), 300)},
        {"t": random(300, 64), "p": random(40, 64, seed=1), "q": np.arange(11).reshape(1, 11), "k": random(64, seed=2)},
    ),
    Case(
        "gather-then-chain",
        [node("Gather", "x i", "g", axis=1), node("Relu", "g", "r"), node("Add", "r b")],
        {"x": random(5, 40, 6), "i": indices((3,), 40), "b": random(5, 1, 6)},
    ),
    Case(
        "gather-through-transpose",
        [node("Transpose", "x", "t", perm=[2, 0, 1]), node("Gather", "t i", axis=1)],
        {"x": random(20, 6, 7), "i": indices((9,), 20)},
    ),
    Case(
        "gather-after-convolution",
        [node("Conv", "x w", "c", pads=[1, 1, 1, 1]), node("Gather", "c i", axis=1)],
        {"x": random(2, 8, 6, 7), "i": indices((5,), 32)},
        {"w": random(32, 8, 3, 3)},
    ),
]


@parametrize(GATHERS)
def test_gather(case: Case, target: str):
    check(case, target)


def elements(name: str, shape: tuple[int, ...], index: tuple[int, ...], axis: int, kind: Any = np.int64) -> Case:
    """A GatherElements."""
    feeds = {"x": random(*shape), "i": indices(index, shape[axis], kind)}
    return Case(f"elements-{name}", [node("GatherElements", "x i", axis=axis)], feeds)


def tuples(shape: tuple[int, ...], sizes: tuple[int, ...]) -> Array:
    """Random index tuples, of the given sizes of axes."""
    return np.stack([indices(shape, size) for size in sizes], -1)


def gather_nd(name: str, shape: tuple[int, ...], outer: tuple[int, ...], depth: int, batch: int = 0) -> Case:
    """A GatherND with tuples of `depth` indices."""
    feeds = {"x": random(*shape), "i": tuples(outer, shape[batch : batch + depth])}
    return Case(f"nd-{name}", [node("GatherND", "x i", batch_dims=batch)], feeds)


ELEMENTS = [
    elements("last", (6, 70), (6, 9), 1),
    elements("first", (70, 6), (30, 6), 0, np.int32),
    elements("middle", (3, 20, 4), (3, 7, 4), 1),
    elements("fewer", (5, 20, 8), (3, 7, 2), 1),
    elements("long", (2, 4000), (2, 3000), 1),
    elements("deep", (2, 3, 2, 9, 2), (2, 3, 2, 4, 2), -2),
    gather_nd("rows", (30, 7), (5,), 1),
    gather_nd("pairs", (9, 8, 7), (4, 3), 2),
    gather_nd("all", (9, 8, 7), (11,), 3),
    gather_nd("batch", (4, 9, 8, 5), (4, 6), 2, 1),
    gather_nd("two-batches", (2, 3, 9, 5), (2, 3), 1, 2),
    Case("nd-constant", [node("GatherND", "x i")], {"x": random(9, 8, 7)}, {"i": tuples((5,), (9, 8))}),
]


@parametrize(ELEMENTS)
def test_gather_elements(case: Case, target: str):
    check(case, target)


def distinct(shape: tuple[int, ...], size: int, axis: int) -> Array:
    """Indices that name no element twice along an axis."""
    rng = np.random.default_rng([3, size, *shape])
    rows = [rng.permutation(size)[: shape[axis]] for _ in range(int(np.prod(shape)) // shape[axis])]
    others = [length for i, length in enumerate(shape) if i != axis]
    found = np.moveaxis(np.array(rows).reshape(*others, shape[axis]), -1, axis).astype(np.int64)
    return np.where(found % 3 == 0, found - size, found)


def scatter(name: str, shape: tuple[int, ...], index: tuple[int, ...], axis: int, dtype: Any = np.float32) -> Case:
    """A ScatterElements."""
    places = distinct(index, shape[axis], axis % len(shape))
    feeds = {"x": random(*shape, dtype=dtype), "i": places, "u": random(*index, dtype=dtype, seed=1)}
    return Case(f"scatter-{name}", [node("ScatterElements", "x i u", axis=axis)], feeds)


def scatter_nd(name: str, shape: tuple[int, ...], count: int, depth: int) -> Case:
    """A ScatterND at `count` different places, named by tuples of `depth` indices."""
    sizes = shape[:depth]
    places = np.random.default_rng(count).permutation(int(np.prod(sizes)))[:count]
    places = np.stack(np.unravel_index(places, sizes), -1).astype(np.int64)
    feeds = {"x": random(*shape), "i": places, "u": random(count, *shape[depth:], seed=1)}
    return Case(f"scatter-nd-{name}", [node("ScatterND", "x i u")], feeds)


SCATTERS = [
    scatter("last", (6, 70), (6, 9), 1),
    scatter("first", (70, 6), (30, 6), 0, np.int32),
    scatter("middle", (3, 20, 4), (3, 7, 4), 1, np.float16),
    scatter("fewer", (5, 20, 8), (3, 7, 2), -2),
    scatter("long", (3, 5000), (2, 3000), 1),
    scatter("vector", (50,), (20,), 0, np.bool_),
    scatter_nd("rows", (30, 7), 5, 1),
    scatter_nd("pairs", (9, 8, 7), 12, 2),
    scatter_nd("all", (9, 8, 7), 40, 3),
    scatter_nd("long", (900, 30), 500, 1),
    # Cores divide the indexed axis.
    scatter_nd("divided", (2, 500, 64), 70, 2),
    scatter("divided-middle", (3, 600, 40), (3, 50, 40), 1),
    scatter("divided-last", (40, 3000), (30, 200), 1),
    Case(
        "scatter-divided-constant",
        [node("ScatterND", "x i u")],
        {"x": random(600, 90), "u": random(3, 90, seed=1)},
        {"i": np.array([[1], [-1], [4]])},
    ),
    *(
        Case(
            f"scatter-{reduction}-{np.dtype(dtype).name}",
            [node("ScatterElements", "x i u", axis=1, reduction=reduction)],
            {"x": random(5, 20, dtype=dtype), "i": indices((4, 60), 20), "u": random(4, 60, dtype=dtype, seed=1)},
        )
        for reduction in ("add", "mul", "max", "min")
        for dtype in (np.float32, np.float64, np.int32)
    ),
    *(
        Case(
            f"scatter-nd-{reduction}",
            [node("ScatterND", "x i u", reduction=reduction)],
            {"x": random(300, 80), "i": indices((90, 1), 300), "u": random(90, 80, seed=1)},
        )
        for reduction in ("add", "mul", "max", "min")
    ),
    Case(
        "scatter-of-computed",
        [node("Add", "x x", "d"), node("ScatterND", "d i u", "s"), node("Relu", "s")],
        {"x": random(8, 9), "u": random(3, 9, seed=1)},
        {"i": np.array([[1], [-1], [4]])},
    ),
]


@parametrize(SCATTERS)
def test_scatter(case: Case, target: str):
    check(case, target)


OUTSIDE = [
    (gather("outside", (9, 5), (4,)), "i"),
    (elements("outside", (9, 5), (4, 5), 0), "i"),
    (scatter("outside", (9, 5), (4, 5), 0), "i"),
    (scatter_nd("outside-divided", (600, 90), 7, 1), "i"),
]


@pytest.mark.parametrize(("case", "name"), OUTSIDE, ids=[case.name for case, _ in OUTSIDE])
@pytest.mark.parametrize("far", [-1, 0])
def test_an_index_outside_is_a_trap(case: Case, name: str, far: int):
    places, size = case.feeds[name].copy(), len(case.feeds["x"])
    places.flat[2] = size if far == 0 else -size - 1
    with pytest.raises(VccError, match="E0401"):
        run_image(compile_model(case.model(), TINY), {**case.feeds, name: places})
