"""What the verifier finds: problems with the kernel, the instruction's text and the ONNX node they belong to."""

from __future__ import annotations

from collections.abc import Mapping

from vcc.runtime.diagnostics import Diagnostic
from vcc.runtime.isa.kernel import Forall, If, Instr, Let, Loop, ScalarLoad, Statement, Sync


class Report:
    """Collects the problems of one kernel; `nodes` gives the ONNX node of the kernel's source, by number."""

    def __init__(self, kernel: str, nodes: Mapping[int, str] | None = None):
        self.kernel = kernel
        self.nodes = nodes or {}
        self.found: dict[Diagnostic, None] = {}

    def add(self, what: str, statement: Statement | None = None) -> None:
        """One problem, of the kernel as a whole or of one of its statements."""
        message, node = f"kernel '{self.kernel}': {what}", ""
        if statement is not None:
            message += f"\n    in: {statement_text(statement)}"
        if isinstance(statement, Instr):
            node = next((self.nodes[s] for s in statement.sources if s in self.nodes), "")
        self.found[Diagnostic("E0302", message, node=node)] = None


def statement_text(statement: Statement) -> str:
    """One line of assembly; the head alone of a statement with a body."""
    match statement:
        case Instr():
            return _instruction(statement)
        case Let(register, fn, args):
            return f"%{register} = {fn} {', '.join(map(str, args))}"
        case ScalarLoad(register, param, base):
            return f"%{register} = sload {param}[{base}]"
        case Sync(op, event, slot):
            return f"{op} {event}[{slot}]" if event else op
        case Loop(register, low, high, step, kind):
            return f"loop %{register} = {low}..{high} step {step} {kind}"
        case Forall(ranges):
            return "forall " + ", ".join(f"%{register} = {low}..{high}" for register, low, high in ranges)
        case If(condition):
            return f"if {condition}"


def _instruction(instr: Instr) -> str:
    from vcc.runtime.isa.disassembler import instruction

    try:
        return " ".join(instruction(instr).split())
    except KeyError:  # an unknown instruction or a missing operand, which has no text
        return instr.op
