"""Names and structure: what is declared once, defined before its use, and stands where it may."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from vcc.runtime.isa.expr import SCALAR_FNS, Poly
from vcc.runtime.isa.kernel import (
    SLOT_ALIGNMENT,
    Buffer,
    Forall,
    If,
    Instr,
    Kernel,
    Let,
    Loop,
    Memory,
    Operand,
    Scalar,
    ScalarLoad,
    ScalarParam,
    Statement,
    Sync,
    TensorParam,
    View,
    has_forall,
    meets,
)
from vcc.runtime.isa.limits import MAX_FACTORS, MAX_NESTING, MAX_RANK, MAX_TERMS
from vcc.runtime.isa.verifier_report import Report

WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z0-9_]+)*")
REGISTER = re.compile(r"[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*")
I64 = range(-(1 << 63), 1 << 63)
LOOP_KINDS = ("seq", "reduce", "parallel")
MAX_SLOTS = 1 << 16


def check_names(kernel: Kernel, report: Report) -> None:
    """Report every problem with the names and the structure of a kernel."""
    _declarations(kernel, report)
    _Structure(kernel, report).body(kernel.body, {p.name for p in kernel.params if isinstance(p, ScalarParam)}, 0)


def _declarations(kernel: Kernel, report: Report) -> None:
    _unique("parameter or buffer", [*(p.name for p in kernel.params), *(b.name for b in kernel.buffers)], report)
    _unique("event", [event.name for event in kernel.events], report)
    scalars = {p.name for p in kernel.params if isinstance(p, ScalarParam)}
    for param in kernel.params:
        if isinstance(param, TensorParam):
            if param.mode not in ("in", "out", "inout"):
                report.add(f"parameter {param.name} has mode '{param.mode}'; it must be in, out or inout")
            for name in sorted(param.extent.registers - scalars):
                report.add(f"the extent of {param.name} uses %{name}, which is no scalar parameter")
        elif not (param.low <= param.high and param.low in I64 and param.high in I64):
            report.add(f"scalar parameter {param.name} has the empty or too wide range {param.low}..{param.high}")
    for buffer in kernel.buffers:
        _buffer(buffer, report)
    for event in kernel.events:
        if event.source is event.target:
            report.add(f"event {event.name} goes from pipe {event.source} to itself")
        if not (0 < event.slots <= MAX_SLOTS and 0 <= event.tokens <= MAX_SLOTS):
            report.add(f"event {event.name} has {event.slots} slots and {event.tokens} tokens")


def _buffer(buffer: Buffer, report: Report) -> None:
    if buffer.memory is Memory.GM:
        report.add(f"buffer {buffer.name} is in gm; buffers are on chip")
    if len(buffer.shape) > MAX_RANK or any(size < 1 for size in buffer.shape):
        report.add(f"buffer {buffer.name} has the shape {list(buffer.shape)}; each size must be positive")
    if not 0 < buffer.slots <= MAX_SLOTS:
        report.add(f"buffer {buffer.name} has {buffer.slots} slots; it must have 1 to {MAX_SLOTS}")
    if buffer.address is not None and (buffer.address < 0 or buffer.address % SLOT_ALIGNMENT):
        report.add(f"buffer {buffer.name} is at {buffer.address}, which is no multiple of {SLOT_ALIGNMENT}")


def _unique(what: str, names: Sequence[str], report: Report) -> None:
    for name in dict.fromkeys(names):
        if not WORD.fullmatch(name):
            report.add(f"'{name}' is not a name for a {what}")
        if names.count(name) > 1:
            report.add(f"{what} {name} is declared {names.count(name)} times")


class _Structure:
    """Walks the body with the registers that are defined at each place."""

    def __init__(self, kernel: Kernel, report: Report):
        self.kernel, self.report = kernel, report
        self.events = {event.name for event in kernel.events}
        self.tensors = {p.name: p for p in kernel.params if isinstance(p, TensorParam)}
        self.shares = has_forall(kernel)  # some statements are every core's, those in a forall are one core's
        self.meets = meets(kernel)

    def body(self, statements: Sequence[Statement], known: set[str], depth: int, inside: bool = False) -> None:
        if depth > MAX_NESTING:
            self.report.add(f"control flow is nested more than {MAX_NESTING} deep")
            return
        known = set(known)
        for statement in statements:
            self.place(statement, inside)
            for poly in polys_of(statement):
                self.poly(poly, known, statement)
            match statement:
                case Let(register, fn, args):
                    if SCALAR_FNS.get(fn) != len(args):
                        self.report.add(f"there is no scalar instruction {fn} of {len(args)} operands", statement)
                    self.define(register, known, statement)
                case ScalarLoad(register, param, _):
                    self.scalar_load(param, statement)
                    self.define(register, known, statement)
                case Sync(op, event, _):
                    self.sync(op, event, statement)
                case Loop(register, _, _, step, kind, inner):
                    if step < 1 or step not in I64 or kind not in LOOP_KINDS:
                        self.report.add("a loop's step must be positive, its kind seq, reduce or parallel", statement)
                    self.body(inner, self.define(register, set(known), statement), depth + 1, inside)
                case Forall(ranges, inner):
                    scope = set(known)
                    for register, _, _ in ranges:
                        self.define(register, scope, statement)
                    self.body(inner, scope, depth + 1, inside=True)
                case If(_, then, orelse):
                    self.body(then, known, depth + 1, inside)
                    self.body(orelse, known, depth + 1, inside)
                case Instr():
                    pass

    def define(self, register: str, known: set[str], statement: Statement) -> set[str]:
        if register in known:
            self.report.add(f"%{register} is defined twice", statement)
        if not REGISTER.fullmatch(register):
            self.report.add(f"'{register}' is not a name for a register", statement)
        known.add(register)
        return known

    def poly(self, poly: Poly, known: set[str], statement: Statement) -> None:
        for name in sorted(poly.registers - known):
            self.report.add(f"%{name} is used before it is defined", statement)
        if len(poly.terms) > MAX_TERMS or any(len(monomial) > MAX_FACTORS for monomial, _ in poly.terms):
            self.report.add(
                f"an expression has more than {MAX_TERMS} terms or {MAX_FACTORS} factors in a term", statement
            )
        if any(coefficient not in I64 for _, coefficient in poly.terms):
            self.report.add("an expression has a number that does not fit 64 bits", statement)

    def place(self, statement: Statement, inside: bool) -> None:
        """What may stand around a forall: what every core can do alike, without memories of its own."""
        if isinstance(statement, Forall):
            if inside:
                self.report.add("a forall stands in another one", statement)
            if not statement.ranges:
                self.report.add("a forall has no range", statement)
        elif inside or not self.shares:
            return
        elif not isinstance(statement, Let | ScalarLoad | Loop):
            self.report.add("around a forall only loops and scalar instructions may stand", statement)
        elif isinstance(statement, ScalarLoad) and self.meets:
            tensor = self.tensors.get(statement.param)
            if tensor is not None and tensor.mode != "in":
                self.report.add(f"sload reads {tensor.name}, which a forall may be writing, outside of one", statement)

    def scalar_load(self, param: str, statement: Statement) -> None:
        tensor = self.tensors.get(param)
        if tensor is None:
            self.report.add(f"there is no tensor parameter {param}", statement)
        elif tensor.dtype.kind not in "iu":
            self.report.add(f"sload reads integers, and {param} is of {tensor.dtype}", statement)

    def sync(self, op: str, event: str, statement: Statement) -> None:
        if op not in ("wait", "signal", "barrier"):
            self.report.add(f"there is no sync instruction {op}", statement)
        elif (op == "barrier") == bool(event):
            self.report.add("wait and signal name an event, barrier none", statement)
        elif event and event not in self.events:
            self.report.add(f"there is no event {event}", statement)


def polys_of(statement: Statement) -> Iterable[Poly]:
    """Every scalar expression that a statement itself, without its body, evaluates."""
    match statement:
        case Let(_, _, args):
            yield from args
        case ScalarLoad(_, _, base):
            yield base
        case Sync(_, _, slot):
            yield slot
        case Loop(_, low, high):
            yield from (low, high)
        case Forall(ranges):
            for _, low, high in ranges:
                yield from (low, high)
        case If(condition):
            yield condition
        case Instr():
            yield from _polys_of_instr(statement)


def _polys_of_instr(instr: Instr) -> Iterable[Poly]:
    for dim in instr.domain:
        yield dim.size
        yield from dim.valid or ()
    for operand in instr.operands.values():
        yield from _polys_of_operand(operand)
    yield from (value for value in instr.attrs.values() if isinstance(value, Poly))
    if instr.when is not None:
        yield instr.when
    if instr.tap is not None:
        yield from (instr.tap.base, *instr.tap.strides)


def _polys_of_operand(operand: Operand) -> Iterable[Poly]:
    if isinstance(operand, View):
        yield from (operand.base, operand.slot, *operand.strides)
    elif isinstance(operand, Scalar):
        yield operand.value
