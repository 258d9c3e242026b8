"""Elementwise operations that take several vector instructions: their steps, in terms of one working buffer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import pi, sqrt
from typing import TypeAlias

from xdsl.ir import Operation

from vcc.dialects import graph
from vcc.dialects.graph import GeluApproximation


@dataclass(frozen=True)
class Source:
    """What a step reads: the operation's operand of this number, or the working buffer if there is none."""

    operand: int | None = None


#: The buffer in which the result comes to be; every step writes it.
WORK = Source()
X = Source(0)
#: A mnemonic and its operands by role; numbers are immediates.
Part: TypeAlias = tuple[str, Mapping[str, Source | float]]


def composite_parts(op: Operation) -> Sequence[Part]:
    """The instructions that compute an operation, the last of which leaves the result; empty for simple operations.

    The operands must stay as they are until the last step, so the working buffer is none of theirs.
    """
    if not isinstance(op, graph.GeluOp):
        return ()
    return _GELU_TANH if op.approximate.data is GeluApproximation.TANH else _GELU_ERF


_GELU_ERF: tuple[Part, ...] = (
    ("mul", {"a": X, "b": sqrt(0.5)}),
    ("erf", {"a": WORK}),
    ("add", {"a": WORK, "b": 1.0}),
    ("mul", {"a": WORK, "b": 0.5}),
    ("mul", {"a": WORK, "b": X}),
)
#: The argument of tanh is sqrt(2 / pi) * x * (1 + 0.044715 * x * x).
_GELU_TANH: tuple[Part, ...] = (
    ("mul", {"a": X, "b": X}),
    ("mul", {"a": WORK, "b": 0.044715 * sqrt(2 / pi)}),
    ("add", {"a": WORK, "b": sqrt(2 / pi)}),
    ("mul", {"a": WORK, "b": X}),
    ("tanh", {"a": WORK}),
    ("add", {"a": WORK, "b": 1.0}),
    ("mul", {"a": WORK, "b": 0.5}),
    ("mul", {"a": WORK, "b": X}),
)
