"""Arithmetic of single elements: one, two or any number of tensors that broadcast."""

from __future__ import annotations

import numpy as np
from xdsl.ir import SSAValue

from vcc.dialects.graph import ExpandOp
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


#: Higher powers of integers by repeated products would be slower than a host call.
_HIGHEST_POWER = 16


def float_or_small_power(node: Node) -> bool:
    """The first input must be a float tensor, or an integer one with a constant exponent from 0 to 16."""
    if is_float(node.element):
        return True
    exponent = node.constant(1)
    return exponent is not None and exponent.size == 1 and float(exponent.flat[0]) in range(_HIGHEST_POWER + 1)


@lowers("Pow", needs=[number_tensors, float_or_small_power])
def lower_pow(node: Node) -> SSAValue:
    """Squares and square roots by a constant exponent; other powers in the base's dtype."""
    x, exponent = node.required(0), node.required(1)
    constant = node.constant(1)
    if not is_float(node.element):
        assert constant is not None
        return _integer_power(node, x, int(constant.flat[0]))
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


def _integer_power(node: Node, x: SSAValue, exponent: int) -> SSAValue:
    """x to a whole power by squaring, in the shape that inference found."""
    result = node.emit(ExpandOp(node.scalar(1), node.result_shape(0)))
    while exponent:
        if exponent & 1:
            result = node.binary("mul", result, x)
        exponent >>= 1
        x = node.binary("mul", x, x) if exponent else x
    return result


def shifts_by_constant(node: Node) -> bool:
    """The shift must be constant and not negative."""
    shift = node.constant(1)
    return shift is not None and bool((shift >= 0).all())


@lowers("BitShift", needs=[integer_tensors, shifts_by_constant])
def lower_bit_shift(node: Node) -> SSAValue:
    """A product with, or a division by, a power of two; zero (or minus one) where all bits leave."""
    shift, dtype = node.constant(1), node.dtype(0)
    assert shift is not None
    bits, left = shift.astype(np.int64), node.string("direction", "LEFT") == "LEFT"
    # The sign bit is a factor of products, which wrap around, but no divisor.
    stays = bits < dtype.itemsize * 8 - (dtype.kind == "i" and not left)
    power = node.array(np.where(stays, np.left_shift(1, np.minimum(bits, 63)), 1).astype(dtype))
    x = node.x
    negative = node.compare("lt", x, node.scalar(0)) if dtype.kind == "i" and not left else None
    if negative is not None:
        x = node.select(negative, node.binary("sub", node.scalar(-1), x), x)
    shifted = node.binary("mul" if left else "div", x, power)
    shifted = shifted if stays.all() else node.select(node.array(stays), shifted, node.scalar(0))
    return shifted if negative is None else node.select(negative, node.binary("sub", node.scalar(-1), shifted), shifted)


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
