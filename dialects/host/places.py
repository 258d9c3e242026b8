"""Operations that say where tensors lie: inputs, outputs, constants, the arena, and other views of those."""

from __future__ import annotations

from typing import TypeAlias

from xdsl.dialects.builtin import DenseIntOrFPElementsAttr, IntegerAttr, StringAttr, TensorType, i64
from xdsl.ir import Attribute, OpResult, SSAValue
from xdsl.irdl import (
    IRDLOperation,
    ParsePropInAttrDict,
    irdl_op_definition,
    lazy_traits_def,
    operand_def,
    opt_prop_def,
    prop_def,
    result_def,
)
from xdsl.traits import HasParent
from xdsl.utils.exceptions import VerifyException

from vcc.dialects.host.types import BufferType, buffer_type
from vcc.dialects.weights import WeightAttr
from vcc.runtime.plan.arena import ALIGNMENT

Tensor: TypeAlias = TensorType[Attribute]


def _in_program() -> tuple[HasParent]:
    from vcc.dialects.host.program import ProgramOp

    return (HasParent(ProgramOp),)


@irdl_op_definition
class InputOp(IRDLOperation):
    """`host.input "x" : !host.buffer<...>`: the next graph input, by its ONNX name; read only."""

    name = "host.input"
    onnx_name = prop_def(StringAttr, prop_name="name")
    buffer = result_def(BufferType)
    traits = lazy_traits_def(_in_program)
    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = "$name attr-dict `:` type($buffer)"

    def __init__(self, name: str, type: Tensor):
        super().__init__(properties={"name": StringAttr(name)}, result_types=[BufferType(type)])


@irdl_op_definition
class OutputOp(IRDLOperation):
    """`host.output "y" : !host.buffer<...>`: the next graph output, by its ONNX name; readable once written."""

    name = "host.output"
    onnx_name = prop_def(StringAttr, prop_name="name")
    buffer = result_def(BufferType)
    traits = lazy_traits_def(_in_program)
    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = "$name attr-dict `:` type($buffer)"

    def __init__(self, name: str, type: Tensor):
        super().__init__(properties={"name": StringAttr(name)}, result_types=[BufferType(type)])


@irdl_op_definition
class ConstantOp(IRDLOperation):
    """`host.constant #weights.blob<"..."> : !host.buffer<...>`: a constant in physical order; read only."""

    name = "host.constant"
    value = prop_def(WeightAttr | DenseIntOrFPElementsAttr)
    buffer = result_def(BufferType)
    traits = lazy_traits_def(_in_program)
    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = "$value attr-dict `:` type($buffer)"

    def __init__(self, value: WeightAttr | DenseIntOrFPElementsAttr, type: Tensor):
        super().__init__(properties={"value": value}, result_types=[BufferType(type)])


@irdl_op_definition
class ArenaOp(IRDLOperation):
    """`host.arena "t" at 4096 live 2 to 5 : !host.buffer<...>`: bytes of the arena from an offset on.

    They hold the value from step `first` to step `last` inclusive, steps being counted from 0. An in-place step
    reads its operand's bytes in the very step that turns them into its result; so the operand's life ends one earlier.
    """

    name = "host.arena"
    onnx_name = prop_def(StringAttr, prop_name="name")
    offset_attr = prop_def(IntegerAttr.constr(type=i64), prop_name="offset")
    first_attr = prop_def(IntegerAttr.constr(type=i64), prop_name="first")
    last_attr = prop_def(IntegerAttr.constr(type=i64), prop_name="last")
    buffer = result_def(BufferType)
    traits = lazy_traits_def(_in_program)
    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = "$name `at` $offset `live` $first `to` $last attr-dict `:` type($buffer)"

    def __init__(self, name: str, offset: int, first: int, last: int, type: Tensor):
        super().__init__(
            properties={
                "name": StringAttr(name),
                "offset": IntegerAttr(offset, i64),
                "first": IntegerAttr(first, i64),
                "last": IntegerAttr(last, i64),
            },
            result_types=[BufferType(type)],
        )

    @property
    def offset(self) -> int:
        """The first byte, counted from the arena's start."""
        return self.offset_attr.value.data

    @property
    def first(self) -> int:
        """The step that writes the value."""
        return self.first_attr.value.data

    @property
    def last(self) -> int:
        """The last step at whose end the bytes still hold the value, or that reads it."""
        return self.last_attr.value.data

    @property
    def size(self) -> int:
        """Its bytes."""
        return buffer_type(self.buffer).nbytes

    def verify_(self) -> None:
        name = self.onnx_name.data
        if self.offset < 0 or self.offset % ALIGNMENT:
            raise VerifyException(f"arena: '{name}' at {self.offset} is not aligned to {ALIGNMENT} bytes")
        if not 0 <= self.first <= self.last:
            raise VerifyException(f"arena: '{name}' cannot live from step {self.first} to {self.last}")


@irdl_op_definition
class ViewOp(IRDLOperation):
    """`host.view %a at 64 : !host.buffer<...> to !host.buffer<...>`: bytes of a buffer as another tensor.

    Without `at` all bytes, as a row-major tensor of another shape; with it the bytes from there on, in any layout.
    """

    name = "host.view"
    source = operand_def(BufferType)
    offset_attr = opt_prop_def(IntegerAttr.constr(type=i64), prop_name="offset")
    buffer = result_def(BufferType)
    traits = lazy_traits_def(_in_program)
    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = "$source (`at` $offset^)? attr-dict `:` type($source) `to` type($buffer)"

    def __init__(self, source: SSAValue, type: Tensor, offset: int | None = None):
        whole = BufferType(type).nbytes == buffer_type(source).nbytes
        given = None if offset is None or (whole and not offset) else IntegerAttr(offset, i64)
        super().__init__(operands=[source], properties={"offset": given}, result_types=[BufferType(type)])

    @property
    def offset(self) -> int:
        """The bytes of the source before the view."""
        return self.offset_attr.value.data if self.offset_attr is not None else 0

    def verify_(self) -> None:
        source, result = buffer_type(self.source), buffer_type(self.buffer)
        if self.offset_attr is not None:
            self._verify_part(source, result)
            return
        if (source.elements, source.tensor.element_type) != (result.elements, result.tensor.element_type):
            raise VerifyException(f"view: {result.tensor} does not have the elements of {source.tensor}")
        if not (source.row_major and result.row_major) and source.tensor != result.tensor:
            raise VerifyException(f"view: {source.tensor} and {result.tensor} are not both row-major")

    def _verify_part(self, source: BufferType, result: BufferType) -> None:
        if source.tensor.element_type != result.tensor.element_type:
            raise VerifyException(f"view: {result.tensor} and {source.tensor} have different elements")
        size = result.nbytes // max(result.elements, 1)
        if self.offset < 0 or (size and self.offset % size) or self.offset + result.nbytes > source.nbytes:
            where = f"bytes {self.offset} to {self.offset + result.nbytes}"
            raise VerifyException(f"view: {where} are no elements of {source.tensor}, which has {source.nbytes}")


Place: TypeAlias = InputOp | OutputOp | ConstantOp | ArenaOp


def place_of(buffer: SSAValue) -> Place:
    """The operation that says where `buffer` lies, seen through views. Raises `VerifyException` if there is none."""
    return located(buffer)[0]


def located(buffer: SSAValue) -> tuple[Place, int]:
    """The place in which `buffer` lies, and its first byte there. Raises `VerifyException` if there is none."""
    offset = 0
    while isinstance(buffer, OpResult) and isinstance(buffer.op, ViewOp):
        offset += buffer.op.offset
        buffer = buffer.op.source
    if isinstance(buffer, OpResult) and isinstance(buffer.op, Place):
        return buffer.op, offset
    raise VerifyException("a buffer must come from host.input, host.output, host.constant, host.arena or host.view")
