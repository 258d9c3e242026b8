"""The attributes of the `graph` dialect: the names of elementwise functions, and the blocked layout of a tensor."""

from __future__ import annotations

from enum import auto

from xdsl.dialects.builtin import IntAttr
from xdsl.dialects.utils import EnumAttribute
from xdsl.ir import Attribute, ParametrizedAttribute, SpacedOpaqueSyntaxAttribute
from xdsl.irdl import irdl_attr_definition, param_def
from xdsl.parser import AttrParser
from xdsl.printer import Printer
from xdsl.utils.exceptions import VerifyException
from xdsl.utils.str_enum import StrEnum


class UnaryFn(StrEnum):
    """Functions of one tensor; each is the mnemonic of a vector instruction. `round` is half to even."""

    ABS = auto()
    NEG = auto()
    EXP = auto()
    LOG = auto()
    SQRT = auto()
    RSQRT = auto()
    RECIP = auto()
    TANH = auto()
    ERF = auto()
    SIGMOID = auto()
    SIN = auto()
    COS = auto()
    FLOOR = auto()
    CEIL = auto()
    ROUND = auto()
    SIGN = auto()
    RELU = auto()
    NOT = auto()


class BinaryFn(StrEnum):
    """Functions of two tensors; each is the mnemonic of a vector instruction.

    `div` of integers truncates towards zero; `mod` takes the sign of the divisor, `fmod` that of the dividend.
    """

    ADD = auto()
    SUB = auto()
    MUL = auto()
    DIV = auto()
    MOD = auto()
    FMOD = auto()
    POW = auto()
    MIN = auto()
    MAX = auto()
    AND = auto()
    OR = auto()
    XOR = auto()


class CompareFn(StrEnum):
    """Relations of two tensors; the result is `i1`. With a NaN all are false but `ne`."""

    EQ = auto()
    NE = auto()
    LT = auto()
    LE = auto()
    GT = auto()
    GE = auto()


class ReduceFn(StrEnum):
    """Functions that combine the elements of reduced axes."""

    ADD = auto()
    MAX = auto()
    MIN = auto()
    MUL = auto()


class PoolFn(StrEnum):
    """Functions that combine the elements of a window."""

    MAX = auto()
    ADD = auto()
    AVERAGE = auto()


class ArgFn(StrEnum):
    """Which extreme `graph.arg` finds."""

    MAX = auto()
    MIN = auto()


@irdl_attr_definition
class ArgFnAttr(EnumAttribute[ArgFn], SpacedOpaqueSyntaxAttribute):
    """The extreme of a `graph.arg`."""

    name = "graph.arg_fn"


@irdl_attr_definition
class UnaryFnAttr(EnumAttribute[UnaryFn], SpacedOpaqueSyntaxAttribute):
    """The function of a `graph.unary`."""

    name = "graph.unary_fn"


@irdl_attr_definition
class BinaryFnAttr(EnumAttribute[BinaryFn], SpacedOpaqueSyntaxAttribute):
    """The function of a `graph.binary`."""

    name = "graph.binary_fn"


@irdl_attr_definition
class CompareFnAttr(EnumAttribute[CompareFn], SpacedOpaqueSyntaxAttribute):
    """The relation of a `graph.compare`."""

    name = "graph.compare_fn"


@irdl_attr_definition
class ReduceFnAttr(EnumAttribute[ReduceFn], SpacedOpaqueSyntaxAttribute):
    """The function of a `graph.reduce`."""

    name = "graph.reduce_fn"


@irdl_attr_definition
class PoolFnAttr(EnumAttribute[PoolFn], SpacedOpaqueSyntaxAttribute):
    """The function of a `graph.pool`."""

    name = "graph.pool_fn"


@irdl_attr_definition
class Blocked(ParametrizedAttribute):
    """`#graph.blocked<axis = 1, block = 16>`: the encoding of a tensor whose `axis` is split into blocks.

    The tensor's shape stays logical. In memory the axis is divided by `block` in place, and the position within the
    block becomes the innermost dimension: a logical [N, C, H, W] with axis 1 lies as [N, C/block, H, W, block].
    """

    name = "graph.blocked"

    axis_attr: IntAttr = param_def()
    block_attr: IntAttr = param_def()

    def __init__(self, axis: int | IntAttr, block: int | IntAttr):
        super().__init__(
            IntAttr(axis) if isinstance(axis, int) else axis, IntAttr(block) if isinstance(block, int) else block
        )

    @property
    def axis(self) -> int:
        """The logical axis that is split; not negative."""
        return self.axis_attr.data

    @property
    def block(self) -> int:
        """The number of consecutive elements of the axis that lie next to each other."""
        return self.block_attr.data

    def verify(self) -> None:
        if self.axis < 0 or self.block < 1:
            raise VerifyException(
                f"blocked: axis {self.axis} must not be negative, block {self.block} must be positive"
            )

    @classmethod
    def parse_parameters(cls, parser: AttrParser) -> list[Attribute]:
        with parser.in_angle_brackets():
            parser.parse_keyword("axis")
            parser.parse_punctuation("=")
            axis = parser.parse_integer(allow_boolean=False)
            parser.parse_punctuation(",")
            parser.parse_keyword("block")
            parser.parse_punctuation("=")
            block = parser.parse_integer(allow_boolean=False)
        return [IntAttr(axis), IntAttr(block)]

    def print_parameters(self, printer: Printer) -> None:
        printer.print_string(f"<axis = {self.axis}, block = {self.block}>")
