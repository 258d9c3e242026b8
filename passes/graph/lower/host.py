"""Calls of host operators: which ONNX operators the controlling CPU can run, and how a node becomes a call."""

from __future__ import annotations

from functools import cache
from typing import Any

from xdsl.dialects.builtin import StringAttr
from xdsl.ir import SSAValue

from vcc.dialects.graph import HostOp
from vcc.dialects.onnx import NodeOp, find_schema, is_static

#: Operators whose reference implementation gives wrong results: MaxPool's indices, LRN's last channels, and
#: the directions, clips and lengths of sequences of recurrent layers, which it ignores.
_WRONG_REFERENCE = frozenset({"GRU", "LRN", "LSTM", "MaxPool", "RNN"})


@cache
def host_runs(domain: str, op_type: str, version: int) -> bool:
    """Whether the reference implementation in the `onnx` package has the operator, itself or as a function."""
    from onnx.reference import ReferenceEvaluator
    from onnx.reference.ops import load_op
    from onnx.reference.ops.aionnxml import load_op as load_ml_op

    schema: Any = find_schema(domain, op_type, version)
    if schema is None or (domain == "" and op_type in _WRONG_REFERENCE):
        return False
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
    call = HostOp(op.op_type, op.domain, op.opset, op.inputs, types, attributes=dict(op.node_attributes), reason=reason)
    results = iter(call.results)
    return call, [None if type is None else next(results) for type in types]


def reason_of(op: HostOp) -> str:
    """Why the operator is not a kernel."""
    assert isinstance(op.reason, StringAttr)
    return op.reason.data
