"""Blocks of networks against ONNX Runtime: residuals, squeeze-and-excitation, normalisation, several branches."""

from __future__ import annotations

from typing import Any

import numpy as np
from conformance import Case, check, node, parametrize, random
from onnx import NodeProto


def weights(*shapes: tuple[str, tuple[int, ...]]) -> dict[str, Any]:
    """Named weights, small enough that sums stay about one."""
    return {
        name: random(*shape, seed=i + 1) / float(max(1, np.prod(shape[1:]))) ** 0.5
        for i, (name, shape) in enumerate(shapes)
    }


def conv(x: str, w: str, out: str, k: int = 3, **attributes: Any) -> NodeProto:
    """A convolution that keeps the sizes."""
    return node("Conv", [x, w], out, pads=[k // 2] * 4, **attributes)


def block(
    name: str,
    channels: int,
    *nodes: NodeProto,
    extra: dict[str, Any] | None = None,
    size: int = 8,
    batch: int = 1,
    outputs: list[str] | None = None,
) -> Case:
    """Nodes over `c`, a convolution of the input, with weights v, w [channels, channels, 3, 3] and u 1x1."""
    c = channels
    stored = weights(("i", (c, 4, 3, 3)), ("v", (c, c, 3, 3)), ("w", (c, c, 3, 3)), ("u", (c, c, 1, 1)))
    used = {name for n in nodes for name in n.input} | {"i"}
    stored = {key: value for key, value in (stored | (extra or {})).items() if key in used}
    return Case(name, [conv("x", "i", "c"), *nodes], {"x": random(batch, 4, size, size + 1)}, stored, outputs or ["y"])


def excitation(c: int) -> list[NodeProto]:
    """Squeeze and excitation of `c`."""
    return [
        node("GlobalAveragePool", "c", "p"),
        node("Conv", "p s1 t1", "q"),
        node("Relu", "q", "r"),
        node("Conv", "r s2 t2", "s"),
        node("Sigmoid", "s", "g"),
        node("Mul", "c g"),
    ]


def batch_norm(c: int) -> dict[str, Any]:
    return {
        "bs": random(c, seed=11, low=0.5),
        "bb": random(c, seed=12),
        "bm": random(c, seed=13),
        "bv": random(c, seed=14, low=0.5),
    }


def all_blocks(c: int) -> list[Case]:
    """Every block with a number of channels."""
    g = 2 if c % 2 == 0 else 1
    squeeze = weights(
        ("s1", (c // 2 or 1, c, 1, 1)), ("t1", (c // 2 or 1,)), ("s2", (c, c // 2 or 1, 1, 1)), ("t2", (c,))
    )
    return [
        block(f"residual-{c}", c, conv("c", "v", "d"), node("Add", "d c", "e"), node("Relu", "e")),
        block(
            f"residual-two-{c}",
            c,
            conv("c", "v", "d"),
            node("Relu", "d", "e"),
            conv("e", "w", "f"),
            node("Add", "c f", "g"),
            node("Relu", "g"),
        ),
        block(
            f"residual-projected-{c}",
            c,
            conv("c", "v", "d"),
            node("Conv", "c u", "e"),
            node("Add", "d e", "f"),
            node("Relu", "f"),
        ),
        block(
            f"residual-both-used-{c}",
            c,
            conv("c", "v", "d"),
            node("Add", "d c", "e"),
            node("Relu", "e", "f"),
            node("Add", "e f"),
        ),
        block(f"excitation-{c}", c, *excitation(c), extra=squeeze, batch=2),
        block(
            f"batch-norm-{c}",
            c,
            node("BatchNormalization", "c bs bb bm bv", "d"),
            node("HardSwish", "d"),
            extra=batch_norm(c),
        ),
        block(
            f"batch-norm-alone-{c}",
            c,
            node("MaxPool", "c", "p", kernel_shape=[2, 2]),
            node("BatchNormalization", "p bs bb bm bv"),
            extra=batch_norm(c),
        ),
        block(f"prelu-{c}", c, node("PRelu", "c k"), extra={"k": random(c, 1, 1, seed=9)}),
        block(f"silu-{c}", c, node("Sigmoid", "c", "s"), node("Mul", "c s")),
        block(f"concat-channels-{c}", c, conv("c", "v", "d"), node("Concat", "c d", "e", axis=1), node("Relu", "e")),
        block(
            f"concat-conv-{c}",
            c,
            node("MaxPool", "c", "p", kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
            node("Concat", "c p", "e", axis=1),
            node("Conv", "e m"),
            extra=weights(("m", (5, 2 * c, 1, 1))),
        ),
        block(
            f"split-{c}",
            c,
            node("Slice", "c s0 s1 a1", "d"),
            node("Neg", "d"),
            extra={
                "s0": np.array([0], np.int64),
                "s1": np.array([max(1, c // 2)], np.int64),
                "a1": np.array([1], np.int64),
            },
        ),
        block(f"transposed-{c}", c, node("Transpose", "c", "d", perm=[0, 2, 3, 1]), node("Neg", "d")),
        block(
            f"transposed-matmul-{c}",
            c,
            node("Transpose", "c", "d", perm=[0, 2, 3, 1]),
            node("MatMul", "d m"),
            extra=weights(("m", (c, 7))),
        ),
        block(
            f"flatten-{c}",
            c,
            node("MaxPool", "c", "p", kernel_shape=[4, 4], strides=[4, 4]),
            node("Flatten", "p", "f"),
            node("Gemm", "f m"),
            extra=weights(("m", (c * 4, 10))),
        ),
        block(f"outputs-{c}", c, conv("c", "v", "d"), node("Relu", "d", "y"), outputs=["c", "y"]),
        block(
            f"upsampled-{c}",
            c,
            node("Resize", ["c", "", "rs"], "d", mode="nearest"),
            node("Relu", "d"),
            extra={"rs": np.array([1, 1, 2, 2], np.float32)},
        ),
        block(
            f"deconvolution-{c}", c, node("ConvTranspose", "c dw", strides=[2, 2]), extra=weights(("dw", (c, 6, 2, 2)))
        ),
        block(
            f"shuffle-{c}",
            c,
            node("Reshape", "c r1", "d"),
            node("Transpose", "d", "e", perm=[0, 2, 1, 3, 4]),
            node("Reshape", "e r2", "f"),
            node("Conv", "f u"),
            extra={"r1": np.array([1, g, c // g, 8, 9], np.int64), "r2": np.array([1, c, 8, 9], np.int64)},
        ),
        block(
            f"padded-{c}",
            c,
            node("Pad", "c pp", "d"),
            node("Conv", "d v"),
            extra={"pp": np.array([0, 0, 1, 2, 0, 0, 2, 1], np.int64)},
        ),
        block(
            f"depthwise-separable-{c}",
            c,
            node("Conv", "c dw", "d", group=c, pads=[1, 1, 1, 1]),
            node("Clip", "d lo hi", "e"),
            node("Conv", "e u"),
            extra=weights(("dw", (c, 1, 3, 3))) | {"lo": np.float32(0), "hi": np.float32(6)},
        ),
        block(
            f"scaled-{c}",
            c,
            node("Mul", "c k", "d"),
            node("Add", "d l", "e"),
            node("Conv", "e u"),
            extra={"k": random(1, c, 1, 1, seed=5), "l": random(c, 1, 1, seed=6)},
        ),
        block(
            f"spatial-gate-{c}",
            c,
            node("ReduceMax", "c a1", "d"),
            node("Sigmoid", "d", "e"),
            node("Mul", "c e"),
            extra={"a1": np.array([1], np.int64)},
        ),
    ]


@parametrize([case for c in (5, 8, 17, 32) for case in all_blocks(c)])
def test_block(case: Case, target: str):
    check(case, target)


#: Branches whose own best blocks of channels differ (12 of a group's, 16) meet where the result cannot be blocked.
MEETING = block(
    "meeting",
    48,
    conv("c", "g", "a", group=4),
    node("Conv", "c u", "b"),
    node("Mul", "a b", "m"),
    node("Slice", "m one most axis", "s"),
    conv("s", "h", "y"),
    extra=weights(("g", (48, 12, 3, 3)), ("h", (4, 46, 3, 3)))
    | {"one": np.array([1], np.int64), "most": np.array([47], np.int64), "axis": np.array([1], np.int64)},
)


@parametrize([MEETING])
def test_blocks_that_meet(case: Case, target: str):
    check(case, target)
