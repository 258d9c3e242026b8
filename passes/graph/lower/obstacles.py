"""Nodes that can neither be lowered nor called on the host, as diagnostics."""

from __future__ import annotations

from xdsl.dialects.builtin import TensorType
from xdsl.ir import Attribute

from vcc.dialects.onnx import (
    CustomOp,
    MapType,
    NodeOp,
    OptionalType,
    SequenceType,
    SparseTensorType,
    describe,
    find_schema,
    is_static,
)
from vcc.dialects.origin import node_names
from vcc.dialects.weights import numpy_dtype_of
from vcc.passes.graph.lower.host import host_runs
from vcc.passes.graph.lower.registry import find_lowering
from vcc.passes.graph.reference import known_since
from vcc.runtime.diagnostics import Diagnostic, VccError

_CUT = "vcc plans memory before it sees data: end the model before this node, and do the rest outside"


def diagnostic(code: str, message: str, op: NodeOp, help: str = "") -> Diagnostic:
    """A diagnostic that names the node, its operator and its types."""
    inputs = ", ".join("-" if value is None else describe(value.type) for value in op.inputs)
    outputs = ", ".join(describe(result.type) for result in op.results)
    operator = f"{op.domain}.{op.op_type}" if op.domain else op.op_type
    return Diagnostic(code, message, ", ".join(node_names(op)), operator, f"{inputs} -> {outputs}", help)


def _has_dtype(type: TensorType[Attribute]) -> bool:
    try:
        numpy_dtype_of(type.element_type)
    except VccError:
        return False
    return True


def operands_known(op: NodeOp) -> bool:
    """Whether all operands are tensors of static shape."""
    return all(is_static(value.type) for value in op.operands)


def results_known(op: NodeOp) -> bool:
    """Whether all used results are tensors of static shape."""
    return all(is_static(result.type) for result in op.results if result.uses)


def unsupported(op: NodeOp) -> Diagnostic | None:
    """Why a node has no place in a compiled program; None if it can be lowered or called on the host."""
    operator = f"{op.domain}.{op.op_type}" if op.domain else op.op_type
    known = find_lowering if isinstance(op, CustomOp) else find_schema
    if known(op.domain, op.op_type, op.opset) is None:
        help = "vcc knows the operators that the onnx package has schemas for; export the model without others"
        return diagnostic("E0120", f"operator {operator} is unknown", op, help)
    if op.graphs:
        return diagnostic("E0121", f"operator {operator}, which has subgraphs, is not supported yet", op)
    for value in (*op.operands, *op.results):
        type = value.type
        if isinstance(type, (SequenceType, OptionalType, MapType, SparseTensorType)):
            return diagnostic("E0121", "values that are not dense tensors are not supported yet", op)
        if isinstance(type, TensorType) and not _has_dtype(type):
            return diagnostic("E0121", f"tensors of type {describe(type)} are not supported yet", op)
    return None


def unknown_shape(op: NodeOp) -> Diagnostic:
    """The node is the first whose output has no static shape, although its operands have one."""
    return diagnostic("E0104", "the shape of an output depends on data", op, _CUT)


def unreachable_on_host(op: NodeOp, reason: str) -> Diagnostic | None:
    """Why a node that no kernel covers cannot be called on the host either; None if it can."""
    if host_runs(op.domain, op.op_type, op.opset):
        return None
    since = known_since(op.domain, op.op_type)
    if since is None or since <= op.opset:
        return diagnostic("E0121", f"operator {op.op_type} is not supported yet: {reason}", op)
    # Not by the version converter of onnx: it changes what Resize means, and takes some forms of others only.
    help = f"export the model with opset {since} or newer"
    message = f"operator {op.op_type} of opsets before {since} is not supported yet: {reason}"
    return diagnostic("E0121", message, op, help)
