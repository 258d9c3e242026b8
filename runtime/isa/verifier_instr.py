"""Instructions against their rows of the table: operands, memories, dtypes, roles and attributes."""

from __future__ import annotations

from collections.abc import Container

from vcc.runtime.isa.dtypes import DType
from vcc.runtime.isa.expr import Poly
from vcc.runtime.isa.kernel import (
    MAX_DIMS,
    Immediate,
    Instr,
    Kernel,
    Memory,
    Operand,
    Role,
    Scalar,
    TensorParam,
    View,
    instructions,
)
from vcc.runtime.isa.table import OPS, AttrSpec, Op, OperandSpec, Same, accumulator_dtype
from vcc.runtime.isa.verifier_names import I64, WORD
from vcc.runtime.isa.verifier_report import Report

MAX_ELEMENTS = 1 << 48


def check_instructions(kernel: Kernel, report: Report) -> None:
    """Report every instruction that is not as its row of the table says."""
    places: dict[str, tuple[Memory, DType, str]] = {b.name: (b.memory, b.dtype, "inout") for b in kernel.buffers}
    for param in kernel.params:
        if isinstance(param, TensorParam):
            places[param.name] = (Memory.GM, param.dtype, param.mode)
    for instr in instructions(kernel):
        if instr.op in OPS:
            _Check(kernel, OPS[instr.op], instr, places, report).run()
        else:
            report.add(f"there is no instruction {instr.op}", instr)


class _Check:
    """Checks one instruction."""

    def __init__(
        self, kernel: Kernel, op: Op, instr: Instr, places: dict[str, tuple[Memory, DType, str]], report: Report
    ):
        self.kernel, self.op, self.instr, self.places, self.report = kernel, op, instr, places, report

    def fail(self, what: str) -> None:
        self.report.add(f"{self.op.name}: {what}", self.instr)

    def run(self) -> None:
        self.domain()
        for spec in self.op.operands:
            operand = self.instr.operands.get(spec.role)
            if operand is not None:
                self.operand(spec, operand)
            elif not spec.optional:
                self.fail(f"operand {spec.role} is missing")
        for role in sorted(self.instr.operands.keys() - {spec.role for spec in self.op.operands}):
            self.fail(f"there is no operand {role}")
        self.dtypes()
        self.attrs()
        self.debug()

    def domain(self) -> None:
        domain = self.instr.domain
        if len(domain) > MAX_DIMS:
            self.fail(f"{len(domain)} dimensions; there may be {MAX_DIMS}")
        names = [dim.name for dim in domain]
        for dim in domain:
            if names.count(dim.name) > 1 or not WORD.fullmatch(dim.name):
                self.fail(f"dimension '{dim.name}' has no name of its own")
            if dim.role not in self.op.roles:
                allowed = ", ".join("parallel" if role is Role.PARALLEL else role for role in self.op.roles)
                self.fail(f"dimension {dim.name} has the role {dim.role}; allowed: {allowed}")
            if dim.valid is not None and not self.op.intervals:
                self.fail(f"dimension {dim.name} has a valid interval, which only loads and stores may have")
            if not 0 <= dim.max <= MAX_ELEMENTS:
                self.fail(f"dimension {dim.name} has the maximum {dim.max}; it must be 0..{MAX_ELEMENTS}")
        if Role.SCAN in self.op.roles and sum(dim.role is Role.SCAN for dim in domain) != 1:
            self.fail("exactly one dimension must have the role scan")

    def operand(self, spec: OperandSpec, operand: Operand) -> None:
        if isinstance(operand, Immediate | Scalar):
            if not spec.scalar or spec.out:
                self.fail(f"operand {spec.role} must be a view, not a scalar")
            return
        if operand.buffer not in self.places:
            self.fail(f"operand {spec.role} names {operand.buffer}, which is no buffer or tensor parameter")
            return
        memory, dtype, mode = self.places[operand.buffer]
        if memory not in spec.memories:
            allowed = ", ".join(spec.memories)
            self.fail(f"operand {spec.role} may lie in {allowed}, and {operand.buffer} is in {memory}")
        if dtype.name not in spec.dtypes:
            self.fail(f"operand {spec.role} may not be of {dtype}, as {operand.buffer} is")
        if len(operand.strides) != len(self.instr.domain):
            self.fail(f"operand {spec.role} has {len(operand.strides)} strides for {len(self.instr.domain)} dimensions")
        if spec.out and mode == "in":
            self.fail(f"{operand.buffer} is an input and may not be written")
        if memory is Memory.GM and operand.slot != Poly():
            self.fail(f"operand {spec.role} has a slot, which global memory has not")

    def dtype_of(self, role: str) -> DType | None:
        operand = self.instr.operands.get(role)
        if isinstance(operand, View) and operand.buffer in self.places:
            return self.places[operand.buffer][1]
        return None

    def dtypes(self) -> None:
        """The dtypes that must agree."""
        shared = [spec.role for spec in self.op.operands if spec.same is Same.T and spec.role in self.instr.operands]
        found = {role: dtype for role in shared if (dtype := self.dtype_of(role)) is not None}
        if len(set(found.values())) > 1:
            self.fail(f"operands must be of one dtype: {', '.join(f'{r} is {d}' for r, d in found.items())}")
        elif shared and not found:
            self.fail(f"no operand is a view that gives the dtype of {', '.join(shared)}")
        for spec in self.op.operands:
            if spec.same is Same.ACC:
                self.accumulator(spec)

    def accumulator(self, spec: OperandSpec) -> None:
        a, b, out = self.dtype_of("a"), self.dtype_of("b"), self.dtype_of(spec.role)
        if a is None or b is None or out is None:
            return
        wanted = accumulator_dtype(a.name, b.name)
        if wanted is None:
            self.fail(f"there is no product of {a} and {b}")
        elif out.name != wanted:
            self.fail(f"the product of {a} and {b} is of {wanted}, and operand {spec.role} of {out}")

    def attrs(self) -> None:
        specs = {spec.name: spec for spec in self.op.attrs}
        for name, value in self.instr.attrs.items():
            if name not in specs:
                self.fail(f"there is no attribute {name}")
            elif not _fits(specs[name], value):
                choices = ", ".join(specs[name].choices)
                self.fail(f"attribute {name} must be {f'one of {choices}' if choices else f'a {specs[name].kind}'}")

    def debug(self) -> None:
        if any(not 0 <= source < self.kernel.num_sources for source in self.instr.sources):
            self.fail(f"a source is not below the kernel's number of sources, {self.kernel.num_sources}")
        tap = self.instr.tap
        if tap is not None and not 0 <= tap.value < self.kernel.num_taps:
            self.fail(f"tap {tap.value} is not below the kernel's number of taps, {self.kernel.num_taps}")
        if tap is not None and len(tap.strides) != len(self.instr.domain):
            self.fail(f"the tap has {len(tap.strides)} strides for {len(self.instr.domain)} dimensions")


def _fits(spec: AttrSpec, value: object) -> bool:
    match spec.kind:
        case "poly":
            return isinstance(value, Poly)
        case "float":
            return isinstance(value, float) or (isinstance(value, int) and (value in I64 or 0 <= value < 1 << 64))
        case _:
            return value in spec.choices


def check_products(kernel: Kernel, products: Container[str], machine: str, report: Report) -> None:
    """Report matrix products of dtypes that the machine cannot multiply; i8 stands for any mix of i8 and u8."""
    dtypes = {buffer.name: buffer.dtype.name for buffer in kernel.buffers}
    for instr in instructions(kernel):
        view = instr.operands.get("a")
        if OPS[instr.op].output.same is Same.ACC and isinstance(view, View):
            dtype = {"u8": "i8"}.get(dtypes[view.buffer], dtypes[view.buffer])
            if dtype not in products:
                report.add(f"{instr.op}: machine {machine} has no product of {dtype}", instr)
