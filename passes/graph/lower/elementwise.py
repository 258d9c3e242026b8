"""Arithmetic of single elements: one, two or any number of tensors that broadcast."""

from __future__ import annotations

import numpy as np
from xdsl.ir import SSAValue

from vcc.dialects.graph.base import is_float
from vcc.passes.graph.lower.constraints import float_tensors, integer_tensors, number_tensors, signed_or_float
from vcc.passes.graph.lower.node import Node
from vcc.passes.graph.lower.registry import lowers

_UNARY = {
    "Exp": "exp",
    "Log": "log",
    "Sqrt": "sqrt",
    "Reciprocal": "recip",
    "Tanh": "tanh",
    "Erf": "erf",
    "Sigmoid": "sigmoid",
    "Sin": "sin",
    "Cos": "cos",
    "Floor": "floor",
    "Ceil": "ceil",
    "Round": "round",
}
_SIGNED_UNARY = {"Abs": "abs", "Neg": "neg", "Sign": "sign", "Relu": "relu"}
_BINARY = {"Add": "add", "Sub": "sub", "Mul": "mul", "Div": "div"}
_BITWISE = {"BitwiseAnd": "and", "BitwiseOr": "or", "BitwiseXor": "xor"}
_VARIADIC = {"Min": "min", "Max": "max", "Sum": "add", "Mean": "add"}


@lowers(*_UNARY, needs=[float_tensors])
def lower_unary(node: Node) -> SSAValue:
    """A function of one tensor."""
    return node.unary(_UNARY[node.op_type], node.x)


@lowers(*_SIGNED_UNARY, needs=[signed_or_float])
def lower_signed_unary(node: Node) -> SSAValue:
    """A function of one tensor that integers have too."""
    return node.unary(_SIGNED_UNARY[node.op_type], node.x)


@lowers("Tan", needs=[float_tensors])
def lower_tan(node: Node) -> SSAValue:
    """sin(x) / cos(x)."""
    return node.binary("div", node.unary("sin", node.x), node.unary("cos", node.x))


@lowers(*_BINARY, needs=[number_tensors])
def lower_binary(node: Node) -> SSAValue:
    """A function of two tensors."""
    return node.binary(_BINARY[node.op_type], node.required(0), node.required(1))


@lowers(*_BITWISE, needs=[integer_tensors])
def lower_bitwise(node: Node) -> SSAValue:
    """Bit by bit."""
    return node.binary(_BITWISE[node.op_type], node.required(0), node.required(1))


@lowers("BitwiseNot", needs=[integer_tensors])
def lower_bitwise_not(node: Node) -> SSAValue:
    """All bits exclusive-or one."""
    dtype = node.dtype(0)
    ones = np.iinfo(dtype).max if dtype.kind == "u" else -1
    return node.binary("xor", node.x, node.scalar(ones))


@lowers("Mod", needs=[number_tensors])
def lower_mod(node: Node) -> SSAValue:
    """The remainder with the sign of the divisor, or of the dividend with `fmod`."""
    return node.binary("fmod" if node.int("fmod", 0) else "mod", node.required(0), node.required(1))


@lowers("Pow", needs=[float_tensors])
def lower_pow(node: Node) -> SSAValue:
    """Squares and square roots by a constant exponent; other powers in the base's dtype."""
    x, exponent = node.required(0), node.required(1)
    constant = node.constant(1)
    if constant is not None and constant.size == 1 and constant.ndim <= len(node.shape(0)):
        match float(constant.reshape(())):
            case 1.0:
                return x
            case 2.0:
                return node.binary("mul", x, x)
            case 0.5:
                return node.unary("sqrt", x)
            case -1.0:
                return node.unary("recip", x)
            case _:
                pass
    return node.binary("pow", x, node.cast(exponent, node.element))


def float_mean(node: Node) -> bool:
    """Mean takes float tensors."""
    return node.op_type != "Mean" or is_float(node.element)


@lowers(*_VARIADIC, needs=[number_tensors, float_mean])
def lower_variadic(node: Node) -> SSAValue:
    """Any number of tensors, combined from the left."""
    values = node.present
    result = values[0]
    for value in values[1:]:
        result = node.binary(_VARIADIC[node.op_type], result, value)
    return node.binary("mul", result, node.scalar(1 / len(values))) if node.op_type == "Mean" else result
