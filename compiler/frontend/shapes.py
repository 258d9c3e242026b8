"""The sizes a user gives for a model's inputs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from onnx import TypeProto, ValueInfoProto

from vcc.dialects.onnx.types import dimension_names
from vcc.runtime.diagnostics import Diagnostic, VccError


def bind_shapes(inputs: Iterable[ValueInfoProto], shapes: Mapping[str, Sequence[int]]) -> dict[str, TypeProto]:
    """The type of every input with the given sizes in it, by name.

    A size given for a named dimension holds for all inputs that have that dimension. E0105, all at once, for names
    that are no inputs, and for sizes that contradict the model or each other.
    """
    protos = {each.name: each.type for each in inputs}
    problems: list[str] = []
    named: dict[str, int] = {}
    for name, sizes in shapes.items():
        if name not in protos:
            problems.append(f"the model has no input '{name}'; its inputs are {', '.join(protos) or 'none'}")
        else:
            problems.extend(_problems(name, protos[name], sizes, named))
    if problems:
        raise VccError([Diagnostic("E0105", problem) for problem in problems])
    return {name: _bound(proto, shapes.get(name), named) for name, proto in protos.items()}


def _problems(name: str, proto: TypeProto, sizes: Sequence[int], named: dict[str, int]) -> list[str]:
    """What contradicts; fills `named` with the sizes of named dimensions."""
    declared = dimension_names(proto)
    given = "x".join(map(str, sizes))
    if any(size < 0 for size in sizes):
        return [f"input '{name}': the shape {given} has a negative size"]
    if not proto.HasField("tensor_type"):
        return [f"input '{name}' is no tensor and takes no shape"]
    if not proto.tensor_type.HasField("shape"):
        return []
    if len(declared) != len(sizes):
        return [f"input '{name}' has {len(declared)} dimensions [{', '.join(declared)}] but {given} has {len(sizes)}"]
    found: list[str] = []
    for dim, size in zip(declared, sizes, strict=True):
        if dim.lstrip("-").isdigit():
            if int(dim) >= 0 and int(dim) != size:
                found.append(f"input '{name}' is [{', '.join(declared)}], which {given} contradicts")
                break
        elif dim != "?" and named.setdefault(dim, size) != size:
            found.append(f"input '{name}': dimension '{dim}' cannot be {size}, it is {named[dim]} already")
    return found


def _bound(proto: TypeProto, sizes: Sequence[int] | None, named: Mapping[str, int]) -> TypeProto:
    bound = TypeProto()
    bound.CopyFrom(proto)
    shape = bound.tensor_type.shape
    if not proto.HasField("tensor_type"):
        return bound
    if sizes is not None and not proto.tensor_type.HasField("shape"):
        for size in sizes:
            shape.dim.add().dim_value = size
        return bound
    if not proto.tensor_type.HasField("shape"):
        bound.tensor_type.ClearField("shape")
        return bound
    for index, dim in enumerate(shape.dim):
        if sizes is not None:
            dim.dim_value = sizes[index]
        elif dim.dim_param in named:
            dim.dim_value = named[dim.dim_param]
    return bound
