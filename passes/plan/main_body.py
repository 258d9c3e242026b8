"""What the plan phase reads of a module: the steps of its main function, and the tensors that they write."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from xdsl.dialects.builtin import ArrayAttr, DictionaryAttr, ModuleOp, NoneAttr, StringAttr, TensorType
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Attribute, Operation, OpResult, SSAValue

from vcc.dialects.graph import ConcatOp, HostOp, ReshapeOp, SliceOp
from vcc.dialects.host import tensor_bytes
from vcc.dialects.origin import node_names, value_names
from vcc.dialects.visa import LaunchOp
from vcc.dialects.weights import ConstantOp
from vcc.passes.plan.aliases import AliasOp, concat_offsets, offset_in_root, root_of, slice_offset
from vcc.runtime.diagnostics import VccError, error

StepOp: TypeAlias = LaunchOp | HostOp


@dataclass
class Tensor:
    """A tensor that step `step` writes: its bytes, the steps that read it, and which function result it is, if any."""

    value: OpResult
    name: str
    nbytes: int
    step: int
    readers: list[int] = field(default_factory=list[int])
    result: int | None = None


@dataclass(frozen=True)
class MainBody:
    """The main function, its steps in order, and all tensors they write, in the order in which they are written.

    `containers` gives each tensor (or concatenation) that lies inside a concatenation that one, and its first byte.
    """

    function: FuncOp
    steps: list[StepOp]
    tensors: list[Tensor]
    index: dict[SSAValue, int]
    containers: dict[SSAValue, tuple[OpResult, int]]

    def sources(self, value: SSAValue) -> list[int]:
        """The indices of the tensors in whose memory `value` lies; none for arguments and constants."""
        root = root_of(value)
        if isinstance(root, OpResult) and isinstance(root.op, ConcatOp):
            return [index for operand in root.op.xs for index in self.sources(operand)]
        return [self.index[root]] if root in self.index else []

    def container(self, value: SSAValue) -> tuple[SSAValue, int]:
        """The outermost concatenation in which the memory of `value` lies (else its root), and the byte in it."""
        root, offset = root_of(value), offset_in_root(value)
        while root in self.containers:
            root, inner = self.containers[root]
            offset += inner
        return root, offset


def main_of(module: ModuleOp) -> FuncOp:
    """The function `main` of one block; E0107 when there is none."""
    for op in module.ops:
        if isinstance(op, FuncOp) and op.sym_name.data == "main" and len(op.body.blocks) == 1:
            return op
    raise error("E0107", "the module has no function 'main' of one block")


def result_values(function: FuncOp) -> Sequence[SSAValue]:
    """The values that the function returns; E0107 when it does not end in func.return."""
    last = function.body.block.last_op
    if not isinstance(last, ReturnOp):
        raise error("E0107", "the function 'main' does not end in func.return")
    return last.operands


def argument_names(function: FuncOp) -> list[str]:
    """The ONNX names of the arguments; an argument without one is called `input<i>`."""
    return _names(function.arg_attrs, len(function.function_type.inputs), "input")


def result_names(function: FuncOp) -> list[str]:
    """The ONNX names of the results; a result without one is called `output<i>`."""
    return _names(function.res_attrs, len(function.function_type.outputs), "output")


def _names(attributes: ArrayAttr[DictionaryAttr] | None, count: int, default: str) -> list[str]:
    names = [f"{default}{i}" for i in range(count)]
    for i, each in enumerate(attributes or ()):
        if isinstance(name := each.data.get("onnx.name"), StringAttr):
            names[i] = name.data
    return names


def read_main(module: ModuleOp) -> MainBody:
    """The steps and tensors of `main` after the schedule phase; E0107 naming whatever does not belong there."""
    function = main_of(module)
    _check_signature(function)
    body = MainBody(function, [], [], {}, {})
    for op in function.body.block.ops:
        if isinstance(op, StepOp):
            _add_step(body, op)
        elif isinstance(op, AliasOp):
            _check_alias(op)
            if isinstance(op, ConcatOp):
                _add_concat(body, op)
        elif not isinstance(op, ConstantOp | ReturnOp):
            raise _invalid(op, f"{op.name} is not a step of a scheduled program")
    _mark_results(body)
    return body


def _invalid(op: Operation, message: str) -> VccError:
    return error("E0107", message, node=", ".join(node_names(op)), op=op.name)


def _add_step(body: MainBody, op: StepOp) -> None:
    step = len(body.steps)
    body.steps.append(op)
    for index in dict.fromkeys(index for operand in op.operands for index in body.sources(operand)):
        body.tensors[index].readers.append(step)
    for result in op.results:
        if not isinstance(type := result.type, TensorType):
            raise _invalid(op, f"result {result.index} of {op.name} is {type}, which is not a tensor")
        body.index[result] = len(body.tensors)
        body.tensors.append(Tensor(result, _name_of(result), tensor_bytes(type), step))


def _name_of(result: OpResult) -> str:
    """The ONNX value that `result` or a reshape of it is; else the name of what makes it."""
    if names := value_names(result):
        return names[0]
    for use in result.uses:
        if isinstance(use.operation, ReshapeOp) and (name := _name_of(use.operation.results[0])):
            return name
    op = result.op
    if isinstance(op, LaunchOp):
        return f"{op.kernel.string_value()}.{result.index}"
    return f"{op.op_type.data}.{result.index}" if isinstance(op, HostOp) else ""


def _is_row_major(type: Attribute) -> bool:
    return isinstance(type, TensorType) and isinstance(type.encoding, NoneAttr)


def _check_signature(function: FuncOp) -> None:
    types = function.function_type
    for what, names, each in (
        ("argument", argument_names(function), types.inputs),
        ("result", result_names(function), types.outputs),
    ):
        for name, type in zip(names, each, strict=True):
            if not _is_row_major(type):
                raise error("E0107", f"{what} '{name}' of main is {type}, which is not a row-major tensor")


def _check_alias(op: AliasOp) -> None:
    match op:
        case ReshapeOp():
            alias, what = _is_row_major(op.x.type) and _is_row_major(op.result.type), "a reshape between layouts"
        case SliceOp():
            alias, what = slice_offset(op) is not None, "a slice in several pieces"
        case ConcatOp():
            alias, what = concat_offsets(op) is not None, "a concatenation of several pieces"
    if not alias:
        types = f"{', '.join(str(operand.type) for operand in op.operands)} -> {op.result.type}"
        message = f"{what} is not an alias: it needs a kernel"
        raise error("E0107", message, node=", ".join(node_names(op)), op=op.name, types=types)


def _add_concat(body: MainBody, op: ConcatOp) -> None:
    """Put a concatenation's operands into it; E0107 for one that does not come from a step or lies elsewhere."""
    for operand, offset in zip(op.xs, concat_offsets(op) or (), strict=True):
        root = root_of(operand)
        whole = isinstance(root, OpResult) and (root in body.index or isinstance(root.op, ConcatOp))
        if not whole or root in body.containers or _size(root) != _size(operand):
            raise _invalid(op, f"operand {operand.type} of {op.name} cannot lie in its result: it needs a kernel")
        body.containers[root] = (op.result, offset)


def _size(value: SSAValue) -> int:
    assert isinstance(value.type, TensorType)
    return tensor_bytes(value.type)


def _mark_results(body: MainBody) -> None:
    """Give each function result its tensor; E0107 for one that no step could write straight into the output."""
    names = result_names(body.function)
    for i, value in enumerate(result_values(body.function)):
        indices = body.sources(value)
        if not indices:
            what = "a constant" if isinstance(root_of(value), OpResult) else "an argument"
            raise error("E0107", f"result '{names[i]}' of main is {what}: it needs a kernel that copies it")
        root, offset = body.container(value)
        assert isinstance(root.type, TensorType) and isinstance(value.type, TensorType)
        if offset or tensor_bytes(root.type) != tensor_bytes(value.type):
            raise error("E0107", f"result '{names[i]}' of main is a part of another tensor: it needs a copy")
        for tensor in (body.tensors[index] for index in indices):
            if tensor.result is not None:
                other = names[tensor.result]
                raise error("E0107", f"results '{other}' and '{names[i]}' of main are one tensor: one needs a copy")
            tensor.result = i
