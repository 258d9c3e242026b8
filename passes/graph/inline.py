"""The pass `inline`: calls of private functions become the functions' bodies."""

from __future__ import annotations

from dataclasses import dataclass

from typing_extensions import override
from xdsl.context import Context
from xdsl.dialects.builtin import FusedLoc, LocationAttr, ModuleOp, NameLoc, UnknownLoc
from xdsl.dialects.func import CallOp, FuncOp, ReturnOp
from xdsl.ir import Operation
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint, Rewriter

from vcc.dialects.origin import add_value_names, node_location, node_names, set_value_names, value_names
from vcc.runtime.diagnostics import error

#: A chain of calls longer than this has no end.
_MAX_DEPTH = 64


@dataclass(frozen=True)
class InlinePass(ModulePass):
    """Replaces calls of private functions by the functions' bodies and drops the functions.

    The ops of an inlined body are named after the call and their own node, `call_node/inner_node`, and so are the
    ONNX values in it. E0107 for a function that calls itself.
    """

    name = "inline"

    @override
    def apply(self, ctx: Context, op: ModuleOp) -> None:
        functions = {each.sym_name.data: each for each in op.body.block.ops if isinstance(each, FuncOp)}
        private = {name: each for name, each in functions.items() if _is_private(each) and each.body.blocks}
        calls = [(call, 0) for name, each in functions.items() if name not in private for call in _calls(each)]
        while calls:
            call, depth = calls.pop()
            if (callee := private.get(call.callee.string_value())) is None:
                continue
            if depth > _MAX_DEPTH:
                raise error("E0107", f"the function @{callee.sym_name.data} calls itself", node=_call_name(call))
            calls.extend((inner, depth + 1) for inner in _inline(call, callee))
        for function in private.values():
            Rewriter.erase_op(function)


def _is_private(function: FuncOp) -> bool:
    visibility = function.sym_visibility
    return visibility is not None and visibility.data == "private"


def _calls(op: Operation) -> list[CallOp]:
    return [each for each in op.walk() if isinstance(each, CallOp)]


def _call_name(call: CallOp) -> str:
    return "+".join(node_names(call)) or call.callee.string_value()


def _inline(call: CallOp, callee: FuncOp) -> list[CallOp]:
    """Put a copy of the callee's body before `call`, which goes; returns the calls in the copy."""
    body = callee.body.clone()
    block = body.block
    prefix = _call_name(call)
    for op in block.walk():
        op.location = _prefixed(op.location, prefix)
        set_value_names(op, [[f"{prefix}/{name}" for name in value_names(result)] for result in op.results])
    calls = [each for each in block.walk() if isinstance(each, CallOp)]
    last = block.last_op
    assert isinstance(last, ReturnOp)
    for argument, operand in zip(block.args, call.operands, strict=True):
        argument.replace_all_uses_with(operand)
    returned = tuple(last.operands)
    Rewriter.erase_op(last)
    Rewriter.inline_block(block, InsertPoint.before(call), tuple(call.operands))
    for result, value in zip(call.results, returned, strict=True):
        add_value_names(value, value_names(result))
        hint = result.name_hint
        result.replace_all_uses_with(value)
        value.name_hint = hint or value.name_hint
    Rewriter.erase_op(call)
    return calls


def _prefixed(location: LocationAttr, prefix: str) -> LocationAttr:
    if isinstance(location, NameLoc | FusedLoc):
        return node_location(*(f"{prefix}/{name}" for name in node_names(location)))
    # A constant of the function stays without a node.
    return location if isinstance(location, UnknownLoc) else node_location(prefix)
