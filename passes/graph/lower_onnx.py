"""`lower-onnx`: every ONNX node becomes `graph` operations, or a host call that says why.

    %y = "onnx.Relu.v14"(%x)          ->  %y = graph.unary relu %x
    %y = "onnx.NonZero.v13"(%x)       ->  %y = graph.host "NonZero" %x {reason = "no kernel covers it", ...}

All obstacles of a model are reported together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from xdsl.context import Context
from xdsl.dialects.builtin import IntegerType, ModuleOp, TensorType
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Operation, SSAValue
from xdsl.passes import ModulePass
from xdsl.pattern_rewriter import PatternRewriter, RewritePattern
from xdsl.utils.exceptions import VerifyException

from vcc.dialects.graph.base import is_bool, is_float, is_int
from vcc.dialects.graph.structure import REMARK
from vcc.dialects.onnx import NodeOp, describe, is_static
from vcc.dialects.weights import ConstantOp, numpy_dtype_of
from vcc.passes.graph.lower import Lowering, Node, find_lowering
from vcc.passes.graph.lower.host import host_call
from vcc.passes.graph.lower.obstacles import (
    diagnostic,
    operands_known,
    results_known,
    unknown_shape,
    unreachable_on_host,
    unsupported,
)
from vcc.passes.graph.signature import update_signatures
from vcc.passes.rewriting import rewrite
from vcc.runtime.diagnostics import Diagnostic, VccError

_MACHINE_WIDTHS = frozenset({1, 8, 16, 32, 64})


def machine_tensors(node: Node) -> bool:
    """All tensors must be non-empty (but for constants), of a dtype that the machine computes with."""
    skips_empty = node.op_type == "Concat"
    for value in (*node.present, *node.op.results):
        type = value.type
        if not isinstance(type, TensorType):
            continue
        element = type.element_type
        known = isinstance(element, IntegerType) and element.width.data in _MACHINE_WIDTHS
        number = is_float(element) and getattr(element, "bitwidth", 0) >= 16
        if 0 in type.get_shape() and not (skips_empty or isinstance(value.owner, ConstantOp)):
            return False
        if not (number or (known and (is_int(element) or is_bool(element)))):
            return False
    return True


@dataclass(frozen=True)
class LowerOnnx(ModulePass):
    """Lower every ONNX node; `host_ops=error` refuses models that need host calls.

    Raises one `VccError` with all obstacles: unknown shapes (E0104), shapes that contradict the operator (E0106),
    unknown operators (E0120), unsupported ones (E0121), host calls that are not allowed (E0122).
    """

    name = "lower-onnx"

    host_ops: Literal["allow", "error"] = "allow"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        pattern = LowerNode(ctx, self.host_ops == "allow")
        rewrite(op, [pattern], pass_name=self.name, recursive=False)
        obstacles = pattern.obstacles or _dynamic_inputs(op)
        if obstacles:
            raise VccError(obstacles)
        update_signatures(op)


def _dynamic_inputs(module: ModuleOp) -> list[Diagnostic]:
    """The function inputs without a static shape: why nodes were left that follow from them."""
    if not any(isinstance(op, NodeOp) for op in module.walk()):
        return []
    arguments = [arg for op in module.walk() if isinstance(op, FuncOp) for arg in op.body.block.args]
    return [
        Diagnostic(
            "E0104",
            f"input '{arg.name_hint or arg.index}' has type {describe(arg.type)}: a size is not known",
            help="give the sizes of the inputs with --shape NAME=SIZES",
        )
        for arg in arguments
        if not is_static(arg.type)
    ]


class LowerNode(RewritePattern):
    """One node to the operations of its lowering, or to a host call; obstacles are collected."""

    def __init__(self, ctx: Context, allow_host: bool):
        self.ctx = ctx
        self.allow_host = allow_host
        self.obstacles: list[Diagnostic] = []

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter) -> None:
        if not isinstance(op, NodeOp) or isinstance(op.parent_op(), NodeOp):
            return
        if (obstacle := unsupported(op)) is not None:
            self.obstacles.append(obstacle)
        elif operands_known(op):
            self._lower(op, rewriter)

    def _lower(self, op: NodeOp, rewriter: PatternRewriter) -> None:
        node = Node(op, self.ctx)
        lowering = find_lowering(node.domain, node.op_type, node.version)
        outcome = "no kernel covers this operator" if lowering is None else _build(node, lowering)
        if isinstance(outcome, str):
            if not results_known(op):
                self.obstacles.append(unknown_shape(op))
                return
            self._call_host(op, outcome, rewriter)
            return
        mismatch = _mismatch(op, outcome)
        if mismatch:
            self.obstacles.append(diagnostic("E0106", mismatch, op))
        else:
            # Inserted first, so that only the results take over the names that the model gives.
            rewriter.insert(node.new_ops)
            if (remark := op.attributes.get(REMARK)) is not None and node.new_ops:
                node.new_ops[-1].attributes[REMARK] = remark
            rewriter.replace(op, [], outcome)

    def _call_host(self, op: NodeOp, reason: str, rewriter: PatternRewriter) -> None:
        obstacle = unreachable_on_host(op, reason)
        if obstacle is None and not self.allow_host:
            help = "compile with --host-ops=allow to run it on the host"
            obstacle = diagnostic("E0122", f"operator {op.op_type} would run on the host: {reason}", op, help)
        if obstacle is not None:
            self.obstacles.append(obstacle)
            return
        call, results = host_call(op, reason)
        rewriter.replace(op, [call], results)


def _empty_results(node: Node) -> list[SSAValue | None] | None:
    """Constants in the place of results without elements, for which nothing need run; None if there are others.

    A result of the model must be written by someone, so that it is no constant.
    """
    values: list[SSAValue | None] = []
    for result in node.op.results:
        type = result.type
        if not result.uses:
            values.append(None)
            continue
        if not isinstance(type, TensorType) or 0 not in type.get_shape():
            return None
        if any(isinstance(use.operation, ReturnOp) for use in result.uses):
            return None
        values.append(node.array(np.empty(type.get_shape(), numpy_dtype_of(type.element_type))))
    return values if any(value is not None for value in values) else None


def _build(node: Node, lowering: Lowering) -> list[SSAValue | None] | str:
    """The values that replace the node's results, or the reason why there are none."""
    if (values := _empty_results(node)) is not None:
        return values
    if not machine_tensors(node):
        return " ".join((machine_tensors.__doc__ or "").split()).rstrip(".")
    if (reason := lowering.violated(node)) is not None:
        return reason
    try:
        outcome = lowering.function(node)
    except VerifyException as failure:
        return str(failure)
    values = [outcome] if isinstance(outcome, SSAValue) else list(outcome)
    return values + [None] * (len(node.outputs) - len(values))


def _mismatch(op: NodeOp, values: list[SSAValue | None]) -> str:
    """Text about the first value whose type is not that of the result it replaces."""
    for result, value in zip(op.results, values, strict=True):
        if value is not None and is_static(result.type) and value.type != result.type:
            return f"the model says the result is {describe(result.type)}, its operands make it {describe(value.type)}"
    return ""
