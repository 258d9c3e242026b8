"""What two statements about one value's type say together."""

from __future__ import annotations

from xdsl.dialects.builtin import DYNAMIC_INDEX, TensorType, UnrankedTensorType
from xdsl.ir import Attribute

from vcc.dialects.onnx import UNKNOWN, describe


class TypeConflictError(Exception):
    """Two statements about a type that cannot both hold."""


def merge(declared: Attribute, inferred: Attribute) -> Attribute:
    """The type of a value of which both are true, as static as either; `TypeConflictError` if that cannot be."""
    if declared == inferred or inferred == UNKNOWN:
        return declared
    if declared == UNKNOWN:
        return inferred
    tensors = (TensorType, UnrankedTensorType)
    if not isinstance(declared, tensors) or not isinstance(inferred, tensors):
        # Sequences and optionals: inference knows no less than the declaration.
        return inferred if type(declared) is type(inferred) else _conflict(declared, inferred)
    if declared.element_type != inferred.element_type:
        _conflict(declared, inferred)
    if isinstance(inferred, UnrankedTensorType):
        return declared
    if isinstance(declared, UnrankedTensorType):
        return inferred
    return _merge_shapes(declared, inferred)


def _merge_shapes(declared: TensorType, inferred: TensorType) -> Attribute:
    if declared.get_num_dims() != inferred.get_num_dims():
        _conflict(declared, inferred)
    sizes: list[int] = []
    for ours, theirs in zip(declared.get_shape(), inferred.get_shape(), strict=True):
        if DYNAMIC_INDEX not in (ours, theirs) and ours != theirs:
            _conflict(declared, inferred)
        sizes.append(theirs if ours == DYNAMIC_INDEX else ours)
    return TensorType(declared.element_type, sizes)


def _conflict(declared: Attribute, inferred: Attribute) -> Attribute:
    raise TypeConflictError(f"the model says {describe(declared)} but it must be {describe(inferred)}")


def join(first: Attribute, second: Attribute) -> Attribute:
    """The most static type of a value that may be of either type; unknown if they have nothing in common."""
    if first == second:
        return first
    tensors = (TensorType, UnrankedTensorType)
    if not isinstance(first, tensors) or not isinstance(second, tensors) or first.element_type != second.element_type:
        return UNKNOWN
    if isinstance(first, UnrankedTensorType) or isinstance(second, UnrankedTensorType):
        return UnrankedTensorType(first.element_type)
    if first.get_num_dims() != second.get_num_dims():
        return UnrankedTensorType(first.element_type)
    pairs = zip(first.get_shape(), second.get_shape(), strict=True)
    return TensorType(first.element_type, [a if a == b else DYNAMIC_INDEX for a, b in pairs])
