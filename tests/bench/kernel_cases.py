"""The operators that bench_native_kernels.py times: ONNX models of one operator each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import byte_cases
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from vcc.compiler.bench.machine import last_level_cache

OPSET = 18


@dataclass(frozen=True)
class Case:
    """A model of one kind of operator; its MACs, and its bytes where memory is what bounds it."""

    name: str
    make: Callable[[], onnx.ModelProto]
    macs: int = 0
    nbytes: int = 0


def random(rng: np.random.Generator, shape: tuple[int, ...], scale: float = 1.0) -> Any:
    """Normal f32 values."""
    return (scale * rng.standard_normal(shape, np.float32)).astype(np.float32)


def model(
    nodes: list[Any], x: tuple[int, ...], y: tuple[int, ...], weights: dict[str, Any], kind: int = TensorProto.FLOAT
) -> onnx.ModelProto:
    """A model from an f32 x to y of these shapes; y is of `kind`."""
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, x)]
    outputs = [helper.make_tensor_value_info("y", kind, y)]
    constants = [numpy_helper.from_array(array, name) for name, array in weights.items()]
    graph = helper.make_graph(nodes, "kernel", inputs, outputs, constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9)


def halved(make: Callable[[], onnx.ModelProto]) -> onnx.ModelProto:
    """The model in f16."""
    found = make()
    for value in (*found.graph.input, *found.graph.output):
        value.type.tensor_type.elem_type = TensorProto.FLOAT16
    for constant in found.graph.initializer:
        array = numpy_helper.to_array(constant).astype(np.float16)
        constant.CopyFrom(numpy_helper.from_array(array, constant.name))
    return found


def matmul(m: int, k: int, n: int, count: int = 1) -> onnx.ModelProto:
    """`count` products with constant matrices, one after the other (then k = n)."""
    rng = np.random.default_rng(0)
    names = ["x", *(f"t{i}" for i in range(1, count)), "y"]
    nodes = [helper.make_node("MatMul", [names[i], f"w{i}"], [names[i + 1]]) for i in range(count)]
    return model(nodes, (m, k), (m, n), {f"w{i}": random(rng, (k, n), k**-0.5) for i in range(count)})


def conv(cin: int, cout: int, size: int, window: int, stride: int = 1) -> onnx.ModelProto:
    """A square convolution with bias, padded so that stride 1 keeps the size."""
    rng, pad, out = np.random.default_rng(0), window // 2, -(-size // stride)
    weights = {"w": random(rng, (cout, cin, window, window), (cin * window**2) ** -0.5), "b": random(rng, (cout,))}
    node = helper.make_node("Conv", ["x", "w", "b"], ["y"], pads=[pad] * 4, strides=[stride] * 2)
    return model([node], (1, cin, size, size), (1, cout, out, out), weights)


def softmax(rows: int, n: int) -> onnx.ModelProto:
    """Softmax of rows."""
    return model([helper.make_node("Softmax", ["x"], ["y"], axis=-1)], (rows, n), (rows, n), {})


def layer_norm(rows: int, n: int) -> onnx.ModelProto:
    """Layer normalisation of rows."""
    rng = np.random.default_rng(0)
    node = helper.make_node("LayerNormalization", ["x", "s", "b"], ["y"], axis=-1)
    return model([node], (rows, n), (rows, n), {"s": random(rng, (n,)), "b": random(rng, (n,))})


def top(rows: int, n: int, k: int) -> onnx.ModelProto:
    """The k largest of each row."""
    node = helper.make_node("TopK", ["x", "k"], ["y", "i"], axis=-1)
    return model([node], (rows, n), (rows, k), {"k": np.array([k], np.int64)})


def along(op: str, shape: tuple[int, ...], axis: int) -> onnx.ModelProto:
    """A reduction or a running sum along an axis."""
    scans = op == "CumSum"
    y = shape if scans else tuple(1 if i == axis else size for i, size in enumerate(shape))
    return model(
        [helper.make_node(op, ["x", "a"], ["y"])], shape, y, {"a": np.array(axis if scans else [axis], np.int64)}
    )


def resize(channels: int, size: int, result: int) -> onnx.ModelProto:
    """A picture enlarged, linearly."""
    node = helper.make_node(
        "Resize", ["x", "", "s"], ["y"], mode="linear", coordinate_transformation_mode="align_corners"
    )
    factor = result / size
    scales = np.array([1, 1, factor, factor], np.float32)
    return model([node], (1, channels, size, size), (1, channels, result, result), {"s": scales})


def cast(shape: tuple[int, ...], kind: int) -> onnx.ModelProto:
    """A conversion."""
    return model([helper.make_node("Cast", ["x"], ["y"], to=kind)], shape, shape, {}, kind)


def cases() -> list[Case]:
    """All cases."""
    return [*products_and_rows(), *of_bytes(), *others()]


def products_and_rows() -> list[Case]:
    """Matrix products, convolutions, softmax and layer normalisation."""
    found = [Case(f"matmul-{n}", partial(matmul, n, n, n), n**3) for n in (256, 512, 768, 1024)]
    for cin, cout, size, window, stride in (
        (256, 64, 56, 1, 1), (64, 64, 56, 3, 1), (128, 128, 28, 3, 1), (512, 512, 7, 3, 1), (3, 64, 224, 7, 2),
    ):  # fmt: skip
        name = f"conv{window}x{window}{f'/{stride}' if stride > 1 else ''}-{cin}-{cout}-{size}x{size}"
        out = -(-size // stride)
        found.append(Case(name, partial(conv, cin, cout, size, window, stride), out**2 * cin * cout * window**2))
    count = -(-4 * last_level_cache() // (4096**2 * 4))
    found.append(Case("gemv-4096", partial(matmul, 1, 4096, 4096, count), count * 4096**2, count * 4096**2 * 4))
    for rows, n in ((1024, 32), (1024, 128), (1024, 1000), (1024, 4096)):
        found.append(Case(f"softmax-{rows}x{n}", partial(softmax, rows, n), nbytes=2 * 4 * rows * n))
    for rows, n in ((128, 768), (1024, 1024)):
        found.append(Case(f"layernorm-{rows}x{n}", partial(layer_norm, rows, n), nbytes=2 * 4 * rows * n))
    return found


def of_bytes() -> list[Case]:
    """Products of bytes, between tensors that are row-major as a model's inputs and outputs are."""
    found = [Case("int8-matmul-512", partial(byte_cases.matmul, 512, 512, 512), 512**3)]
    for cin, cout, size, window, stride, group in (
        (64, 64, 56, 3, 1, 1), (512, 512, 7, 3, 1, 1), (256, 64, 56, 1, 1, 1), (3, 64, 224, 7, 2, 1),
        (144, 144, 56, 3, 1, 144),
    ):  # fmt: skip
        name = f"int8-{'depthwise' if group > 1 else 'conv'}{window}x{window}-{cin}-{cout}-{size}x{size}"
        macs = (size // stride) ** 2 * cin // group * cout * window**2
        found.append(Case(name, partial(byte_cases.conv, cin, cout, size, window, stride, group), macs))
    return found


def others() -> list[Case]:
    """Operators of other kinds, and products whose inputs need more than multiplying."""
    found = [
        Case("conv3x3/2-3-32-224x224", partial(conv, 3, 32, 224, 3, 2), 112**2 * 27 * 32),
        Case("f16-matmul-512", partial(halved, partial(matmul, 512, 512, 512)), 512**3),
        Case("f16-conv3x3-64-64-56x56", partial(halved, partial(conv, 64, 64, 56, 3)), 56**2 * 64 * 64 * 9),
    ]
    moved: Sequence[tuple[str, Callable[[], onnx.ModelProto], int]] = (
        ("topk-64x1000-5", partial(top, 64, 1000, 5), 4 * 64_000),
        ("topk-1x25200-300", partial(top, 1, 25200, 300), 4 * 25_200),
        ("cumsum-256x1000-columns", partial(along, "CumSum", (256, 1000), 0), 8 * 256_000),
        ("reducemean-8x128x256-columns", partial(along, "ReduceMean", (8, 128, 256), 1), 4 * 262_144),
        ("resize-21-33x33-129x129", partial(resize, 21, 33, 129), 4 * 21 * (33**2 + 129**2)),
        ("cast-256x1024-i64", partial(cast, (256, 1024), TensorProto.INT64), 12 * 262_144),
    )
    return [*found, *(Case(name, make, nbytes=nbytes) for name, make, nbytes in moved)]
