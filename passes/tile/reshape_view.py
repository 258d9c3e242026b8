"""Reshapes as views: the same elements under other axes, where every new axis is one or two evenly spaced loops."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vcc.passes.tile.access import Access, Terms

Interval = tuple[int, int] | None


@dataclass(frozen=True)
class _Loop:
    """A loop over part of the elements; one with an interval of valid indices is an axis of its own."""

    extent: int
    stride: int
    valid: Interval = None


def reshape_access(access: Access, shape: Sequence[int]) -> Access | None:
    """The access of the reshaped tensor; None if an axis of it would not be two loops or fewer.

    A padded axis must stay as it is.
    """
    loops = _merged(
        [
            _Loop(extent, stride, valid)
            for terms, valid in zip(access.terms, access.valid, strict=True)
            for extent, stride in terms
            if extent != 1 or valid is not None
        ]
    )
    terms, valid = list[Terms](), list[Interval]()
    for size in shape:
        taken = _take(loops, size)
        if taken is None:
            return None
        merged = _merged(taken)
        if len(merged) > 2:
            return None
        terms.append(tuple((loop.extent, loop.stride) for loop in merged) or ((1, 0),))
        valid.append(merged[0].valid if merged else None)
    return None if loops else Access(tuple(terms), access.base, tuple(valid), access.fill)


def _take(loops: list[_Loop], size: int) -> list[_Loop] | None:
    """Remove from the front the loops that make up `size` elements; None if they do not."""
    taken: list[_Loop] = []
    if size == 1:
        return [loops.pop(0)] if loops and loops[0].extent == 1 else taken
    while size > 1:
        if not loops:
            return None
        loop = loops.pop(0)
        if loop.valid is not None:
            return [loop] if loop.extent == size and not taken else None
        if size % loop.extent == 0:
            taken.append(loop)
            size //= loop.extent
        elif loop.extent % size == 0:
            inner = loop.extent // size
            taken.append(_Loop(size, loop.stride * inner))
            loops.insert(0, _Loop(inner, loop.stride))
            size = 1
        else:
            return None
    return taken


def _merged(loops: Sequence[_Loop]) -> list[_Loop]:
    """The loops, each with the one after it if they step through memory like one."""
    merged: list[_Loop] = []
    for loop in loops:
        last = merged[-1] if merged else None
        if last and last.valid is None and loop.valid is None and last.stride == loop.stride * loop.extent:
            merged[-1] = _Loop(last.extent * loop.extent, loop.stride)
        else:
            merged.append(loop)
    return merged
