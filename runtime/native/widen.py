"""Narrow floats that products read are held as f32: converted once, when they are copied, not for every multiplication.

Products compute f16 and bf16 in f32 anyway, and every such number is exactly an f32. A buffer that only copies fill and
only products read, maybe through further copies, becomes one of f32. Its copy then stays, and pays if each element is
used often enough; a copy that repeats elements, as that of a convolution's windows does, had better be composed.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from math import prod

from vcc.runtime.interpreter.execute import as_element
from vcc.runtime.isa.dtypes import BY_NAME
from vcc.runtime.isa.expr import ONE, ZERO
from vcc.runtime.isa.kernel import Buffer, Instr, Kernel, Role, View, instructions

#: How often an element must be used: converting it in registers takes about as long as a few multiply-adds of it. The
#: second operand is mostly read in vectors, which a block of rows converts at once: for it, so many of them.
LEAST_USES, LEAST_VECTOR_USES = 24, 96
#: Copies of an element that are as good as one.
MOST_COPIES = 2
_COPIES = ("load", "mov", "copy")


class _Use:
    """What writes and reads one buffer."""

    def __init__(self) -> None:
        self.writers, self.readers = list[Instr](), list[tuple[Instr, View]]()


def widened(kernel: Kernel) -> Kernel:
    """The kernel with such buffers as f32."""
    narrow = {b.name: b for b in kernel.buffers if b.dtype.is_float and b.dtype.size == 2}
    if not narrow:
        return kernel
    uses: defaultdict[str, _Use] = defaultdict(_Use)
    for instr in instructions(kernel):
        for role, view in instr.views():
            if role == "dst":
                uses[view.buffer].writers.append(instr)
            else:
                uses[view.buffer].readers.append((instr, view))
    found = {name for name in narrow if all(_moves(instr, narrow[name]) for instr in uses[name].writers)}
    while True:  # until no buffer depends on one that stays narrow
        kept = {name for name in found if _fits(uses[name], found, narrow)}
        if kept == found:
            break
        found = kept
    found = {name for name in found if _pays(name, uses)}
    wide = BY_NAME["f32"]
    buffers = tuple(replace(b, dtype=wide) if b.name in found else b for b in kernel.buffers)
    return replace(kernel, buffers=buffers)


def _moves(instr: Instr, buffer: Buffer) -> bool:
    """Whether an instruction only copies numbers into a narrow buffer; what it fills gaps with is the same in f32."""
    source, fill = instr.operands.get("src"), instr.attrs.get("fill", 0.0)
    if instr.op not in _COPIES or not isinstance(source, View) or not isinstance(fill, int | float):
        return False
    return float(as_element(fill, buffer.dtype)) == fill


def _fits(use: _Use, found: set[str], narrow: dict[str, Buffer]) -> bool:
    """Whether all readers are products or copies into such buffers, and all writers read one or repeat nothing."""
    read = all(i.op == "mmad" or (i.op in _COPIES and _target(i) in found) for i, _ in use.readers)
    sources = [(i, v) for i in use.writers for role, v in i.views() if role == "src"]
    return read and all(v.buffer in found or not _repeats(i, v) for i, v in sources)


def _target(instr: Instr) -> str:
    view = instr.operands["dst"]
    assert isinstance(view, View)
    return view.buffer


def _repeats(instr: Instr, view: View) -> bool:
    """Whether a copy reads elements more than `MOST_COPIES` times, padding aside."""
    steps = [abs(stride.constant or 0) for stride in view.strides]
    reach = 1 + sum(step * (dim.max - 1) for step, dim in zip(steps, instr.domain, strict=True))
    known = all(stride.constant is not None for stride in view.strides)
    return known and prod(dim.max for dim in instr.domain) > MOST_COPIES * reach


def _pays(name: str, uses: dict[str, _Use]) -> bool:
    """Whether a product uses each element of a buffer often enough."""
    for instr, view in uses[name].readers:
        if instr.op != "mmad":
            if _pays(_target(instr), uses):
                return True
            continue
        free = [(d, s) for d, s in zip(instr.domain, view.strides, strict=True) if d.role is not Role.K]
        vectors = view == instr.operands["b"] and any(s == ONE for _, s in free)
        if prod(d.max for d, s in free if s == ZERO) >= (LEAST_VECTOR_USES if vectors else LEAST_USES):
            return True
    return False
