"""Kernels as assembly text; what the assembler reads back as the same kernels."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from vcc.runtime.isa.expr import ZERO, Poly
from vcc.runtime.isa.kernel import (
    AttrValue,
    Buffer,
    Dim,
    Event,
    Forall,
    If,
    Immediate,
    Instr,
    Kernel,
    Let,
    Loop,
    Operand,
    Role,
    ScalarLoad,
    ScalarParam,
    Statement,
    Sync,
    Tap,
    TensorParam,
    View,
)
from vcc.runtime.isa.table import OPS
from vcc.runtime.isa.text_counts import counts_used

if TYPE_CHECKING:
    from vcc.runtime.binary.image import Image

#: Gives the ONNX node names that a kernel's source, by number, stands for.
Names = Callable[[int], Iterable[str]]
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z0-9_]+)*")
_INDENT = "  "
_OPERANDS_COLUMN = 44


def disassemble_kernel(kernel: Kernel, names: Names | None = None) -> str:
    """The text of a kernel, ending in a newline; with `names`, comments name the nodes that instructions come from."""
    params = ", ".join(map(_param, kernel.params))
    lines = [f"kernel {quote_name(kernel.name)}({params}) {{"]
    lines += [_INDENT + line for line in _declarations(kernel)]
    lines += _Body(names).lines(kernel.body, _INDENT)
    return "\n".join([*lines, "}\n"])


def quote(text: str) -> str:
    """A string literal of the assembly language: JSON's, with characters that do not print escaped."""
    return json.dumps(text, ensure_ascii=not text.isprintable())


def quote_name(name: str) -> str:
    """A kernel's name, as a string literal if it is not a word."""
    return name if _WORD.fullmatch(name) else quote(name)


def _param(param: TensorParam | ScalarParam) -> str:
    if isinstance(param, TensorParam):
        return f"{param.name}: gm {param.dtype}[{param.extent}] {param.mode}"
    return f"{param.name}: i64 {param.low}..{param.high}"


def _declarations(kernel: Kernel) -> Iterator[str]:
    yield from map(_buffer, kernel.buffers)
    yield from map(_event, kernel.events)
    sources, taps = counts_used(kernel)
    if kernel.num_sources != sources:
        yield f"sources {kernel.num_sources}"
    if kernel.num_taps != taps:
        yield f"taps {kernel.num_taps}"


def _buffer(buffer: Buffer) -> str:
    text = f"buf {buffer.name}: {buffer.memory} {buffer.dtype}[{', '.join(map(str, buffer.shape))}]"
    text += f" x{buffer.slots}" if buffer.slots != 1 else ""
    return text + (f" @{buffer.address}" if buffer.address is not None else "")


def _event(event: Event) -> str:
    text = f"event {event.name}: {event.source}>{event.target}"
    text += f" x{event.slots}" if event.slots != 1 else ""
    return text + (f" ={event.tokens}" if event.tokens else "")


class _Body:
    """Statements as lines; remembers the names shown last, so that a run of instructions is named once."""

    def __init__(self, names: Names | None):
        self.names = names
        self.shown = ""

    def lines(self, body: tuple[Statement, ...], indent: str) -> Iterator[str]:
        for statement in body:
            match statement:
                case Instr():
                    yield from self._comment(statement, indent)
                    yield indent + instruction(statement)
                case Let(register, fn, args):
                    yield f"{indent}%{register} = {fn} {', '.join(map(str, args))}"
                case ScalarLoad(register, param, base):
                    yield f"{indent}%{register} = sload {param}[{base}]"
                case Sync("barrier"):
                    yield f"{indent}barrier"
                case Sync(op, event, slot):
                    yield f"{indent}{op} {event}" + (f"[{slot}]" if slot != ZERO else "")
                case _:
                    yield from self._structured(statement, indent)

    def _structured(self, statement: Loop | Forall | If, indent: str) -> Iterator[str]:
        inner = indent + _INDENT
        match statement:
            case Loop(register, low, high, step, kind, body):
                tail = (f" step {step}" if step != 1 else "") + (f" {kind}" if kind != "seq" else "")
                yield f"{indent}loop %{register} = {low}..{high}{tail} {{"
                yield from self.lines(body, inner)
            case Forall(ranges, body):
                heads = ", ".join(f"%{register} = {low}..{high}" for register, low, high in ranges)
                yield f"{indent}forall {heads} {{"
                yield from self.lines(body, inner)
            case If(condition, then, orelse):
                yield f"{indent}if {condition} {{"
                yield from self.lines(then, inner)
                if orelse:
                    yield f"{indent}}} else {{"
                    yield from self.lines(orelse, inner)
        yield f"{indent}}}"

    def _comment(self, instr: Instr, indent: str) -> Iterator[str]:
        if self.names is None:
            return
        found = dict.fromkeys(name for source in instr.sources for name in self.names(source))
        shown = ", ".join(quote(name)[1:-1] for name in found)
        if shown and shown != self.shown:
            self.shown = shown
            yield f"{indent}; {shown}"


def instruction(instr: Instr) -> str:
    """One instruction on one line, without sources' names."""
    op = OPS[instr.op]
    operands = [_operand(instr.operands[spec.role]) for spec in op.operands if not spec.optional]
    for spec in op.operands:
        if spec.optional and spec.role in instr.operands:
            operands.append(f"{spec.role}={_operand(instr.operands[spec.role])}")
    operands += [f"{spec.name}={_number(instr.attrs[spec.name])}" for spec in op.attrs if spec.name in instr.attrs]
    head = f"{instr.op} {{{', '.join(map(_dim, instr.domain))}}}"
    text = f"{head:<{_OPERANDS_COLUMN}} {', '.join(operands)}"
    text += f" when={instr.when}" if instr.when is not None else ""
    text += f" !src({', '.join(map(str, instr.sources))})" if instr.sources else ""
    return text + (f" {_tap(instr.tap)}" if instr.tap else "")


def _dim(dim: Dim) -> str:
    role = "" if dim.role is Role.PARALLEL else f"{dim.role} "
    text = f"{dim.name}:{role}{dim.size}"
    text += f" max {dim.max}" if dim.size.constant != dim.max else ""
    return text + (f" in {dim.valid[0]}..{dim.valid[1]}" if dim.valid else "")


def _operand(operand: Operand) -> str:
    if isinstance(operand, View):
        slot = f"@{_slot(operand.slot)}" if operand.slot != ZERO else ""
        return f"{operand.buffer}{slot}{_base(operand.base)}({_polys(operand.strides)})"
    return _number(operand.value) if isinstance(operand, Immediate) else f"scalar({operand.value})"


def _slot(slot: Poly) -> str:
    text = str(slot)
    return text if text.isdigit() or slot == Poly.of(text[1:]) else f"({text})"


def _tap(tap: Tap) -> str:
    return f"!tap {tap.value}{_base(tap.base)}({_polys(tap.strides)})"


def _base(base: Poly) -> str:
    return f"[{base}]" if base != ZERO else ""


def _polys(polys: tuple[Poly, ...]) -> str:
    return ",".join(map(str, polys))


def _number(value: AttrValue) -> str:
    return repr(float(value)) if isinstance(value, float) else str(value)


def disassemble(
    image: Image, path: str | None = None, offsets: Sequence[int] | None = None, source: bool = False
) -> str:
    """The text of a whole program, which `assembler.assemble` reads back as an equal image.

    Constants of more than 64 KiB in all are not written out if `path` gives the .vbin they are in: the text then names
    their places in that file. `offsets`, the byte where each begins, may be absent if the image was loaded from there.
    With `source`, comments above instructions name the ONNX nodes they come from.
    """
    from vcc.runtime.isa import text_print

    head, host = "\n".join(text_print.directives(image)), "\n".join(text_print.host(image))
    constants = "\n".join(text_print.constants(image.constants, path, offsets))
    # constants come last, as they are long and say little to a reader
    parts = (head, *text_print.kernels(image, source), host, constants)
    return "\n".join(part.rstrip("\n") + "\n" for part in parts if part)
