"""The pass `merge-branches`: an If whose condition is known only when the program runs computes both branches.

    %y = onnx.If(%c) {A} {B}   ->   A, B, %y = graph.select %c, %a, %b

Kernels are pure, so to compute a branch that is not taken costs time and nothing else. Where that is not so, the If
stays: for operators that may trap or that are random, and where the branches' results have different types.
"""

from __future__ import annotations

from dataclasses import dataclass

from typing_extensions import override
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp, StringAttr
from xdsl.dialects.func import FuncOp
from xdsl.ir import Operation, SSAValue
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint, Rewriter
from xdsl.traits import is_side_effect_free

from vcc.dialects import graph
from vcc.dialects.graph import shape_of
from vcc.dialects.graph.structure import REMARK
from vcc.dialects.onnx import SchemaOp, YieldOp, describe, is_static
from vcc.dialects.origin import add_value_names, node_names, value_names
from vcc.dialects.weights import constant_array
from vcc.passes.graph.signature import update_signatures
from vcc.runtime.diagnostics import Diagnostic, VccError

#: Operators that trap on an index out of range: where it is no constant, a branch not taken must not compute them.
_INDEXED = frozenset({"Gather", "GatherElements", "GatherND", "Scatter", "ScatterElements", "ScatterND"})


@dataclass(frozen=True)
class MergeBranchesPass(ModulePass):
    """Computes both branches of every If and selects their results.

    E0121, for all nodes at once, for Ifs whose types are known and whose branches cannot both be computed.
    """

    name = "merge-branches"

    @override
    def apply(self, ctx: Context, op: ModuleOp) -> None:
        problems: list[Diagnostic] = []
        pending = [each for each in _top_level(op) if _is_if(each)]
        while pending:
            branch = pending.pop()
            assert isinstance(branch, SchemaOp)
            if not all(is_static(value.type) for value in (branch.operands[0], *_yielded(branch))):
                continue  # lower-onnx says which sizes are missing
            if reason := obstacle(branch, ctx):
                message = f"both branches of If would have to be computed, and {reason}"
                problems.append(Diagnostic("E0121", message, ", ".join(node_names(branch)), "If"))
                continue
            pending += merge(branch)
        if problems:
            raise VccError(problems)
        update_signatures(op)


def _top_level(module: ModuleOp) -> list[Operation]:
    functions = [op for op in module.body.block.ops if isinstance(op, FuncOp) and op.body.blocks]
    return [op for function in functions for op in function.body.block.ops]


def _is_if(op: Operation) -> bool:
    return isinstance(op, SchemaOp) and op.op_type == "If" and op.domain == ""


def _branches(op: SchemaOp) -> list[list[Operation]]:
    return [list(op.graphs[name].block.ops) for name in ("then_branch", "else_branch")]


def _yielded(op: SchemaOp) -> list[SSAValue]:
    return [value for ops in _branches(op) for value in ops[-1].operands]


def obstacle(branch: SchemaOp, ctx: Context) -> str:
    """Why both branches of an If cannot be computed; empty if they can."""
    values = _yielded(branch)
    half = len(values) // 2
    for then, other in zip(values[:half], values[half:], strict=True):
        if then.type != other.type:
            return f"they give different types: {describe(then.type)} and {describe(other.type)}"
    for op in branch.walk():
        if isinstance(op, SchemaOp) and op.op_type in _INDEXED and constant_array(op.operands[1], ctx) is None:
            return f"{', '.join(node_names(op))} ({op.op_type}) may trap"
        if op is not branch and not is_side_effect_free(op) and not isinstance(op, YieldOp):
            return f"{', '.join(node_names(op))} has effects"
    return ""


def merge(branch: SchemaOp) -> list[Operation]:
    """Put both branches before an If, which becomes selections; returns the Ifs that were in them."""
    bodies = _branches(branch)
    values = _yielded(branch)
    half = len(values) // 2
    for name in ("then_branch", "else_branch"):
        block = branch.graphs[name].block
        last = block.last_op
        assert last is not None
        Rewriter.erase_op(last)
        Rewriter.inline_block(block, InsertPoint.before(branch))
    at, condition = InsertPoint.before(branch), branch.operands[0]
    if len(shape_of(condition)):
        scalar = graph.ReshapeOp(condition, ())
        scalar.location = branch.location
        Rewriter.insert_op(scalar, at)
        condition = scalar.result
    for result, then, other in zip(branch.results, values[:half], values[half:], strict=True):
        select = graph.SelectOp(condition, then, other)
        select.location = branch.location
        select.attributes[REMARK] = StringAttr("computes both branches of an If and selects")
        Rewriter.insert_op(select, at)
        add_value_names(select.result, value_names(result))
        hint = result.name_hint
        result.replace_all_uses_with(select.result)
        select.result.name_hint = hint
    Rewriter.erase_op(branch)
    return [op for ops in bodies for op in ops if _is_if(op)]
