"""A scheduled `visa.kernel` as a kernel of the instruction set: SSA values become names, arithmetic becomes Polys."""

from __future__ import annotations

from collections.abc import Iterator

from xdsl.dialects import arith, scf
from xdsl.dialects.builtin import IntegerAttr, StringAttr
from xdsl.ir import Block, Operation, SSAValue

from vcc.dialects.visa import AllocOp, EventOp, ForallOp, InstrOp, KernelOp, SignalOp, WaitOp
from vcc.dialects.visa.instruction import map_polys
from vcc.dialects.visa.types import GlobalType
from vcc.passes.tile.builder import LOOP_KIND
from vcc.runtime.diagnostics import error
from vcc.runtime.isa.expr import ONE, ZERO, Poly
from vcc.runtime.isa.kernel import (
    Buffer,
    Event,
    Forall,
    Instr,
    Kernel,
    Let,
    Loop,
    Pipe,
    Statement,
    Sync,
    TensorParam,
)

_COMPARISONS = ("eq", "ne", "lt", "le", "gt", "ge")
_SCALARS: dict[type[Operation], str] = {
    arith.MinSIOp: "min",
    arith.MaxSIOp: "max",
    arith.FloorDivSIOp: "div",
    arith.RemSIOp: "mod",
}


def to_kernel(op: KernelOp) -> Kernel:
    """The kernel of an operation. Raises `VccError` E0107 for IR that the instruction set has no form for."""
    return _Translation(op).kernel()


class _Translation:
    def __init__(self, op: KernelOp):
        self.op = op
        self.names: dict[SSAValue, str] = {}
        self.used: set[str] = set()
        self.polys: dict[SSAValue, Poly] = {}

    def kernel(self) -> Kernel:
        block = self.op.body.block
        params: list[TensorParam] = []
        for arg in block.args:
            type = arg.type
            assert isinstance(type, GlobalType)
            params.append(TensorParam(self.name(arg, "x"), type.dtype, type.mode, Poly.of(type.extent)))
        buffers = tuple(self.buffer(o) for o in self.op.walk() if isinstance(o, AllocOp))
        events = tuple(self.event(o) for o in self.op.walk() if isinstance(o, EventOp))
        body = tuple(self.statements(block))
        return Kernel(
            self.op.sym_name.data,
            tuple(params),
            buffers,
            events,
            body,
            self.op.num_sources.value.data,
            len(self.op.tap_types),
        )

    def name(self, value: SSAValue, hint: str) -> str:
        """The name of a value: its hint, made unique."""
        if value not in self.names:
            base = value.name_hint or hint
            name, count = base, 2
            while name in self.used:
                name, count = f"{base}_{count}", count + 1
            self.used.add(name)
            self.names[value] = name
        return self.names[value]

    def buffer(self, op: AllocOp) -> Buffer:
        type = op.type
        address = None if op.address is None else op.address.value.data
        return Buffer(self.name(op.buffer, "t"), type.memory, type.dtype, type.shape, type.slots, address)

    def event(self, op: EventOp) -> Event:
        return Event(
            self.name(op.event, "e"),
            Pipe(op.source.data),
            Pipe(op.target.data),
            op.slots.value.data,
            op.tokens.value.data,
        )

    def statements(self, block: Block) -> Iterator[Statement]:
        for op in block.ops:
            match op:
                case InstrOp():
                    yield self.instruction(op)
                case SignalOp():
                    yield Sync("signal", self.name(op.event, "e"), self.poly(op.slot))
                case WaitOp():
                    yield Sync("wait", self.name(op.event, "e"), self.poly(op.slot))
                case ForallOp():
                    ranges = tuple(
                        (self.register(arg), ZERO, Poly.of(size))
                        for arg, size in zip(op.body.block.args, op.sizes.get_values(), strict=True)
                    )
                    yield Forall(ranges, tuple(self.statements(op.body.block)))
                case scf.ForOp():
                    yield self.loop(op)
                case AllocOp() | EventOp() | scf.YieldOp():
                    pass
                case _:
                    yield from self.scalar(op)

    def register(self, value: SSAValue) -> str:
        """A register of its own for a value."""
        name = self.name(value, "r")
        self.polys[value] = Poly.of(name)
        return name

    def poly(self, value: SSAValue) -> Poly:
        return self.polys[value]

    def instruction(self, op: InstrOp) -> Instr:
        registers = {str(i): self.poly(value) for i, value in enumerate(op.scalars)}
        buffers = {f"b{i}": self.name(value, "t") for i, value in enumerate(op.buffers)}
        return map_polys(op.instr, registers, buffers)

    def loop(self, op: scf.ForOp) -> Loop:
        low, high, step = self.poly(op.lb), self.poly(op.ub), self.poly(op.step).constant
        if step is None or step < 1:
            raise error("E0107", "scf.for: a loop's step must be a positive constant")
        kind = op.attributes.get(LOOP_KIND)
        register = self.register(op.body.block.args[0])
        body = tuple(self.statements(op.body.block))
        return Loop(register, low, high, step, kind.data if isinstance(kind, StringAttr) else "seq", body)

    def scalar(self, op: Operation) -> Iterator[Statement]:
        """Sums and products are folded into expressions; anything else is a scalar instruction."""
        match op:
            case arith.ConstantOp():
                assert isinstance(op.value, IntegerAttr)
                self.polys[op.result] = Poly.of(op.value.value.data)
            case arith.AddiOp():
                self.polys[op.result] = self.poly(op.lhs) + self.poly(op.rhs)
            case arith.SubiOp():
                self.polys[op.result] = self.poly(op.lhs) - self.poly(op.rhs)
            case arith.MuliOp():
                self.polys[op.result] = self.poly(op.lhs) * self.poly(op.rhs)
            case arith.CmpiOp():
                fn = _COMPARISONS[op.predicate.value.data] if op.predicate.value.data < len(_COMPARISONS) else None
                if fn is None:
                    raise error("E0107", "arith.cmpi: the instruction set compares signed integers")
                yield Let(self.register(op.result), fn, (self.poly(op.lhs), self.poly(op.rhs)))
            case arith.SelectOp() if self.poly(op.lhs) == ONE and self.poly(op.rhs) == ZERO:
                self.polys[op.result] = self.poly(op.cond)
            case _ if type(op) in _SCALARS:
                yield Let(self.register(op.results[0]), _SCALARS[type(op)], tuple(map(self.poly, op.operands)))
            case _:
                raise error("E0107", f"{op.name} has no form in the instruction set")
