"""Domains made alike: an instruction over 512 elements becomes one over 2 x 32 x 8, so that a chain takes it."""

from __future__ import annotations

from dataclasses import replace

from vcc.runtime.isa.expr import Poly
from vcc.runtime.isa.kernel import Dim, Instr, Role


def _constant(dims: tuple[Dim, ...]) -> list[int] | None:
    """The sizes, if all are constant and every dimension is plainly parallel."""
    sizes = [dim.size.constant for dim in dims if dim.role is Role.PARALLEL and dim.valid is None]
    known = [size for size in sizes if size]
    return known if len(known) == len(dims) else None


def refined(instr: Instr, domain: tuple[Dim, ...]) -> Instr | None:
    """The instruction over `domain`, if that cuts its own dimensions into smaller ones; None if not."""
    sizes, wanted = _constant(instr.domain), _constant(domain)
    if sizes is None or wanted is None or len(wanted) < len(sizes):
        return None
    pieces: list[list[int]] = []
    rest = list(wanted)
    for size in sizes:
        piece, product = [], 1
        while rest and product < size:
            piece.append(rest.pop(0))
            product *= piece[-1]
        while rest and rest[0] == 1 and size == sizes[-1] and len(pieces) == len(sizes) - 1:
            piece.append(rest.pop(0))
        if product != size:
            return None
        pieces.append(piece)
    if rest:
        return None
    views = {
        role: replace(view, strides=tuple(s for stride, piece in zip(view.strides, pieces, strict=True)
                                          for s in _pitches(stride, piece)))
        for role, view in instr.views()
    }  # fmt: skip
    return replace(instr, domain=domain, operands={**instr.operands, **views}, tap=None)


def _pitches(stride: Poly, piece: list[int]) -> list[Poly]:
    pitches: list[Poly] = []
    for size in reversed(piece):
        pitches.insert(0, stride)
        stride = stride * size
    return pitches
