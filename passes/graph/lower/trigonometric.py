"""Inverse and hyperbolic functions, out of those that the machine has."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from numpy.polynomial import Chebyshev, Polynomial
from xdsl.ir import SSAValue

from vcc.passes.graph.lower.constraints import float_tensors
from vcc.passes.graph.lower.node import Node
from vcc.passes.graph.lower.registry import lowers

#: tan(pi / 8): up to here arctangents are those of a polynomial.
_REACH = math.tan(math.pi / 8)


@cache
def arctangent_coefficients(degree: int) -> tuple[float, ...]:
    """Of atan(u) / u as a polynomial in u^2 for |u| <= tan(pi / 8), interpolated at Chebyshev's points."""

    def quotient(z: np.ndarray) -> np.ndarray:  # pyright: ignore[reportMissingTypeArgument]
        u = np.sqrt(np.maximum(z, 1e-300))
        return np.arctan(u) / u

    series = Chebyshev.interpolate(quotient, degree, [0, _REACH**2])
    return tuple(float(c) for c in series.convert(kind=Polynomial).coef)


def arctangent(node: Node, x: SSAValue) -> SSAValue:
    """atan, by way of 1 / x above one, and then of (x - 1) / (x + 1) above tan(pi / 8)."""
    one = node.scalar(1, x)
    size = node.unary("abs", x)
    large = node.compare("gt", size, one)
    t = node.select(large, node.unary("recip", size), size)
    middle = node.compare("gt", t, node.scalar(_REACH, x))
    quotient = node.binary("div", node.binary("sub", t, one), node.binary("add", t, one))
    u = node.select(middle, quotient, t)
    z = node.binary("mul", u, u)
    coefficients = arctangent_coefficients(12 if node.dtype(0) == np.float64 else 5)
    total = node.scalar(coefficients[-1], x)
    for number in coefficients[-2::-1]:
        total = node.binary("add", node.binary("mul", total, z), node.scalar(number, x))
    angle = node.binary("mul", total, u)
    angle = node.select(middle, node.binary("add", angle, node.scalar(math.pi / 4, x)), angle)
    angle = node.select(large, node.binary("sub", node.scalar(math.pi / 2, x), angle), angle)
    return node.select(node.compare("lt", x, node.scalar(0, x)), node.unary("neg", angle), angle)


def hyperbolic_cosine(node: Node) -> SSAValue:
    """(exp(x) + exp(-x)) / 2, each half taken before it overflows."""
    half = node.scalar(0.5)
    up, down = (node.unary("exp", x) for x in (node.x, node.unary("neg", node.x)))
    return node.binary("add", node.binary("mul", up, half), node.binary("mul", down, half))


@lowers("Atan", needs=[float_tensors])
def lower_atan(node: Node) -> SSAValue:
    """A polynomial after two reductions of the argument."""
    return arctangent(node, node.x)


@lowers("Asin", needs=[float_tensors])
def lower_asin(node: Node) -> SSAValue:
    """atan(x / sqrt((1 - x) (1 + x)))."""
    one = node.scalar(1)
    square = node.binary("mul", node.binary("sub", one, node.x), node.binary("add", one, node.x))
    return arctangent(node, node.binary("div", node.x, node.unary("sqrt", square)))


@lowers("Acos", needs=[float_tensors])
def lower_acos(node: Node) -> SSAValue:
    """2 atan(sqrt((1 - x) / (1 + x))), which keeps its digits near one."""
    one = node.scalar(1)
    quotient = node.binary("div", node.binary("sub", one, node.x), node.binary("add", one, node.x))
    return node.scale(arctangent(node, node.unary("sqrt", quotient)), 2)


@lowers("Cosh", needs=[float_tensors])
def lower_cosh(node: Node) -> SSAValue:
    """(exp(x) + exp(-x)) / 2."""
    return hyperbolic_cosine(node)


@lowers("Sinh", needs=[float_tensors])
def lower_sinh(node: Node) -> SSAValue:
    """tanh(x) cosh(x), which keeps its digits near zero."""
    return node.binary("mul", node.unary("tanh", node.x), hyperbolic_cosine(node))


@lowers("Asinh", needs=[float_tensors])
def lower_asinh(node: Node) -> SSAValue:
    """sign(x) log(1 + |x| + x^2 / (1 + sqrt(x^2 + 1)))."""
    one, size = node.scalar(1), node.unary("abs", node.x)
    square = node.binary("mul", size, size)
    root = node.unary("sqrt", node.binary("add", square, one))
    rest = node.binary("add", size, node.binary("div", square, node.binary("add", one, root)))
    return node.binary("mul", node.unary("sign", node.x), node.unary("log", node.binary("add", one, rest)))


@lowers("Acosh", needs=[float_tensors])
def lower_acosh(node: Node) -> SSAValue:
    """log(x + sqrt((x - 1) (x + 1)))."""
    one = node.scalar(1)
    square = node.binary("mul", node.binary("sub", node.x, one), node.binary("add", node.x, one))
    return node.unary("log", node.binary("add", node.x, node.unary("sqrt", square)))


@lowers("Atanh", needs=[float_tensors])
def lower_atanh(node: Node) -> SSAValue:
    """log((1 + x) / (1 - x)) / 2."""
    one = node.scalar(1)
    quotient = node.binary("div", node.binary("add", one, node.x), node.binary("sub", one, node.x))
    return node.scale(node.unary("log", quotient), 0.5)
