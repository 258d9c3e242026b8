"""Constant sizes are their own maximum.

A size may be smaller than the maximum that stands beside it. Where it is a constant that tells nothing, but blocks of
sums and vectors are chosen by the maximum, and the last ones begin so early that they are whole: before the beginning.
"""

from __future__ import annotations

from dataclasses import replace

from vcc.runtime.isa.kernel import Dim, Forall, If, Instr, Kernel, Loop, Statement, instructions


def exact(kernel: Kernel) -> Kernel:
    """The kernel with such maxima; sizes that trap keep theirs."""
    if any(_loose(dim) for instr in instructions(kernel) for dim in instr.domain):
        return replace(kernel, body=_block(kernel.body))
    return kernel


def _loose(dim: Dim) -> bool:
    size = dim.size.constant
    return size is not None and 0 <= size < dim.max


def _block(body: tuple[Statement, ...]) -> tuple[Statement, ...]:
    return tuple(map(_statement, body))


def _statement(statement: Statement) -> Statement:
    match statement:
        case Instr() as instr if any(map(_loose, instr.domain)):
            dims = (replace(dim, max=dim.size.constant or 0) if _loose(dim) else dim for dim in instr.domain)
            return replace(instr, domain=tuple(dims))
        case Loop() | Forall():
            return replace(statement, body=_block(statement.body))
        case If():
            return replace(statement, then=_block(statement.then), orelse=_block(statement.orelse))
        case _:
            return statement
