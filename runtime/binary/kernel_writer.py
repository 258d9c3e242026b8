"""Encode kernels: driven by the instruction table, with one pool of scalar expressions per kernel."""

from __future__ import annotations

from vcc.runtime.binary.format import LOOP_KINDS, MODES, SCALAR_OPS, SYNC_OPS, Kind, Tag
from vcc.runtime.binary.kernel_format import MEMORIES, PIPES, ROLES
from vcc.runtime.binary.words import NONE, WordWriter
from vcc.runtime.diagnostics import VccError, error
from vcc.runtime.isa.expr import Poly
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
    Scalar,
    ScalarLoad,
    ScalarParam,
    Statement,
    Sync,
    TensorParam,
    View,
    instructions,
)
from vcc.runtime.isa.table import OPS


class KernelWriter:
    """Writes one kernel into the words of three sections: its code, its instructions' sources, its taps."""

    def __init__(self, kernel: Kernel, strings: dict[str, int]):
        self.kernel = kernel
        self.polys: dict[Poly, int] = {}
        self.registers: dict[str, int] = {}
        names = (*(p.name for p in kernel.params), *(b.name for b in kernel.buffers))
        self.places = {name: number for number, name in reversed(list(enumerate(names)))}
        self.events = {event.name: number for number, event in reversed(list(enumerate(kernel.events)))}
        self.out = WordWriter(strings)

    def fail(self, what: str) -> VccError:
        return error("E0302", f"kernel {self.kernel.name}: {what}")

    def write(self, code: WordWriter, debug: WordWriter, taps: WordWriter) -> None:
        """Append the kernel to the three sections."""
        head, self.out = self.out, WordWriter(self.out.strings)
        head.text(self.kernel.name)
        head.u32(self.kernel.num_sources)
        head.u32(self.kernel.num_taps)
        self.body(self.kernel.body)
        body, self.out = self.out, head
        head.many(self.kernel.params, self.param)
        head.many(self.kernel.buffers, self.buffer)
        head.many(self.kernel.events, self.event)
        self.debug(debug)
        self.taps(taps)
        pool = WordWriter(head.strings)
        pool.many(list(self.polys), lambda poly: self.pooled(pool, poly))
        code.words += head.words
        code.many(list(self.registers), code.text)
        code.words += pool.words + body.words

    def debug(self, out: WordWriter) -> None:
        out.many([i.sources for i in instructions(self.kernel)], lambda sources: out.many(sources, out.u32))

    def taps(self, out: WordWriter) -> None:
        tapped = [(n, i.tap) for n, i in enumerate(instructions(self.kernel)) if i.tap is not None]
        out.u32(len(tapped))
        for number, tap in tapped:
            out.u32(number)
            out.u32(tap.value)
            out.u32(self.number(tap.base))
            out.many([self.number(stride) for stride in tap.strides], out.u32)

    def number(self, poly: Poly) -> int:
        """The poly's number in the kernel's pool."""
        for name in sorted(poly.registers):
            self.registers.setdefault(name, len(self.registers))
        return self.polys.setdefault(poly, len(self.polys))

    def pooled(self, out: WordWriter, poly: Poly) -> None:
        out.u32(len(poly.terms))
        for monomial, coefficient in poly.terms:
            out.many([self.registers[name] for name in monomial], out.u32)
            out.i64(coefficient)

    def poly(self, poly: Poly) -> None:
        self.out.u32(self.number(poly))

    def register(self, name: str) -> None:
        self.out.u32(self.registers.setdefault(name, len(self.registers)))

    def place(self, name: str) -> None:
        if name not in self.places:
            raise self.fail(f"there is no buffer or parameter {name}")
        self.out.u32(self.places[name])

    def param(self, param: TensorParam | ScalarParam) -> None:
        self.out.text(param.name)
        if isinstance(param, ScalarParam):
            self.out.u32(0)
            self.out.i64(param.low)
            self.out.i64(param.high)
            return
        self.out.dtype(param.dtype)
        self.out.code(MODES, param.mode)
        self.poly(param.extent)

    def buffer(self, buffer: Buffer) -> None:
        self.out.text(buffer.name)
        self.out.code(MEMORIES, buffer.memory)
        self.out.dtype(buffer.dtype)
        self.out.many(buffer.shape, self.out.i64)
        self.out.u32(buffer.slots)
        self.out.i64(-1 if buffer.address is None else buffer.address)

    def event(self, event: Event) -> None:
        self.out.text(event.name)
        self.out.code(PIPES, event.source)
        self.out.code(PIPES, event.target)
        self.out.u32(event.slots)
        self.out.u32(event.tokens)

    def body(self, statements: tuple[Statement, ...]) -> None:
        for statement in statements:
            self.statement(statement)
        self.out.u32(Tag.END)

    def statement(self, statement: Statement) -> None:
        out = self.out
        match statement:
            case Instr():
                self.instr(statement)
            case Let(register, fn, args):
                out.u32(Tag.LET)
                self.register(register)
                out.code(SCALAR_OPS, fn)
                out.many(args, self.poly)
            case ScalarLoad(register, param, base):
                out.u32(Tag.SCALAR_LOAD)
                self.register(register)
                self.place(param)
                self.poly(base)
            case Sync(op, event, slot):
                out.u32(Tag.SYNC)
                out.code(SYNC_OPS, op)
                if event and event not in self.events:
                    raise self.fail(f"there is no event {event}")
                out.u32(self.events[event] if event else NONE)
                self.poly(slot)
            case Loop(register, low, high, step, kind, body):
                out.u32(Tag.LOOP)
                self.register(register)
                self.poly(low)
                self.poly(high)
                out.i64(step)
                out.code(LOOP_KINDS, kind)
                self.body(body)
            case Forall(ranges, body):
                out.u32(Tag.FORALL)
                out.many(ranges, self.range)
                self.body(body)
            case If(condition, then, orelse):
                out.u32(Tag.IF)
                self.poly(condition)
                self.body(then)
                self.body(orelse)

    def range(self, bounds: tuple[str, Poly, Poly]) -> None:
        self.register(bounds[0])
        self.poly(bounds[1])
        self.poly(bounds[2])

    def instr(self, instr: Instr) -> None:
        if instr.op not in OPS:
            raise self.fail(f"there is no instruction {instr.op}")
        op = OPS[instr.op]
        extra = instr.operands.keys() - {s.role for s in op.operands} | instr.attrs.keys() - {s.name for s in op.attrs}
        if extra:
            raise self.fail(f"{instr.op} takes no {min(extra)}")
        self.out.u32(Tag.INSTR)
        self.out.u32(op.code)
        self.out.many(instr.domain, self.dim)
        for spec in op.operands:
            self.operand(instr.operands.get(spec.role))
        for attr in op.attrs:
            self.attr(instr.attrs.get(attr.name), attr.choices)
        self.out.u32(0 if instr.when is None else 1 + self.number(instr.when))

    def dim(self, dim: Dim) -> None:
        self.out.text(dim.name)
        self.poly(dim.size)
        self.out.i64(dim.max)
        self.out.code(ROLES, dim.role)
        self.out.u32(dim.valid is not None)
        for bound in dim.valid or ():
            self.poly(bound)

    def operand(self, operand: Operand | None) -> None:
        match operand:
            case None:
                self.out.u32(Kind.ABSENT)
            case View(buffer, strides, base, slot):
                self.out.u32(Kind.VIEW)
                self.place(buffer)
                self.out.many(strides, self.poly)
                self.poly(base)
                self.poly(slot)
            case Immediate(value):
                self.scalar(value)
            case Scalar(value):
                self.scalar(value)

    def attr(self, value: AttrValue | None, choices: tuple[str, ...]) -> None:
        if value is None:
            self.out.u32(Kind.ABSENT)
        elif isinstance(value, str):
            self.out.u32(Kind.NAME)
            self.out.code(choices, value)
        else:
            self.scalar(value)

    def scalar(self, value: Poly | float | int) -> None:
        if isinstance(value, Poly):
            self.out.u32(Kind.POLY)
            self.poly(value)
        elif isinstance(value, float):
            self.out.u32(Kind.FLOAT)
            self.out.f64(value)
        else:
            unsigned = value >= 1 << 63
            self.out.u32(Kind.UINT if unsigned else Kind.INT)
            self.out.i64(value - (1 << 64) if unsigned else value)
