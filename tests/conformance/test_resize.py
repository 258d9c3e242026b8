"""Resize against ONNX Runtime: all ways to place and combine elements."""

from __future__ import annotations

from typing import Any

import numpy as np
from conformance import Case, check, node, parametrize, random

TRANSFORMS = ("half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric")


def resize(name: str, shape: tuple[int, ...], factors: list[float], dtype: Any = np.float32, **attributes: Any) -> Case:
    """A Resize by factors."""
    constants = {"s": np.array(factors, np.float32)}
    feeds = {"x": random(*shape, dtype=dtype)}
    return Case(name, [node("Resize", ["x", "", "s"], **attributes)], feeds, constants, terms=16)


def to_sizes(name: str, shape: tuple[int, ...], sizes: list[int], **attributes: Any) -> Case:
    """A Resize to sizes."""
    constants = {"s": np.array(sizes, np.int64)}
    return Case(name, [node("Resize", ["x", "", "", "s"], **attributes)], {"x": random(*shape)}, constants, terms=16)


CASES = [
    *(
        resize(
            f"nearest-{transform}-{rounding}-{name}",
            (1, 3, 7, 9),
            [1, 1, *factors],
            mode="nearest",
            coordinate_transformation_mode=transform,
            nearest_mode=rounding,
        )
        for transform in TRANSFORMS
        for rounding in ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")
        for name, factors in (("double", [2, 2]), ("odd", [1.7, 0.6]))
    ),
    *(
        resize(
            f"{mode}-{transform}-{name}",
            (2, 3, 8, 9),
            [1, 1, *factors],
            mode=mode,
            coordinate_transformation_mode=transform,
        )
        for mode in ("linear", "cubic")
        for transform in TRANSFORMS
        for name, factors in (("double", [2, 2]), ("odd", [1.5, 0.7]), ("triple", [3, 1]))
    ),
    resize("linear-detector", (1, 24, 20, 20), [1, 1, 2, 2], mode="linear"),
    resize("linear-quadruple", (1, 2, 9, 5), [1, 1, 4, 4], mode="linear"),
    resize("linear-long", (1, 1, 3, 1500), [1, 1, 2, 2], mode="linear"),
    resize("linear-row", (2, 3, 17), [1, 1, 2], mode="linear"),
    resize("cubic-outside", (1, 2, 6, 7), [1, 1, 2, 2], mode="cubic", exclude_outside=1),
    resize("cubic-a", (1, 2, 6, 7), [1, 1, 1.3, 2], mode="cubic", cubic_coeff_a=-0.5),
    resize("nearest-u8", (1, 2, 6, 7), [1, 1, 2, 1.5], np.uint8, mode="nearest"),
    to_sizes("sizes-nearest", (1, 2, 6, 7), [1, 2, 13, 4], mode="nearest"),
    to_sizes("sizes-linear", (1, 2, 6, 7), [1, 2, 12, 4], mode="linear"),
    to_sizes("sizes-one", (1, 2, 6, 7), [1, 2, 1, 1], mode="linear", coordinate_transformation_mode="align_corners"),
    to_sizes("from-one", (1, 2, 1, 1), [1, 2, 5, 6], mode="linear"),
    *(
        Case(
            f"{op_type}-{opset}-{mode}-{'-'.join(map(str, factors))}",
            [node(op_type, "x s", mode=mode)],
            {"x": random(1, 2, 6, 8)},
            {"s": np.array([1, 1, *factors], np.float32)},
            opset=opset,
        )
        for op_type, opset in (("Upsample", 9), ("Resize", 10))
        for mode in ("nearest", "linear")
        for factors in ((2, 2), (1.5, 1.25))
    ),
    resize("axes", (1, 2, 6, 7), [2, 1.5], mode="linear", axes=[2, 3]),
    Case(
        "linear-between-convolutions",
        [
            node("Conv", "x w", "c", pads=[1, 1, 1, 1]),
            node("Resize", ["c", "", "s"], "r", mode="linear"),
            node("Conv", "r v", pads=[1, 1, 1, 1]),
        ],
        {"x": random(1, 8, 6, 7)},
        {"w": random(16, 8, 3, 3), "v": random(8, 16, 3, 3, seed=1), "s": np.array([1, 1, 2, 2], np.float32)},
        terms=200,
    ),
]


def of_bytes(name: str, dtype: type, scale: float, transform: str) -> Case:
    """A linear Resize of an image of bytes, a part of which is all alike, so that sums come near to whole numbers."""
    info = np.iinfo(dtype)
    x = np.random.default_rng(0).integers(info.min, info.max, (1, 5, 7, 6), dtype, endpoint=True)
    x[:, :, :3] = 77
    attributes = {"mode": "linear", "coordinate_transformation_mode": transform}
    scales = np.array([1, 1, scale, 2 * scale], np.float32)
    return Case(name, [node("Resize", ["x", "", "s"], **attributes)], {"x": x}, {"s": scales})


BYTES = [
    of_bytes("aligned", np.uint8, 2, "align_corners"),
    of_bytes("half-pixel", np.uint8, 1.7, "half_pixel"),
    of_bytes("signed", np.int8, 1.3, "asymmetric"),
    of_bytes("smaller", np.uint8, 0.5, "pytorch_half_pixel"),
]


@parametrize(BYTES)
def test_bytes_are_what_onnx_runtime_cuts_off(case: Case, target: str):
    check(case, target)


@parametrize(CASES)
def test_resize(case: Case, target: str):
    check(case, target)


#: A concatenation cannot read through the copies of both axes; what reads through one of them must not miss the other.
HALF_WAY = Case(
    "half-way",
    [
        node("Resize", ["x", "", "s"], "r", mode="nearest", coordinate_transformation_mode="asymmetric"),
        node("Concat", "r c", "y", axis=1),
        node("Reshape", "r shape", "t"),
        node("Relu", "t", "z"),
    ],
    {"x": random(1, 1, 3, 2)},
    {"s": np.array([1, 1, 2, 2], np.float32), "c": random(1, 1, 6, 4, seed=1), "shape": np.array([1, 1, 2, 3, 4])},
    outputs=("y", "z"),
)


@parametrize([HALF_WAY])
def test_a_view_with_a_kernel_of_its_own_is_read_as_it_is_made(case: Case, target: str):
    check(case, target)
