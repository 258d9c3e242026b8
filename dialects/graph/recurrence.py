"""Recurrent cells: what LSTM, GRU and RNN layers do from one step of a sequence to the next."""

from __future__ import annotations

from enum import auto

from xdsl.dialects.builtin import IntegerAttr, TensorType, i1, i8, i32
from xdsl.dialects.utils import EnumAttribute
from xdsl.ir import SpacedOpaqueSyntaxAttribute
from xdsl.irdl import (
    AttrSizedOperandSegments,
    irdl_attr_definition,
    irdl_op_definition,
    operand_def,
    opt_operand_def,
    prop_def,
    result_def,
    traits_def,
)
from xdsl.traits import Pure
from xdsl.utils.str_enum import StrEnum

from vcc.dialects.graph.base import AnyTensor, GraphOp, Tensor, Value, is_float, require, same_dtype, tensor_of


class Cell(StrEnum):
    """What computes a step's state; gates stand in ONNX's order.

    `lstm`: input, output, forget, cell. `gru`: update, reset, hidden, the reset gate before the recurrent product;
    `gru_linear`: after it. `rnn_tanh`, `rnn_relu`: one gate.
    """

    LSTM = auto()
    GRU = auto()
    GRU_LINEAR = auto()
    RNN_TANH = auto()
    RNN_RELU = auto()

    @property
    def gates(self) -> int:
        """How many values a step computes for each element of the state."""
        return 4 if self is Cell.LSTM else 3 if self in (Cell.GRU, Cell.GRU_LINEAR) else 1

    @property
    def more(self) -> int:
        """How many rows a result has behind those of the steps."""
        return int(self in (Cell.LSTM, Cell.GRU))


@irdl_attr_definition
class CellAttr(EnumAttribute[Cell], SpacedOpaqueSyntaxAttribute):
    """The cell of a `graph.recurrence`."""

    name = "graph.cell"


#: Operands that belong to recurrent weights of bytes.
QUANTISED = ("scale", "sums", "zero")


def recurrence_type(cell: Cell, x: Tensor, r: Tensor, others: dict[str, Tensor | None]) -> Tensor:
    """x [T, B, D * gates * H], r [D, H, gates * H] -> [T, D, B, H]; for an LSTM and a `gru` [T + 1, D, B, H].

    The initial state h and the LSTM's c have [D, B, H], the bias of `gru_linear` [D, H], peepholes [D, 3, H]. With r in
    i8, scale and sums have [D, gates * H] and zero [D], the latter two in i32.
    """
    require(len(x.get_shape()) == 3 and len(r.get_shape()) == 3, "recurrence: x and r must have three axes")
    (steps, batch, width), (directions, hidden, columns) = x.get_shape(), r.get_shape()
    require(directions in (1, 2), f"recurrence: {directions} directions; there are one or two")
    require(columns == cell.gates * hidden, f"recurrence: r has {columns} columns, not {cell.gates} times {hidden}")
    require(width == directions * columns, f"recurrence: x has {width} columns, not {directions} times {columns}")
    shapes: dict[str, tuple[int, ...]] = {"h": (directions, batch, hidden), "c": (directions, batch, hidden)}
    shapes |= {"bias": (directions, hidden), "peepholes": (directions, 3, hidden)}
    shapes |= {"scale": (directions, columns), "sums": (directions, columns), "zero": (directions,)}
    for name, type in others.items():
        allowed = name == "h" or cell is (Cell.GRU_LINEAR if name == "bias" else Cell.LSTM)
        require(type is None or allowed, f"recurrence: {cell} has no {name}")
        require(type is None or type.get_shape() == shapes[name], f"recurrence: {name} must be {shapes[name]}")
    floats = [x, *(type for name, type in others.items() if type is not None and name not in ("sums", "zero"))]
    scale, sums, zero = (others.get(name) for name in QUANTISED)
    if scale is None and sums is None and zero is None:
        floats.append(r)
    else:
        require(r.element_type == i8, "recurrence: r with a scale must be i8")
        require(scale is not None and sums is not None, "recurrence: r in i8 needs scale and sums")
        require(all(t is None or t.element_type == i32 for t in (sums, zero)), "recurrence: sums and zero must be i32")
    element = same_dtype("recurrence", floats)
    require(is_float(element), f"recurrence: takes floats, not {element}")
    return TensorType(element, (steps + cell.more, directions, batch, hidden))


@irdl_op_definition
class RecurrenceOp(GraphOp):
    """`graph.recurrence lstm %x, %r, h %h, c %c {reverse}`: the state after every step of a sequence.

    x holds, for every step, the products of the inputs and all biases that are added to gates; r multiplies the state
    of the step before. The last direction goes from the end of the sequence to its beginning if `reverse` (which two
    directions need). States that are not given begin at zero. An LSTM's result has one row more, its cell state at
    the end; that of a `gru` too, its state as the last step reset it.

    An LSTM's r may be of bytes: (r - zero) * scale. Then each step quantises the state of all sequences of a direction
    to u8 as DynamicQuantizeLinear does, and multiplies bytes; `sums` are the sums of r's columns less H * zero.
    """

    name = "graph.recurrence"
    cell = prop_def(CellAttr)
    x = operand_def(AnyTensor)
    r = operand_def(AnyTensor)
    bias = opt_operand_def(AnyTensor)
    h = opt_operand_def(AnyTensor)
    c = opt_operand_def(AnyTensor)
    peepholes = opt_operand_def(AnyTensor)
    scale = opt_operand_def(AnyTensor)
    sums = opt_operand_def(AnyTensor)
    zero = opt_operand_def(AnyTensor)
    reverse = prop_def(IntegerAttr.constr(type=i1))
    result = result_def(AnyTensor)
    irdl_options = (*GraphOp.irdl_options, AttrSizedOperandSegments(as_property=True))
    traits = traits_def(Pure())
    assembly_format = (
        "$cell $x `,` $r `:` type($x) `,` type($r) (`bias` $bias^ `:` type($bias))? (`h` $h^ `:` type($h))? "
        "(`c` $c^ `:` type($c))? (`peepholes` $peepholes^ `:` type($peepholes))? "
        "(`scale` $scale^ `:` type($scale))? (`sums` $sums^ `:` type($sums))? "
        "(`zero` $zero^ `:` type($zero))? attr-dict `->` type($result)"
    )

    def __init__(
        self,
        cell: Cell | str,
        x: Value,
        r: Value,
        *,
        bias: Value | None = None,
        h: Value | None = None,
        c: Value | None = None,
        peepholes: Value | None = None,
        scale: Value | None = None,
        sums: Value | None = None,
        zero: Value | None = None,
        reverse: bool = False,
    ):
        others = {"bias": bias, "h": h, "c": c, "peepholes": peepholes, "scale": scale, "sums": sums, "zero": zero}
        types = {name: None if value is None else tensor_of(value) for name, value in others.items()}
        super().__init__(
            operands=[x, r, *others.values()],
            properties={"cell": CellAttr(Cell(cell)), "reverse": IntegerAttr.from_bool(reverse)},
            result_types=[recurrence_type(Cell(cell), tensor_of(x), tensor_of(r), types)],
        )

    @property
    def others(self) -> dict[str, Value | None]:
        """The operands that may be absent, by name."""
        found: dict[str, Value | None] = {"bias": self.bias, "h": self.h, "c": self.c, "peepholes": self.peepholes}
        return {**found, "scale": self.scale, "sums": self.sums, "zero": self.zero}

    @property
    def quantised(self) -> bool:
        """Whether r is of bytes."""
        return self.scale is not None

    def inferred_type(self) -> Tensor:
        types = {name: None if value is None else tensor_of(value) for name, value in self.others.items()}
        directions = tensor_of(self.r).get_shape()[:1]
        require(directions != (2,) or bool(self.reverse), "recurrence: the last of two directions must be reversed")
        return recurrence_type(self.cell.data, tensor_of(self.x), tensor_of(self.r), types)
