"""The type of the `host` dialect: a place in memory that holds a tensor."""

from __future__ import annotations

from math import prod

from xdsl.dialects.builtin import NoneAttr, TensorType
from xdsl.ir import Attribute, ParametrizedAttribute, SSAValue, TypeAttribute
from xdsl.irdl import irdl_attr_definition, param_def
from xdsl.utils.exceptions import VerifyException

from vcc.dialects.graph.layout import verify_encoding
from vcc.dialects.weights import numpy_dtype_of
from vcc.runtime.diagnostics import VccError


def tensor_bytes(type: TensorType[Attribute]) -> int:
    """The bytes that a static tensor takes in memory, whatever its layout."""
    return prod(type.get_shape()) * numpy_dtype_of(type.element_type).itemsize


@irdl_attr_definition
class BufferType(ParametrizedAttribute, TypeAttribute):
    """`!host.buffer<tensor<1x16xf32>>`: memory that holds a static tensor in the layout its encoding says."""

    name = "host.buffer"

    tensor: TensorType[Attribute] = param_def()

    def verify(self) -> None:
        if not self.tensor.has_static_shape():
            raise VerifyException(f"buffer: {self.tensor} has no static shape")
        verify_encoding(self.tensor, "buffer")
        try:
            numpy_dtype_of(self.tensor.element_type)
        except VccError as problem:
            raise VerifyException(f"buffer: {problem.diagnostics[0].message}") from problem

    @property
    def nbytes(self) -> int:
        """Its size in bytes."""
        return tensor_bytes(self.tensor)

    @property
    def elements(self) -> int:
        """The number of its elements."""
        return prod(self.tensor.get_shape())

    @property
    def row_major(self) -> bool:
        """Whether the tensor lies in plain row-major order."""
        return isinstance(self.tensor.encoding, NoneAttr)


def buffer_type(buffer: SSAValue) -> BufferType:
    """The type of a buffer value."""
    type = buffer.type
    assert isinstance(type, BufferType)
    return type
