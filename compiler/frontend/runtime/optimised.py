"""ONNX Runtime's operators for networks it has optimised: fused activations, norms and products."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from onnx import TensorProto

from vcc.compiler.frontend.runtime.body import Body, UnsupportedFormError, stands_for

_CONVOLUTION = ("auto_pad", "dilations", "group", "kernel_shape", "pads", "strides")


@stands_for("Gelu", "BiasGelu")
def gelu(body: Body) -> str:
    """gelu(x + bias)."""
    x, bias = body.required(0), body.input(1)
    x = x if bias is None else body.op("Add", x, bias)
    return body.op("Gelu", x)


@stands_for("FastGelu")
def fast_gelu(body: Body) -> str:
    """gelu(x + bias) by tanh."""
    x, bias = body.required(0), body.input(1)
    return body.op("Gelu", x if bias is None else body.op("Add", x, bias), approximate="tanh")


@stands_for("QuickGelu")
def quick_gelu(body: Body) -> str:
    """x * sigmoid(alpha * x)."""
    x = body.required(0)
    alpha = body.number("alpha", 1.702)
    inner = x if alpha == 1 else body.op("Mul", x, body.like(alpha, x))
    return body.op("Mul", x, body.op("Sigmoid", inner))


@stands_for("BiasSoftmax")
def bias_softmax(body: Body) -> str:
    """softmax(x + bias), where the bias broadcasts as usual."""
    if not body.number("is_inner_broadcast", 1):
        raise UnsupportedFormError("with a bias that repeats")
    return body.op("Softmax", body.op("Add", body.required(0), body.required(1)), axis=body.number("axis", 1))


def activated(body: Body, x: str, parameters: Sequence[float]) -> str:
    """The activation that the attribute `activation` names; none if it is missing."""
    name = body.text("activation")
    match name:
        case "":
            return x
        case "Relu" | "Sigmoid" | "Tanh" | "Softplus" | "Softsign" | "HardSwish":
            return body.op(name, x)
        case "LeakyRelu" | "Elu" | "ThresholdedRelu":
            return body.op(name, x, alpha=parameters[0])
        case "HardSigmoid":
            return body.op(name, x, alpha=parameters[0], beta=parameters[1])
        case "Clip":
            return body.op(name, x, body.like(parameters[0], x), body.like(parameters[1], x))
        case _:
            raise UnsupportedFormError(f"with the activation {name}")


@stands_for("FusedConv")
def fused_conv(body: Body) -> str:
    """activation(conv(x) + z)."""
    y = body.op("Conv", *(body.input(i) for i in range(3)), **body.only(*_CONVOLUTION))
    z = body.input(3)
    y = y if z is None else body.op("Add", y, z)
    return activated(body, y, list(body.attributes.get("activation_params", ())))


@stands_for("FusedGemm")
def fused_gemm(body: Body) -> str:
    """activation(gemm)."""
    y = body.op("Gemm", *(body.input(i) for i in range(3)), **body.only("alpha", "beta", "transA", "transB"))
    names = ("activation_alpha", "activation_beta", "activation_gamma")
    return activated(body, y, [body.attributes[name] for name in names if name in body.attributes])


@stands_for("FusedMatMul", "TransposeMatMul")
def fused_matmul(body: Body) -> str:
    """alpha * a x b, with the last two axes of each exchanged if wanted."""
    if body.number("transBatchA", 0) or body.number("transBatchB", 0):
        raise UnsupportedFormError("with transposed batches")
    left = "...ji" if body.number("transA", 0) else "...ij"
    right = "...kj" if body.number("transB", 0) else "...jk"
    a, b = body.required(0), body.required(1)
    y = body.op("MatMul", a, b)
    if left != "...ij" or right != "...jk":
        body.nodes.pop()
        y = body.op("Einsum", a, b, equation=f"{left},{right}->...ik")
    alpha = body.number("alpha", 1.0)
    return y if alpha == 1 else body.op("Mul", y, body.like(alpha, a))


def summed(body: Body, positions: Sequence[int]) -> str:
    """The sum of those of the inputs that are there."""
    present = [name for i in positions if (name := body.input(i)) is not None]
    total = present[0]
    for name in present[1:]:
        total = body.op("Add", total, name)
    return total


@stands_for("SkipLayerNormalization")
def skip_layer_norm(body: Body) -> list[str | None]:
    """The layer norm of a sum, and the sum."""
    total = summed(body, (0, 1, 4))
    y = body.op("LayerNormalization", total, body.required(2), body.input(3), epsilon=body.number("epsilon", 1e-12))
    return [y, None, None, total]


@stands_for("SkipSimplifiedLayerNormalization")
def skip_rms_norm(body: Body) -> list[str | None]:
    """The RMS norm of a sum, and the sum."""
    total = summed(body, (0, 1, 3))
    y = body.op("RMSNormalization", total, body.required(2), epsilon=body.number("epsilon", 1e-12))
    return [y, None, None, total]


@stands_for("SimplifiedLayerNormalization", domain="")
@stands_for("SimplifiedLayerNormalization")
def rms_norm(body: Body) -> list[str | None]:
    """The RMS norm."""
    return [body.op("RMSNormalization", body.required(0), body.required(1), **body.only("axis", "epsilon")), None]


@stands_for("LayerNormalization", domain="")
def layer_norm(body: Body) -> list[str]:
    """The layer norm, which ONNX Runtime had before opset 17."""
    inputs = [body.input(i) for i in range(3)]
    return body.make("LayerNormalization", *inputs, outputs=3, **body.only("axis", "epsilon"))


@stands_for("EmbedLayerNormalization")
def embed_layer_norm(body: Body) -> list[str | None]:
    """The layer norm of the sum of word, position and segment embeddings; the number of tokens; the sum."""
    ids, places = body.required(0), body.input(8)
    if places is None:
        length = body.op("Gather", body.op("Shape", ids), body.constant(1, np.int64))
        places = body.op("Range", body.constant(0, np.int64), length, body.constant(1, np.int64))
    total = body.op("Add", body.op("Gather", body.required(2), ids), body.op("Gather", body.required(3), places))
    segments, table = body.input(1), body.input(4)
    if segments is not None and table is not None:
        total = body.op("Add", total, body.op("Gather", table, segments))
    epsilon = body.number("epsilon", 1e-12)
    y = body.op("LayerNormalization", total, body.required(5), body.required(6), epsilon=epsilon)
    mask = body.input(7)
    if mask is None:
        return [y, None, total]
    counted = body.declare(body.op("ReduceSum", mask, body.ints(1), keepdims=0), TensorProto.INT32, 1)
    return [y, counted, total]
