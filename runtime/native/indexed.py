"""Gather and scatter: one index moves a whole row, whose elements are then copied in vectors."""

from __future__ import annotations

from contextlib import ExitStack

from vcc.runtime.isa.expr import ONE, ZERO, Poly
from vcc.runtime.isa.kernel import Instr, View
from vcc.runtime.isa.table import OPS
from vcc.runtime.native import mathlib
from vcc.runtime.native.emit import Val
from vcc.runtime.native.frame import Frame


class Indexed:
    """One indexed instruction. Dimensions that the index does not depend on are inside, so each index is read once.

    A scatter keeps the order of the domain, since of equal addresses the last counts.
    """

    def __init__(self, frame: Frame, instr: Instr):
        self.f, self.e, self.instr = frame, frame.e, instr
        self.moved = OPS[instr.op].indexed
        self.index, self.src, self.dst = (_view(instr, role) for role in ("index", "src", "dst"))
        used = [i for i, stride in enumerate(self.index.strides) if stride != ZERO]
        every = range(len(instr.domain))
        self.outer = used if self.moved == "src" else [i for i in every if used and i <= used[-1]]
        self.inner = [i for i in every if i not in self.outer]
        dense = [i for i in self.inner if self.src.strides[i] == ONE and self.dst.strides[i] == ONE]
        self.lane = max(dense, key=lambda i: instr.domain[i].max, default=None)
        self.width = frame.width([self.src]) if self.lane is not None else 1

    def number(self, name: str, default: Poly) -> Val:
        value = self.instr.attrs.get(name, default)
        assert isinstance(value, Poly)
        return self.e.poly(value, self.f.env)

    def emit(self) -> None:
        """Appends the loops."""
        e, at = self.e, dict[int, Val]()
        mode, limit, pitch = self.instr.attrs.get("mode", "trap"), self.number("limit", ZERO), self.number("pitch", ONE)
        self.sizes = [e.poly(dim.size, self.f.env) for dim in self.instr.domain]
        with ExitStack() as loops:
            for i in self.outer:
                at[i] = loops.enter_context(e.loop(0, self.sizes[i]))
            dtype = self.f.dtypes[self.index.buffer]
            size, grow = 8 * dtype.size, "zext" if dtype.kind == "u" else "sext"
            index: Val = e.op(f"load i{size}, ptr {self.f.pointer(self.index, at)}")
            index = index if size == 64 else e.op(f"{grow} i{size} {index} to i64")
            if mode == "clamp":
                e.trap_if(e.op(f"icmp sle i64 {limit}, 0"), "clamp has no index to clamp to: the limit is 0")
                index = e.scalar("max", 0, e.scalar("min", index, e.add(limit, -1)))
                self.row(at, e.mul(index, pitch))
                return
            wrong = e.op(f"or i1 {e.op(f'icmp slt i64 {index}, 0')}, {e.op(f'icmp sge i64 {index}, {limit}')}")
            offset = e.mul(index, pitch)
            if mode == "trap":
                e.trap_if(wrong, f"{self.instr.op}: an index is not within 0..limit - 1")
                self.row(at, offset)
            else:
                e.branch(wrong, lambda: self.row(at, None), lambda: self.row(at, offset))

    def row(self, at: dict[int, Val], offset: Val | None) -> None:
        """Copies all that one index moves; where there is nothing to copy (None), a gather fills."""
        if offset is None and self.moved == "dst":
            return
        with ExitStack() as loops:
            for i in self.inner:
                if i != self.lane:
                    at = at | {i: loops.enter_context(self.e.loop(0, self.sizes[i]))}
            if self.lane is None:
                self.copy(at, offset, "")
                return
            for start, _, left in self.e.blocks(self.sizes[self.lane], [self.width]):
                mask = self.f.mask(self.width, 0, left) if left != 0 else ""
                self.copy(at | {self.lane: start}, offset, mask)

    def copy(self, at: dict[int, Val], offset: Val | None, mask: str) -> None:
        fill = self.instr.attrs.get("fill", 0.0)
        if offset is None:
            assert isinstance(fill, float | int)
            value = self.f.lanes(self.dst, self.width).element(fill)
        else:
            from_here = offset if self.moved == "src" else 0
            value = self.f.read(self.src, at, self.lane, self.width, mask, moved=from_here)
        to_there = offset if offset is not None and self.moved == "dst" else 0
        if self.instr.op.startswith("store.scatter."):
            combine = self.instr.op.removeprefix("store.scatter.")
            old = self.f.read(self.dst, at, self.lane, self.width, mask, moved=to_there)
            value = mathlib.binary(self.f.lanes(self.dst, self.width), combine, old, value)
        self.f.write(self.dst, at, self.width, value, mask, moved=to_there)


def _view(instr: Instr, role: str) -> View:
    found = instr.operands[role]
    assert isinstance(found, View)
    return found
