"""One instruction of assembly text: its operands and attributes matched with its row of the instruction table."""

from __future__ import annotations

from dataclasses import dataclass

from lark import Token

from vcc.runtime.isa.expr import Poly
from vcc.runtime.isa.kernel import AttrValue, Dim, Immediate, Instr, Operand, Scalar, Tap, View
from vcc.runtime.isa.table import OPS, AttrSpec, Op
from vcc.runtime.isa.text_errors import Problems

#: An operand or attribute as the grammar gives it; a view comes with its name, to say where it stands.
Written = tuple[Token, View] | Scalar | Poly | float | Token


@dataclass(frozen=True)
class Named:
    """`name=value` among the operands."""

    name: Token
    value: Written


@dataclass(frozen=True)
class Signature:
    """An instruction as written."""

    op: Token
    domain: tuple[Dim, ...]
    operands: tuple[Written | Named, ...]
    when: Poly | None
    sources: tuple[int, ...]
    tap: Tap | None


def build_instr(written: Signature, problems: Problems) -> Instr:
    """The instruction, or one that is not whole if anything was wrong, which `problems` then says."""
    op = OPS.get(str(written.op))
    if op is None:
        problems.unknown(written.op, "instruction", OPS)
        return Instr(str(written.op), written.domain, {})
    positional = [item for item in written.operands if not isinstance(item, Named)]
    named = [item for item in written.operands if isinstance(item, Named)]
    roles = [spec.role for spec in op.operands if not spec.optional]
    if len(positional) != len(roles):
        expected = ", ".join(roles)
        problems.at(written.op, f"'{op.name}' takes {len(roles)} operands ({expected}), not {len(positional)}")
    operands: dict[str, Operand] = {}
    for role, item in zip(roles, positional, strict=False):
        operands[role] = _operand(item, role, written, problems)
    attrs: dict[str, AttrValue] = {}
    for item in named:
        _named(item, op, written, operands, attrs, problems)
    return Instr(op.name, written.domain, operands, attrs, written.when, written.sources, written.tap)


def _named(
    item: Named, op: Op, written: Signature, operands: dict[str, Operand], attrs: dict[str, AttrValue],
    problems: Problems,
) -> None:  # fmt: skip
    name = str(item.name)
    optional = [spec.role for spec in op.operands if spec.optional]
    specs = {spec.name: spec for spec in op.attrs}
    if name in operands or name in attrs:
        problems.at(item.name, f"'{name}' is given twice")
    elif name in optional:
        operands[name] = _operand(item.value, name, written, problems)
    elif name in specs:
        value = _attribute(item, specs[name], problems)
        if value is not None:
            attrs[name] = value
    else:
        problems.unknown(item.name, f"attribute of '{op.name}'", (*optional, *specs))


def _operand(item: Written, role: str, written: Signature, problems: Problems) -> Operand:
    """A view with one stride for each dimension, a constant or a scalar."""
    match item:
        case (Token() as name, View() as view):
            dims = len(written.domain)
            if len(view.strides) != dims:
                problems.at(
                    name, f"operand {role} has {len(view.strides)} strides, but the domain has {dims} dimensions"
                )
            return view
        case Scalar():
            return item
        case Poly():
            if item.constant is None:
                problems.at(written.op, f"operand {role} is an expression: write scalar({item})")
            return Immediate(item.constant or 0)
        case Token():
            problems.at(item, f"operand {role} is a view with strides, a number or scalar(...): '{item}(...)'?")
            return Immediate(0)
        case _:
            assert isinstance(item, float)
            return Immediate(item)


def _attribute(item: Named, spec: AttrSpec, problems: Problems) -> AttrValue | None:
    """The value if it is of the attribute's kind."""
    value = item.value
    if spec.kind == "poly" and isinstance(value, Poly):
        return value
    if spec.kind == "float" and isinstance(value, float):
        return value
    if spec.kind == "float" and isinstance(value, Poly) and value.constant is not None:
        return value.constant
    if spec.kind == "name" and isinstance(value, Token):
        if value in spec.choices:
            return str(value)
        problems.unknown(value, f"value of {spec.name}", spec.choices)
        return None
    kinds = {"poly": "an expression", "float": "a number", "name": f"one of {', '.join(spec.choices)}"}
    problems.at(item.name, f"attribute {spec.name} must be {kinds[spec.kind]}")
    return None
