"""Comparisons, boolean algebra, selection and casts."""

from __future__ import annotations

import math

from xdsl.ir import SSAValue

from vcc.dialects.graph.base import is_bool
from vcc.passes.graph.lower.constraints import bool_tensors, float_tensors
from vcc.passes.graph.lower.node import Node
from vcc.passes.graph.lower.registry import lowers

_COMPARE = {"Equal": "eq", "Less": "lt", "LessOrEqual": "le", "Greater": "gt", "GreaterOrEqual": "ge"}
_LOGICAL = {"And": "and", "Or": "or", "Xor": "xor"}


def ordered(node: Node) -> bool:
    """Only Equal compares bool tensors."""
    return node.op_type == "Equal" or not is_bool(node.element)


@lowers(*_COMPARE, needs=[ordered])
def lower_compare(node: Node) -> SSAValue:
    """A relation of two tensors."""
    return node.compare(_COMPARE[node.op_type], node.required(0), node.required(1))


@lowers(*_LOGICAL, needs=[bool_tensors])
def lower_logical(node: Node) -> SSAValue:
    """A function of two bool tensors."""
    return node.binary(_LOGICAL[node.op_type], node.required(0), node.required(1))


@lowers("Not", needs=[bool_tensors])
def lower_not(node: Node) -> SSAValue:
    """The other truth value."""
    return node.unary("not", node.x)


@lowers("Where")
def lower_where(node: Node) -> SSAValue:
    """The second input where the first holds, else the third."""
    return node.select(node.required(0), node.required(1), node.required(2))


@lowers("Cast", "CastLike")
def lower_cast(node: Node) -> SSAValue:
    """Every element in the result's dtype."""
    return node.cast(node.x, node.result_type(0).element_type)


@lowers("IsNaN", needs=[float_tensors])
def lower_is_nan(node: Node) -> SSAValue:
    """Only a NaN differs from itself."""
    return node.compare("ne", node.x, node.x)


@lowers("IsInf", needs=[float_tensors])
def lower_is_inf(node: Node) -> SSAValue:
    """Equal to infinity, to minus infinity, or in magnitude."""
    positive, negative = node.int("detect_positive", 1), node.int("detect_negative", 1)
    if positive and negative:
        return node.compare("eq", node.unary("abs", node.x), node.scalar(math.inf))
    if not positive and not negative:
        return node.compare("lt", node.unary("abs", node.x), node.scalar(0))
    return node.compare("eq", node.x, node.scalar(math.inf if positive else -math.inf))
