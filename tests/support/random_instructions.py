"""Random instructions of every row of the table: domains, views, slots, scalars and contents."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vcc.runtime.isa.dtypes import BY_NAME, DType
from vcc.runtime.isa.expr import ONE, Poly
from vcc.runtime.isa.kernel import (
    Buffer,
    Dim,
    Immediate,
    Instr,
    Kernel,
    Memory,
    Operand,
    Role,
    Scalar,
    ScalarParam,
    Statement,
    TensorParam,
    View,
)
from vcc.runtime.isa.table import TABLE, Op, OperandSpec, Same, accumulator_dtype

COMPUTING = [op for op in TABLE if op.pipe not in ("IN", "OUT") and not op.indexed]
REDUCTIONS = (Role.K, Role.REDUCE)


@dataclass
class Case:
    """One random instruction, its buffers and their contents [slot, element]."""

    op: Op
    random: Random
    dims: list[Dim] = field(default_factory=list[Dim])
    env: dict[str, int] = field(default_factory=dict[str, int])
    buffers: list[Buffer] = field(default_factory=list[Buffer])
    data: dict[str, NDArray[Any]] = field(default_factory=dict[str, NDArray[Any]])

    def register(self, value: int) -> Poly:
        """The value as a constant, or as a register plus a constant."""
        if self.random.random() < 0.5:
            return Poly.of(value)
        name = f"r{len(self.env)}"
        self.env[name] = self.random.randint(-3, 3)
        return Poly.of(name) + (value - self.env[name])

    def draw_domain(self) -> None:
        """One to three dimensions of every role that the instruction may have, at least one of the special ones."""
        roles = [Role.PARALLEL] * self.random.randint(0, 3)
        for role in self.op.roles:
            if role is not Role.PARALLEL:
                roles += [role] * (self.random.randint(1, 2) if role is not Role.SCAN else 1)
        self.random.shuffle(roles)
        for number, role in enumerate(roles):
            size = self.random.randint(1, 5)
            self.dims.append(Dim(f"d{number}", self.register(size), size + self.random.randint(0, 2), role))

    @property
    def sizes(self) -> list[int]:
        return [dim.size.evaluate(self.env) for dim in self.dims]

    def draw_strides(self, absent: tuple[Role, ...], out: bool) -> list[int]:
        """Strides of a permuted, padded, partly reversed layout; inputs also broadcast and overlap."""
        order = list(range(len(self.dims)))
        self.random.shuffle(order)
        strides, step = [0] * len(order), self.random.randint(1, 2)
        overlap = not out and self.random.random() < 0.2
        for i in order:
            if self.dims[i].role in absent or (not out and self.random.random() < 0.15):
                continue
            strides[i] = -step if self.random.random() < 0.2 else step
            step = step if overlap else step * self.sizes[i] + self.random.randint(0, 1)
        return strides

    def draw_view(self, role: str, dtype: DType, memory: Memory, values: str, out: bool = False) -> View:
        """A view of a new buffer, filled with random numbers."""
        absent = REDUCTIONS if out else {"a": (Role.N,), "b": (Role.M,)}.get(role, ()) if self.op.name == "mmad" else ()
        strides = self.draw_strides(absent, out)
        low = sum(min(0, s * (n - 1)) for s, n in zip(strides, self.sizes, strict=True))
        high = sum(max(0, s * (n - 1)) for s, n in zip(strides, self.sizes, strict=True))
        base = self.random.randint(0, 3) - low
        buffer = Buffer(role, memory, dtype, (base + high + 1 + self.random.randint(0, 2),), self.random.randint(1, 3))
        self.buffers.append(buffer)
        self.data[role] = numbers(self.random, dtype, (buffer.slots, prod(buffer.shape)), values)
        slot = self.register(self.random.randint(0, 5))
        return View(role, tuple(self.register(s) for s in strides), self.register(base), slot)

    def draw_operand(self, spec: OperandSpec, dtype: DType, values: str, scalar: bool) -> Operand:
        """A view, or a scalar where one may stand."""
        if scalar and spec.scalar and self.random.random() < 0.25:
            value = self.random.randint(1, 3)
            return Scalar(self.register(value)) if self.random.random() < 0.5 else Immediate(value)
        return self.draw_view(spec.role, dtype, self.random.choice(spec.memories), values, spec.out)


def numbers(random: Random, dtype: DType, shape: tuple[int, ...], values: str) -> NDArray[Any]:
    """Random elements: of a kind of `values_for`; integers over their whole range unless they should be positive."""
    rng = np.random.default_rng(random.randrange(2**32))
    if dtype.kind == "b":
        return rng.integers(0, 2, shape).astype(np.bool_)
    if dtype.is_float:
        if values == "factors":
            return (rng.choice([-1, 1], shape) * rng.uniform(0.75, 1.25, shape)).astype(dtype.numpy)
        if values == "any":
            return (rng.standard_normal(shape) * 3).astype(dtype.numpy)
        return ((rng.random(shape) + 0.25) * 3).astype(dtype.numpy)
    info = np.iinfo(dtype.numpy)
    if values == "positive":
        return rng.integers(1, 5, shape).astype(dtype.numpy)
    array = rng.integers(info.min, info.max, shape, dtype=dtype.numpy, endpoint=True)
    return np.where(array == 0, 1, array).astype(dtype.numpy) if values == "nonzero" else array


def values_for(op: Op, role: str) -> str:
    """Which numbers an operand may hold so that the result is a number."""
    if op.name in ("log", "sqrt", "rsqrt", "recip", "pow"):
        return "positive"
    if op.name == "reduce.mul":
        return "factors"
    if op.name in ("div", "mod", "fmod") and role == "b":
        return "nonzero"
    return "any"


def draw_case(op: Op, dtype: DType, seed: int) -> tuple[Case, Instr]:
    """A random instruction with this dtype for its first input (or its output, if it has none)."""
    case = Case(op, Random(f"{op.name} {dtype} {seed}"))
    case.draw_domain()
    operands: dict[str, Operand] = {}
    inputs = [spec for spec in op.operands if not spec.out]
    shared = dtype
    for number, spec in enumerate(inputs):
        if spec.optional and case.random.random() < 0.5:
            continue
        chosen = BY_NAME["bool"] if spec.role == "cond" else shared
        if op.name == "mmad" and number == 1 and dtype.size == 1:
            chosen = BY_NAME[case.random.choice(["i8", "u8"])]
        keep_view = op.name.startswith("cmp") and number == 0
        operands[spec.role] = case.draw_operand(spec, chosen, values_for(op, spec.role), scalar=not keep_view)
    if op.name == "mmad":
        b = case.buffers[-1].dtype.name
        result = BY_NAME[str(accumulator_dtype(dtype.name, b))]
    elif op.output.same is Same.FREE:
        result = BY_NAME[case.random.choice(op.output.dtypes)]
    else:
        result = shared
    dst = case.draw_view("dst", result, case.random.choice(op.output.memories), "any", out=True)
    attrs: dict[str, Any] = {}
    for spec in op.attrs:
        if spec.kind == "poly":
            attrs[spec.name] = case.register(case.random.randint(0, 1))
        elif spec.choices:
            attrs[spec.name] = case.random.choice(spec.choices)
    return case, Instr(op.name, tuple(case.dims), {"dst": dst, **operands}, attrs)


def surrounded(case: Case, instr: Instr) -> tuple[Kernel, dict[str, Any]]:
    """A kernel that loads every buffer, runs the instruction, stores its destination; its arguments with `result`."""
    body: list[Statement] = []
    buffers = list(case.buffers)
    for buffer in case.buffers:
        domain = (Dim("i", Poly.of(buffer.shape[0]), buffer.shape[0]),)
        for slot in range(buffer.slots):
            gm = View(f"{buffer.name}_gm", (ONE,), Poly.of(slot * buffer.shape[0]))
            chip = View(buffer.name, (ONE,), slot=Poly.of(slot))
            if buffer.memory is Memory.L0C:  # global memory does not reach it directly
                stage = View(f"{buffer.name}_ub", (ONE,))
                body.append(Instr("load", domain, {"dst": stage, "src": gm}))
                body.append(Instr("mov", domain, {"dst": chip, "src": stage}))
            else:
                body.append(Instr("load", domain, {"dst": chip, "src": gm}))
        buffers.append(Buffer(f"{buffer.name}_ub", Memory.UB, buffer.dtype, buffer.shape))
    body.append(instr)
    dst = next(b for b in case.buffers if b.name == "dst")
    domain = (Dim("i", Poly.of(dst.shape[0]), dst.shape[0]),)
    for slot in range(dst.slots):
        gm = View("result", (ONE,), Poly.of(slot * dst.shape[0]))
        body.append(Instr("store", domain, {"dst": gm, "src": View("dst", (ONE,), slot=Poly.of(slot))}))
    result = np.empty_like(case.data["dst"])
    params = [TensorParam(f"{b.name}_gm", b.dtype, "in", Poly.of(case.data[b.name].size)) for b in case.buffers]
    params.append(TensorParam("result", dst.dtype, "out", Poly.of(result.size)))
    scalars = [ScalarParam(name, -100, 100) for name in case.env]
    kernel = Kernel("test", (*params, *scalars), tuple(buffers), (), tuple(body))
    arrays = {f"{name}_gm": array for name, array in case.data.items()}
    return kernel, {**case.env, **arrays, "result": result}


def first_dtypes(op: Op) -> list[DType]:
    """The dtypes that the first input may have."""
    inputs = [spec for spec in op.operands if not spec.out and spec.role != "cond"]
    names = (inputs or list(op.operands))[0].dtypes
    if op.name == "mmad":
        names = tuple(name for name in names if accumulator_dtype(name, name))
    return [BY_NAME[name] for name in names]
