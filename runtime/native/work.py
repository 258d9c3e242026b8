"""How long a launch takes, roughly: whether it is worth dividing among threads, which takes time itself.

Cycles of a core with registers of 16 numbers; loops of unknown length count as one of `UNKNOWN` iterations. Loads and
stores mostly vanish into what uses them, and count for what they move beyond that.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from vcc.runtime.isa.expr import Poly
from vcc.runtime.isa.kernel import Forall, If, Instr, Kernel, Loop, Statement
from vcc.runtime.isa.table import OPS, Cost

#: Iterations of a loop whose length only its launch knows.
UNKNOWN = 64
#: Cycles for an element of an instruction's domain, by its cost class; of those that read through an index.
_CYCLES = {
    Cost.BYTES: 1 / 48,
    Cost.MACS: 1 / 24,
    Cost.ELEMENTS: 1 / 12,
    Cost.TRANSCENDENTAL: 1.0,
    Cost.SORT: 40.0,
    Cost.SYNC: 0.0,
}
_INDEXED = 0.5
#: Cycles to begin an instruction's loops.
_BEGIN = 10.0


def estimated_cycles(kernel: Kernel) -> float:
    """Cycles of one launch on one thread."""
    return _cycles(kernel.body)


def _cycles(body: Sequence[Statement]) -> float:
    return sum(map(_statement, body))


def _statement(statement: Statement) -> float:
    match statement:
        case Instr():
            op = OPS[statement.op]
            each = _INDEXED if op.indexed else _CYCLES[op.cost]
            return _BEGIN + each * prod(dim.max for dim in statement.domain)
        case Loop():
            return -(-_length(statement.low, statement.high) // statement.step) * _cycles(statement.body)
        case Forall():
            return prod(_length(low, high) for _, low, high in statement.ranges) * _cycles(statement.body)
        case If():
            return max(_cycles(statement.then), _cycles(statement.orelse))
        case _:
            return 1


def _length(low: Poly, high: Poly) -> int:
    size = (high - low).constant
    return UNKNOWN if size is None else max(0, size)
