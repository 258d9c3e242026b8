"""Types of the `visa` dialect: buffers on chip, tensors in global memory, events."""

from __future__ import annotations

from math import prod

from xdsl.dialects.builtin import ArrayAttr, IntAttr, StringAttr
from xdsl.ir import Attribute, ParametrizedAttribute, TypeAttribute
from xdsl.irdl import irdl_attr_definition, param_def
from xdsl.parser import AttrParser
from xdsl.printer import Printer
from xdsl.utils.exceptions import VerifyException

from vcc.dialects.weights import element_type_of, numpy_dtype_of
from vcc.runtime.isa.dtypes import BY_NAME, DType, dtype_of
from vcc.runtime.isa.kernel import SLOT_ALIGNMENT, Memory


def isa_dtype(element: Attribute) -> DType:
    """The instruction set's dtype of an IR element type."""
    return dtype_of(numpy_dtype_of(element))


def element_of(dtype: DType) -> Attribute:
    """The IR element type of an instruction-set dtype."""
    return element_type_of(dtype.numpy)


@irdl_attr_definition
class BufferType(ParametrizedAttribute, TypeAttribute):
    """`!visa.buffer<ub, 56x32, f32, x2>`: an on-chip buffer of equal slots, each of the shape and dtype given."""

    name = "visa.buffer"

    memory_attr: StringAttr = param_def()
    shape_attr: ArrayAttr[IntAttr] = param_def()
    dtype_attr: StringAttr = param_def()
    slots_attr: IntAttr = param_def()

    @staticmethod
    def of(memory: Memory, shape: tuple[int, ...], dtype: DType, slots: int = 1) -> BufferType:
        """A buffer type from plain values."""
        sizes = ArrayAttr([IntAttr(size) for size in shape])
        return BufferType(StringAttr(memory.value), sizes, StringAttr(dtype.name), IntAttr(slots))

    @property
    def memory(self) -> Memory:
        return Memory(self.memory_attr.data)

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(size.data for size in self.shape_attr)

    @property
    def dtype(self) -> DType:
        return BY_NAME[self.dtype_attr.data]

    @property
    def slots(self) -> int:
        return self.slots_attr.data

    @property
    def slot_bytes(self) -> int:
        """Bytes of one slot, padded to the slot alignment."""
        nbytes = prod(self.shape) * self.dtype.size
        return -(-nbytes // SLOT_ALIGNMENT) * SLOT_ALIGNMENT

    def with_slots(self, slots: int) -> BufferType:
        """The same buffer with another number of slots."""
        return BufferType.of(self.memory, self.shape, self.dtype, slots)

    def verify(self) -> None:
        if self.memory_attr.data not in {memory.value for memory in Memory if memory is not Memory.GM}:
            raise VerifyException(f"'{self.memory_attr.data}' is not an on-chip memory (l1, l0a, l0b, l0c, ub)")
        if self.dtype_attr.data not in BY_NAME:
            raise VerifyException(f"'{self.dtype_attr.data}' is not a dtype of the machine")
        if self.slots < 1 or any(size < 1 for size in self.shape):
            raise VerifyException("a buffer needs at least one slot and sizes of at least 1")

    @classmethod
    def parse_parameters(cls, parser: AttrParser) -> list[Attribute]:
        with parser.in_angle_brackets():
            memory = parser.parse_identifier()
            parser.parse_punctuation(",")
            shape = parser.parse_comma_separated_list(parser.Delimiter.SQUARE, parser.parse_integer)
            parser.parse_punctuation(",")
            dtype = parser.parse_identifier()
            parser.parse_punctuation(",")
            slots = parser.parse_integer()
        return [StringAttr(memory), ArrayAttr([IntAttr(s) for s in shape]), StringAttr(dtype), IntAttr(slots)]

    def print_parameters(self, printer: Printer) -> None:
        shape = ", ".join(map(str, self.shape))
        printer.print_string(f"<{self.memory_attr.data}, [{shape}], {self.dtype_attr.data}, {self.slots}>")


@irdl_attr_definition
class GlobalType(ParametrizedAttribute, TypeAttribute):
    """`!visa.gm<f32, 4096, in>`: a kernel parameter in global memory with its dtype, elements and mode."""

    name = "visa.gm"

    dtype_attr: StringAttr = param_def()
    extent_attr: IntAttr = param_def()
    mode_attr: StringAttr = param_def()

    @staticmethod
    def of(dtype: DType, extent: int, mode: str) -> GlobalType:
        """A parameter type from plain values; mode is "in", "out" or "inout"."""
        return GlobalType(StringAttr(dtype.name), IntAttr(extent), StringAttr(mode))

    @property
    def dtype(self) -> DType:
        return BY_NAME[self.dtype_attr.data]

    @property
    def extent(self) -> int:
        return self.extent_attr.data

    @property
    def mode(self) -> str:
        return self.mode_attr.data

    def verify(self) -> None:
        if self.dtype_attr.data not in BY_NAME:
            raise VerifyException(f"'{self.dtype_attr.data}' is not a dtype of the machine")
        if self.mode not in ("in", "out", "inout"):
            raise VerifyException(f"mode '{self.mode}' is not in, out or inout")

    @classmethod
    def parse_parameters(cls, parser: AttrParser) -> list[Attribute]:
        with parser.in_angle_brackets():
            dtype = parser.parse_identifier()
            parser.parse_punctuation(",")
            extent = parser.parse_integer()
            parser.parse_punctuation(",")
            mode = parser.parse_identifier()
        return [StringAttr(dtype), IntAttr(extent), StringAttr(mode)]

    def print_parameters(self, printer: Printer) -> None:
        printer.print_string(f"<{self.dtype_attr.data}, {self.extent}, {self.mode}>")


@irdl_attr_definition
class EventType(ParametrizedAttribute, TypeAttribute):
    """`!visa.event`: tokens that one pipe gives and another takes."""

    name = "visa.event"
