"""Functions of bytes, which are tables, alone and around products, against ONNX Runtime.

Scales are such that no result lies near the middle of two bytes, where implementations may differ.
"""

from __future__ import annotations

import numpy as np
from conformance import Array, Case, check, compile_model, make_model, node, parametrize
from onnx import NodeProto

from vcc.runtime.isa.kernel import Instr, walk


def scale(number: float) -> Array:
    """A scale as an f32."""
    return np.array(number, np.float32)


def every_byte(dtype: type, *shape: int) -> Array:
    """All bytes in a random order, or as many as the shape has."""
    info, count = np.iinfo(dtype), int(np.prod(shape))
    bytes = np.random.default_rng([count]).permutation(np.arange(info.min, info.max + 1))
    return np.resize(bytes, shape).astype(dtype)


def around(*inner: NodeProto, x: str = "x") -> list[NodeProto]:
    """Nodes that make `r` of `d`, which is dequantised, and the quantisation of `r`."""
    return [node("DequantizeLinear", f"{x} s z", "d"), *inner, node("QuantizeLinear", "r t u")]


def parameters(
    dtype: type, result: type, s: float = 0.05, t: float = 0.0101, z: int = 5, u: int = 3
) -> dict[str, Array]:
    """Scales and zero points of what is dequantised and of what is quantised."""
    return {"s": scale(s), "z": np.array(z, dtype), "t": scale(t), "u": np.array(u, result)}


#: x * sigmoid(x), the sigmoid quantised on the way, as QDQ models have it.
SILU = [
    node("Sigmoid", "d", "g"), node("QuantizeLinear", "g sg zg", "gq"), node("DequantizeLinear", "gq sg zg", "gd"),
    node("Mul", "d gd", "r"),
]  # fmt: skip
GATE = {"sg": scale(0.0039), "zg": np.array(0, np.uint8)}
U8, I8 = np.uint8, np.int8

FUNCTIONS = [
    Case("sigmoid", around(node("Sigmoid", "d", "r")), {"x": every_byte(U8, 2, 150)}, parameters(U8, U8)),
    Case("signed", around(node("Tanh", "d", "r")), {"x": every_byte(I8, 3, 100)}, parameters(I8, I8)),
    Case("to-signed", around(node("HardSigmoid", "d", "r")), {"x": every_byte(U8, 300)}, parameters(U8, I8)),
    Case("to-unsigned", around(node("Erf", "d", "r")), {"x": every_byte(I8, 300)}, parameters(I8, U8)),
    Case("of-256-bytes", around(node("HardSwish", "d", "r")), {"x": every_byte(U8, 256)}, parameters(U8, U8, z=77)),
    Case("of-one-byte", around(node("Exp", "d", "r")), {"x": every_byte(I8)}, parameters(I8, I8)),
    Case("silu", around(*SILU), {"x": every_byte(U8, 17, 19)}, parameters(U8, U8, z=90) | GATE),
    Case("relu", around(node("Relu", "d", "r")), {"x": every_byte(I8, 300)}, parameters(I8, I8, 0.05, 0.05, 9, 9)),
    Case(
        "two-of-one-tensor",
        [*around(node("Sigmoid", "d", "r")), node("Sqrt", "d", "q"), node("QuantizeLinear", "q t u", "y2")],
        {"x": every_byte(U8, 33, 10)},
        parameters(U8, U8, z=0),
        ("y", "y2"),
    ),
    Case(
        "two-of-two-tensors",
        [
            *around(node("Sigmoid", "d", "r")),
            node("DequantizeLinear", "x2 s z", "d2"),
            node("Tanh", "d2", "r2"),
            node("QuantizeLinear", "r2 t u", "y2"),
            node("DequantizeLinear", "y t u", "a"),
            node("DequantizeLinear", "y2 t u", "b"),
            node("Add", "a b", "c"),
        ],
        {"x": every_byte(U8, 7, 40), "x2": every_byte(U8, 40)},
        parameters(U8, U8, z=90, u=100),
        ("c",),
    ),
    Case(
        "turned",
        [node("Transpose", "x", "p", perm=[0, 2, 1]), *around(node("Sigmoid", "d", "r"), x="p")],
        {"x": every_byte(U8, 3, 40, 21)},
        parameters(U8, U8),
    ),
    Case(
        "reshaped",
        [*around(node("Sigmoid", "d", "r")), node("Reshape", "y shape", "w")],
        {"x": every_byte(U8, 4, 64)},
        parameters(U8, U8) | {"shape": np.array([16, 16], np.int64)},
        ("w",),
    ),
    Case(
        "joined",
        [node("Concat", "x x2", "p", axis=1), *around(node("Sigmoid", "d", "r"), x="p")],
        {"x": every_byte(U8, 2, 100), "x2": every_byte(U8, 2, 156)},
        parameters(U8, U8),
    ),
]  # fmt: skip


def convolution(name: str, x: Array, w: Array, inner: list[NodeProto], s: float = 0.1, **attributes: object) -> Case:
    """A QLinearConv, a function of its bytes, and another convolution of the result."""
    first = node("QLinearConv", "x a b w a c s z", "p", **attributes)
    last = node("QLinearConv", "y t u v a c s z", "q")
    weights = np.random.default_rng(3).integers(-128, 128, (8, len(w), 1, 1), np.int8)
    constants = {"a": scale(0.01), "b": np.array(100, x.dtype), "w": w, "c": np.array(0, np.int8), "v": weights}
    zeros = parameters(x.dtype.type, x.dtype.type, s=s, t=0.013, z=60, u=10)
    return Case(name, [first, *around(*inner, x="p"), last], {"x": x}, constants | GATE | zeros, ("y", "q"))


CONVOLUTIONS = [
    convolution("silu-after", every_byte(U8, 1, 16, 9, 9), every_byte(I8, 24, 16, 3, 3), SILU, pads=[1] * 4),
    convolution("of-a-picture", every_byte(U8, 1, 3, 19, 18), every_byte(I8, 16, 3, 3, 3), SILU, strides=[2, 2]),
    convolution("signed", every_byte(I8, 2, 12, 7, 7), every_byte(I8, 20, 12, 1, 1), [node("Tanh", "d", "r")]),
    convolution("depthwise", every_byte(U8, 1, 16, 9, 9), every_byte(I8, 16, 1, 3, 3), SILU, group=16, pads=[1] * 4),
]
PRODUCTS = [
    Case(
        "gelu-after-a-product",
        [
            node("QLinearMatMul", "x a b w a c s z", "p"),
            *around(
                node("Mul", "d half", "e"), node("Erf", "e", "f"), node("Add", "f one", "g"), node("Mul", "d g", "r"),
                x="p",
            ),
            node("MatMulInteger", "y v u", "q"),
        ],
        {"x": every_byte(U8, 11, 40)},
        parameters(U8, U8, s=0.11, t=0.029, z=120, u=10)
        | {"a": scale(0.01), "b": np.array(100, U8), "w": every_byte(I8, 40, 33), "c": np.array(0, I8)}
        | {"half": scale(0.7), "one": scale(1), "v": every_byte(I8, 33, 9)},
        ("y", "q"),
    ),
]  # fmt: skip


@parametrize(FUNCTIONS)
def test_functions(case: Case, target: str):
    check(case, target)


@parametrize([*CONVOLUTIONS, *PRODUCTS])
def test_functions_after_products(case: Case, target: str):
    check(case, target)


def test_a_function_is_one_instruction_of_the_kernel_before() -> None:
    case = CONVOLUTIONS[0]
    image = compile_model(make_model(case.nodes[:-1], case.feeds, case.constants, ["y"]), "host-avx512")
    instrs = [s for kernel in image.kernels for s in walk(kernel.body) if isinstance(s, Instr)]
    assert len(image.kernels) == 1
    assert [i.op for i in instrs].count("gather") == 1
    assert not {"sigmoid", "exp"} & {i.op for i in instrs}
