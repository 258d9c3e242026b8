"""Reductions, softmax, layer norm and pooling against ONNX Runtime."""

from __future__ import annotations

from typing import Any

import numpy as np
from conformance import NATIVE, Case, check, node, parametrize, random
from onnx import NodeProto


def pool(
    name: str, op_type: str, shape: tuple[int, ...], kernel: list[int], *, dtype: Any = np.float32, **attributes: Any
) -> Case:
    """A pooling."""
    return Case(
        name, [node(op_type, "x", kernel_shape=kernel, **attributes)], {"x": random(*shape, dtype=dtype)}, terms=9
    )


def both(name: str, shape: tuple[int, ...], kernel: list[int], **attributes: Any) -> list[Case]:
    """Maximum and average."""
    return [pool(f"{kind}-{name}", f"{kind}Pool", shape, kernel, **attributes) for kind in ("Max", "Average")]


POOLS = [
    *both("2", (1, 16, 10, 12), [2, 2], strides=[2, 2]),
    *both("3-pads", (2, 17, 10, 11), [3, 3], strides=[2, 2], pads=[1, 1, 1, 1]),
    *both("ceil", (1, 8, 10, 13), [3, 3], strides=[2, 2], ceil_mode=1),
    *both("ceil-pads", (1, 3, 11, 12), [3, 3], strides=[2, 2], ceil_mode=1, pads=[1, 1, 1, 1]),
    *both("same", (1, 5, 11, 12), [3, 2], strides=[2, 2], auto_pad="SAME_UPPER"),
    *both("same-lower", (1, 5, 11, 12), [3, 2], strides=[2, 1], auto_pad="SAME_LOWER"),
    *both("asymmetric", (1, 24, 9, 9), [3, 4], pads=[0, 2, 1, 3]),
    *both("row", (2, 6, 40), [5], strides=[3], pads=[2, 1]),
    *both("volume", (1, 8, 6, 7, 5), [2, 3, 2], strides=[2, 1, 1]),
    *both("large-window", (1, 4, 23, 23), [13, 13], pads=[6, 6, 6, 6]),
    *both("wide-volume", (1, 2, 8, 19, 26), [3, 7, 9], strides=[2, 1, 1], pads=[1, 3, 4, 1, 3, 4]),
    *both("reduced-between-joins", (1, 2, 14, 9, 15), [8, 3, 8]),
    pool("max-joins-around-reduction", "MaxPool", (1, 2, 13, 9, 13), [7, 3, 7]),
    pool("max-wide-dilated", "MaxPool", (1, 20, 31, 25), [7, 3], dilations=[3, 2], pads=[3, 1, 2, 2]),
    pool("max-wide-u8", "MaxPool", (1, 16, 21, 21), [9, 9], dtype=np.uint8, pads=[4, 4, 4, 4]),
    pool("count-pads", "AveragePool", (1, 16, 9, 9), [3, 3], pads=[1, 1, 1, 1], count_include_pad=1),
    pool(
        "count-pads-ceil",
        "AveragePool",
        (1, 6, 10, 10),
        [3, 3],
        pads=[1, 1, 1, 1],
        strides=[2, 2],
        count_include_pad=1,
        ceil_mode=1,
    ),
    pool("max-dilated", "MaxPool", (1, 8, 14, 14), [3, 3], dilations=[2, 2]),
    pool("max-f16", "MaxPool", (1, 8, 9, 9), [3, 3], dtype=np.float16),
    pool("max-i8", "MaxPool", (1, 8, 9, 9), [3, 3], dtype=np.int8, pads=[1, 1, 1, 1]),
    pool("max-u8", "MaxPool", (1, 8, 9, 9), [3, 3], dtype=np.uint8, pads=[1, 1, 1, 1]),
    Case("global-average", [node("GlobalAveragePool", "x")], {"x": random(2, 20, 7, 9)}),
    Case("global-max", [node("GlobalMaxPool", "x")], {"x": random(2, 20, 7, 9)}),
]


#: Sums of 15 hold those of 1, 2, 4 and 8 at once: five buffers of a tile, in all that a machine has for it.
SUMS = Case(
    "sums-of-15", [node("AveragePool", "x", kernel_shape=[15, 15])], {"x": random(1, 16, 96, 96)}, terms=9,
    targets=("vn1", NATIVE),
)  # fmt: skip


@parametrize([*POOLS, SUMS])
def test_pool(case: Case, target: str):
    check(case, target)


def reduce(
    name: str,
    shape: tuple[int, ...],
    axes: list[int] | None,
    op_type: str = "ReduceSum",
    keepdims: int = 1,
    dtype: Any = np.float32,
) -> Case:
    """A reduction; axes are an input for all kinds (opset 18)."""
    constants = {} if axes is None else {"axes": np.array(axes, np.int64)}
    nodes = [node(op_type, ["x", *constants], keepdims=keepdims)]
    return Case(name, nodes, {"x": random(*shape, dtype=dtype)}, constants, terms=100)


def after_conv(name: str, *after: NodeProto, constants: dict[str, Any] | None = None, channels: int = 32) -> Case:
    """Operators after a convolution whose result `c` may be stored in blocks of channels."""
    weights = {"w": random(channels, 8, 3, 3, seed=1)}
    nodes = [node("Conv", "x w", "c", pads=[1, 1, 1, 1]), *after]
    return Case(name, nodes, {"x": random(2, 8, 6, 7)}, weights | (constants or {}))


def axes(*numbers: int) -> dict[str, Any]:
    return {"axes": np.array(numbers, np.int64)}


ROWS = [
    reduce("last", (5, 6, 70), [-1]),
    reduce("first", (70, 6, 5), [0]),
    reduce("middle", (7, 60, 9), [1], keepdims=0),
    reduce("outer-two", (7, 9, 33), [0, 1]),
    reduce("inner-two", (7, 9, 33), [1, 2], keepdims=0),
    reduce("ends", (7, 9, 33), [0, 2], keepdims=0),
    reduce("all", (7, 9, 33), None),
    reduce("all-flat", (7, 9, 33), None, keepdims=0),
    reduce("huge", (3, 20000), [1]),
    reduce("huge-first", (20000, 3), [0]),
    reduce("huge-all", (2, 30000), None),
    reduce("rank-6", (2, 3, 2, 3, 2, 5), [1, 3, 5]),
    *(
        reduce(f"kind-{op}", (6, 50), [1], op)
        for op in (
            "ReduceMax",
            "ReduceMin",
            "ReduceMean",
            "ReduceProd",
            "ReduceL1",
            "ReduceL2",
            "ReduceSumSquare",
            "ReduceLogSumExp",
        )
    ),
    *(
        reduce(f"dtype-{np.dtype(d).name}", (6, 50), [1], "ReduceSum", dtype=d)
        for d in (np.float64, np.float16, np.int32, np.int64)
    ),
    reduce("max-i8", (6, 50), [1], "ReduceMax", dtype=np.int8),
    after_conv("blocked-spatial", node("ReduceMean", "c axes"), constants=axes(2, 3)),
    after_conv("blocked-spatial-flat", node("ReduceMean", "c axes", keepdims=0), constants=axes(2, 3)),
    after_conv("blocked-channels", node("ReduceMax", "c axes"), constants=axes(1)),
    after_conv("blocked-channels-flat", node("ReduceSum", "c axes", keepdims=0), constants=axes(1)),
    after_conv("blocked-batch", node("ReduceSum", "c axes"), constants=axes(0)),
    after_conv("blocked-row", node("ReduceSum", "c axes"), constants=axes(3)),
    after_conv("blocked-all", node("ReduceSum", "c", keepdims=0)),
]


@parametrize(ROWS)
def test_reduce(case: Case, target: str):
    check(case, target)


def softmax(name: str, shape: tuple[int, ...], axis: int, op_type: str = "Softmax", dtype: Any = np.float32) -> Case:
    return Case(name, [node(op_type, "x", axis=axis)], {"x": random(*shape, dtype=dtype)}, terms=shape[axis])


NORMS = [
    softmax("softmax-last", (7, 61), -1),
    softmax("softmax-first", (61, 7), 0),
    softmax("softmax-middle", (3, 50, 9), 1),
    softmax("softmax-one", (9, 1), 1),
    softmax("softmax-1d", (300,), 0),
    softmax("softmax-rank-4", (2, 3, 20, 5), 2),
    softmax("softmax-f16", (7, 61), -1, dtype=np.float16),
    softmax("softmax-f64", (7, 61), -1, dtype=np.float64),
    softmax("log-softmax", (7, 61), -1, "LogSoftmax"),
    after_conv("softmax-channels", node("Softmax", "c", axis=1)),
    after_conv("softmax-row", node("Softmax", "c", axis=3)),
    Case(
        "softmax-tail",
        [node("Softmax", "x", "s", axis=1), node("Mul", "s k", "m"), node("Add", "m x")],
        {"x": random(11, 30)},
        {"k": random(30, seed=3)},
    ),
    Case("softmax-large", [node("Softmax", "x", axis=1)], {"x": random(3, 40) * 1000}),
    Case(
        "layer-norm",
        [node("LayerNormalization", "x g b", axis=-1)],
        {"x": random(5, 7, 48) + 100},
        {"g": random(48, seed=1), "b": random(48, seed=2)},
    ),
    Case(
        "layer-norm-plain",
        [node("LayerNormalization", "x g", axis=-1)],
        {"x": random(9, 33)},
        {"g": random(33, seed=1)},
    ),
    Case(
        "layer-norm-two-axes",
        [node("LayerNormalization", "x g b", axis=1)],
        {"x": random(9, 5, 7)},
        {"g": random(5, 7, seed=1), "b": random(5, 7, seed=2)},
    ),
    Case(
        "layer-norm-tail",
        [node("LayerNormalization", "x g b", "n"), node("Relu", "n", "r"), node("Add", "r x")],
        {"x": random(9, 32)},
        {"g": random(32, seed=1), "b": random(32, seed=2)},
    ),
    Case(
        "instance-norm",
        [node("InstanceNormalization", "x g b")],
        {"x": random(2, 6, 9, 5)},
        {"g": random(6, seed=1), "b": random(6, seed=2)},
    ),
]


@parametrize(NORMS)
def test_norm(case: Case, target: str):
    check(case, target)
