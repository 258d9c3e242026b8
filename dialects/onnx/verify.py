"""Verification of an ONNX op against its schema."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, cast

from onnx import AttributeProto
from onnx.defs import OpSchema
from xdsl.ir import Attribute, Region
from xdsl.utils.exceptions import VerifyException

from vcc.dialects.onnx.attributes import attribute_kind
from vcc.dialects.onnx.operation import SchemaOp
from vcc.dialects.onnx.structure import YieldOp
from vcc.dialects.onnx.types import type_string
from vcc.dialects.origin import node_names

_Option = OpSchema.FormalParameterOption
_OPTIONAL, _VARIADIC = _Option.Optional, _Option.Variadic


class _Formal:
    """A formal parameter of a schema, read once: every access to the schema itself makes new objects."""

    def __init__(self, parameter: OpSchema.FormalParameter):
        self.name = parameter.name
        self.type_variable = parameter.type_str
        self.types = frozenset(parameter.types)
        self.optional = parameter.option in (_OPTIONAL, _VARIADIC)
        self.variadic = parameter.option == _VARIADIC
        self.binds = parameter.is_homogeneous


class _Signature:
    def __init__(self, schema: OpSchema):
        self.inputs = [_Formal(each) for each in schema.inputs]
        self.outputs = [_Formal(each) for each in schema.outputs]
        self.input_counts = schema.min_input, schema.max_input
        self.output_counts = schema.min_output, schema.max_output
        self.kinds = {a.name: int(cast(Any, a.type).value) for a in schema.attributes.values()}
        self.required = [a.name for a in schema.attributes.values() if a.required]


@cache
def _signature(op: type[SchemaOp]) -> _Signature:
    return _Signature(op.schema)


def verify_schema_op(op: SchemaOp) -> None:
    """`VerifyException` naming the operator, its node and what is wrong, for the first thing that is."""
    names = ", ".join(node_names(op))
    for problem in schema_problems(op):
        node = f"node '{names}' " if names else ""
        raise VerifyException(f"{node}({op.op_type}, opset {op.opset}): {problem}")


def schema_problems(op: SchemaOp) -> Iterator[str]:
    """Everything in which `op` differs from its schema, each as part of a sentence."""
    signature = _signature(type(op))
    yield from _count_problems(op, signature)
    yield from _attribute_problems(op, signature)
    yield from _graph_problems(op, signature)
    bound: dict[str, tuple[str, str]] = {}
    inputs = [None if value is None else value.type for value in op.inputs]
    yield from _type_problems("input", signature.inputs, inputs, bound)
    yield from _type_problems("output", signature.outputs, op.result_types, bound)


def _count_problems(op: SchemaOp, signature: _Signature) -> Iterator[str]:
    counts = (("inputs", len(op.inputs), signature.input_counts), ("outputs", len(op.results), signature.output_counts))
    for what, count, (least, most) in counts:
        if not least <= count <= most:
            wanted = str(least) if least == most else f"{least} to {most}" if most < 2**31 - 1 else f"{least} or more"
            yield f"it has {count} {what} but takes {wanted}"
    for position in sorted(op.absent):
        formal = signature.inputs[min(position, len(signature.inputs) - 1)]
        if not formal.optional:
            yield f"input {position} ('{formal.name}') is left out but required"


def _attribute_problems(op: SchemaOp, signature: _Signature) -> Iterator[str]:
    attributes = op.node_attributes
    for name, value in attributes.items():
        if (wanted := signature.kinds.get(name)) is None:
            yield f"it has no attribute '{name}'"
        elif (kind := attribute_kind(value)) != wanted and not _is_empty_list(value, wanted):
            names = AttributeProto.AttributeType.Name
            yield f"attribute '{name}' is {names(kind)} but must be {names(wanted)}"  # pyright: ignore[reportArgumentType]
    for name in signature.required:
        if name not in attributes and name not in op.graph_names:
            yield f"it lacks the required attribute '{name}'"


def _is_empty_list(value: Attribute, wanted: int) -> bool:
    lists = (AttributeProto.TENSORS, AttributeProto.TYPE_PROTOS)
    return wanted in lists and attribute_kind(value) == AttributeProto.STRINGS and str(value) == "[]"


def _graph_problems(op: SchemaOp, signature: _Signature) -> Iterator[str]:
    if len(op.regions) != len(op.graph_names):
        yield f"it has {len(op.regions)} regions but {len(op.graph_names)} graph attributes"
        return
    for name, region in zip(op.graph_names, op.regions, strict=True):
        if not region.blocks:
            if name in signature.required:
                yield f"it lacks the required graph '{name}'"
        elif len(region.blocks) > 1 or not isinstance(region.block.last_op, YieldOp):
            yield f"graph '{name}' must be one block that ends in onnx.yield"
        else:
            yield from _graph_signature_problems(op, name, region)


def _graph_signature_problems(op: SchemaOp, name: str, region: Region) -> Iterator[str]:
    """What a subgraph takes and gives, where it does not fit the node it belongs to."""
    results, inputs = len(op.results), len(op.inputs)
    last = region.block.last_op
    takes, gives = len(region.block.args), 0 if last is None else len(last.operands)
    if op.domain != "" or op.op_type not in ("If", "Loop", "Scan") or (op.op_type == "Scan" and op.opset < 9):
        return
    wanted = {"If": (0, results), "Loop": (max(inputs, 2), results + 1), "Scan": (inputs, results)}[op.op_type]
    if (takes, gives) != wanted:
        counts = f"takes {takes} values and gives {gives}; it must take {wanted[0]} and give {wanted[1]}"
        yield f"graph '{name}' {counts}"
    states = {"Loop": inputs - 2, "Scan": inputs - int(op.attribute("num_scan_inputs", 0))}.get(op.op_type, 0)
    if states > results or (op.op_type == "Scan" and states < 0):
        yield f"it has {results} outputs but {states} loop-carried values"


def _type_problems(
    what: str, formals: list[_Formal], types: Sequence[Attribute | None], bound: dict[str, tuple[str, str]]
) -> Iterator[str]:
    """`bound` holds, per type variable, the type it stands for and the parameter that said so."""
    for position, type in enumerate(types):
        if type is None or not formals or (text := type_string(type)) is None:
            continue
        formal = formals[min(position, len(formals) - 1)]
        where = f"{what} {position} ('{formal.name}')"
        if text not in formal.types:
            yield f"{where} cannot be {text}; it takes {', '.join(sorted(formal.types))}"
        elif formal.binds:
            other, said_by = bound.setdefault(formal.type_variable, (text, where))
            if other != text:
                yield f"{where} is {text} but {said_by} is {other}, and both are {formal.type_variable}"
