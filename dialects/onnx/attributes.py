"""ONNX attributes as IR attributes, and back.

INT `7 : i64`, FLOAT `0.5 : f32`, STRING `"same"`, INTS `array<i64: 1, 2>`, FLOATS `array<f32: 0.5>`, STRINGS
`["a", "b"]`, TENSOR a `dense` or `#weights.blob`, SPARSE_TENSOR a dictionary of `dims`, `indices` and `values`,
TYPE_PROTO a type, TENSORS and TYPE_PROTOS arrays of those. Graphs are regions, not attributes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from onnx import AttributeProto, SparseTensorProto, TensorProto, numpy_helper
from xdsl.context import Context
from xdsl.dialects.builtin import (
    ArrayAttr,
    DenseArrayBase,
    DenseIntOrFPElementsAttr,
    DictionaryAttr,
    FloatAttr,
    IntegerAttr,
    StringAttr,
    f32,
    i64,
)
from xdsl.ir import Attribute, TypeAttribute

from vcc.dialects.onnx.types import type_from_proto, type_to_proto
from vcc.dialects.weights import WeightAttr, attribute_array, tensor_attribute
from vcc.runtime.diagnostics import error

#: Reads a tensor of the model, wherever its bytes are.
TensorLoader = Callable[[TensorProto], np.ndarray]

_KINDS = AttributeProto.AttributeType


def _text(data: bytes, name: str) -> StringAttr:
    try:
        return StringAttr(data.decode())
    except UnicodeDecodeError:
        raise error("E0102", f"the string attribute '{name}' is not UTF-8") from None


def _sparse(proto: SparseTensorProto, ctx: Context, load: TensorLoader) -> Attribute:
    return DictionaryAttr(
        {
            "dims": DenseArrayBase.from_list(i64, list(proto.dims)),
            "indices": tensor_attribute(load(proto.indices), ctx),
            "values": tensor_attribute(load(proto.values), ctx),
        }
    )


def attribute_from_proto(proto: AttributeProto, ctx: Context, load: TensorLoader) -> Attribute:
    """The IR attribute of an `AttributeProto` that is no graph; E0102 or E0121 if it cannot be one."""
    kind = proto.type
    if kind == _KINDS.INT:
        return IntegerAttr(proto.i, i64)
    if kind == _KINDS.FLOAT:
        return FloatAttr(proto.f, f32)
    if kind == _KINDS.STRING:
        return _text(proto.s, proto.name)
    if kind == _KINDS.INTS:
        return DenseArrayBase.from_list(i64, list(proto.ints))
    if kind == _KINDS.FLOATS:
        return DenseArrayBase.from_list(f32, list(proto.floats))
    if kind == _KINDS.STRINGS:
        return ArrayAttr([_text(each, proto.name) for each in proto.strings])
    if kind == _KINDS.TENSOR:
        return tensor_attribute(load(proto.t), ctx)
    if kind == _KINDS.TENSORS:
        return ArrayAttr([tensor_attribute(load(each), ctx) for each in proto.tensors])
    if kind == _KINDS.SPARSE_TENSOR:
        return _sparse(proto.sparse_tensor, ctx, load)
    if kind == _KINDS.TYPE_PROTO:
        return type_from_proto(proto.tp)
    if kind == _KINDS.TYPE_PROTOS:
        return ArrayAttr([type_from_proto(each) for each in proto.type_protos])
    name = _KINDS.Name(kind) if kind in _KINDS.values() else str(kind)
    raise error("E0121", f"attribute '{proto.name}' is of kind {name}, which is not supported")


def attribute_kind(value: Attribute) -> int:
    """The `AttributeProto.AttributeType` an IR attribute stands for; UNDEFINED if none."""
    if isinstance(value, IntegerAttr) and value.type == i64:
        return _KINDS.INT
    if isinstance(value, FloatAttr) and value.type == f32:
        return _KINDS.FLOAT
    if isinstance(value, StringAttr):
        return _KINDS.STRING
    if isinstance(value, DenseArrayBase):
        return {i64: _KINDS.INTS, f32: _KINDS.FLOATS}.get(value.elt_type, _KINDS.UNDEFINED)
    if isinstance(value, WeightAttr | DenseIntOrFPElementsAttr):
        return _KINDS.TENSOR
    if isinstance(value, DictionaryAttr) and set(value.data) == {"dims", "indices", "values"}:
        return _KINDS.SPARSE_TENSOR
    if isinstance(value, TypeAttribute):
        return _KINDS.TYPE_PROTO
    if isinstance(value, ArrayAttr):
        kinds = {attribute_kind(each) for each in value}
        if kinds <= {_KINDS.STRING}:
            return _KINDS.STRINGS
        if kinds == {_KINDS.TENSOR}:
            return _KINDS.TENSORS
        if kinds == {_KINDS.TYPE_PROTO}:
            return _KINDS.TYPE_PROTOS
    return _KINDS.UNDEFINED


def python_value(value: Attribute) -> Any:
    """An int, float, str or list of them; other kinds (tensors, types) are returned as they are."""
    if isinstance(value, IntegerAttr | FloatAttr):
        return value.value.data
    if isinstance(value, StringAttr):
        return value.data
    if isinstance(value, DenseArrayBase):
        return list(value.get_values())
    if isinstance(value, ArrayAttr):
        return [python_value(each) for each in value]
    return value


def _tensor(value: Attribute, ctx: Context) -> TensorProto:
    return numpy_helper.from_array(np.asarray(attribute_array(value, ctx)))


def attribute_to_proto(name: str, value: Attribute, ctx: Context) -> AttributeProto:
    """The `AttributeProto` of an IR attribute; E0107 if it is of no ONNX kind or a weight of it is not there."""
    proto = AttributeProto(name=name)
    kind = attribute_kind(value)
    proto.type = kind  # pyright: ignore[reportAttributeAccessIssue]
    plain = python_value(value)
    if kind == _KINDS.INT:
        proto.i = plain
    elif kind == _KINDS.FLOAT:
        proto.f = plain
    elif kind == _KINDS.STRING:
        proto.s = plain.encode()
    elif kind == _KINDS.INTS:
        proto.ints.extend(plain)
    elif kind == _KINDS.FLOATS:
        proto.floats.extend(plain)
    elif kind == _KINDS.STRINGS:
        proto.strings.extend(each.encode() for each in plain)
    elif kind == _KINDS.TENSOR:
        proto.t.CopyFrom(_tensor(value, ctx))
    elif kind == _KINDS.TENSORS:
        proto.tensors.extend(_tensor(each, ctx) for each in plain)
    elif kind == _KINDS.TYPE_PROTO:
        proto.tp.CopyFrom(type_to_proto(value))
    elif kind == _KINDS.TYPE_PROTOS:
        proto.type_protos.extend(type_to_proto(each) for each in plain)
    elif kind == _KINDS.SPARSE_TENSOR:
        assert isinstance(value, DictionaryAttr)
        proto.sparse_tensor.dims.extend(python_value(value.data["dims"]))
        proto.sparse_tensor.indices.CopyFrom(_tensor(value.data["indices"], ctx))
        proto.sparse_tensor.values.CopyFrom(_tensor(value.data["values"], ctx))
    else:
        raise error("E0107", f"attribute '{name}' has a value that no ONNX attribute can have: {value}")
    return proto
