"""Decode kernels: the counterpart of kernel_writer.py, which trusts no word."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vcc.runtime.binary.format import LOOP_KINDS, MODES, SCALAR_OPS, SYNC_OPS, Kind, Tag
from vcc.runtime.binary.kernel_format import MEMORIES, PIPES, ROLES
from vcc.runtime.binary.words import NONE, WordReader
from vcc.runtime.isa.dtypes import BY_CODE
from vcc.runtime.isa.expr import SCALAR_FNS, Poly
from vcc.runtime.isa.kernel import (
    MAX_DIMS,
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
    Tap,
    TensorParam,
    View,
)
from vcc.runtime.isa.limits import MAX_FACTORS, MAX_NESTING, MAX_RANK, MAX_TERMS
from vcc.runtime.isa.table import BY_OPCODE, AttrSpec, OperandSpec

MAX_SIZE = 1 << 48
TAGS, KINDS = tuple(Tag), tuple(Kind)


@dataclass(frozen=True)
class RawTap:
    """A tap whose base and strides are numbers of the kernel's pool of polys."""

    value: int
    base: int
    strides: tuple[int, ...]


@dataclass(frozen=True)
class Debug:
    """What other sections say about one kernel's instructions: sources of each, taps by instruction number."""

    sources: Sequence[tuple[int, ...]]
    taps: Mapping[int, RawTap]


def read_sources(words: WordReader) -> tuple[tuple[int, ...], ...]:
    """The part of the debug section that belongs to one kernel."""
    return words.many("instructions", lambda: words.many("sources", words.u32))


def read_taps(words: WordReader) -> dict[int, RawTap]:
    """The part of the taps section that belongs to one kernel."""

    def tap() -> tuple[int, RawTap]:
        return words.u32(), RawTap(words.u32(), words.u32(), words.many("strides", words.u32, MAX_DIMS))

    pairs = words.many("taps", tap)
    if [number for number, _ in pairs] != sorted({number for number, _ in pairs}):
        raise words.fail("taps are not in order")
    return dict(pairs)


class KernelReader:
    """Reads one kernel from the kernels section."""

    def __init__(self, words: WordReader, debug: Debug):
        self.words, self.debug = words, debug
        self.registers: tuple[str, ...] = ()
        self.polys: tuple[Poly, ...] = ()
        self.places: tuple[str, ...] = ()
        self.events: tuple[Event, ...] = ()
        self.count = 0

    def read(self) -> Kernel:
        words = self.words
        name, num_sources, num_taps = words.text(), words.u32(), words.u32()
        raw_params = words.many("parameters", self.param)
        buffers = words.many("buffers", self.buffer)
        self.events = words.many("events", self.event)
        self.registers = words.many("registers", words.text)
        if len(set(self.registers)) != len(self.registers):
            raise words.fail("a register is named twice")
        self.polys = words.many("polys", self.pooled)
        params = tuple(
            TensorParam(p[0], p[1], p[2], self.numbered(p[3])) if isinstance(p, tuple) else p for p in raw_params
        )
        self.places = (*(param.name for param in params), *(buffer.name for buffer in buffers))
        body = self.body(0)
        if self.count != len(self.debug.sources) or any(number >= self.count for number in self.debug.taps):
            raise words.fail(f"debug information does not fit the {self.count} instructions of kernel {name}")
        return Kernel(name, params, buffers, self.events, body, num_sources, num_taps)

    def param(self) -> ScalarParam | tuple:
        """A scalar parameter, or a tensor's with the number of its extent: the pool of polys comes later."""
        name, code = self.words.text(), self.words.u32()
        if not code:
            return ScalarParam(name, self.words.i64(), self.words.i64())
        if code not in BY_CODE:
            raise self.words.fail(f"there is no dtype {code}")
        return name, BY_CODE[code], self.words.code(MODES, "mode"), self.words.u32()

    def buffer(self) -> Buffer:
        words = self.words
        name, memory, dtype = words.text(), words.code(MEMORIES, "memory"), words.dtype()
        shape = words.many("dimensions", lambda: words.i64(0, MAX_SIZE), MAX_RANK)
        slots, address = words.u32(), words.i64(-1, MAX_SIZE)
        return Buffer(name, memory, dtype, shape, slots, None if address < 0 else address)

    def event(self) -> Event:
        words = self.words
        name, source, target = words.text(), words.code(PIPES, "pipe"), words.code(PIPES, "pipe")
        return Event(name, source, target, words.u32(), words.u32())

    def pooled(self) -> Poly:
        words = self.words

        def term() -> tuple[tuple[str, ...], int]:
            monomial = words.many("factors", self.register, MAX_FACTORS)
            return monomial, words.i64()

        terms = words.many("terms", term, MAX_TERMS)
        poly = Poly.collect({tuple(sorted(monomial)): coefficient for monomial, coefficient in terms})
        if poly.terms != terms:
            raise words.fail("a scalar expression is not in normal form")
        return poly

    def register(self) -> str:
        return self.words.code(self.registers, "register")

    def numbered(self, number: int) -> Poly:
        if number >= len(self.polys):
            raise self.words.fail(f"there is no poly {number} (of {len(self.polys)})")
        return self.polys[number]

    def poly(self) -> Poly:
        return self.numbered(self.words.u32())

    def place(self) -> str:
        return self.words.code(self.places, "buffer")

    def body(self, depth: int) -> tuple[Statement, ...]:
        if depth > MAX_NESTING:
            raise self.words.fail(f"control flow is nested more than {MAX_NESTING} deep")
        statements: list[Statement] = []
        while (tag := self.words.code(TAGS, "statement")) is not Tag.END:
            statements.append(self.statement(tag, depth))
        return tuple(statements)

    def statement(self, tag: Tag, depth: int) -> Statement:
        words = self.words
        match tag:
            case Tag.INSTR:
                return self.instr()
            case Tag.LET:
                register, fn = self.register(), words.code(SCALAR_OPS, "scalar instruction")
                args = words.many("arguments", self.poly, SCALAR_FNS[fn])
                return Let(register, fn, args)
            case Tag.SCALAR_LOAD:
                return ScalarLoad(self.register(), self.place(), self.poly())
            case Tag.SYNC:
                op, number = words.code(SYNC_OPS, "sync instruction"), words.u32()
                if number != NONE and number >= len(self.events):
                    raise words.fail(f"there is no event {number} (of {len(self.events)})")
                return Sync(op, "" if number == NONE else self.events[number].name, self.poly())
            case Tag.LOOP:
                register, low, high, step = self.register(), self.poly(), self.poly(), words.i64()
                return Loop(register, low, high, step, words.code(LOOP_KINDS, "loop kind"), self.body(depth + 1))
            case Tag.FORALL:
                ranges = words.many("ranges", lambda: (self.register(), self.poly(), self.poly()), MAX_DIMS)
                return Forall(ranges, self.body(depth + 1))
            case _:
                return If(self.poly(), self.body(depth + 1), self.body(depth + 1))

    def instr(self) -> Instr:
        words = self.words
        code = words.u32()
        if code not in BY_OPCODE:
            raise words.fail(f"there is no opcode {code:#x}")
        op = BY_OPCODE[code]
        domain = words.many("dimensions", self.dim, MAX_DIMS)
        operands = {spec.role: value for spec in op.operands if (value := self.operand(spec)) is not None}
        attrs = {spec.name: value for spec in op.attrs if (value := self.attr(spec)) is not None}
        when = words.u32()
        number, self.count = self.count, self.count + 1
        if number >= len(self.debug.sources):
            raise words.fail(f"instruction {number} has no debug information")
        tap = self.debug.taps.get(number)
        return Instr(
            op.name,
            domain,
            operands,
            attrs,
            self.numbered(when - 1) if when else None,
            self.debug.sources[number],
            Tap(tap.value, tuple(map(self.numbered, tap.strides)), self.numbered(tap.base)) if tap else None,
        )

    def dim(self) -> Dim:
        words = self.words
        name, size, maximum, role = words.text(), self.poly(), words.i64(0), words.code(ROLES, "role")
        valid = (self.poly(), self.poly()) if words.index(2, "flag") else None
        return Dim(name, size, maximum, role, valid)

    def operand(self, spec: OperandSpec) -> Operand | None:
        words = self.words
        match words.code(KINDS, "operand kind"):
            case Kind.ABSENT:
                return None
            case Kind.VIEW:
                return View(self.place(), words.many("strides", self.poly, MAX_DIMS), self.poly(), self.poly())
            case Kind.NAME:
                raise words.fail(f"operand {spec.role} is a name")
            case kind:
                value = self.scalar(kind)
                return Scalar(value) if isinstance(value, Poly) else Immediate(value)

    def attr(self, spec: AttrSpec) -> AttrValue | None:
        match self.words.code(KINDS, "attribute kind"):
            case Kind.ABSENT:
                return None
            case Kind.VIEW:
                raise self.words.fail(f"attribute {spec.name} is a view")
            case Kind.NAME:
                return self.words.code(spec.choices, spec.name)
            case kind:
                return self.scalar(kind)

    def scalar(self, kind: Kind) -> Poly | float | int:
        if kind is Kind.POLY:
            return self.poly()
        if kind is Kind.FLOAT:
            return self.words.f64()
        value = self.words.i64()
        return value % (1 << 64) if kind is Kind.UINT else value
