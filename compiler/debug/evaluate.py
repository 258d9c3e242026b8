"""A reference evaluation of a module of `graph` operations in numpy: what each phase's IR is compared with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from xdsl.context import Context
from xdsl.dialects.builtin import DictionaryAttr, ModuleOp, StringAttr
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Block, Operation, SSAValue

from vcc.compiler.debug.host_reference import run_host
from vcc.dialects import graph
from vcc.dialects.graph.semantics import compute, computes
from vcc.dialects.weights import ConstantOp, constant_array
from vcc.runtime.diagnostics import error

Array: TypeAlias = np.ndarray[Any, Any]
Environment: TypeAlias = dict[SSAValue, Array]


def evaluate(module: ModuleOp, feeds: Mapping[str, Array] | Sequence[Array], ctx: Context) -> list[Array]:
    """Run the module's entry function on arrays and return its results.

    `feeds` are the arguments in order, or by the names in the function's `arg_attrs`; each must have its argument's
    shape. Raises E0105 for feeds that do not match and E0107 for operations that are not `graph`'s.
    """
    function = _entry(module)
    arguments = _arguments(function, feeds)
    return evaluate_block(function.body.block, arguments, ctx)


def evaluate_values(
    module: ModuleOp, feeds: Mapping[str, Array] | Sequence[Array], ctx: Context
) -> dict[SSAValue, Array]:
    """As `evaluate`, but every value of the entry function's top level, to compare tensor by tensor."""
    function = _entry(module)
    environment: Environment = dict(zip(function.body.block.args, _arguments(function, feeds), strict=True))
    _run(function.body.block, environment, ctx)
    return environment


def evaluate_block(block: Block, arguments: Sequence[Array], ctx: Context) -> list[Array]:
    """Run one block on arrays; the operands of its terminator are the results."""
    return _run(block, dict(zip(block.args, arguments, strict=True)), ctx)


def _entry(module: ModuleOp) -> FuncOp:
    functions = [op for op in module.ops if isinstance(op, FuncOp) and not op.is_declaration]
    if not functions:
        raise error("E0107", "the module has no function to evaluate")
    return functions[0]


def _arguments(function: FuncOp, feeds: Mapping[str, Array] | Sequence[Array]) -> list[Array]:
    block = function.body.block
    arrays = [feeds[name] for name in argument_names(function)] if isinstance(feeds, Mapping) else list(feeds)
    if len(arrays) != len(block.args):
        raise error("E0105", f"{len(arrays)} arrays were given for {len(block.args)} inputs")
    for index, (array, argument) in enumerate(zip(arrays, block.args, strict=True)):
        if array.shape != graph.shape_of(argument):
            raise error("E0105", f"input {index} has shape {array.shape}, the function takes {argument.type}")
    return arrays


def argument_names(function: FuncOp) -> list[str]:
    """The ONNX names of the function's inputs, from its `arg_attrs`; their name in the IR where they have none."""
    names: list[str] = []
    attributes = function.arg_attrs.data if function.arg_attrs is not None else ()
    for argument in function.body.block.args:
        described = attributes[argument.index] if argument.index < len(attributes) else None
        name = described.data.get("onnx.name") if isinstance(described, DictionaryAttr) else None
        names.append(name.data if isinstance(name, StringAttr) else argument.name_hint or str(argument.index))
    return names


def _run(block: Block, environment: Environment, ctx: Context) -> list[Array]:
    for op in block.ops:
        if isinstance(op, (ReturnOp, graph.YieldOp)):
            return [environment[value] for value in op.operands]
        results = evaluate_op(op, [environment[value] for value in op.operands], ctx)
        environment.update(zip(op.results, results, strict=True))
    raise error("E0107", "a block has no terminator")


def evaluate_op(op: Operation, args: Sequence[Array], ctx: Context) -> list[Array]:
    """The results of one operation on logical arrays; E0107 for an operation that is not `graph`'s."""
    match op:
        case ConstantOp():
            array = constant_array(op, ctx)
            assert array is not None
            return [array]
        case graph.KernelOp():
            return evaluate_block(op.body.block, args, ctx)
        case graph.HostOp():
            return run_host(op, args, ctx)
        case _:
            if not computes(op):
                raise error("E0107", f"{op.name} cannot be evaluated: it is not an operation of the graph dialect")
            return [compute(op, args)]
