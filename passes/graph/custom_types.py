"""Types of the results of operators that the `onnx` package has no schema for, those that vcc lowers all the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from xdsl.dialects.builtin import TensorType
from xdsl.ir import Attribute

from vcc.dialects.onnx import CustomOp


def custom_types(op: CustomOp) -> Sequence[Attribute]:
    """The types of an op's results as they follow from its operands; none where that is not known."""
    rule = _RULES.get((op.domain, op.op_type))
    return [] if rule is None else rule(op)


def _lstm(op: CustomOp) -> Sequence[Attribute]:
    """X [T, B, I] -> Y [T, D, B, H], Y_h and Y_c [D, B, H]."""
    x, hidden = op.inputs[0], op.attribute("hidden_size")
    if x is None or hidden is None or not isinstance(x.type, TensorType) or x.type.get_num_dims() != 3:
        return []
    steps, batch, _ = x.type.get_shape()
    directions = 2 if op.attribute("direction", "forward") == "bidirectional" else 1
    state = TensorType(x.type.element_type, [directions, batch, hidden])
    y = TensorType(x.type.element_type, [steps, directions, batch, hidden])
    return [y, state, state][: len(op.results)]


_RULES: dict[tuple[str, str], Callable[[CustomOp], Sequence[Attribute]]] = {
    ("com.microsoft", "DynamicQuantizeLSTM"): _lstm,
}
