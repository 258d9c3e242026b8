"""Traps: what a running program may not do, told with the kernel, the instruction, its registers and ONNX nodes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from vcc.runtime.diagnostics import VccError, error
from vcc.runtime.isa.disassembler import instruction
from vcc.runtime.isa.expr import Poly
from vcc.runtime.isa.kernel import Instr, Kernel, Let, ScalarLoad, View


class TrapError(Exception):
    """What is wrong; `trapped` adds where."""


def trapped(
    message: str,
    kernel: Kernel,
    statement: Instr | Let | ScalarLoad | None = None,
    env: Mapping[str, int] | None = None,
    nodes: Sequence[str] = (),
) -> VccError:
    """The E0401 error of a trap. `nodes` are the names of the launch's sources, where known."""
    text, node = f"kernel {kernel.name}: {message}", ""
    if statement is not None:
        text += f"\n  at: {statement_text(statement)}"
        values = env or {}
        used = sorted({name for poly in _polys(statement) for name in poly.registers} & set(values))
        if used:
            text += "\n  registers: " + ", ".join(f"%{name}={values[name]}" for name in used)
        if isinstance(statement, Instr):
            node = ", ".join(dict.fromkeys(nodes[i] for i in statement.sources if i < len(nodes)))
    return error("E0401", text, node=node)


def statement_text(statement: Instr | Let | ScalarLoad) -> str:
    """A statement as one line of assembly."""
    match statement:
        case Let():
            return f"%{statement.register} = {statement.fn} {', '.join(map(str, statement.args))}"
        case ScalarLoad():
            return f"%{statement.register} = sload {statement.param}[{statement.base}]"
        case Instr():
            return " ".join(instruction(statement).split())


def _polys(statement: Instr | Let | ScalarLoad) -> Iterator[Poly]:
    match statement:
        case Let():
            yield from statement.args
        case ScalarLoad():
            yield statement.base
        case Instr():
            for dim in statement.domain:
                yield from (dim.size, *(dim.valid or ()))
            for operand in statement.operands.values():
                if isinstance(operand, View):
                    yield from (operand.base, operand.slot, *operand.strides)
                elif isinstance(operand.value, Poly):
                    yield operand.value
            yield from (value for value in statement.attrs.values() if isinstance(value, Poly))
            if statement.when is not None:
                yield statement.when
