"""What vcc tells a user who gave it something it cannot take: a code, the ONNX node, the reason, the remedy.

Every foreseen failure is a `VccError` carrying one or more `Diagnostic`s; the commands print them and exit with
the first one's `exit_code`. Anything else that escapes is a bug in vcc.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import IntEnum


class Exit(IntEnum):
    """The exit codes of every vcc command."""

    OK = 0
    MODEL = 1
    USAGE = 2
    UNSUPPORTED = 3
    DOES_NOT_FIT = 4
    DIFFERS = 5
    TRAPPED = 6
    BUG = 70


@dataclass(frozen=True)
class Code:
    """One kind of diagnostic: its stable number, the exit code it means, and what it is about."""

    id: str
    exit: Exit
    title: str


#: Every diagnostic code. A number is never reused; `vcc explain` and the manual read this table.
CODES: dict[str, Code] = {
    code.id: code
    for code in (
        Code("E0101", Exit.MODEL, "the model file cannot be read"),
        Code("E0102", Exit.MODEL, "the model is not valid ONNX"),
        Code("E0103", Exit.MODEL, "external weight data is missing or too short"),
        Code("E0104", Exit.USAGE, "an input has a dimension without a size"),
        Code("E0105", Exit.USAGE, "an input's name, shape or dtype does not match the model"),
        Code("E0106", Exit.MODEL, "shapes or dtypes in the model contradict each other"),
        Code("E0107", Exit.MODEL, "the IR is not valid"),
        Code("E0120", Exit.UNSUPPORTED, "an operator is unknown"),
        Code("E0121", Exit.UNSUPPORTED, "an operator is not supported yet"),
        Code("E0122", Exit.UNSUPPORTED, "host operators are not allowed by --host-ops=error"),
        Code("E0140", Exit.DOES_NOT_FIT, "a kernel does not fit the machine"),
        Code("E0141", Exit.DOES_NOT_FIT, "a tensor is larger than a program can address"),
        Code("E0142", Exit.DOES_NOT_FIT, "this computer has not enough memory"),
        Code("E0201", Exit.USAGE, "the target is unknown or its description is not valid"),
        Code("E0202", Exit.USAGE, "the command line is not valid"),
        Code("E0203", Exit.USAGE, "a file cannot be written"),
        Code("E0204", Exit.USAGE, "a file cannot be read"),
        Code("E0205", Exit.USAGE, "a rule file is not valid"),
        Code("E0301", Exit.MODEL, "assembly text is not valid"),
        Code("E0302", Exit.MODEL, "a program breaks a rule of the instruction set"),
        Code("E0303", Exit.MODEL, "a .vbin file is damaged or not a .vbin file"),
        Code("E0401", Exit.TRAPPED, "the running program trapped"),
        Code("E0402", Exit.TRAPPED, "the program's pipes wait for each other for ever"),
        Code("E0501", Exit.DIFFERS, "results differ from the reference"),
        Code("E0601", Exit.USAGE, "another engine is not installed"),
        Code("E0602", Exit.UNSUPPORTED, "another engine cannot take the model"),
    )
}


@dataclass(frozen=True)
class Diagnostic:
    """One obstacle. `node` is the ONNX node's name, `op` its operator, `types` its operand and result types as text."""

    code: str
    message: str
    node: str = ""
    op: str = ""
    types: str = ""
    help: str = ""

    def __str__(self) -> str:
        lines = [f"error[VCC-{self.code}]: {self.message}"]
        if self.node or self.op:
            where = f"node '{self.node}'" if self.node else "node"
            lines.append(
                f"  --> {where}" + (f" ({self.op})" if self.op else "") + (f": {self.types}" if self.types else "")
            )
        if self.help:
            lines.append(f"  help: {self.help}")
        return "\n".join(lines)


def merged(problems: Sequence[Diagnostic]) -> list[Diagnostic]:
    """The diagnostics with those that differ in their nodes alone made one that names all of these."""
    nodes: dict[Diagnostic, dict[str, None]] = {}
    for each in problems:
        nodes.setdefault(replace(each, node=""), {})[each.node] = None
    return [replace(each, node=", ".join(filter(None, names))) for each, names in nodes.items()]


class VccError(Exception):
    """One or more diagnostics; every failure a user can cause is one of these."""

    diagnostics: tuple[Diagnostic, ...]

    def __init__(self, diagnostics: Diagnostic | Sequence[Diagnostic]):
        self.diagnostics = (diagnostics,) if isinstance(diagnostics, Diagnostic) else tuple(diagnostics)
        super().__init__("\n".join(map(str, self.diagnostics)))

    @property
    def exit_code(self) -> Exit:
        """The exit code of the first diagnostic."""
        return CODES[self.diagnostics[0].code].exit


def error(code: str, message: str, **where: str) -> VccError:
    """A `VccError` of one diagnostic; `where` gives its node, op, types and help."""
    return VccError(Diagnostic(code, message, **where))


def plural(count: int, word: str) -> str:
    """A count of things: 1 kernel, 2 launches."""
    return f"{count:,} {word}" + ("" if count == 1 else "es" if word.endswith("ch") else "s")
