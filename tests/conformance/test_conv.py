"""Convolutions of every kind against ONNX Runtime."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from conformance import TARGETS, Case, check, node, parametrize, random


def conv(
    name: str,
    x: tuple[int, ...],
    w: tuple[int, ...],
    *,
    bias: bool = True,
    dynamic: bool = False,
    after: str = "",
    dtype: Any = np.float32,
    targets: Any = TARGETS,
    **attributes: Any,
) -> Case:
    """A convolution with a bias, its weights constant or an input, and perhaps an operator after it."""
    weights = {"w": random(*w, dtype=dtype, seed=1)} | ({"b": random(w[0], dtype=dtype, seed=2)} if bias else {})
    feeds = {"x": random(*x, dtype=dtype)} | (weights if dynamic else {})
    nodes = [node("Conv", ["x", *weights], "c" if after else "y", **attributes)]
    if after:
        nodes.append(node(after, "c"))
    return Case(name, nodes, feeds, {} if dynamic else weights, terms=prod(w[1:]), targets=targets)


def same(k: int, rank: int = 2) -> dict[str, Any]:
    """Pads that keep the sizes."""
    return {"pads": [k // 2] * (2 * rank)}


CASES = [
    *(conv(f"kernel-{k}", (1, 8, 11, 13), (16, 8, k, k), **same(k)) for k in range(1, 8)),
    *(
        conv(f"channels-{c}-{o}", (1, c, 9, 10), (o, c, 3, 3), **same(3))
        for c, o in [(1, 8), (3, 17), (8, 24), (17, 48), (24, 3), (48, 1), (17, 17), (48, 48)]
    ),
    conv("row-1d", (2, 8, 37), (12, 8, 5), pads=[2, 2]),
    conv("row-1d-stride", (1, 5, 40), (7, 5, 4), strides=[3], pads=[1, 0]),
    conv("stride-2", (1, 3, 20, 21), (16, 3, 3, 3), strides=[2, 2], pads=[1, 1, 1, 1]),
    conv("stride-3-1", (1, 16, 20, 9), (8, 16, 3, 2), strides=[3, 1]),
    conv("dilation", (1, 8, 18, 19), (8, 8, 3, 3), dilations=[2, 3], pads=[2, 3, 2, 3]),
    conv("taps", (2, 32, 9, 12), (16, 32, 3, 3), dilations=[7, 6], pads=[7, 6, 7, 6], after="Relu"),
    conv("taps-5", (1, 24, 11, 10), (8, 24, 5, 5), dilations=[4, 4], pads=[8, 8, 8, 8], bias=False),
    conv("taps-groups", (1, 16, 8, 17), (48, 8, 3, 3), group=2, dilations=[7, 8], pads=[7, 8, 7, 8]),
    conv("taps-causal", (1, 16, 40), (16, 16, 3), dilations=[16], pads=[32, 0]),
    conv("taps-lopsided", (1, 8, 10, 10), (8, 8, 2, 3), dilations=[8, 9], pads=[8, 9, 0, 9]),
    conv("taps-f16", (1, 16, 12, 12), (32, 16, 3, 3), dtype=np.float16, dilations=[9, 9], pads=[9, 9, 9, 9]),
    conv("asymmetric", (1, 8, 11, 12), (8, 8, 3, 4), pads=[0, 2, 1, 3]),
    conv("same-upper", (1, 4, 11, 12), (8, 4, 3, 3), strides=[2, 2], auto_pad="SAME_UPPER"),
    conv("same-lower", (1, 4, 11, 12), (8, 4, 4, 4), strides=[2, 2], auto_pad="SAME_LOWER"),
    conv("pad-beyond-window", (1, 4, 5, 5), (8, 4, 2, 2), pads=[3, 3, 3, 3]),
    conv("groups", (1, 16, 9, 9), (24, 4, 3, 3), group=4, **same(3)),
    conv("groups-blocked", (1, 64, 7, 7), (64, 32, 3, 3), group=2, **same(3)),
    conv("groups-odd", (2, 9, 9, 9), (15, 3, 3, 3), group=3, **same(3)),
    conv("depthwise", (1, 32, 15, 14), (32, 1, 3, 3), group=32, **same(3)),
    conv("depthwise-5-stride", (2, 24, 15, 14), (24, 1, 5, 5), group=24, strides=[2, 2], **same(5)),
    conv("depthwise-odd", (1, 17, 9, 9), (17, 1, 3, 3), group=17, dilations=[2, 2], **same(3)),
    conv("depthwise-1d", (1, 16, 33), (16, 1, 7), group=16, pads=[3, 3]),
    conv("depthwise-dynamic", (1, 16, 9, 9), (16, 1, 3, 3), group=16, dynamic=True, **same(3)),
    conv("multiplier", (1, 8, 9, 9), (16, 1, 3, 3), group=8, **same(3)),
    conv("multiplier-blocked", (1, 16, 9, 9), (128, 1, 3, 3), group=16, **same(3)),
    conv("batch", (3, 8, 9, 9), (16, 8, 3, 3), **same(3)),
    conv("dynamic", (2, 8, 9, 9), (16, 8, 3, 3), dynamic=True, **same(3)),
    conv("dynamic-groups", (1, 16, 9, 9), (32, 8, 3, 3), group=2, dynamic=True, **same(3)),
    conv("dynamic-odd", (1, 6, 9, 9), (10, 6, 3, 3), dynamic=True, bias=False),
    conv("no-bias", (1, 16, 8, 8), (16, 16, 1, 1), bias=False),
    conv("many-channels", (1, 320, 5, 6), (144, 320, 1, 1)),
    conv("many-channels-3x3", (1, 128, 6, 5), (80, 128, 3, 3), **same(3)),
    conv("one-position", (1, 64, 1, 1), (100, 64, 1, 1)),
    conv("whole-window", (1, 32, 7, 7), (20, 32, 7, 7)),
    conv("wide-row", (1, 2, 1, 500), (5, 2, 1, 9)),
    conv("relu", (1, 16, 9, 9), (32, 16, 3, 3), after="Relu", **same(3)),
    conv("sigmoid", (1, 16, 9, 9), (32, 16, 3, 3), after="Sigmoid", **same(3)),
    conv("f16", (1, 16, 9, 9), (32, 16, 3, 3), dtype=np.float16, **same(3)),
    conv("f16-relu", (1, 16, 9, 9), (32, 16, 3, 3), dtype=np.float16, after="Relu", **same(3)),
    conv("f16-depthwise", (1, 16, 9, 9), (16, 1, 3, 3), dtype=np.float16, group=16, **same(3)),
    conv("volume", (1, 4, 5, 6, 7), (6, 4, 3, 3, 3), **same(3, 3)),
    conv("volume-blocked", (1, 16, 4, 6, 5), (32, 16, 2, 3, 3), strides=[1, 2, 1], pads=[1, 1, 1, 0, 1, 1]),
    conv("volume-depthwise", (1, 16, 5, 6, 5), (16, 1, 3, 3, 3), group=16, **same(3, 3)),
]  # fmt: skip


@parametrize(CASES)
def test_conv(case: Case, target: str):
    check(case, target)


def chain(*steps: tuple[int, int, int], x: tuple[int, ...]) -> Case:
    """Convolutions one after the other, of (output channels, kernel, stride), with ReLUs between."""
    nodes, weights, value, channels = [], dict[str, Any](), "x", x[1]
    for i, (out, k, stride) in enumerate(steps):
        weights[f"w{i}"] = random(out, channels, k, k, seed=i) / (channels * k * k) ** 0.5
        nodes.append(node("Conv", [value, f"w{i}"], f"c{i}", strides=[stride, stride], pads=[k // 2] * 4))
        value, channels = "y" if i == len(steps) - 1 else f"r{i}", out
        nodes.append(node("Relu", f"c{i}", value))
    return Case("chain-" + "-".join(str(s[0]) for s in steps), nodes, {"x": random(*x)}, weights)


@parametrize(
    [
        chain((16, 3, 1), (32, 3, 2), (48, 1, 1), x=(1, 3, 16, 16)),
        chain((24, 3, 2), (8, 3, 1), (20, 3, 1), x=(2, 8, 12, 12)),
        chain((12, 3, 1), (17, 3, 1), (40, 1, 1), (5, 1, 1), x=(1, 5, 9, 7)),
    ]
)  # fmt: skip
def test_chain(case: Case, target: str):
    check(case, target)
