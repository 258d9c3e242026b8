"""Domains made alike and simple: what several instructions walk together, cut no finer than they need it.

512 elements are 2 x 32 x 8 to an instruction that has a bias for each of the 8; neighbouring dimensions that every view
walks without a gap are one. Sizes may be in registers: 8 * m is m x 8.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from vcc.runtime.isa.expr import ONE, ZERO, Poly
from vcc.runtime.isa.kernel import Dim, Instr, Role, View

Pieces = list[list[Dim]]
#: More ways than this to come from one view to another are not looked through.
MOST_RESTS = 8


def quotient(a: Poly, b: Poly) -> Poly | None:
    """The Poly q with q * b = a where that is plain: a constant factor, or equal but for one; None otherwise."""
    if b == ZERO:
        return None
    if b.constant is not None:
        if any(c % b.constant for _, c in a.terms):
            return None
        return Poly(tuple((m, c // b.constant) for m, c in a.terms))
    if [m for m, _ in a.terms] != [m for m, _ in b.terms]:
        return None
    factors = {(x // y, x % y) for (_, x), (_, y) in zip(a.terms, b.terms, strict=True)}
    factor, rest = next(iter(factors))
    return Poly.of(factor) if len(factors) == 1 and rest == 0 and factor > 0 else None


def common(a: Sequence[Dim], b: Sequence[Dim]) -> tuple[Pieces, Pieces] | None:
    """How both domains are cut into the same smaller dimensions: each dimension's pieces. None if they cannot be."""
    pieces: tuple[Pieces, Pieces] = ([[] for _ in a], [[] for _ in b])
    sides = (list(a), list(b))
    while sides[0] and sides[1]:
        x, y = sides[0][-1], sides[1][-1]
        if x.size == y.size:
            pieces[0][len(sides[0]) - 1].insert(0, replace(x, max=min(x.max, y.max)))
            pieces[1][len(sides[1]) - 1].insert(0, replace(y, max=min(x.max, y.max)))
            sides[0].pop()
            sides[1].pop()
            continue
        long = 0 if quotient(x.size, y.size) is not None else 1
        large, small = (x, y)[:: -1 if long else 1]
        rest = quotient(large.size, small.size)
        if rest is None or large.max % small.max or not (_plain(x) and _plain(y)):
            return None
        pieces[long][len(sides[long]) - 1].insert(0, replace(large, size=small.size, max=small.max))
        pieces[1 - long][len(sides[1 - long]) - 1].insert(0, small)
        sides[long][-1] = replace(large, size=rest, max=large.max // small.max)
        sides[1 - long].pop()
    return None if sides[0] or sides[1] else pieces


def _plain(dim: Dim) -> bool:
    return dim.valid is None and dim.role is not Role.SCAN


def recut(instr: Instr, pieces: Pieces) -> Instr:
    """The instruction over the pieces of its dimensions, each of the role of what it is a piece of."""
    views = {
        role: replace(
            view, strides=tuple(s for at, piece in zip(view.strides, pieces, strict=True) for s in _pitches(at, piece))
        )
        for role, view in instr.views()
    }
    domain = tuple(
        replace(piece, role=own.role, valid=own.valid)
        for own, cut in zip(instr.domain, pieces, strict=True)
        for piece in cut
    )
    same = len(domain) == len(instr.domain)
    return replace(instr, domain=domain, operands={**instr.operands, **views}, tap=instr.tap if same else None)


def _pitches(stride: Poly, piece: Sequence[Dim]) -> list[Poly]:
    pitches: list[Poly] = []
    for dim in reversed(piece):
        pitches.insert(0, stride)
        stride = stride * dim.size
    return pitches


def thin(instr: Instr) -> Instr:
    """The instruction without dimensions of size 1, of which one stays if there are no others."""
    keep = [i for i, d in enumerate(instr.domain) if d.size != ONE or not _plain(d)] or [0]
    return select(instr, keep) if len(keep) < len(instr.domain) else instr


def select(instr: Instr, keep: Sequence[int]) -> Instr:
    """The instruction with only those dimensions, the others staying at 0."""
    views = {role: replace(v, strides=tuple(v.strides[i] for i in keep)) for role, v in instr.views()}
    domain = tuple(instr.domain[i] for i in keep)
    return replace(instr, domain=domain, operands={**instr.operands, **views}, tap=None)


def merged(instrs: Sequence[Instr]) -> list[Instr]:
    """The instructions, all over the same sizes, with neighbouring dimensions joined where every view has no gap."""
    found = list(instrs)
    at = len(found[0].domain) - 2
    while at >= 0:
        if all(_joins(instr, at) for instr in found):
            found = [_joined(instr, at) for instr in found]
        at -= 1
    return found


def _joins(instr: Instr, at: int) -> bool:
    outer, inner = instr.domain[at : at + 2]
    dense = all(v.strides[at] == v.strides[at + 1] * inner.size for _, v in instr.views())
    return _plain(outer) and _plain(inner) and outer.role is inner.role and dense


def _joined(instr: Instr, at: int) -> Instr:
    outer, inner = instr.domain[at : at + 2]
    dim = replace(inner, size=outer.size * inner.size, max=outer.max * inner.max)
    rest = [i for i in range(len(instr.domain)) if i != at]
    found = select(instr, rest)
    return replace(found, domain=(*found.domain[:at], dim, *found.domain[at + 1 :]))


def widened(view: View, kept: Sequence[int], rank: int) -> View:
    """A view over some dimensions as one over all `rank` of them, constant along the others."""
    strides = dict(zip(kept, view.strides, strict=True))
    return replace(view, strides=tuple(strides.get(i, ZERO) for i in range(rank)))


def never_meet(a: View, b: View, domain: Sequence[Dim]) -> bool:
    """Whether no element that `a` reaches over a domain is one that `b` reaches; both are views of one buffer.

    Views of other strides, or whose distance is not known, may meet. Two indices differ by at most size - 1 along each
    dimension; from the largest stride to the smallest, few differences leave a rest that smaller strides can make.
    """
    gap = (a.base - b.base).constant
    strides = [stride.constant for stride in a.strides]
    if gap is None or a.strides != b.strides or a.slot != b.slot or None in strides:
        return False
    steps = sorted(((abs(s), d.max - 1) for s, d in zip(strides, domain, strict=True) if s), reverse=True)
    rests = {gap}
    for at, (pitch, most) in enumerate(steps):
        reach, further = sum(p * m for p, m in steps[at + 1 :]), set[int]()
        for rest in rests:
            ways = range(max(-most, -((reach - rest) // pitch)), min(most, (rest + reach) // pitch) + 1)
            if len(ways) + len(further) > MOST_RESTS:
                return False
            further |= {rest - pitch * way for way in ways}
        rests = further
    return 0 not in rests
