"""Products of bytes and dynamic quantisation against ONNX Runtime."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from conformance import Array, Case, check, compile_model, node, parametrize, random, reference, run_image
from onnx import NodeProto, TensorProto, helper


def numbers(dtype: Any, *shape: int, seed: int = 0) -> Array:
    """Integers of the dtype's whole range."""
    info = np.iinfo(dtype)
    return np.random.default_rng([seed, *shape]).integers(info.min, info.max, shape, dtype=dtype, endpoint=True)


def scale(number: float) -> Array:
    """A scale or a bound as an f32."""
    return np.array(number, np.float32)


def zero(number: int, dtype: Any = np.uint8) -> Array:
    """A zero point."""
    return np.array(number, dtype)


A, B, B_SIGNED = numbers(np.uint8, 5, 40), numbers(np.uint8, 40, 7), numbers(np.int8, 40, 7)
X, W, W_SIGNED = numbers(np.uint8, 1, 5, 9, 8), numbers(np.uint8, 6, 5, 3, 3), numbers(np.int8, 6, 5, 3, 3)
PADS = [1, 1, 1, 1]

MATRICES = [
    Case("plain", [node("MatMulInteger", "a b")], {"a": A, "b": B_SIGNED}),
    Case("zeros", [node("MatMulInteger", "a b za zb")], {"a": A, "b": B}, {"za": zero(13), "zb": zero(130)}),
    Case("zero-of-a-input", [node("MatMulInteger", "a b za")], {"a": A, "za": zero(13)}, {"b": B_SIGNED}),
    Case(
        "batch",
        [node("MatMulInteger", "a b za zb")],
        {"a": numbers(np.int8, 2, 3, 5, 40), "zb": zero(-7, np.int8)},
        {"b": B_SIGNED, "za": zero(3, np.int8)},
    ),
    *(
        Case(
            f"{k}-of-a-row",
            [node("MatMulInteger", "a b za zb")],
            {"a": numbers(np.int8 if k % 2 else np.uint8, *rows, k)},
            {"b": numbers(np.int8, k, n), "za": zero(3, np.int8 if k % 2 else np.uint8), "zb": zero(-7, np.int8)},
        )
        for k, n, rows in ((3, 5, (4,)), (41, 33, (9,)), (254, 7, (2, 1)), (1111, 70, (3,)), (1, 3, (5,)))
    ),
    Case(
        "quantised-result",
        [node("QLinearMatMul", "a sa za b sb zb sy zy")],
        {"a": A},
        {"sa": scale(0.02), "za": zero(120), "b": B_SIGNED, "sb": scale(0.01), "zb": zero(0, np.int8)}
        | {"sy": scale(0.05), "zy": zero(99)},
    ),
]  # fmt: skip

CONVOLUTIONS = [
    Case("plain", [node("ConvInteger", "x w", pads=PADS)], {"x": X}, {"w": W}),
    Case(
        "zero-of-x-input",
        [node("ConvInteger", "x w zx zw", pads=PADS)],
        {"x": X, "zx": zero(17)},
        {"w": W, "zw": zero(128)},
    ),
    Case(
        "depthwise",
        [node("ConvInteger", "x w zx", group=6, strides=[2, 2], pads=PADS)],
        {"x": numbers(np.uint8, 1, 6, 9, 8)},
        {"w": numbers(np.uint8, 6, 1, 3, 3), "zx": zero(17)},
    ),
    Case(
        "quantised-result",
        [node("QLinearConv", "x sx zx w sw zw sy zy b", pads=PADS)],
        {"x": X},
        {"sx": scale(0.02), "zx": zero(120), "w": W_SIGNED, "sw": random(6, low=0.005, high=0.02)}
        | {"zw": np.zeros(6, np.int8), "sy": scale(0.5), "zy": zero(99), "b": numbers(np.int16, 6).astype(np.int32)},
    ),
    Case(
        "quantised-depthwise",
        [node("QLinearConv", "x sx zx w sw zw sy zy", group=6, strides=[2, 2], pads=PADS)],
        {"x": numbers(np.int8, 1, 6, 9, 8)},
        {"sx": scale(0.02), "zx": zero(-3, np.int8), "w": numbers(np.int8, 6, 1, 3, 3), "sw": scale(0.01)}
        | {"zw": zero(0, np.int8), "sy": scale(0.1), "zy": zero(5, np.int8)},
    ),
]  # fmt: skip


def quantised(name: str, x: Array, w: Array, *, zx: int = 120, rank: int = 2, **attributes: Any) -> Case:
    """A QLinearConv, and another of 1 x 1 on its result, so that blocks of channels can lie between them."""
    outputs = len(w)
    first = node("QLinearConv", "x sx zx w sw zw sy zy b", "t", **attributes)
    second = helper.make_node("QLinearConv", ["t", "sy", "zy", "v", "sw", "zw", "sx", "zx"], ["y"], name="second")
    constants = {
        "sx": scale(0.02), "zx": zero(zx, x.dtype), "w": w, "sw": scale(0.01), "zw": zero(0, np.int8),
        "sy": scale(0.3), "zy": zero(zx // 2, x.dtype), "b": numbers(np.int16, outputs).astype(np.int32),
        "v": numbers(np.int8, 9, outputs, *(1,) * rank),
    }  # fmt: skip
    return Case(name, [first, second], {"x": x}, constants)


IN_BLOCKS = [
    quantised("of-12-channels", numbers(np.uint8, 1, 12, 9, 7), numbers(np.int8, 24, 12, 3, 3), pads=PADS),
    quantised("signed", numbers(np.int8, 2, 8, 7, 7), numbers(np.int8, 16, 8, 3, 3), zx=-5, pads=PADS),
    quantised("of-rows", numbers(np.uint8, 1, 3, 17, 18), numbers(np.int8, 16, 3, 7, 7), pads=[3] * 4, strides=[2, 2]),
    quantised("of-rows-without-border", numbers(np.uint8, 1, 3, 9, 9), numbers(np.int8, 8, 3, 3, 2)),
    quantised("of-dilated-rows", numbers(np.uint8, 1, 3, 9, 9), numbers(np.int8, 8, 3, 3, 3), dilations=[1, 2]),
    quantised("of-7-channels", numbers(np.uint8, 1, 7, 6, 5), numbers(np.int8, 10, 7, 3, 3), pads=PADS),
    quantised("of-30-channels", numbers(np.int8, 2, 30, 9, 11), numbers(np.int8, 17, 30, 1, 1), zx=-5),
    quantised(
        "of-13-channels-in-columns", numbers(np.uint8, 1, 13, 8, 5), numbers(np.int8, 9, 13, 3, 1), strides=[2, 1]
    ),
    quantised("of-3-channels-of-dots", numbers(np.uint8, 1, 3, 5, 5), numbers(np.int8, 8, 3, 1, 1), pads=PADS),
    quantised("of-6-channels", numbers(np.uint8, 1, 6, 5, 5), numbers(np.int8, 10, 6, 1, 1)),
    quantised("groups", numbers(np.uint8, 1, 16, 8, 8), numbers(np.int8, 32, 8, 3, 3), group=2, pads=PADS),
    quantised("depthwise-then-1x1", numbers(np.uint8, 1, 16, 9, 9), numbers(np.int8, 16, 1, 3, 3), group=16, pads=PADS),
    quantised("depthwise-5x5", numbers(np.uint8, 1, 32, 7, 6), numbers(np.int8, 32, 1, 5, 5), group=32, pads=[2] * 4),
    quantised(
        "depthwise-signed", numbers(np.int8, 1, 8, 9, 9), numbers(np.int8, 8, 1, 3, 3), zx=4, group=8, strides=[2, 2]
    ),
    quantised(
        "depthwise-of-12", numbers(np.uint8, 1, 12, 6, 5), numbers(np.int8, 12, 1, 4, 1), group=12, dilations=[1, 2]
    ),
    quantised(
        "depthwise-of-rows", numbers(np.uint8, 1, 20, 31), numbers(np.int8, 20, 1, 9), group=20, pads=[4, 4], rank=1
    ),
]


def dynamic(name: str, x: Array) -> Case:
    """A DynamicQuantizeLinear."""
    quantise = helper.make_node("DynamicQuantizeLinear", ["x"], ["y", "s", "z"], name="quantise")
    return Case(name, [quantise], {"x": x}, outputs=("y", "s", "z"))


DYNAMIC = [
    dynamic("both-signs", random(5, 33)),
    dynamic("positive", np.abs(random(5, 33)) + 1),
    dynamic("negative", -np.abs(random(7)) - 1),
    dynamic("zeros", np.zeros((2, 3), np.float32)),
    dynamic("of-parts", random(20, 3400)),
    Case(
        "linear-layer",
        [
            helper.make_node("DynamicQuantizeLinear", ["x"], ["q", "s", "z"], name="quantise"),
            node("MatMulInteger", "q w z", "p"),
            node("Cast", "p", "c", to=TensorProto.FLOAT),
            node("Mul", "s t", "st"),
            node("Mul", "c st", "m"),
            node("Add", "m b"),
        ],
        {"x": random(9, 64)},
        {"w": numbers(np.int8, 64, 48), "t": scale(0.01), "b": random(48)},
    ),
]

#: Two layers of one quantised input: the products of the scales are made again in each kernel.
TWO_LAYERS = Case(
    "two-layers",
    [
        helper.make_node("DynamicQuantizeLinear", ["x"], ["q", "s", "z"], name="quantise"),
        *(
            made
            for i in "12"
            for made in (
                node("Mul", f"s t{i}", f"st{i}"),
                node("MatMulInteger", f"q w{i} z", f"p{i}"),
                node("Cast", f"p{i}", f"c{i}", to=TensorProto.FLOAT),
                node("Mul", f"c{i} st{i}", f"y{i}"),
            )
        ),
    ],
    {"x": random(9, 64)},
    {f"w{i}": numbers(np.int8, 64, 48, seed=int(i)) for i in "12"} | {"t1": scale(0.01), "t2": scale(0.02)},
    outputs=("y1", "y2"),
)


def between(*inner: NodeProto, first: str = "q", axis: int = 1) -> list[NodeProto]:
    """Nodes that read `a` and `b`, dequantised from bytes, and make `p`, which is quantised to `y`."""
    return [
        node("DequantizeLinear", f"{first} s zq", "a"),
        node("DequantizeLinear", "w t zw", "b", axis=axis),
        *inner,
        node("QuantizeLinear", "p u zy"),
    ]


def quantised_numbers(name: str) -> list[NodeProto]:
    """A QuantizeLinear that makes `q{name}` of `x{name}`."""
    return [node("QuantizeLinear", f"x{name} s zq", f"q{name}")]


#: Powers of two, so that rounding has no ties that float products decide otherwise.
SCALES = {"s": scale(0.125), "t": scale(0.25), "u": scale(8), "zq": zero(100), "zy": zero(7)}
SIGNED_W = {"w": numbers(np.int8, 40, 7), "zw": zero(0, np.int8)}
COMPUTED = {"zw": zero(100), **SCALES}
DEQUANTISED = [
    Case("matmul", between(node("MatMul", "a b", "p")), {"q": A}, SIGNED_W | SCALES),
    Case("matmul-float-result", between(node("MatMul", "a b", "p"))[:-1], {"q": A}, SIGNED_W | SCALES, ("p",)),
    Case("unsigned-weights", between(node("MatMul", "a b", "p")), {"q": A}, {"w": B, "zw": zero(131)} | SCALES),
    Case(
        "gemm-with-bias",
        [node("DequantizeLinear", "c st", "d"), *between(node("Gemm", "a b d", "p", transB=1))],
        {"q": A},
        {"w": numbers(np.int8, 7, 40), "zw": zero(0, np.int8), "c": numbers(np.int16, 7).astype(np.int32)}
        | {"st": scale(0.03125)}
        | SCALES,
    ),
    Case(
        "convolution",
        between(node("Conv", "a b", "c", pads=PADS), node("Relu", "c", "p"), axis=0),
        {"q": X},
        {"w": W_SIGNED, "zw": np.zeros(6, np.int8), **SCALES, "t": np.array([0.25, 0.5, 1, 2, 4, 8], np.float32)}
        | {"zy": zero(0)},
    ),
    *(
        Case(
            f"both-computed-{k}{'-transposed' if transposed else ''}",
            [
                *quantised_numbers("1"),
                *quantised_numbers("2"),
                *([node("Transpose", "q2", "w", perm=[0, 2, 1])] if transposed else [node("Identity", "q2", "w")]),
                *between(node("MatMul", "a b", "p"), first="q1"),
            ],
            {"x1": random(2, 9, k, low=-12, high=15), "x2": random(2, *((20, k) if transposed else (k, 20)))},
            COMPUTED | {"t": scale(0.125)},
        )
        for k, transposed in ((16, False), (13, False), (16, True), (13, True), (3, False))
    ),
]  # fmt: skip


@parametrize(DEQUANTISED)
def test_products_of_dequantised_bytes(case: Case, target: str):
    check(case, target)


@parametrize(MATRICES)
def test_products(case: Case, target: str):
    check(case, target)


@parametrize([*CONVOLUTIONS, *IN_BLOCKS])
def test_convolutions(case: Case, target: str):
    check(case, target)


@parametrize([*DYNAMIC, TWO_LAYERS])
def test_dynamic_quantisation(case: Case, target: str):
    check(case, target)


@pytest.mark.parametrize(
    ("target", "length", "columns", "tile"),
    [
        ("vn1", 5004, 16, 1008),  # cut with a rest
        ("host-avx512", 20010, 64, 10016),  # filled to 313 times 64: 20012 is four times a prime
        ("host-avx512", 20012, 64, 10016),
        ("host-avx2", 20010, 16, 20012),  # fits in one piece
    ],
)
def test_products_of_lengths_with_few_divisors(target: str, length: int, columns: int, tile: int):
    """Where the whole length does not fit l0b, it is cut into large pieces all the same."""
    operands = {"a": numbers(np.uint8, 2, length)}, {"b": numbers(np.int8, length, columns), "za": zero(13)}
    case = Case("long", [node("MatMulInteger", "a b za")], *operands)
    image = compile_model(case.model(), target)
    found = [each.shape for kernel in image.kernels for each in kernel.buffers if each.name == "b"]
    assert found == [(tile, columns)]
    for a, b in zip(run_image(image, case.feeds), reference(case.model(), case.feeds), strict=True):
        np.testing.assert_array_equal(a, b)
