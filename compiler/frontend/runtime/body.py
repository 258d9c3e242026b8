"""Functions of standard operators that stand for the operators of another domain, node by node.

`Body` collects the nodes of such a function; the modules beside this one say for each operator of ONNX Runtime's own
domain (com.microsoft) what it computes. The pass `inline` dissolves the functions like those of the model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from onnx import FunctionProto, NodeProto, ValueInfoProto, helper, numpy_helper

from vcc.runtime.diagnostics import error


class UnsupportedFormError(Exception):
    """A form of an operator that no function stands for; the text says which."""


#: The opset that the bodies are written in.
OPSET = 23

Attributes: TypeAlias = Mapping[str, Any]


class Body:
    """The function of one node: names of its inputs (None for one that is left out), and the nodes made so far."""

    def __init__(self, node: NodeProto, ranks: Sequence[int | None]):
        """`ranks` are those of the inputs, None where they are not known."""
        self.inputs = [f"input_{i}" if name else None for i, name in enumerate(node.input)]
        self.ranks = ranks
        self.attributes: Attributes = {each.name: helper.get_attribute_value(each) for each in node.attribute}
        self.nodes: list[NodeProto] = []
        self.declared: list[ValueInfoProto] = []

    def input(self, position: int) -> str | None:
        """The name of an input, None where it is left out."""
        return self.inputs[position] if position < len(self.inputs) else None

    def required(self, position: int) -> str:
        """The name of an input that must be there. Raises UnsupportedFormError if it is not."""
        name = self.input(position)
        if name is None:
            raise UnsupportedFormError(f"without input {position}")
        return name

    def rank(self, position: int) -> int | None:
        """The number of axes of an input, None where it is not known."""
        return self.ranks[position] if position < len(self.ranks) else None

    def number(self, name: str, default: float) -> Any:
        """An attribute that is a number."""
        return self.attributes.get(name, default)

    def text(self, name: str, default: str = "") -> str:
        """An attribute that is a text."""
        value = self.attributes.get(name, default)
        return value.decode() if isinstance(value, bytes) else str(value)

    def only(self, *names: str) -> dict[str, Any]:
        """Those of the attributes that are given."""
        return {name: self.attributes[name] for name in names if name in self.attributes}

    def make(self, op_type: str, *inputs: str | None, outputs: int = 1, **attributes: Any) -> list[str]:
        """The outputs of a new node; inputs that are None are left out."""
        names = [f"{op_type}_{len(self.nodes)}_{i}" for i in range(outputs)]
        given = ["" if name is None else name for name in inputs]
        while given and not given[-1]:
            given.pop()
        self.nodes.append(helper.make_node(op_type, given, names, name=f"{op_type}_{len(self.nodes)}", **attributes))
        return names

    def op(self, op_type: str, *inputs: str | None, **attributes: Any) -> str:
        """The output of a new node."""
        return self.make(op_type, *inputs, **attributes)[0]

    def constant(self, array: Any, dtype: Any = np.float32) -> str:
        """A constant."""
        return self.op("Constant", value=numpy_helper.from_array(np.asarray(array, dtype)))

    def declare(self, name: str, dtype: int, rank: int) -> str:
        """Tell the dtype and rank of a value, which other functions may ask for before inference; returns its name."""
        self.declared.append(helper.make_tensor_value_info(name, dtype, [None] * rank))
        return name

    def like(self, number: float, value: str) -> str:
        """A number in the dtype of a value."""
        return self.op("CastLike", self.constant(number), value)

    def ints(self, *numbers: int) -> str:
        """A list of integers."""
        return self.constant(numbers, np.int64)


#: What writes an operator's body and returns the names of its outputs, None for one that cannot be had.
Writer: TypeAlias = Callable[[Body], Sequence[str | None] | str]

_WRITERS: dict[tuple[str, str], Writer] = {}


def stands_for(*op_types: str, domain: str = "com.microsoft") -> Callable[[Writer], Writer]:
    """Register a function as the writer of operators' bodies."""

    def register(writer: Writer) -> Writer:
        for op_type in op_types:
            _WRITERS[domain, op_type] = writer
        return writer

    return register


def known_operators() -> list[tuple[str, str]]:
    """The operators that functions stand for, by domain and name."""
    return sorted(_WRITERS)


def standard_function(node: NodeProto, ranks: Sequence[int | None]) -> FunctionProto | None:
    """The function that a node of ONNX Runtime's calls; None for any other node. E0121 for forms that have none."""
    writer = _WRITERS.get(("" if node.domain == "ai.onnx" else node.domain, node.op_type))
    if writer is None:
        return None
    body = Body(node, ranks)
    try:
        made = writer(body)
    except UnsupportedFormError as form:
        raise error("E0121", f"{node.op_type} {form} is not supported yet") from None
    outputs = [made] if isinstance(made, str) else list(made)
    for i, name in enumerate(node.output):
        if name and (i >= len(outputs) or outputs[i] is None):
            raise error("E0121", f"output {i} of {node.op_type} is not supported yet")
    # An output that nobody takes needs a value all the same.
    first = next(name for name in outputs if name is not None)
    names = [name if name is not None else body.op("Identity", first) for name in outputs[: len(node.output)]]
    inputs = [f"input_{i}" for i in range(len(node.input))]
    function = helper.make_function(
        node.domain, node.op_type, inputs, names, body.nodes, [helper.make_opsetid("", OPSET)]
    )
    function.value_info.extend(body.declared)
    return function
