"""Whether a kernel may run for long: then it looks between the iterations of its forall whether it shall stop.

Looking costs some nanoseconds an iteration, two per cent of a model of many small kernels; those are over soon anyway.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from vcc.runtime.isa.expr import Poly
from vcc.runtime.isa.kernel import Forall, If, Instr, Kernel, Loop, Statement

#: Elements that instructions work on. The slowest take some nanoseconds for one, the fastest a hundredth of that.
LONG = 1 << 27


def may_be_long(kernel: Kernel) -> bool:
    """Whether a launch may work on more than `LONG` elements; loops of unknown length may."""
    return _elements(kernel.body) > LONG


def _elements(body: Sequence[Statement]) -> int:
    return sum(map(_statement, body))


def _statement(statement: Statement) -> int:
    match statement:
        case Instr():
            return prod(dim.max for dim in statement.domain)
        case Loop():
            return -(-_length(statement.low, statement.high) // statement.step) * _elements(statement.body)
        case Forall():
            return prod(_length(low, high) for _, low, high in statement.ranges) * _elements(statement.body)
        case If():
            return max(_elements(statement.then), _elements(statement.orelse))
        case _:
            return 1


def _length(low: Poly, high: Poly) -> int:
    size = (high - low).constant
    return 2 * LONG if size is None else max(0, size)
