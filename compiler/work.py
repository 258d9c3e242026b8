"""How much work a model is, and where it will run: counted on the graph dialect, before fusion."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import prod

from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation, SSAValue

from vcc.dialects.graph import ConvOp, GraphOp, HostOp, MatmulOp, shape_of
from vcc.dialects.onnx import describe
from vcc.dialects.origin import node_names
from vcc.runtime.diagnostics import Diagnostic, VccError


@dataclass(frozen=True)
class HostWork:
    """One operator that runs on the host: ONNX node, operator, types, why, and its multiply-adds (0 if not linear)."""

    node: str
    op: str
    types: str
    reason: str
    macs: int


@dataclass(frozen=True)
class Work:
    """A model's work: operations and multiply-adds (MACs) on the machine, and every operator on the host.

    `node_macs` are the ONNX nodes with MACs on the machine, the dearest first.
    """

    machine_ops: int
    machine_macs: int
    host: tuple[HostWork, ...]
    node_macs: tuple[tuple[str, int], ...] = ()

    @property
    def host_macs(self) -> int:
        """Multiply-adds of all host operators."""
        return sum(each.macs for each in self.host)

    @property
    def machine_share(self) -> float:
        """The part of the MACs that runs on the machine, 0..1; of the operations where there are no MACs at all."""
        macs = self.machine_macs + self.host_macs
        if macs:
            return self.machine_macs / macs
        ops = self.machine_ops + len(self.host)
        return self.machine_ops / ops if ops else 1.0


def count_work(module: ModuleOp) -> Work:
    """Count the graph operations of a module; a constant is no work, a loop's body counts once."""
    ops, macs = 0, 0
    host: list[HostWork] = []
    nodes: dict[str, int] = {}
    for op in module.walk():
        if isinstance(op, HostOp):
            host.append(_host_work(op))
        elif isinstance(op, GraphOp):
            ops += 1
            if own := _macs(op):
                macs += own
                name = ", ".join(node_names(op))
                nodes[name] = nodes.get(name, 0) + own
    dearest = sorted(nodes.items(), key=lambda item: -item[1])
    return Work(ops, macs, tuple(host), tuple(dearest))


def check_host_ops(module: ModuleOp, allowed: str) -> None:
    """E0122 for every host operator in `module` when `allowed` is "error"."""
    if allowed != "error":
        return
    help = "--host-ops=allow runs it on the host"
    found = [
        Diagnostic("E0122", f"{each.op} runs on the host: {each.reason}", each.node, each.op, each.types, help)
        for each in count_work(module).host
    ]
    if found:
        raise VccError(found)


def _macs(op: Operation) -> int:
    if isinstance(op, ConvOp):
        return prod(shape_of(op.result)) * prod(shape_of(op.w)[1:])
    if isinstance(op, MatmulOp):
        return prod(shape_of(op.result)) * shape_of(op.a)[-1]
    return 0


def _host_work(op: HostOp) -> HostWork:
    node = ", ".join(node_names(op))
    types = f"{_types(op.args)} -> {_types(op.res)}"
    return HostWork(node, op.op_type.data, types, op.reason.data, _host_macs(op))


def _host_macs(op: HostOp) -> int:
    """Multiply-adds of the linear operators with a fixed formula; others count none."""
    shapes = [shape_of(value) for value in op.args]
    results = [shape_of(value) for value in op.res]
    if len(shapes) < 2 or not results:
        return 0
    match op.op_type.data:
        case "Conv" | "ConvInteger":
            return prod(results[0]) * prod(shapes[1][1:])
        case "ConvTranspose":
            return prod(shapes[0]) * prod(shapes[1][1:])
        case "MatMul" | "MatMulInteger":
            return prod(results[0]) * shapes[0][-1]
        case "Gemm":
            # Either operand may be transposed, so the inner size is what the output does not have.
            return prod(results[0]) * prod(shapes[0]) // max(1, results[0][0])
        case _:
            return 0


def _types(values: Iterable[SSAValue]) -> str:
    return ", ".join(describe(value.type) for value in values)
