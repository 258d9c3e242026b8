"""ONNX types in the IR, and back.

A tensor is a builtin tensor (`tensor<?x3xf32>`; `tensor<*xf32>` where even the rank is not known). What ONNX has
beyond that are small types here: sequences, optionals, maps, sparse tensors, the element type `!onnx.string`, and
`!onnx.unknown` for a value whose type the model does not declare and nobody has inferred yet.
"""

from collections.abc import Callable
from functools import cache

import numpy as np
import onnx
from onnx import TensorProto, TypeProto
from onnx.helper import tensor_dtype_to_np_dtype
from xdsl.dialects import builtin
from xdsl.dialects.builtin import DYNAMIC_INDEX, TensorType, UnrankedTensorType
from xdsl.ir import Attribute, ParametrizedAttribute, TypeAttribute
from xdsl.irdl import irdl_attr_definition

from vcc.dialects.weights import element_type_of
from vcc.runtime.diagnostics import error


@irdl_attr_definition
class UnknownType(ParametrizedAttribute, TypeAttribute):
    """The type of a value before shape inference has found it."""

    name = "onnx.unknown"


@irdl_attr_definition
class StringType(ParametrizedAttribute, TypeAttribute):
    """The element type of a tensor of strings."""

    name = "onnx.string"


@irdl_attr_definition
class SequenceType(ParametrizedAttribute, TypeAttribute):
    """A list of values of one type: `!onnx.seq<tensor<?xf32>>`."""

    name = "onnx.seq"

    element: Attribute


@irdl_attr_definition
class OptionalType(ParametrizedAttribute, TypeAttribute):
    """A value or nothing: `!onnx.optional<tensor<?xf32>>`."""

    name = "onnx.optional"

    element: Attribute


@irdl_attr_definition
class MapType(ParametrizedAttribute, TypeAttribute):
    """A dictionary: `!onnx.map<i64, tensor<f32>>`."""

    name = "onnx.map"

    key: Attribute
    value: Attribute


@irdl_attr_definition
class SparseTensorType(ParametrizedAttribute, TypeAttribute):
    """A sparse tensor, by its dense type: `!onnx.sparse<tensor<3x3xf32>>`."""

    name = "onnx.sparse"

    dense: Attribute


UNKNOWN = UnknownType()
ONNX_TYPES: tuple[type[ParametrizedAttribute], ...] = (
    UnknownType,
    StringType,
    SequenceType,
    OptionalType,
    MapType,
    SparseTensorType,
)


@cache
def _element_types() -> dict[int, Attribute]:
    table: dict[int, Attribute] = {
        TensorProto.STRING: StringType(),
        TensorProto.COMPLEX64: builtin.ComplexType(builtin.f32),
        TensorProto.COMPLEX128: builtin.ComplexType(builtin.f64),
    }
    for number in TensorProto.DataType.values():
        if number not in table and number != TensorProto.UNDEFINED:
            table[number] = element_type_of(np.dtype(tensor_dtype_to_np_dtype(number)))
    return table


@cache
def _data_types() -> dict[Attribute, int]:
    return {element: number for number, element in _element_types().items()}


def element_type(data_type: int) -> Attribute:
    """The IR element type of a `TensorProto.DataType`; E0102 for a number ONNX does not define."""
    if (element := _element_types().get(data_type)) is None:
        raise error("E0102", f"a tensor has the undefined element type {data_type}")
    return element


def data_type(element: Attribute) -> int:
    """The `TensorProto.DataType` of an IR element type; E0121 for one ONNX does not have."""
    if (number := _data_types().get(element)) is None:
        raise error("E0121", f"ONNX has no tensors of element type {element}")
    return number


def _dimension(dim: onnx.TensorShapeProto.Dimension) -> int:
    return dim.dim_value if dim.HasField("dim_value") and dim.dim_value >= 0 else DYNAMIC_INDEX


def _tensor_type(tensor: TypeProto.Tensor | TypeProto.SparseTensor) -> Attribute:
    element = element_type(tensor.elem_type)
    if not tensor.HasField("shape"):
        return UnrankedTensorType(element)
    return TensorType(element, [_dimension(dim) for dim in tensor.shape.dim])


def type_from_proto(proto: TypeProto) -> Attribute:
    """The IR type of a `TypeProto`; `!onnx.unknown` where it says nothing. E0102 if it is not valid."""
    kind = proto.WhichOneof("value")
    if kind == "tensor_type":
        # An output without a declared type is written as a tensor of element type 0.
        return _tensor_type(proto.tensor_type) if proto.tensor_type.elem_type else UNKNOWN
    if kind == "sequence_type":
        return SequenceType(type_from_proto(proto.sequence_type.elem_type))
    if kind == "optional_type":
        return OptionalType(type_from_proto(proto.optional_type.elem_type))
    if kind == "map_type":
        return MapType(element_type(proto.map_type.key_type), type_from_proto(proto.map_type.value_type))
    if kind == "sparse_tensor_type":
        return SparseTensorType(_tensor_type(proto.sparse_tensor_type))
    return UNKNOWN


def _fill_tensor(tensor: TypeProto.Tensor | TypeProto.SparseTensor, type: Attribute) -> None:
    if isinstance(type, UnrankedTensorType):
        tensor.elem_type = data_type(type.element_type)
        return
    assert isinstance(type, TensorType), type
    tensor.elem_type = data_type(type.element_type)
    tensor.shape.SetInParent()
    for size in type.get_shape():
        dim = tensor.shape.dim.add()
        if size != DYNAMIC_INDEX:
            dim.dim_value = size


def type_to_proto(type: Attribute) -> TypeProto:
    """The `TypeProto` of an IR type; one without a value for `!onnx.unknown`. E0121 if ONNX has no such type."""
    proto = TypeProto()
    if isinstance(type, TensorType | UnrankedTensorType):
        _fill_tensor(proto.tensor_type, type)
    elif isinstance(type, SequenceType):
        proto.sequence_type.elem_type.CopyFrom(type_to_proto(type.element))
    elif isinstance(type, OptionalType):
        proto.optional_type.elem_type.CopyFrom(type_to_proto(type.element))
    elif isinstance(type, MapType):
        proto.map_type.key_type = data_type(type.key)
        proto.map_type.value_type.CopyFrom(type_to_proto(type.value))
    elif isinstance(type, SparseTensorType):
        _fill_tensor(proto.sparse_tensor_type, type.dense)
    elif not isinstance(type, UnknownType):
        raise error("E0121", f"ONNX has no type {type}")
    return proto


def dimension_names(proto: TypeProto) -> list[str]:
    """Each dimension of a tensor type as the model writes it: a number, a name, or `?`."""
    dims = proto.tensor_type.shape.dim
    return [str(dim.dim_value) if dim.HasField("dim_value") else dim.dim_param or "?" for dim in dims]


@cache
def _element_name(element: Attribute) -> str | None:
    number = _data_types().get(element)
    return None if number is None else TensorProto.DataType.Name(number).lower()


def type_string(type: Attribute) -> str | None:
    """A type as ONNX schemas write it, `seq(tensor(float))`; None if a part of it is not known."""
    wrap: Callable[[str | None, str], str | None] = lambda inner, name: None if inner is None else f"{name}({inner})"  # noqa: E731
    if isinstance(type, TensorType | UnrankedTensorType):
        return wrap(_element_name(type.element_type) or str(type.element_type), "tensor")
    if isinstance(type, SequenceType):
        return wrap(type_string(type.element), "seq")
    if isinstance(type, OptionalType):
        return wrap(type_string(type.element), "optional")
    if isinstance(type, SparseTensorType):
        return wrap((type_string(type.dense) or "")[len("tensor(") : -1], "sparse_tensor")
    if isinstance(type, MapType):
        value = type_string(type.value)
        return None if value is None else f"map({_element_name(type.key)}, {value.removeprefix('tensor(').rstrip(')')})"
    return None if isinstance(type, UnknownType) else str(type)


def is_static(type: Attribute) -> bool:
    """Is this a ranked tensor with every dimension known?"""
    return isinstance(type, TensorType) and type.has_static_shape()


def describe(type: Attribute) -> str:
    """A type as diagnostics write it: `f32[1,64,?]`."""
    if isinstance(type, TensorType):
        sizes = ",".join("?" if size == DYNAMIC_INDEX else str(size) for size in type.get_shape())
        return f"{type.element_type}[{sizes}]"
    if isinstance(type, UnrankedTensorType):
        return f"{type.element_type}[*]"
    return "?" if isinstance(type, UnknownType) else str(type)
