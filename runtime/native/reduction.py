"""A reduce loop around one `mmad` seen as what it is: another part of K."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from vcc.runtime.isa.expr import ONE, ZERO, Poly
from vcc.runtime.isa.kernel import Dim, Instr, Let, Loop, Role, View
from vcc.runtime.native.epilogue import view
from vcc.runtime.native.iteration import merged


def accumulation(loop: Loop) -> Instr | None:
    """The only instruction of a loop if that is an `mmad` which starts a new sum in the loop's first iteration."""
    lets = {s.register: s for s in loop.body if isinstance(s, Let)}
    others = [s for s in loop.body if not isinstance(s, Let)]
    if loop.kind != "reduce" or len(others) != 1 or not isinstance(others[0], Instr) or others[0].op != "mmad":
        return None
    instr = others[0]
    used = {r for _, v in instr.views() for p in (v.base, v.slot, *v.strides) for r in p.registers}
    used |= {r for dim in instr.domain for r in dim.size.registers}
    first = lets.get(str(instr.attrs.get("zero", ONE)).removeprefix("%"))
    start = Poly.of(loop.register) - loop.low
    fresh = first is not None and first.fn == "eq" and first.args[0] - first.args[1] in (start, -start)
    sums = view(instr, "dst")
    moves = loop.register in sums.base.registers | sums.slot.registers
    return instr if fresh and instr.when is None and not moves and not used & lets.keys() else None


def unrolled(loop: Loop, instr: Instr, slots: Mapping[str, int]) -> Instr | None:
    """The product with the loop around it as a dimension of K, joined with those it continues.

    None where the loop's bounds are not constant, or an input does not move by equal steps. `slots` are those of
    on-chip buffers.
    """
    low, high = loop.low.constant, loop.high.constant
    if low is None or high is None or high <= low:
        return None
    first = next((i for i, dim in enumerate(instr.domain) if dim.role is Role.K), len(instr.domain))  # may continue it
    trips, operands = -(-(high - low) // loop.step), dict(instr.operands)
    for role, found in instr.views():
        moved = {m: c for m, c in found.base.terms if loop.register in m}
        slot = found.slot if slots.get(found.buffer, 1) > 1 else ZERO
        fixed = {r for p in (slot, *found.strides) for r in p.registers}
        if set(moved) - {(loop.register,)} or loop.register in fixed:
            return None
        pitch = moved.get((loop.register,), 0)
        base = found.base - Poly.of(loop.register) * pitch + pitch * low
        strides = (*found.strides[:first], Poly.of(pitch * loop.step), *found.strides[first:])
        operands[role] = View(found.buffer, strides, base, slot)
    if any(loop.register in dim.size.registers for dim in instr.domain):
        return None
    domain = (*instr.domain[:first], Dim(loop.register, Poly.of(trips), trips, Role.K), *instr.domain[first:])
    attrs = {name: value for name, value in instr.attrs.items() if name != "zero"}
    return merged([replace(instr, domain=domain, operands=operands, attrs=attrs, tap=None)])[0]
