"""Activation functions, out of elementwise primitives."""

from __future__ import annotations

import math

import numpy as np
from xdsl.ir import SSAValue

from vcc.passes.graph.lower.constraints import float_tensors, number_tensors
from vcc.passes.graph.lower.node import Node
from vcc.passes.graph.lower.registry import lowers


def negative_part(node: Node) -> SSAValue:
    """min(x, 0)."""
    return node.binary("min", node.x, node.scalar(0))


def exponential_minus_one(node: Node, x: SSAValue) -> SSAValue:
    """exp(x) - 1."""
    return node.binary("sub", node.unary("exp", x), node.scalar(1))


def softplus(node: Node) -> SSAValue:
    """log(1 + exp(x)) as relu(x) + log(1 + exp(-|x|)), which does not overflow."""
    small = node.unary("exp", node.unary("neg", node.unary("abs", node.x)))
    tail = node.unary("log", node.binary("add", small, node.scalar(1)))
    return node.binary("add", node.unary("relu", node.x), tail)


def clip_unit(node: Node, alpha: float, beta: float) -> SSAValue:
    """max(0, min(1, alpha * x + beta))."""
    line = node.binary("add", node.binary("mul", node.x, node.scalar(alpha)), node.scalar(beta))
    return node.binary("min", node.unary("relu", line), node.scalar(1))


@lowers("LeakyRelu", needs=[float_tensors])
def lower_leaky_relu(node: Node) -> SSAValue:
    """max(x, alpha * x) where 0 < alpha <= 1, else relu(x) + alpha * min(x, 0)."""
    alpha = node.float("alpha", 0.01)
    if alpha == 0:
        return node.unary("relu", node.x)
    if 0 < alpha <= 1:
        return node.binary("max", node.x, node.binary("mul", node.x, node.scalar(alpha)))
    tail = node.binary("mul", negative_part(node), node.scalar(alpha))
    return node.binary("add", node.unary("relu", node.x), tail)


@lowers("PRelu", needs=[float_tensors])
def lower_prelu(node: Node) -> SSAValue:
    """relu(x) + slope * min(x, 0)."""
    return node.binary("add", node.unary("relu", node.x), node.binary("mul", node.required(1), negative_part(node)))


@lowers("HardSigmoid", needs=[float_tensors])
def lower_hard_sigmoid(node: Node) -> SSAValue:
    """max(0, min(1, alpha * x + beta))."""
    return clip_unit(node, node.float("alpha", 0.2), node.float("beta", 0.5))


@lowers("HardSwish", needs=[float_tensors])
def lower_hard_swish(node: Node) -> SSAValue:
    """x * max(0, min(1, x / 6 + 0.5))."""
    return node.binary("mul", node.x, clip_unit(node, 1 / 6, 0.5))


def bound(node: Node, position: int, name: str, none: float) -> tuple[SSAValue | None, float | None]:
    """A bound of Clip as a value and, if it is constant, as a number; nothing where there is no bound."""
    if node.version < 11:
        number = node.float(name, none)
        return (None, None) if abs(number) >= np.finfo(np.float32).max else (node.scalar(number), number)
    value, array = node.input(position), node.constant(position)
    return value, None if array is None else float(array.reshape(-1)[0])


@lowers("Clip", needs=[number_tensors])
def lower_clip(node: Node) -> SSAValue:
    """min(max(x, low), high); a bound of zero is a relu."""
    result = node.x
    low, number = bound(node, 1, "min", -math.inf)
    if low is not None:
        result = node.unary("relu", result) if number == 0 else node.binary("max", result, low)
    high, _ = bound(node, 2, "max", math.inf)
    return result if high is None else node.binary("min", result, high)


@lowers("Elu", "Selu", needs=[float_tensors])
def lower_elu(node: Node) -> SSAValue:
    """gamma * (relu(x) + alpha * (exp(min(x, 0)) - 1)); gamma is 1 in Elu."""
    selu = node.op_type == "Selu"
    alpha = node.float("alpha", 1.67326319217681884765625 if selu else 1.0)
    gamma = node.float("gamma", 1.05070102214813232421875) if selu else 1.0
    tail = node.scale(exponential_minus_one(node, negative_part(node)), alpha)
    return node.scale(node.binary("add", node.unary("relu", node.x), tail), gamma)


@lowers("Celu", needs=[float_tensors])
def lower_celu(node: Node) -> SSAValue:
    """relu(x) + alpha * (exp(min(x, 0) / alpha) - 1)."""
    alpha = node.float("alpha", 1.0)
    tail = node.scale(exponential_minus_one(node, node.scale(negative_part(node), 1 / alpha)), alpha)
    return node.binary("add", node.unary("relu", node.x), tail)


@lowers("Softplus", needs=[float_tensors])
def lower_softplus(node: Node) -> SSAValue:
    """log(1 + exp(x))."""
    return softplus(node)


@lowers("Softsign", needs=[float_tensors])
def lower_softsign(node: Node) -> SSAValue:
    """x / (1 + |x|)."""
    return node.binary("div", node.x, node.binary("add", node.unary("abs", node.x), node.scalar(1)))


@lowers("Mish", needs=[float_tensors])
def lower_mish(node: Node) -> SSAValue:
    """x * tanh(softplus(x))."""
    return node.binary("mul", node.x, node.unary("tanh", softplus(node)))


@lowers("Swish", needs=[float_tensors])
def lower_swish(node: Node) -> SSAValue:
    """x * sigmoid(alpha * x)."""
    return node.binary("mul", node.x, node.unary("sigmoid", node.scale(node.x, node.float("alpha", 1.0))))


@lowers("Gelu", needs=[float_tensors])
def lower_gelu(node: Node) -> SSAValue:
    """0.5 * x * (1 + erf(x / sqrt 2)), or with tanh(sqrt(2 / pi) * (x + 0.044715 * x^3))."""
    x = node.x
    if node.string("approximate", "none") == "tanh":
        cube = node.binary("mul", node.binary("mul", x, x), x)
        inner = node.binary("add", x, node.scale(cube, 0.044715))
        curve = node.unary("tanh", node.scale(inner, math.sqrt(2 / math.pi)))
    else:
        curve = node.unary("erf", node.scale(x, math.sqrt(0.5)))
    return node.binary("mul", node.scale(x, 0.5), node.binary("add", curve, node.scalar(1)))


@lowers("ThresholdedRelu", needs=[float_tensors])
def lower_thresholded_relu(node: Node) -> SSAValue:
    """x where x > alpha, else 0."""
    above = node.compare("gt", node.x, node.scalar(node.float("alpha", 1.0)))
    return node.select(above, node.x, node.scalar(0))


@lowers("Shrink", needs=[float_tensors])
def lower_shrink(node: Node) -> SSAValue:
    """x - bias above lambd, x + bias below -lambd, else 0."""
    bias, lambd = node.scalar(node.float("bias", 0.0)), node.float("lambd", 0.5)
    below = node.select(
        node.compare("lt", node.x, node.scalar(-lambd)), node.binary("add", node.x, bias), node.scalar(0)
    )
    return node.select(node.compare("gt", node.x, node.scalar(lambd)), node.binary("sub", node.x, bias), below)
