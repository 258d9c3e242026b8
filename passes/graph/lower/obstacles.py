"""Nodes that can neither be lowered nor called on the host, as diagnostics."""

from __future__ import annotations

from xdsl.dialects.builtin import TensorType
from xdsl.ir import Attribute, SSAValue

from vcc.dialects.onnx import CustomOp, NodeOp, describe, find_schema, is_static
from vcc.dialects.origin import node_names
from vcc.dialects.weights import numpy_dtype_of
from vcc.passes.graph.lower.host import host_runs
from vcc.runtime.diagnostics import Diagnostic, VccError

_BIND = "give the sizes of the inputs with --shape NAME=SIZES"


def diagnostic(code: str, message: str, op: NodeOp, help: str = "") -> Diagnostic:
    """A diagnostic that names the node, its operator and its types."""
    inputs = ", ".join("-" if value is None else describe(value.type) for value in op.inputs)
    outputs = ", ".join(describe(result.type) for result in op.results)
    operator = f"{op.domain}.{op.op_type}" if op.domain else op.op_type
    return Diagnostic(code, message, ", ".join(node_names(op)), operator, f"{inputs} -> {outputs}", help)


def _has_dtype(type: Attribute) -> bool:
    if not isinstance(type, TensorType):
        return False
    try:
        numpy_dtype_of(type.element_type)
    except VccError:
        return False
    return True


def shapes_known(op: NodeOp) -> bool:
    """Whether all operands and all used results are tensors of static shape and a dtype that numpy has."""
    values: list[SSAValue] = [*op.operands, *(result for result in op.results if result.uses)]
    return all(is_static(value.type) and _has_dtype(value.type) for value in values)


def unsupported(op: NodeOp) -> Diagnostic | None:
    """Why a node has no place in a compiled program; None if it can be lowered or called on the host."""
    operator = f"{op.domain}.{op.op_type}" if op.domain else op.op_type
    if isinstance(op, CustomOp) or find_schema(op.domain, op.op_type, op.opset) is None:
        help = "vcc knows the operators that the onnx package has schemas for; export the model without others"
        return diagnostic("E0120", f"operator {operator} is unknown", op, help)
    if op.graphs:
        return diagnostic("E0121", f"operator {operator}, which has subgraphs, is not supported yet", op)
    for value in (*op.operands, *op.results):
        ranked = isinstance(value.type, TensorType)
        if ranked and not _has_dtype(value.type):
            return diagnostic("E0121", f"tensors of type {describe(value.type)} are not supported yet", op)
    if not shapes_known(op):
        return _unknown_shape(op)
    return None


def _unknown_shape(op: NodeOp) -> Diagnostic | None:
    """Only the first node of a chain: the others follow from it."""
    if not all(is_static(value.type) for value in op.operands):
        tensors = all(hasattr(value.type, "element_type") for value in op.operands)
        return None if tensors else diagnostic("E0121", "values that are not tensors are not supported yet", op)
    return diagnostic("E0104", "the shape of an output depends on data or on an input without a size", op, _BIND)


def unreachable_on_host(op: NodeOp, reason: str) -> Diagnostic | None:
    """Why a node that no kernel covers cannot be called on the host either; None if it can."""
    if host_runs(op.domain, op.op_type, op.opset):
        return None
    return diagnostic("E0121", f"operator {op.op_type} is not supported yet: {reason}", op)
