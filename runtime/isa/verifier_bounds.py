"""Bounds: sizes below their maxima, accesses inside their buffers, buffers inside their memories, outputs apart.

Every access must be proven to be in bounds, so that no engine has to check one while it runs. Extents of global memory
may depend on a launch's scalar arguments: such accesses are proven once these are known.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

import numpy as np

from vcc.runtime.isa.expr import ONE, ZERO, Poly
from vcc.runtime.isa.kernel import (
    Buffer,
    Dim,
    Instr,
    Kernel,
    Memory,
    ScalarLoad,
    ScalarParam,
    Statement,
    TensorParam,
    View,
)
from vcc.runtime.isa.table import OPS, Op
from vcc.runtime.isa.verifier_ranges import Range, Scope, between, scoped
from vcc.runtime.isa.verifier_report import Report
from vcc.runtime.isa.verifier_witness import find_violations

#: Views of more elements than this are not enumerated to see whether they overlap.
MAX_ENUMERATED = 1 << 14


def check_bounds(kernel: Kernel, report: Report) -> None:
    """Report sizes, on-chip accesses and overlaps that break the rules; and global accesses, if sizes are known."""
    checker = _Bounds(kernel, report)
    for statement, scope in scoped(kernel):
        if isinstance(statement, Instr):
            checker.instr(OPS[statement.op], statement, scope)
        elif isinstance(statement, ScalarLoad):
            checker.scalar_load(statement, scope)
    checker.report_unproven(kernel, {})


def check_global(kernel: Kernel, report: Report, fixed: Mapping[str, int]) -> None:
    """Report global accesses that may leave their tensors when the scalar parameters have these values."""
    checker = _Bounds(kernel, report)
    for statement, scope in scoped(kernel, fixed):
        if isinstance(statement, Instr):
            checker.global_views(OPS[statement.op], statement, checker.domain_scope(statement, scope))
        elif isinstance(statement, ScalarLoad):
            checker.scalar_load(statement, scope)
    checker.report_unproven(kernel, fixed)


def check_memories(kernel: Kernel, memories: Mapping[Memory, int], machine: str, report: Report) -> None:
    """Report buffers that do not fit the machine's memories at their addresses (without one: as if alone)."""
    for buffer in kernel.buffers:
        end = (buffer.address or 0) + buffer.slots * buffer.slot_bytes
        room = memories[buffer.memory]
        if end > room:
            report.add(f"buffer {buffer.name} ends at byte {end} of {buffer.memory}, which has {room} on {machine}")


def index_name(number: int) -> str:
    """The pseudo-register that stands for the index of a dimension; no register is named so."""
    return f"#{number}"


def address_of(view: View) -> Poly:
    """The element address of a view as an expression over registers and the domain's indices."""
    return sum((stride * index_name(i) for i, stride in enumerate(view.strides)), view.base)


class _Bounds:
    """Checks instructions; `unproven` are those (by id) with a global access that was not proven, and what to say."""

    def __init__(self, kernel: Kernel, report: Report):
        self.report = report
        self.buffers = {buffer.name: buffer for buffer in kernel.buffers}
        self.tensors = {p.name: p for p in kernel.params if isinstance(p, TensorParam)}
        self.unproven: dict[int, tuple[Statement, str]] = {}

    def instr(self, op: Op, instr: Instr, scope: Scope) -> None:
        for dim in instr.domain:
            self.size(op, instr, dim, scope)
        inner, whole = self.domain_scope(instr, scope), self.domain_scope(instr, scope, valid=False)
        self.global_views(op, instr, inner)
        for role, view in instr.views():
            # A load fills what lies outside its valid intervals; a store does not touch the source there.
            known = whole if op.operand(role).out else inner
            if view.buffer in self.buffers and known is not None:
                self.on_chip(op, instr, role, view, known)
        self.output(op, instr)
        self.overlaps(op, instr)

    def size(self, op: Op, instr: Instr, dim: Dim, scope: Scope) -> None:
        low, high = scope.minimum(dim.size), scope.maximum(dim.size)
        if low > dim.max:
            self.report.add(f"{op.name}: dimension {dim.name} is always above its maximum {dim.max}", instr)
        if high < 0:
            self.report.add(f"{op.name}: dimension {dim.name} always has a negative size", instr)

    def domain_scope(self, instr: Instr, scope: Scope, valid: bool = True) -> Scope | None:
        """The scope with the domain's indices; None if the domain is always empty."""
        for number, dim in enumerate(instr.domain):
            lows, highs = (ZERO,), (dim.size - 1, Poly.of(dim.max - 1))
            if valid and dim.valid is not None:
                lows, highs = (*lows, dim.valid[0]), (*highs, dim.valid[1] - 1)
            entry: Range = between(scope, lows, highs)
            if entry.interval[0] > entry.interval[1]:
                return None
            scope = scope.extend(index_name(number), entry)
        return scope

    def on_chip(self, op: Op, instr: Instr, role: str, view: View, scope: Scope) -> None:
        buffer = self.buffers[view.buffer]
        elements = prod(buffer.shape)
        reach = _reach(op, instr, role, view)
        inside = all(scope.never_negative(at) and scope.never_negative(elements - 1 - at) for at in reach)
        if not inside:
            least, most = min(map(scope.minimum, reach)), max(map(scope.maximum, reach))
            self.report.add(
                f"{op.name}: operand {role} may reach element {least if least < 0 else most} of {buffer.name}, "
                f"whose slots have elements 0..{elements - 1}",
                instr,
            )

    def global_views(self, op: Op, instr: Instr, scope: Scope | None) -> None:
        for role, view in instr.views():
            if scope is not None and view.buffer in self.tensors:
                self.inside(instr, f"{op.name}: operand {role}", view.buffer, _reach(op, instr, role, view), scope)

    def scalar_load(self, load: ScalarLoad, scope: Scope) -> None:
        self.inside(load, "sload", load.param, (load.base,), scope)

    def inside(self, statement: Statement, what: str, name: str, reach: tuple[Poly, ...], scope: Scope) -> None:
        """Note an access to global memory unless every address it may reach is inside the tensor."""
        extent = self.tensors[name].extent
        for at in reach:
            if not scope.never_negative(at):
                number, room = scope.minimum(at), "whose first is 0"
            elif not scope.never_negative(extent - 1 - at):
                number, room = scope.maximum(at), f"which has {scope.minimum(extent)}"
            else:
                continue
            text = f"{what} may reach element {number} of {name}, {room}; nothing proves that it does not"
            self.unproven[id(statement)] = (statement, text)

    def report_unproven(self, kernel: Kernel, fixed: Mapping[str, int]) -> None:
        """Report global accesses that were not proven, with an iteration that leaves the tensor if one is found.

        Nothing is reported while a scalar parameter is not known.
        """
        if any(isinstance(p, ScalarParam) and p.low != p.high and p.name not in fixed for p in kernel.params):
            return
        found = find_violations(kernel, fixed, set(self.unproven))
        for number, (statement, text) in self.unproven.items():
            self.report.add(found.get(number, text), statement)

    def output(self, op: Op, instr: Instr) -> None:
        """The output does not depend on reduced dimensions and names no element twice."""
        role = op.output.role
        view = instr.operands[role]
        if not isinstance(view, View):
            return
        kept: list[tuple[Dim, Poly]] = []
        for dim, stride in zip(instr.domain, view.strides, strict=True):
            if not dim.role.is_reduction:
                kept.append((dim, stride))
            elif stride != ZERO:
                self.report.add(
                    f"{op.name}: the output has stride {stride} over dimension {dim.name}, which is reduced", instr
                )
        if op.indexed == role:
            return  # a scatter may name an element twice: the last one wins
        for dim, stride in kept:
            if stride == ZERO and dim.max > 1 and dim.size != ONE:
                self.report.add(f"{op.name}: the output has stride 0 over dimension {dim.name}, so it is written twice",
                                instr)  # fmt: skip
                return
        sizes = [dim.size.constant for dim, _ in kept]
        strides = [stride.constant for _, stride in kept]
        if _twice(sizes, strides):
            self.report.add(f"{op.name}: the output's strides name an element twice", instr)

    def overlaps(self, op: Op, instr: Instr) -> None:
        """The output is exactly an input, or apart from it."""
        role = op.output.role
        out = instr.operands[role]
        if not isinstance(out, View) or out.buffer not in self.buffers:
            return
        for other, view in instr.views():
            if other == role or view.buffer not in self.buffers or view == out:
                continue
            if view.buffer != out.buffer:
                if _share_memory(self.buffers[out.buffer], self.buffers[view.buffer]):
                    self.report.add(
                        f"{op.name}: {out.buffer} and {view.buffer}, output and operand {other}, share memory", instr
                    )
            elif _same_slot(self.buffers[out.buffer], out, view) and _meet(instr, out, view):
                self.report.add(f"{op.name}: the output overlaps operand {other} without being the same view", instr)


def _reach(op: Op, instr: Instr, role: str, view: View) -> tuple[Poly, ...]:
    """Addresses between which all that a view reaches lie; an index of an indexed operand is in 0..limit-1."""
    address = address_of(view)
    if op.indexed != role:
        return (address,)
    limit, pitch = instr.attrs.get("limit", ZERO), instr.attrs.get("pitch", ONE)
    assert isinstance(limit, Poly)
    assert isinstance(pitch, Poly)
    return () if limit == ZERO else (address, address + (limit - 1) * pitch)


def _share_memory(a: Buffer, b: Buffer) -> bool:
    if a.memory is not b.memory or a.address is None or b.address is None:
        return False
    ends = a.address + a.slots * a.slot_bytes, b.address + b.slots * b.slot_bytes
    return a.address < ends[1] and b.address < ends[0]


def _same_slot(buffer: Buffer, a: View, b: View) -> bool:
    """Whether two views are certain to be in one slot."""
    apart = (a.slot - b.slot).constant
    return buffer.slots == 1 or (apart is not None and apart % buffer.slots == 0)


def _offsets(sizes: list[int | None], strides: list[int | None]) -> np.ndarray | None:
    """Every element offset of a view, if it is constant and not too large; those of no address are left out."""
    known = [(size, stride) for size, stride in zip(sizes, strides, strict=True) if size is not None]
    if len(known) < len(sizes) or prod(size for size, _ in known) > MAX_ENUMERATED:
        return None
    total = np.zeros(1, np.int64)
    for size, stride in known:
        if stride is None or abs(stride) > 1 << 40:
            return None
        total = (total[:, None] + np.arange(size) * stride).reshape(-1)
    return total


def _twice(sizes: list[int | None], strides: list[int | None]) -> bool:
    """Whether strides are certain to name an element twice."""
    span = 0
    pairs = [(stride, size) for size, stride in zip(sizes, strides, strict=True) if size != 1]
    if any(stride is None or size is None for stride, size in pairs):
        return False
    for stride, size in sorted((abs(stride or 0), size or 0) for stride, size in pairs):
        if stride <= span:
            offsets = _offsets(sizes, strides)
            return offsets is not None and len(np.unique(offsets)) < len(offsets)
        span += stride * (size - 1)
    return False


def _meet(instr: Instr, a: View, b: View) -> bool:
    """Whether two views of one slot are certain to have an element in common."""
    apart = (a.base - b.base).constant
    sizes = [dim.size.constant for dim in instr.domain]
    offsets = [_offsets(sizes, [stride.constant for stride in view.strides]) for view in (a, b)]
    if apart is None or abs(apart) > 1 << 40 or offsets[0] is None or offsets[1] is None:
        return False
    return bool(np.intersect1d(offsets[0] + apart, offsets[1]).size)
