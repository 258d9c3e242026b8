"""Constraints that several operator families share; each docstring says what must hold."""

from __future__ import annotations

from xdsl.dialects.builtin import IntegerType, Signedness

from vcc.dialects.graph.base import is_bool, is_float, is_int
from vcc.dialects.visa import TargetMachine
from vcc.passes.graph.lower.node import Node
from vcc.passes.graph.lower.registry import Constraint
from vcc.runtime.isa.dtypes import dtype_of


def float_tensors(node: Node) -> bool:
    """The first input must be a float tensor."""
    return is_float(node.element)


def number_tensors(node: Node) -> bool:
    """The first input must be a tensor of floats or integers."""
    return is_float(node.element) or is_int(node.element)


def bool_tensors(node: Node) -> bool:
    """The first input must be a bool tensor."""
    return is_bool(node.element)


def integer_tensors(node: Node) -> bool:
    """The first input must be an integer tensor."""
    return is_int(node.element)


def signed_or_float(node: Node) -> bool:
    """The first input must be a tensor of floats or signed integers."""
    element = node.element
    unsigned = isinstance(element, IntegerType) and element.signedness.data is Signedness.UNSIGNED
    return number_tensors(node) and not unsigned


def one_output(node: Node) -> bool:
    """Only the first output may be used."""
    return all(result is None or not result.uses for result in node.outputs[1:])


def spatial_axes(node: Node) -> bool:
    """The input must have one to three spatial axes."""
    return 3 <= len(node.shape(0)) <= 5


def machine_multiplies(node: Node) -> bool:
    """The machine must multiply numbers of the first input's dtype."""
    target = node.ctx.get_dialect("visa").get_interface(TargetMachine)
    machine = None if target is None else target.machine
    return machine is None or dtype_of(node.dtype(0)).name in machine.macs


def constant(what: str, *positions: int) -> Constraint:
    """A constraint that the inputs at these positions are constant where they are present."""

    def check(node: Node) -> bool:
        return all(node.input(i) is None or node.constant(i) is not None for i in positions)

    check.__doc__ = f"{what} must be constant."
    return check


def attribute_is(name: str, default: int, value: int) -> Constraint:
    """A constraint that an integer attribute has one value."""

    def check(node: Node) -> bool:
        return node.int(name, default) == value

    check.__doc__ = f"The attribute {name} must be {value}."
    return check
