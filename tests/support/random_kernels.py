"""Random kernels for property tests: every statement and operand form, well-formed as text, seldom meaningful."""

from __future__ import annotations

import math
from collections.abc import Callable

from hypothesis import strategies as st

from vcc.runtime.isa.dtypes import DTYPES
from vcc.runtime.isa.expr import SCALAR_FNS, Poly
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
    Memory,
    Operand,
    Pipe,
    Role,
    Scalar,
    ScalarLoad,
    ScalarParam,
    Statement,
    Sync,
    Tap,
    TensorParam,
    View,
)
from vcc.runtime.isa.table import TABLE, AttrSpec

Draw = Callable[..., object]
#: Words that mean something in some place of the grammar and must still serve as names.
WORDS = ["x", "y1", "kernel", "load", "when", "max", "step", "reduce", "buf", "fill", "conv_0", "a.b", "x2", "m", "in_"]
_small = st.integers(-3, 3)
_large = st.integers(-(2**62), 2**62)
_floats = st.floats(allow_nan=False) | st.just(math.nan)
_numbers = _floats | st.integers(-(2**63), 2**64 - 1)


def polys(registers: list[str]) -> st.SearchStrategy[Poly]:
    """Sums of up to three products of the registers."""
    monomials = st.lists(st.sampled_from(registers), max_size=3).map(lambda names: tuple(sorted(names)))
    return st.dictionaries(monomials, _small | _large, max_size=3).map(Poly.collect)


class _Scope:
    """What has been declared, and the strategies that depend on it."""

    def __init__(
        self, draw: st.DrawFn, tensors: list[str], buffers: list[str], events: list[str], registers: list[str]
    ):
        self.draw, self.tensors, self.buffers, self.events = draw, tensors, buffers, events
        self.registers = registers

    def poly(self) -> Poly:
        return self.draw(polys(self.registers))

    def view(self, dims: int) -> View:
        name = self.draw(st.sampled_from(self.tensors + self.buffers))
        return View(name, tuple(self.poly() for _ in range(dims)), self.poly(), self.poly())

    def operand(self, dims: int, scalar: bool) -> Operand:
        kind = self.draw(st.sampled_from(["view", "immediate", "scalar"])) if scalar else "view"
        if kind == "immediate":
            return Immediate(self.draw(_numbers))
        return Scalar(self.poly()) if kind == "scalar" else self.view(dims)

    def dim(self, name: str) -> Dim:
        size = self.poly()
        known = size.constant
        limit = (
            known if known is not None and known >= 0 and self.draw(st.booleans()) else self.draw(st.integers(0, 99))
        )
        valid = (self.poly(), self.poly()) if self.draw(st.booleans()) else None
        return Dim(name, size, limit, self.draw(st.sampled_from(Role)), valid)

    def attr(self, spec: AttrSpec) -> AttrValue:
        if spec.kind == "poly":
            return self.poly()
        return self.draw(st.sampled_from(spec.choices) if spec.kind == "name" else _numbers)

    def instr(self) -> Instr:
        op = self.draw(st.sampled_from(TABLE))
        names = self.draw(st.lists(st.sampled_from(WORDS), max_size=3))
        domain = tuple(self.dim(name) for name in names)
        operands = {
            spec.role: self.operand(len(domain), spec.scalar)
            for spec in op.operands
            if not spec.optional or self.draw(st.booleans())
        }
        attrs = {spec.name: self.attr(spec) for spec in op.attrs if self.draw(st.booleans())}
        when = self.poly() if self.draw(st.booleans()) else None
        sources = tuple(self.draw(st.lists(st.integers(0, 5), max_size=2)))
        tap = Tap(self.draw(st.integers(0, 4)), (self.poly(),), self.poly()) if self.draw(st.booleans()) else None
        return Instr(op.name, domain, operands, attrs, when, sources, tap)

    def define(self) -> str:
        name = self.draw(st.sampled_from([*WORDS, "0", "7"]))
        self.registers.append(name)
        return name

    def body(self, depth: int) -> tuple[Statement, ...]:
        return tuple(self.statement(depth) for _ in range(self.draw(st.integers(0, 3))))

    def statement(self, depth: int) -> Statement:
        kinds = ["instr", "instr", "let", "sload", "sync", "barrier"] + (["loop", "forall", "if"] if depth else [])
        match self.draw(st.sampled_from(kinds)):
            case "instr":
                return self.instr()
            case "let":
                fn = self.draw(st.sampled_from(sorted(SCALAR_FNS)))
                args = tuple(self.poly() for _ in range(SCALAR_FNS[fn]))
                return Let(self.define(), fn, args)
            case "sload":
                base = self.poly()
                return ScalarLoad(self.define(), self.draw(st.sampled_from(self.tensors)), base)
            case "sync":
                op = self.draw(st.sampled_from(["wait", "signal"]))
                return Sync(op, self.draw(st.sampled_from(self.events)), self.poly())
            case "barrier":
                return Sync("barrier")
            case "loop":
                low, high, step = self.poly(), self.poly(), self.draw(st.integers(-2, 64))
                kind = self.draw(st.sampled_from(["seq", "reduce", "parallel"]))
                return Loop(self.define(), low, high, step, kind, self.body(depth - 1))
            case "forall":
                bounds = [(self.poly(), self.poly()) for _ in range(self.draw(st.integers(1, 2)))]
                return Forall(tuple((self.define(), *pair) for pair in bounds), self.body(depth - 1))
            case _:
                return If(self.poly(), self.body(depth - 1), self.body(depth - 1))


@st.composite
def kernels(draw: st.DrawFn) -> Kernel:
    """One kernel whose names are all declared."""
    words = draw(st.permutations(WORDS))
    tensors, buffers, events = words[:2], words[2:5], words[5:7]
    scalars = draw(st.lists(st.sampled_from(WORDS), min_size=1, max_size=2, unique=True))
    params = [ScalarParam(name, draw(_large), draw(_large)) for name in scalars]
    dtype = st.sampled_from(DTYPES)
    mode = st.sampled_from(["in", "out", "inout"])
    extents = [TensorParam(name, draw(dtype), draw(mode), draw(polys(scalars))) for name in tensors]
    shape = st.lists(st.integers(0, 99), max_size=3).map(tuple)
    slots, address = st.integers(1, 4), st.none() | st.integers(0, 2**20)
    memory = st.sampled_from([memory for memory in Memory if memory is not Memory.GM])
    pipe = st.sampled_from(Pipe)
    scope = _Scope(draw, tensors, buffers, events, list(scalars))
    return Kernel(
        draw(st.sampled_from(WORDS) | st.text(max_size=8)),
        tuple(draw(st.permutations([*params, *extents]))),
        tuple(Buffer(name, draw(memory), draw(dtype), draw(shape), draw(slots), draw(address)) for name in buffers),
        tuple(Event(name, draw(pipe), draw(pipe), draw(slots), draw(st.integers(0, 3))) for name in events),
        scope.body(2),
        draw(st.integers(0, 9)),
        draw(st.integers(0, 9)),
    )
