"""One operation per row of the instruction table.

The operation `visa.mmad` and its like hold their whole instruction in one attribute, written as in assembly. In it
`b0`, `b1`, ... are the operation's buffer operands and `%0`, `%1`, ... its scalar operands, in order:

    visa.load "{i:3, j:16} b0(16,1), b1[48*%0](16,1)" (%xt, %x : !visa.buffer<...>, !visa.gm<...>) [%h]
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import cast

from xdsl.dialects.builtin import IndexType
from xdsl.ir import Data, SSAValue
from xdsl.irdl import (
    AttrSizedOperandSegments,
    IRDLOperation,
    irdl_attr_definition,
    irdl_op_definition,
    prop_def,
    var_operand_def,
)
from xdsl.parser import AttrParser, Parser
from xdsl.printer import Printer
from xdsl.utils.exceptions import VerifyException

from vcc.dialects.visa.types import BufferType, GlobalType
from vcc.runtime.diagnostics import VccError
from vcc.runtime.isa.assembler import parse_instruction
from vcc.runtime.isa.disassembler import instruction
from vcc.runtime.isa.expr import Poly, PolyLike
from vcc.runtime.isa.kernel import Dim, Instr, Memory, Scalar, Tap, View
from vcc.runtime.isa.table import OPS, TABLE, Op, Same, accumulator_dtype

ROW_PREFIX = "visa."


def instruction_text(instr: Instr) -> str:
    """The instruction as in assembly, with single spaces."""
    return " ".join(instruction(instr).split())


def map_polys(instr: Instr, change: Mapping[str, PolyLike], buffers: Mapping[str, str]) -> Instr:
    """The instruction with registers replaced by expressions and buffers renamed."""

    def poly(value: Poly) -> Poly:
        return value.substitute(change) if value.registers else value

    dims = tuple(
        Dim(d.name, poly(d.size), d.max, d.role, d.valid and (poly(d.valid[0]), poly(d.valid[1]))) for d in instr.domain
    )
    operands = {
        role: View(
            buffers.get(operand.buffer, operand.buffer),
            tuple(map(poly, operand.strides)),
            poly(operand.base),
            poly(operand.slot),
        )
        if isinstance(operand, View)
        else Scalar(poly(operand.value))
        if isinstance(operand, Scalar)
        else operand
        for role, operand in instr.operands.items()
    }
    attrs = {name: poly(value) if isinstance(value, Poly) else value for name, value in instr.attrs.items()}
    tap = instr.tap and Tap(instr.tap.value, tuple(map(poly, instr.tap.strides)), poly(instr.tap.base))
    when = None if instr.when is None else poly(instr.when)
    return replace(instr, domain=dims, operands=operands, attrs=attrs, tap=tap, when=when)


def polys_of(instr: Instr) -> list[Poly]:
    """Every scalar expression of an instruction."""
    found: list[Poly] = []
    for dim in instr.domain:
        found += [dim.size, *(dim.valid or ())]
    for operand in instr.operands.values():
        if isinstance(operand, View):
            found += [*operand.strides, operand.base, operand.slot]
        elif isinstance(operand, Scalar):
            found.append(operand.value)
    found += [value for value in instr.attrs.values() if isinstance(value, Poly)]
    if instr.tap:
        found += [*instr.tap.strides, instr.tap.base]
    if instr.when is not None:
        found.append(instr.when)
    return found


@irdl_attr_definition
class InstrAttr(Data[Instr]):
    """An instruction whose buffers are named `b<i>` and whose registers `<i>`, after its operation's operands."""

    name = "visa.instr"

    def __hash__(self) -> int:
        return hash((self.data.op, self.data.domain, tuple(self.data.operands)))

    @classmethod
    def parse_parameter(cls, parser: AttrParser) -> Instr:
        with parser.in_angle_brackets():
            return parse_instruction(parser.parse_str_literal())

    def print_parameter(self, printer: Printer) -> None:
        with printer.in_angle_brackets():
            printer.print_string_literal(instruction_text(self.data))


class InstrOp(IRDLOperation):
    """What the operations of all instructions share."""

    irdl_options = (AttrSizedOperandSegments(as_property=True),)

    instr_attr = prop_def(InstrAttr, prop_name="instr")
    buffers = var_operand_def(BufferType | GlobalType)
    scalars = var_operand_def(IndexType)

    def __init__(self, instr: Instr, buffers: Sequence[SSAValue], scalars: Sequence[SSAValue]):
        super().__init__(operands=[buffers, scalars], properties={"instr": InstrAttr(instr)})

    @property
    def instr(self) -> Instr:
        """The instruction, in terms of the operation's operands."""
        return self.instr_attr.data

    @property
    def row(self) -> Op:
        """The instruction's row of the table."""
        return OPS[self.name.removeprefix(ROW_PREFIX)]

    def buffer(self, view: View) -> SSAValue:
        """The operand that a view of the instruction is of."""
        return self.buffers[int(view.buffer[1:])]

    def accesses(self) -> list[tuple[SSAValue, bool]]:
        """Each buffer operand that the instruction touches, and whether it writes it."""
        row = self.row
        return [(self.buffer(view), row.operand(role).out) for role, view in self.instr.views()]

    def print(self, printer: Printer) -> None:
        printer.print_string(" ")
        text = instruction_text(self.instr)
        printer.print_string_literal(text.removeprefix(self.instr.op).strip())
        printer.print_string(" (")
        printer.print_list(self.buffers, printer.print_ssa_value)
        printer.print_string(" : ")
        printer.print_list([b.type for b in self.buffers], printer.print_attribute)
        printer.print_string(")")
        if self.scalars:
            printer.print_string(" [")
            printer.print_list(self.scalars, printer.print_ssa_value)
            printer.print_string("]")
        printer.print_op_attributes(self.attributes, print_keyword=True)

    @classmethod
    def parse(cls, parser: Parser) -> InstrOp:
        place = parser.pos
        text = parser.parse_str_literal()
        parser.parse_punctuation("(")
        operands = parser.parse_comma_separated_list(parser.Delimiter.NONE, parser.parse_unresolved_operand)
        parser.parse_punctuation(":")
        types = parser.parse_comma_separated_list(parser.Delimiter.NONE, parser.parse_type)
        parser.parse_punctuation(")")
        buffers = parser.resolve_operands(operands, types, place)
        scalars = parser.parse_optional_comma_separated_list(
            parser.Delimiter.SQUARE, lambda: parser.resolve_operand(parser.parse_unresolved_operand(), IndexType())
        )
        attributes = parser.parse_optional_attr_dict_with_keyword()
        try:
            instr = parse_instruction(f"{cls.name.removeprefix(ROW_PREFIX)} {text}")
        except VccError as problem:
            parser.raise_error(problem.diagnostics[0].message, place)
        op = cls(instr, buffers, scalars or [])
        if attributes is not None:
            op.attributes |= attributes.data
        return op

    def verify_(self) -> None:
        row, instr = self.row, self.instr
        if instr.op != row.name:
            raise VerifyException(f"{row.name}: holds the instruction {instr.op}")
        for spec in row.operands:
            if spec.role not in instr.operands and not spec.optional:
                raise VerifyException(f"{row.name}: operand {spec.role} is missing")
        for poly in polys_of(instr):
            for register in poly.registers:
                if not register.isdecimal() or int(register) >= len(self.scalars):
                    raise VerifyException(f"{row.name}: %{register} is not one of its {len(self.scalars)} scalars")
        for dim in instr.domain:
            if dim.role not in row.roles:
                raise VerifyException(f"{row.name}: dimension {dim.name} cannot have role {dim.role.value}")
            if dim.valid is not None and not row.intervals:
                raise VerifyException(f"{row.name}: dimension {dim.name} cannot have a valid interval")
        dtypes = {role: self._verify_view(role, view) for role, view in instr.views()}
        self._verify_dtypes(dtypes)

    def _verify_view(self, role: str, view: View) -> str:
        row = self.row
        try:
            spec = row.operand(role)
        except KeyError:
            raise VerifyException(f"{row.name}: has no operand {role}") from None
        index = int(view.buffer[1:]) if view.buffer[1:].isdecimal() else len(self.buffers)
        if index >= len(self.buffers):
            raise VerifyException(f"{row.name}: {view.buffer} is not one of its {len(self.buffers)} buffers")
        if len(view.strides) != len(self.instr.domain):
            raise VerifyException(
                f"{row.name}: {role} has {len(view.strides)} strides for {len(self.instr.domain)} dimensions"
            )
        type = self.buffers[index].type
        assert isinstance(type, BufferType | GlobalType)
        memory = type.memory if isinstance(type, BufferType) else Memory.GM
        if memory not in spec.memories:
            allowed = ", ".join(spec.memories)
            raise VerifyException(f"{row.name}: {role} lies in {memory.value}, but must lie in {allowed}")
        if type.dtype.name not in spec.dtypes:
            raise VerifyException(f"{row.name}: {role} has dtype {type.dtype}, which the instruction does not take")
        return type.dtype.name

    def _verify_dtypes(self, dtypes: dict[str, str]) -> None:
        row = self.row
        shared = {role: dtype for role, dtype in dtypes.items() if row.operand(role).same is Same.T}
        if len(set(shared.values())) > 1:
            listed = ", ".join(f"{role} {dtype}" for role, dtype in shared.items())
            raise VerifyException(f"{row.name}: operands must have one dtype, got {listed}")
        for role, dtype in dtypes.items():
            if row.operand(role).same is Same.ACC and accumulator_dtype(dtypes["a"], dtypes["b"]) != dtype:
                raise VerifyException(f"{row.name}: {dtypes['a']} times {dtypes['b']} does not accumulate in {dtype}")


def _define(row: Op) -> type[InstrOp]:
    body = {"name": ROW_PREFIX + row.name, "__doc__": row.doc, "__module__": __name__}
    return irdl_op_definition(cast(type[InstrOp], type(f"{row.name.title().replace('.', '')}Op", (InstrOp,), body)))


#: The operation class of every instruction, by mnemonic.
INSTRUCTION_OPS: dict[str, type[InstrOp]] = {row.name: _define(row) for row in TABLE}


def instruction_op(instr: Instr, buffers: Mapping[str, SSAValue], registers: Mapping[str, SSAValue]) -> InstrOp:
    """The operation of an instruction whose buffers and registers are named after the given values."""
    names = list(dict.fromkeys(view.buffer for _, view in instr.views()))
    used = list(dict.fromkeys(name for poly in polys_of(instr) for name in sorted(poly.registers)))
    renamed = map_polys(
        instr,
        {name: str(i) for i, name in enumerate(used)},
        {name: f"b{i}" for i, name in enumerate(names)},
    )
    return INSTRUCTION_OPS[instr.op](renamed, [buffers[name] for name in names], [registers[name] for name in used])
