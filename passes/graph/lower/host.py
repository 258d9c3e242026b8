"""Calls of host operators: which ONNX operators the controlling CPU can run, and how a node becomes a call."""

from __future__ import annotations

from functools import cache
from typing import Any

from xdsl.dialects.builtin import StringAttr
from xdsl.ir import SSAValue

from vcc.dialects.graph import HostOp
from vcc.dialects.onnx import NodeOp, find_schema, is_static
from vcc.passes.graph.reference import restated


@cache
def host_runs(domain: str, op_type: str, version: int) -> bool:
    """Whether the reference implementation in the `onnx` package has the operator, itself or as a function.

    False where its results are not those of this version, unless a newer version says the same.
    """
    from onnx.reference import ReferenceEvaluator
    from onnx.reference.ops import load_op
    from onnx.reference.ops.aionnxml import load_op as load_ml_op

    schema: Any = find_schema(domain, op_type, version)
    if schema is None or (form := restated(domain, op_type, version, {})) is None:
        return False
    version = form[0]
    if schema.has_function or schema.has_context_dependent_function:
        return True
    try:
        if domain == "":
            load: Any = load_op
            load(domain, op_type, version, evaluator_cls=ReferenceEvaluator)
        elif domain == "ai.onnx.ml":
            load_ml_op(domain, op_type, version)
        else:
            return False
    except (NotImplementedError, RuntimeError, ValueError):
        return False
    return True


def host_call(op: NodeOp, reason: str) -> tuple[HostOp, list[SSAValue | None]]:
    """The call that replaces a node, and for each of the node's results the call's (None for one that is not used)."""
    types = [result.type if result.uses or is_static(result.type) else None for result in op.results]
    form = restated(op.domain, op.op_type, op.opset, dict(op.node_attributes))
    assert form is not None, "host_runs says whether there is one"
    version, attributes = form
    call = HostOp(op.op_type, op.domain, version, op.inputs, types, attributes=attributes, reason=reason)
    results = iter(call.results)
    return call, [None if type is None else next(results) for type in types]


def reason_of(op: HostOp) -> str:
    """Why the operator is not a kernel."""
    assert isinstance(op.reason, StringAttr)
    return op.reason.data
