"""Operators on bytes that bench_native_kernels.py times: products of u8 with i8, summed in i32, requantised to u8."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 18


def _model(node: Any, x: tuple[int, ...], y: tuple[int, ...], constants: dict[str, Any]) -> onnx.ModelProto:
    inputs, outputs = (
        [helper.make_tensor_value_info(name, TensorProto.UINT8, shape)] for name, shape in (("x", x), ("y", y))
    )
    weights = [numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items()]
    graph = helper.make_graph([node], "kernel", inputs, outputs, weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9)


def _scales(depth: int) -> dict[str, Any]:
    """Scales and zero points with which results fill a byte: weights are in -127..127, inputs in 0..255."""
    return {
        "sx": np.float32(0.02), "zx": np.uint8(0), "sw": np.float32(0.01), "zw": np.int8(0),
        "sy": np.float32(0.02 * 0.01 * 73 * 128 * depth**0.5 / 64), "zy": np.uint8(128),
    }  # fmt: skip


def conv(cin: int, cout: int, size: int, window: int, stride: int = 1, group: int = 1) -> onnx.ModelProto:
    """A square QLinearConv with bias, padded so that stride 1 keeps the size."""
    rng, pad, out = np.random.default_rng(0), window // 2, -(-size // stride)
    shape = (cout, cin // group, window, window)
    node = helper.make_node(
        "QLinearConv", ["x", "sx", "zx", "w", "sw", "zw", "sy", "zy", "b"], ["y"],
        pads=[pad] * 4, strides=[stride] * 2, group=group,
    )  # fmt: skip
    constants = {"w": rng.integers(-127, 128, shape).astype(np.int8), "b": rng.integers(-999, 999, cout, np.int32)}
    constants |= _scales(shape[1] * window**2)
    return _model(node, (1, cin, size, size), (1, cout, out, out), constants)


def matmul(m: int, k: int, n: int) -> onnx.ModelProto:
    """A QLinearMatMul with a constant matrix."""
    weights = np.random.default_rng(0).integers(-127, 128, (k, n)).astype(np.int8)
    node = helper.make_node("QLinearMatMul", ["x", "sx", "zx", "w", "sw", "zw", "sy", "zy"], ["y"])
    return _model(node, (m, k), (m, n), {"w": weights, **_scales(k)})
