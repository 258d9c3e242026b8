"""What a module's entry function says about the model's inputs and outputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from onnx import ValueInfoProto
from xdsl.dialects.builtin import DYNAMIC_INDEX, ArrayAttr, DictionaryAttr, ModuleOp, StringAttr, TensorType
from xdsl.dialects.func import FuncOp
from xdsl.ir import Attribute

from vcc.dialects.onnx import describe, type_from_proto
from vcc.dialects.onnx.types import dimension_names
from vcc.runtime.diagnostics import Diagnostic, VccError, error


@dataclass(frozen=True)
class Tensor:
    """A graph input or output: its ONNX name, its type as text, its dimensions as the model writes them."""

    name: str
    type: str
    dims: tuple[str, ...]
    is_static: bool


def entry_function(module: ModuleOp) -> FuncOp:
    """The function `main` of an imported module; E0107 if there is none."""
    for op in module.ops:
        if isinstance(op, FuncOp) and op.sym_name.data == "main":
            return op
    raise error("E0107", "the module has no function @main")


def interface(module: ModuleOp) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    """The inputs and outputs of the model."""
    function = entry_function(module)
    types = function.function_type
    return _tensors(function.arg_attrs, types.inputs.data), _tensors(function.res_attrs, types.outputs.data)


def check_bound(module: ModuleOp) -> None:
    """E0104, for all inputs at once, if an input has a dimension without a size."""
    problems, _ = unbound_shapes(module)
    if problems:
        raise VccError(problems)


def unbound_shapes(module: ModuleOp) -> tuple[list[Diagnostic], dict[str, tuple[int, ...]]]:
    """A diagnostic (E0104) for each input with open dimensions, and a shape for it that has 1 in their place."""
    problems: list[Diagnostic] = []
    shapes: dict[str, tuple[int, ...]] = {}
    for each in interface(module)[0]:
        if each.is_static:
            continue
        shapes[each.name] = tuple(int(dim) if dim.isdigit() else 1 for dim in each.dims)
        if not each.dims:
            message = f"the model does not say how many dimensions input '{each.name}' has: give it a shape"
            problems.append(Diagnostic("E0104", message, help=f"such as --shape {each.name}:1x3"))
            continue
        message = f"input '{each.name}' is [{', '.join(each.dims)}]: give every dimension a size"
        help = f"--shape {each.name}:{'x'.join(map(str, shapes[each.name]))}"
        problems.append(Diagnostic("E0104", message, help=help))
    return problems, shapes


def declared(info: ValueInfoProto) -> dict[str, str]:
    """The name of a model's input or output and its type as the model writes it, such as f32[batch,3,224,224]."""
    try:
        type = describe(type_from_proto(info.type))
    except VccError:
        type = "?"
    dims = dimension_names(info.type)
    return {"name": info.name, "type": f"{type.partition('[')[0]}[{','.join(dims)}]" if dims else type}


def _tensors(attributes: ArrayAttr[DictionaryAttr] | None, types: tuple[Attribute, ...]) -> tuple[Tensor, ...]:
    described = [each.data for each in attributes] if attributes is not None else [{} for _ in types]
    return tuple(_tensor(each, type) for each, type in zip(described, types, strict=True))


def _tensor(described: Mapping[str, Attribute], type: Attribute) -> Tensor:
    name = described.get("onnx.name")
    shape = type.get_shape() if isinstance(type, TensorType) else ()
    dims = tuple("?" if size == DYNAMIC_INDEX else str(size) for size in shape)
    written = described.get("onnx.dims")
    if isinstance(written, ArrayAttr) and len(written) == len(dims):
        # A symbol that was given a size is a size by now.
        words = [word.data if isinstance(word, StringAttr) else "?" for word in written]
        dims = tuple(word if dim == "?" else dim for word, dim in zip(words, dims, strict=True))
    return Tensor(
        name.data if isinstance(name, StringAttr) else "",
        describe(type),
        dims,
        isinstance(type, TensorType) and DYNAMIC_INDEX not in shape,
    )
