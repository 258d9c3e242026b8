"""ONNX Runtime's own operators, which become functions of standard ones, against ONNX Runtime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from conformance import NATIVE, TINY, Array, Case, check, parametrize, random
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from vcc.compiler.compilation import Compilation
from vcc.compiler.options import Options
from vcc.runtime.diagnostics import VccError

DOMAIN = "com.microsoft"


@dataclass(frozen=True)
class RuntimeCase(Case):
    """A case whose nodes are of ONNX Runtime's domain; `dtypes` are those of the outputs, f32 by default."""

    dtypes: Mapping[str, int] = field(default_factory=dict[str, int])

    def model(self) -> ModelProto:
        """The model; no shape is declared but those of the inputs."""
        inputs = [
            helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
            for name, array in self.feeds.items()
        ]
        outputs = [
            helper.make_tensor_value_info(name, self.dtypes.get(name, TensorProto.FLOAT), None) for name in self.outputs
        ]
        weights = [numpy_helper.from_array(np.asarray(array), name) for name, array in self.constants.items()]
        graph = helper.make_graph(list(self.nodes), "case", inputs, outputs, weights)
        opsets = [helper.make_opsetid("", self.opset), helper.make_opsetid(DOMAIN, 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def call(op_type: str, inputs: str, outputs: str = "y", domain: str = DOMAIN, **attributes: Any) -> NodeProto:
    """A node; a dash stands for an input or output that is left out."""
    names = [["" if name == "-" else name for name in text.split()] for text in (inputs, outputs)]
    return helper.make_node(op_type, *names, name=f"the_{op_type}", domain=domain, **attributes)


def case(
    name: str, node: NodeProto, feeds: Mapping[str, Array], constants: Mapping[str, Any] | None = None, **more: Any
):
    """A case of one node on the two targets that tell most."""
    given: dict[str, Array] = {key: np.asarray(value) for key, value in (constants or {}).items()}
    return RuntimeCase(name, [node], feeds, given, targets=(NATIVE, TINY), **more)


def f32(number: float) -> Array:
    """A scale."""
    return np.array(number, np.float32)


def u8(*shape: int, seed: int = 0) -> Array:
    """Bytes."""
    return np.random.default_rng([seed, *shape]).integers(0, 256, shape, dtype=np.uint8)


X = random(2, 5, 24)
NORM = {"g": random(24), "b": random(24, seed=1)}
IMAGE = random(1, 4, 7, 6)
FILTER = {"w": random(6, 4, 3, 3), "b": random(6)}
ACTIVATIONS: Sequence[tuple[str, list[float]]] = [
    ("Relu", []),
    ("Sigmoid", []),
    ("Tanh", []),
    ("LeakyRelu", [0.2]),
    ("Clip", [0.0, 6.0]),
    ("HardSigmoid", [0.2, 0.5]),
]

OPTIMISED = [
    case("gelu", call("Gelu", "x"), {"x": X}),
    case("bias-gelu", call("BiasGelu", "x b"), {"x": X}, {"b": random(24)}),
    case("fast-gelu", call("FastGelu", "x b"), {"x": X}, {"b": random(24)}),
    case("quick-gelu", call("QuickGelu", "x", alpha=1.5), {"x": X}),
    case("matmul", call("FusedMatMul", "a b", alpha=0.5), {"a": random(2, 3, 4), "b": random(2, 4, 5)}),
    case("matmul-ta", call("FusedMatMul", "a b", transA=1), {"a": random(2, 4, 3), "b": random(2, 4, 5)}),
    case("matmul-tb", call("FusedMatMul", "a b", transB=1, alpha=2.0), {"a": random(2, 3, 4), "b": random(2, 5, 4)}),
    case("gemm", call("FusedGemm", "a b c", activation="Relu", transB=1), {"a": random(3, 4)},
         {"b": random(5, 4), "c": random(5)}),
    *(case(f"conv-{name}", call("FusedConv", "x w b", activation=name, activation_params=numbers or None, pads=[1] * 4),
           {"x": IMAGE}, FILTER) for name, numbers in ACTIVATIONS),
    case("conv-sum", call("FusedConv", "x w b z", activation="Relu", pads=[1] * 4),
         {"x": IMAGE, "z": random(1, 6, 7, 6)}, FILTER),
    case("skip-norm", call("SkipLayerNormalization", "x s g b c", "y - - t"), {"x": X, "s": random(2, 5, 24, seed=3)},
         NORM | {"c": random(24, seed=4)}, outputs=("y", "t")),
    case("skip-rms", call("SkipSimplifiedLayerNormalization", "x s g"), {"x": X, "s": random(2, 5, 24, seed=3)},
         {"g": NORM["g"]}),
    case("rms", call("SimplifiedLayerNormalization", "x g", domain="", axis=-1), {"x": X}, {"g": NORM["g"]}),
    case("norm-before-17", call("LayerNormalization", "x g b", domain="", axis=-1), {"x": X}, NORM, opset=13),
    case("embed", call("EmbedLayerNormalization", "i s w p q g b m", "y n"),
         {"i": np.array([[3, 1, 4]], np.int32), "s": np.array([[0, 1, 0]], np.int32),
          "m": np.array([[1, 1, 0]], np.int32)},
         {"w": random(9, 24), "p": random(6, 24), "q": random(2, 24)} | NORM, outputs=("y", "n"),
         dtypes={"n": TensorProto.INT32}),
]  # fmt: skip

PROJECTION = {"w": random(24, 72), "c": random(72)}
QUERIES = {"q": X, "k": random(2, 7, 24, seed=1), "v": random(2, 7, 24, seed=2)}
ATTENTION = [
    case("attention", call("Attention", "x w c", num_heads=3), {"x": X}, PROJECTION),
    case("attention-mask", call("Attention", "x w c m", num_heads=3, unidirectional=1),
         {"x": X, "m": np.array([[1] * 5, [1, 1, 1, 0, 0]], np.int32)}, PROJECTION),
    case("attention-lengths", call("Attention", "x w c m", num_heads=3), {"x": X, "m": np.array([5, 3], np.int32)},
         PROJECTION),
    case("attention-past", call("Attention", "x w c - p", "y n", num_heads=3, unidirectional=1),
         {"x": X, "p": random(2, 2, 3, 4, 8)}, PROJECTION, outputs=("y", "n")),
    case("multi-head", call("MultiHeadAttention", "q k v", num_heads=3), QUERIES),
    case("multi-head-bias", call("MultiHeadAttention", "q k v c m", num_heads=3, scale=0.2),
         QUERIES | {"m": np.array([[1] * 7, [1] * 4 + [0] * 3], np.int32)}, {"c": random(72)}),
    case("rotary", call("RotaryEmbedding", "x p c s", interleaved=1),
         {"x": random(2, 3, 5, 8), "p": np.arange(10).reshape(2, 5) % 7},
         {"c": random(9, 4), "s": random(9, 4, seed=1)}),
]  # fmt: skip

A_B = {"a": u8(3, 8), "b": u8(3, 8, seed=1)}
SCALES = {
    "sa": f32(0.02),
    "za": np.uint8(120),
    "sb": f32(0.03),
    "zb": np.uint8(99),
    "sy": f32(0.05),
    "zy": np.uint8(128),
}
ONE = {key: SCALES[key] for key in ("sa", "za", "sy", "zy")}
BYTES = {"dtypes": {"y": TensorProto.UINT8}}
WEIGHTS = {"b": u8(8, 6).view(np.int8), "sb": f32(0.01), "zb": np.int8(0)}
QUANTISED = [
    case("add", call("QLinearAdd", "a sa za b sb zb sy zy"), A_B, SCALES, **BYTES),
    case("multiply", call("QLinearMul", "a sa za b sb zb sy zy"), A_B, SCALES, **BYTES),
    case("sigmoid", call("QLinearSigmoid", "a sa za sy zy"), {"a": A_B["a"]}, ONE | {"sy": f32(1 / 256)}, **BYTES),
    case("leaky-relu", call("QLinearLeakyRelu", "a sa za sy zy", alpha=0.1), {"a": A_B["a"]}, ONE, **BYTES),
    case("global-pool", call("QLinearGlobalAveragePool", "a sa za sy zy"), {"a": u8(1, 3, 5, 5)}, ONE, **BYTES),
    case("pool", call("QLinearAveragePool", "a sa za sy zy", kernel_shape=[3, 3]), {"a": u8(1, 3, 5, 5)}, ONE, **BYTES),
    case("concat", call("QLinearConcat", "sy zy a sa za b sb zb", axis=1), A_B, SCALES, **BYTES),
    case("gemm", call("QGemm", "a sa za b sb zb c sy zy"), {"a": A_B["a"]},
         SCALES | WEIGHTS | {"c": np.arange(6, dtype=np.int32)}, **BYTES),
    case("to-float", call("MatMulIntegerToFloat", "a b sa sb za"), {"a": A_B["a"]}, SCALES | WEIGHTS),
    case("dynamic", call("DynamicQuantizeMatMul", "x b sb zb"), {"x": random(5, 8)}, WEIGHTS),
    case("nibbles", call("MatMulNBits", "x b s", K=32, N=6, bits=4, block_size=16), {"x": random(5, 32)},
         {"b": u8(6, 2, 8), "s": random(12, low=0.01, high=0.1)}),
    case("nibbles-zeros", call("MatMulNBits", "x b s z", K=48, N=6, bits=4, block_size=16), {"x": random(5, 48)},
         {"b": u8(6, 3, 8), "s": random(18, low=0.01, high=0.1), "z": u8(12)}),
]  # fmt: skip


@parametrize(OPTIMISED)
def test_operators_of_optimised_models(case: Case, target: str):
    check(case, target)


@parametrize(ATTENTION)
def test_attention(case: Case, target: str):
    check(case, target)


@parametrize(QUANTISED)
def test_operators_of_quantised_models(case: Case, target: str):
    check(case, target)


def test_a_form_that_no_function_stands_for_is_refused_with_the_reason():
    operands = {"a": random(2, 3, 4), "b": random(2, 4, 5)}
    model = case("x", call("FusedMatMul", "a b", transBatchA=1), operands).model()
    with pytest.raises(VccError) as caught:
        Compilation.from_model(model, Options())
    (found,) = caught.value.diagnostics
    assert (found.code, found.message) == ("E0121", "FusedMatMul with transposed batches is not supported yet")
