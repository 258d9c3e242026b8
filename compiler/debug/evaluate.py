"""A reference evaluation of a module of `graph` operations in numpy: what each phase's IR is compared with.

Elementwise functions are those of the instruction table; windows and matrix products are written here a second time,
so that a wrong tiling cannot hide. Float16 and bfloat16 are computed in float32 and rounded after each operation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from xdsl.context import Context
from xdsl.dialects.builtin import DictionaryAttr, ModuleOp, StringAttr
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Block, Operation, SSAValue

from vcc.compiler.debug.host_reference import run_host
from vcc.compiler.debug.window_reference import conv, pool
from vcc.dialects import graph
from vcc.dialects.weights import ConstantOp, constant_array, numpy_dtype_of
from vcc.runtime.diagnostics import error
from vcc.runtime.isa import semantics
from vcc.runtime.isa.dtypes import dtype_of

Array: TypeAlias = np.ndarray[Any, Any]
Environment: TypeAlias = dict[SSAValue, Array]
Rule: TypeAlias = Callable[[Any, Sequence[Array]], Array]


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
    with np.errstate(all="ignore"):
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
            rule = _RULES.get(type(op))
            if rule is None:
                raise error("E0107", f"{op.name} cannot be evaluated: it is not an operation of the graph dialect")
            dtype = numpy_dtype_of(graph.tensor_of(op.results[0]).element_type)
            result = rule(op, [_widen(arg) for arg in args])
            return [result if result.dtype == dtype else result.astype(dtype)]


def _widen(array: Array) -> Array:
    narrow = array.dtype == np.float16 or array.dtype.name == "bfloat16"
    return array.astype(np.float32) if narrow else array


def _cast(op: graph.CastOp, args: Sequence[Array]) -> Array:
    dtype = numpy_dtype_of(graph.tensor_of(op.result).element_type)
    empty = np.empty(0, dtype)
    return semantics.cast(semantics.Args({"src": args[0]}, empty, dtype_of(dtype), (), {}))


def _reduce(op: Any, args: Sequence[Array]) -> Array:
    function = semantics.REDUCE[str(op.fn.data)]
    return np.asarray(
        function.reduce(args[0], axis=graph.ints(op.axes), dtype=args[0].dtype, keepdims=bool(op.keepdims))
    )


def _softmax(op: graph.SoftmaxOp, args: Sequence[Array]) -> Array:
    axis = op.axis.value.data
    e = np.exp(args[0] - args[0].max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


def _layer_norm(op: graph.LayerNormOp, args: Sequence[Array]) -> Array:
    x = args[0]
    axes = tuple(range(op.axis.value.data, x.ndim))
    centred = x - x.mean(axes, keepdims=True)
    variance = np.square(centred).mean(axes, keepdims=True)
    y = centred / np.sqrt(variance + x.dtype.type(op.epsilon.value.data)) * args[1]
    return y + args[2] if len(args) == 3 else y


def _matmul(_: graph.MatmulOp, args: Sequence[Array]) -> Array:
    if args[0].dtype.kind in "iu":
        return np.matmul(args[0].astype(np.int32), args[1].astype(np.int32))
    return np.matmul(args[0], args[1])


def _slice(op: graph.SliceOp, args: Sequence[Array]) -> Array:
    x = args[0]
    for axis, numbers in enumerate(zip(*map(graph.ints, (op.starts, op.sizes, op.steps)), strict=True)):
        start, size, step = numbers
        x = np.take(x, start + step * np.arange(size), axis)
    return x


def _pad(op: graph.PadOp, args: Sequence[Array]) -> Array:
    widths = list(zip(graph.ints(op.low), graph.ints(op.high), strict=True))
    value: Any = op.value
    number = value.value.data
    return np.pad(args[0], widths, constant_values=bool(number) if args[0].dtype == np.bool_ else number)


_RULES: dict[type[Operation], Rule] = {
    graph.UnaryOp: lambda op, args: semantics.UNARY[op.fn.data.value](args[0]),
    graph.BinaryOp: lambda op, args: semantics.BINARY[op.fn.data.value](args[0], args[1]),
    graph.CompareOp: lambda op, args: semantics.COMPARE[op.fn.data.value](args[0], args[1]),
    graph.SelectOp: lambda _, args: np.where(args[0], args[1], args[2]),
    graph.CastOp: _cast,
    graph.ReduceOp: _reduce,
    graph.SoftmaxOp: _softmax,
    graph.LayerNormOp: _layer_norm,
    graph.MatmulOp: _matmul,
    graph.ConvOp: lambda op, args: conv(op.window, op.group.value.data, *args),
    graph.PoolOp: lambda op, args: pool(op.fn.data, op.window, bool(op.count_include_pad), args[0]),
    graph.TransposeOp: lambda op, args: args[0].transpose(graph.ints(op.perm)),
    graph.ReshapeOp: lambda op, args: args[0].reshape(graph.shape_of(op.result)),
    graph.SliceOp: _slice,
    graph.ConcatOp: lambda op, args: np.concatenate(args, op.axis.value.data),
    graph.PadOp: _pad,
    graph.ExpandOp: lambda op, args: np.broadcast_to(args[0], graph.shape_of(op.result)),
    graph.RelayoutOp: lambda _, args: args[0],
}
