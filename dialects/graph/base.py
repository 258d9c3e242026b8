"""What all operations of the `graph` dialect share: static tensors, and result types that follow from the operands."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeAlias

from xdsl.dialects.builtin import (
    AnyFloat,
    DenseArrayBase,
    IntegerType,
    TensorType,
    i64,
)
from xdsl.ir import Attribute, Operation, SSAValue
from xdsl.irdl import IRDLOperation, ParsePropInAttrDict, base
from xdsl.utils.exceptions import VerifyException

from vcc.dialects.graph.layout import verify_encoding

Tensor: TypeAlias = TensorType[Attribute]
Value: TypeAlias = SSAValue | Operation
AnyTensor = base(TensorType)
I64Array = DenseArrayBase.constr(i64)


class GraphOp(IRDLOperation):
    """An operation on ranked, static tensors with one result, whose shape and dtype follow from the rest.

    Subclasses give `inferred_type`; their constructors compute the result type with the same rule, and so raise
    `VerifyException` for operands that do not fit. An encoding says only how a tensor lies in memory: any operand
    or result may have one, and no result value depends on it.
    """

    irdl_options = (ParsePropInAttrDict(),)

    def inferred_type(self) -> Tensor:
        """The result's type as it follows from operands and properties; raises `VerifyException`."""
        raise NotImplementedError

    def verify_(self) -> None:
        verify_tensors(self)
        actual, inferred = tensor_of(self.results[0]), self.inferred_type()
        if (actual.get_shape(), actual.element_type) != (inferred.get_shape(), inferred.element_type):
            raise VerifyException(f"{short_name(self)}: result is {actual}, but {inferred} follows from its operands")


def short_name(op: Operation) -> str:
    """The operation's name without its dialect."""
    return op.name.partition(".")[2]


def verify_tensors(op: Operation) -> None:
    """Check that all operands and results are static tensors whose encodings fit."""
    for kind, values in (("operand", op.operands), ("result", op.results)):
        for i, value in enumerate(values):
            what = f"{short_name(op)}: {kind} {i}"
            if not isinstance(value.type, TensorType):
                raise VerifyException(f"{what} has type {value.type}, which is not a ranked tensor")
            if any(size < 0 for size in value.type.get_shape()):
                raise VerifyException(f"{what} has type {value.type}: every size must be static")
            verify_encoding(value.type, what)


def tensor_of(value: Value) -> Tensor:
    """The tensor type of a value; raises `VerifyException` for any other type."""
    type = SSAValue.get(value).type
    if not isinstance(type, TensorType):
        raise VerifyException(f"{type} is not a ranked tensor")
    return type


def shape_of(value: Value) -> tuple[int, ...]:
    """The shape of a tensor value."""
    return tensor_of(value).get_shape()


def i64s(values: Iterable[int]) -> DenseArrayBase[IntegerType]:
    """Sizes, axes or strides as an attribute."""
    return DenseArrayBase.from_list(i64, tuple(values))


def ints(array: DenseArrayBase[IntegerType]) -> tuple[int, ...]:
    """The values of an attribute that `i64s` made."""
    return array.get_values()


def is_float(element: Attribute) -> bool:
    """Whether the dtype is a floating-point one."""
    return isinstance(element, AnyFloat)


def is_bool(element: Attribute) -> bool:
    """Whether the dtype is `i1`."""
    return isinstance(element, IntegerType) and element.width.data == 1


def is_int(element: Attribute) -> bool:
    """Whether the dtype is an integer one of any sign, `i1` not included."""
    return isinstance(element, IntegerType) and element.width.data > 1


def require(condition: bool, message: str) -> None:
    """Raise `VerifyException(message)` unless the condition holds."""
    if not condition:
        raise VerifyException(message)


def same_dtype(name: str, types: Sequence[Tensor]) -> Attribute:
    """The dtype that all types share; raises naming the operation when they differ."""
    elements = [type.element_type for type in types]
    if len(set(elements)) != 1:
        raise VerifyException(f"{name}: operands have different dtypes: {', '.join(map(str, elements))}")
    return elements[0]


def broadcast(name: str, types: Sequence[Tensor]) -> tuple[int, ...]:
    """The shape to which numpy's rule broadcasts the types; raises naming the operation when there is none."""
    shapes = [type.get_shape() for type in types]
    rank = max(map(len, shapes))
    result: list[int] = []
    for sizes in zip(*((1,) * (rank - len(shape)) + shape for shape in shapes), strict=True):
        others = {size for size in sizes if size != 1}
        if len(others) > 1:
            raise VerifyException(f"{name}: shapes {' and '.join(map(shape_text, shapes))} do not broadcast")
        result.append(others.pop() if others else 1)
    return tuple(result)


def broadcast_encoding(types: Sequence[Tensor], shape: tuple[int, ...]) -> Attribute | None:
    """The encoding of the first operand that has the whole shape and an encoding."""
    for type in types:
        if type.get_shape() == shape and type.encoding != TensorType(type.element_type, ()).encoding:
            return type.encoding
    return None


def shape_text(shape: Iterable[int]) -> str:
    """A shape for messages: `1x3x224`, or `scalar`."""
    return "x".join(map(str, shape)) or "scalar"


def elementwise_type(element: Attribute, types: Sequence[Tensor], shape: tuple[int, ...]) -> Tensor:
    """A result of an elementwise operation: the operands' layout carries over."""
    encoding = broadcast_encoding(types, shape)
    return TensorType(element, shape) if encoding is None else TensorType(element, shape, encoding)
