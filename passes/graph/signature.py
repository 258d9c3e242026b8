"""Function types that follow what the functions return."""

from __future__ import annotations

from xdsl.dialects.builtin import FunctionType, ModuleOp
from xdsl.dialects.func import FuncOp, ReturnOp


def update_signatures(module: ModuleOp) -> None:
    """Make the type of every function with a body agree with its arguments and with the operands of its return."""
    for function in module.body.block.ops:
        if isinstance(function, FuncOp) and function.body.blocks:
            last = function.body.block.last_op
            if isinstance(last, ReturnOp):
                function.function_type = FunctionType.from_lists(
                    list(function.body.block.arg_types), list(last.operand_types)
                )
