"""What of a model runs on the host, and why."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.dialects.builtin import ModuleOp

from vcc.dialects.graph import HostOp
from vcc.dialects.origin import node_names
from vcc.passes.graph.lower.host import reason_of


@dataclass(frozen=True)
class HostReason:
    """One host call: its operator, the ONNX nodes it stands for, and what must hold for a kernel to do the work."""

    domain: str
    op_type: str
    nodes: tuple[str, ...]
    reason: str


def host_reasons(module: ModuleOp) -> list[HostReason]:
    """Every `graph.host` of a module in order."""
    return [
        HostReason(op.domain.data, op.op_type.data, node_names(op), reason_of(op))
        for op in module.walk()
        if isinstance(op, HostOp)
    ]
