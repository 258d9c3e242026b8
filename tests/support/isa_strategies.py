"""Hypothesis strategies for the instruction set: kernels in the form that assembly and binaries must keep.

The kernels name only what exists and keep to the instruction table's operands, memories and attributes; sizes and
addresses are arbitrary, so most would not pass the verifier's bounds checks. They are in normal form: no attribute has
its default value, a constant size is its own maximum.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from hypothesis import strategies as st

from vcc.runtime.isa.dtypes import BY_NAME, DTYPES
from vcc.runtime.isa.expr import SCALAR_FNS, Poly
from vcc.runtime.isa.kernel import (
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
    Scalar,
    ScalarLoad,
    ScalarParam,
    Statement,
    Sync,
    Tap,
    TensorParam,
    View,
    instructions,
)
from vcc.runtime.isa.table import TABLE, AttrSpec, Op, OperandSpec

Draw = st.DrawFn
ON_CHIP = tuple(memory for memory in Memory if memory is not Memory.GM)
INTEGERS = st.one_of(st.integers(-5, 70), st.integers(-(2**62), 2**62))
FLOATS = st.floats(allow_nan=False, width=64)


@dataclass(frozen=True)
class Names:
    """What statements may refer to at a place in a kernel."""

    tensors: tuple[str, ...]
    buffers: dict[str, Memory]
    events: tuple[str, ...]
    registers: tuple[str, ...]


def polys(registers: tuple[str, ...]) -> st.SearchStrategy[Poly]:
    """Polys over these registers, constants among them."""
    monomial = st.lists(st.sampled_from(registers), max_size=3) if registers else st.just([])
    terms = st.lists(st.tuples(monomial.map(lambda names: tuple(sorted(names))), INTEGERS), max_size=3)
    return terms.map(lambda pairs: Poly.collect(dict(pairs)))


@st.composite
def dims(draw: Draw, op: Op, registers: tuple[str, ...], number: int) -> Dim:
    """One dimension of a domain of `op`; the number makes its name unique."""
    size = draw(polys(registers).map(lambda poly: poly if poly.constant is None else Poly.of(abs(poly.constant))))
    maximum = draw(st.integers(0, 2**40)) if size.constant is None else size.constant
    valid = draw(st.tuples(polys(registers), polys(registers))) if op.intervals and draw(st.booleans()) else None
    return Dim(f"{draw(st.sampled_from('ijkmno'))}{number}", size, maximum, draw(st.sampled_from(op.roles)), valid)


@st.composite
def operands(draw: Draw, spec: OperandSpec, names: Names, rank: int) -> Operand:
    """A view of something in one of the memories that the operand allows, or a scalar."""
    if spec.scalar and draw(st.booleans()):
        if draw(st.booleans()):
            return Scalar(draw(polys(names.registers)))
        return Immediate(draw(st.one_of(st.integers(-(2**63), 2**63 - 1), FLOATS)))
    places = [name for name, memory in names.buffers.items() if memory in spec.memories]
    places += names.tensors if Memory.GM in spec.memories else ()
    poly = polys(names.registers)
    strides = tuple(draw(st.lists(poly, min_size=rank, max_size=rank)))
    name = draw(st.sampled_from(places))
    return View(name, strides, draw(poly), draw(poly) if name in names.buffers else Poly())


def attrs(spec: AttrSpec, names: Names) -> st.SearchStrategy[Any]:
    """A value that is not the attribute's default."""
    values: dict[str, st.SearchStrategy[Any]] = {
        "poly": polys(names.registers),
        "float": FLOATS,
        "name": st.sampled_from(spec.choices or ("",)),
    }
    return values[spec.kind].filter(lambda value: value != spec.default)


@st.composite
def instrs(draw: Draw, names: Names) -> Instr:
    """One instruction of any row of the table, with its operands and some of its attributes."""
    op = draw(st.sampled_from(TABLE))
    rank = draw(st.integers(1, 4))
    domain = tuple(draw(dims(op, names.registers, number)) for number in range(rank))
    chosen = {spec.role: draw(operands(spec, names, rank)) for spec in op.operands if _keep(draw, spec.optional)}
    values = {spec.name: draw(attrs(spec, names)) for spec in op.attrs if draw(st.booleans())}
    poly = polys(names.registers)
    tap = None
    if draw(st.integers(0, 3)) == 0:
        strides = tuple(draw(st.lists(poly, min_size=rank, max_size=rank)))
        tap = Tap(draw(st.integers(0, 9)), strides, draw(poly))
    sources = draw(st.lists(st.integers(0, 9), max_size=2, unique=True).map(tuple))
    return Instr(op.name, domain, chosen, values, draw(st.none() | poly), sources, tap)


def _keep(draw: Draw, optional: bool) -> bool:
    return not optional or draw(st.booleans())


@st.composite
def simple(draw: Draw, names: Names) -> Statement:
    """A statement without a body that defines no register."""
    if names.events and draw(st.booleans()):
        op = draw(st.sampled_from(("wait", "signal", "barrier")))
        if op == "barrier":
            return Sync(op)
        return Sync(op, draw(st.sampled_from(names.events)), draw(polys(names.registers)))
    return draw(instrs(names))


@st.composite
def scalars(draw: Draw, names: Names, register: str) -> Let | ScalarLoad:
    """A statement that defines the register."""
    poly = polys(names.registers)
    if draw(st.booleans()):
        return ScalarLoad(register, draw(st.sampled_from(names.tensors)), draw(poly))
    fn = draw(st.sampled_from(sorted(SCALAR_FNS)))
    return Let(register, fn, tuple(draw(poly) for _ in range(SCALAR_FNS[fn])))


@st.composite
def bodies(draw: Draw, names: Names, depth: int) -> tuple[Statement, ...]:
    """Statements, nested at most `depth` deep; a register is used only after its definition."""
    statements: list[Statement] = []
    for number in range(draw(st.integers(1, 3))):
        kind = draw(st.sampled_from(("simple", "simple", "scalar", "loop", "if") if depth else ("simple", "scalar")))
        register = f"r{depth}_{number}"
        inner = replace(names, registers=(*names.registers, register))
        poly = polys(names.registers)
        if kind == "scalar":
            statements.append(draw(scalars(names, register)))
            names = inner
        elif kind == "loop":
            low, high, step = draw(poly), draw(poly), draw(st.integers(1, 9))
            nature = draw(st.sampled_from(("seq", "reduce", "parallel")))
            statements.append(Loop(register, low, high, step, nature, draw(bodies(inner, depth - 1))))
        elif kind == "if":
            orelse = draw(bodies(names, depth - 1)) if draw(st.booleans()) else ()
            statements.append(If(draw(poly), draw(bodies(names, depth - 1)), orelse))
        else:
            statements.append(draw(simple(names)))
    return tuple(statements)


@st.composite
def buffers(draw: Draw, name: str, memory: Memory) -> Buffer:
    """One on-chip buffer."""
    shape = tuple(draw(st.lists(st.integers(1, 4096), min_size=1, max_size=3)))
    address = draw(st.none() | st.integers(0, 2**20))
    return Buffer(name, memory, draw(st.sampled_from(DTYPES)), shape, draw(st.integers(1, 3)), address)


@st.composite
def kernels(draw: Draw, name: str = "kernel_0") -> Kernel:
    """A whole kernel: parameters, at least one buffer in each memory, events and a body, often under a forall."""
    sizes = tuple(f"size{i}" for i in range(draw(st.integers(0, 2))))
    bounds = [sorted((draw(INTEGERS), draw(INTEGERS))) for _ in sizes]
    scalar_params = tuple(ScalarParam(n, low, high) for n, (low, high) in zip(sizes, bounds, strict=True))
    tensors = ("x", "y_1", "w2")[: draw(st.integers(1, 3))]
    dtype, mode = st.sampled_from(DTYPES), st.sampled_from(("in", "out", "inout"))
    tensor_params = tuple(TensorParam(n, draw(dtype), draw(mode), draw(polys(sizes))) for n in tensors)
    places = tuple(draw(buffers(f"{memory}_buf", memory)) for memory in ON_CHIP)
    pipe = st.sampled_from(tuple(Pipe))
    count = draw(st.integers(0, 2))
    events = tuple(
        Event(f"ev{i}", draw(pipe), draw(pipe), draw(st.integers(1, 3)), draw(st.integers(0, 2))) for i in range(count)
    )
    names = Names(tensors, {b.name: b.memory for b in places}, tuple(e.name for e in events), sizes)
    kernel = Kernel(name, (*tensor_params, *scalar_params), places, events, draw(_top(names)))
    sources = [index for instr in instructions(kernel) for index in instr.sources]
    taps = [instr.tap.value for instr in instructions(kernel) if instr.tap]
    return replace(kernel, num_sources=max(sources, default=-1) + 1, num_taps=max(taps, default=-1) + 1)


@st.composite
def _top(draw: Draw, names: Names) -> tuple[Statement, ...]:
    if draw(st.booleans()):
        return draw(bodies(names, 2))
    first: tuple[Statement, ...] = ()
    if draw(st.booleans()):
        first = (draw(scalars(names, "before")),)
        names = replace(names, registers=(*names.registers, "before"))
    poly = polys(names.registers)
    ranges = tuple((f"f{i}", draw(poly), draw(poly)) for i in range(draw(st.integers(1, 2))))
    inner = replace(names, registers=(*names.registers, *(register for register, _, _ in ranges)))
    return (*first, Forall(ranges, draw(bodies(inner, 1))))


#: A kernel that has one of most things, for tests that need an example and not a search.
EXAMPLE = Kernel(
    name="conv",
    params=(
        TensorParam("x", BY_NAME["f32"], "in", Poly.of(16 * 56 * 56) * Poly.of("C1")),
        TensorParam("w", BY_NAME["f32"], "in", Poly.of("C1") * (9 * 16 * 32)),
        TensorParam("y", BY_NAME["f32"], "out", Poly.of(56 * 56 * 32)),
        ScalarParam("C1", 1, 64),
    ),
    buffers=(
        Buffer("xt", Memory.L1, BY_NAME["f32"], (3, 58, 16), 2, 0),
        Buffer("at", Memory.L0A, BY_NAME["f32"], (56, 9, 16), 1, 0),
        Buffer("wt", Memory.L0B, BY_NAME["f32"], (9, 16, 32), 1, 0),
        Buffer("acc", Memory.L0C, BY_NAME["f32"], (56, 32), 1, 0),
        Buffer("yt", Memory.UB, BY_NAME["f32"], (56, 32), 1, 0),
    ),
    events=(Event("ready", Pipe.IN, Pipe.MOV, 2), Event("free", Pipe.MOV, Pipe.IN, 2, 1)),
    body=(
        Forall(
            (("h", Poly(), Poly.of(56)),),
            (
                Loop(
                    "c",
                    Poly(),
                    Poly.of("C1"),
                    1,
                    "reduce",
                    (
                        Let("first", "eq", (Poly.of("c"), Poly())),
                        Sync("wait", "free", Poly.of("c")),
                        Instr(
                            "load",
                            (
                                Dim("i", Poly.of(3), 3, valid=(1 - Poly.of("h"), 57 - Poly.of("h"))),
                                Dim("j", Poly.of(58), 58, valid=(Poly.of(1), Poly.of(57))),
                                Dim("k", Poly.of(16), 16),
                            ),
                            {
                                "dst": View("xt", (Poly.of(928), Poly.of(16), Poly.of(1)), Poly(), Poly.of("c")),
                                "src": View(
                                    "x",
                                    (Poly.of(896), Poly.of(16), Poly.of(1)),
                                    Poly.of("c") * 50176 + Poly.of("h") * 896 - 912,
                                ),
                            },
                            sources=(0,),
                        ),
                        Sync("signal", "ready", Poly.of("c")),
                        Sync("wait", "ready", Poly.of("c")),
                        Sync("signal", "free", Poly.of("c")),
                    ),
                ),
            ),
        ),
    ),
    num_sources=1,
)
