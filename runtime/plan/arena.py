"""The arena: one block of memory that all intermediate tensors share, each at a fixed offset while it is live.

Equal inputs give equal plans.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vcc.runtime.plan.problem import Ints, IntsLike, make_problem
from vcc.runtime.plan.search import best_placement

#: Bytes to which every buffer of the arena is aligned: a cache line, and the widest vector.
ALIGNMENT = 64

#: Moves of the exact search when greedy placements miss the bound: at most about 15 s for hundreds of buffers.
EFFORT = 400_000


@dataclass(frozen=True)
class Plan:
    """Offsets in bytes of all buffers, the arena's size `peak`, and the largest sum of live bytes, which bounds it."""

    offsets: Ints
    peak: int
    lower_bound: int


class PlanError(ValueError):
    """A plan that breaks a rule: two live buffers overlap, or a buffer is misaligned or outside the arena."""


def plan_arena(
    sizes: IntsLike,
    first: IntsLike,
    last: IntsLike,
    alignment: int = ALIGNMENT,
    *,
    fixed: IntsLike | None = None,
    groups: IntsLike | None = None,
    inner: IntsLike | None = None,
    effort: int = EFFORT,
) -> Plan:
    """Place buffers of `sizes` bytes that are live in the steps `first..last` (inclusive) at aligned offsets.

    Buffers with the same number in `groups` share one place (the largest size, all their steps), in which each begins
    at its byte `inner` (0 by default). `fixed` gives offsets of places that are prescribed, -1 elsewhere; members of a
    group must agree. `effort` limits the exact search, in moves. Empty
    buffers get offset 0. Raises `PlanError` for prescribed offsets that contradict each other and for impossible sizes
    and steps.
    """
    sizes, first, last = (np.asarray(each, np.int64).reshape(-1) for each in (sizes, first, last))
    _check_input(sizes, first, last, alignment)
    members = np.arange(len(sizes)) if groups is None else np.unique(np.asarray(groups), return_inverse=True)[1]
    within = np.zeros(len(sizes), np.int64) if inner is None else np.asarray(inner, np.int64)
    owned = _merge(
        sizes + within * (sizes > 0), first, last, members, None if fixed is None else np.asarray(fixed, np.int64)
    )
    used = owned.sizes > 0
    padded = -(-owned.sizes[used] // alignment) * alignment
    problem = make_problem(padded, owned.first[used], owned.last[used])
    placed = np.zeros(len(owned.sizes), np.int64)
    prescribed = owned.fixed[used]
    placed[used] = best_placement(problem, prescribed, effort)
    offsets = np.where(sizes > 0, placed[members] + within, 0)
    peak = int((placed + owned.sizes)[used].max(initial=0))
    check_plan(placed, owned.sizes, owned.first, owned.last, peak, alignment)
    return Plan(offsets, peak, lower_bound(owned.sizes, owned.first, owned.last))


def lower_bound(sizes: IntsLike, first: IntsLike, last: IntsLike) -> int:
    """The largest sum of bytes live at any one step, without padding: no arena can be smaller."""
    sizes, first, last = (np.asarray(each, np.int64).reshape(-1) for each in (sizes, first, last))
    return make_problem(sizes, first, last).bound


def check_plan(
    offsets: IntsLike,
    sizes: IntsLike,
    first: IntsLike,
    last: IntsLike,
    peak: int,
    alignment: int = ALIGNMENT,
    *,
    groups: IntsLike | None = None,
) -> None:
    """Raise `PlanError` unless buffers are aligned, below `peak`, and disjoint while live (a group may share)."""
    offsets, sizes, first, last = (np.asarray(each, np.int64) for each in (offsets, sizes, first, last))
    members = np.arange(len(sizes)) if groups is None else np.asarray(groups)
    for i in ((offsets < 0) | (offsets % alignment != 0) | (offsets + sizes > peak)).nonzero()[0]:
        where = f"{offsets[i]}..{offsets[i] + sizes[i]}"
        raise PlanError(f"buffer {i} at {where} is not aligned to {alignment} inside an arena of {peak} bytes")
    order = np.argsort(offsets, kind="stable")
    # Whatever starts inside a buffer comes directly behind it in this order.
    stops = offsets[order].searchsorted((offsets + sizes)[order])
    for position, i in enumerate(order):
        others = order[position + 1 : stops[position]]
        shared = (first[others] <= last[i]) & (last[others] >= first[i]) & (sizes[others] > 0)
        clash = others[shared & (members[others] != members[i])]
        if len(clash):
            raise PlanError(f"buffers {i} and {clash[0]} overlap while both are live")


@dataclass(frozen=True)
class _Owned:
    """One entry for every group of buffers that share a place."""

    sizes: Ints
    first: Ints
    last: Ints
    fixed: Ints


def _check_input(sizes: Ints, first: Ints, last: Ints, alignment: int) -> None:
    if not len(sizes) == len(first) == len(last):
        raise PlanError(f"{len(sizes)} sizes, {len(first)} first and {len(last)} last steps do not belong together")
    if alignment < 1:
        raise PlanError(f"alignment {alignment} is not positive")
    for i in ((sizes < 0) | (first < 0) | (last < first)).nonzero()[0]:
        raise PlanError(f"buffer {i} cannot have {sizes[i]} bytes from step {first[i]} to {last[i]}")


def _merge(sizes: Ints, first: Ints, last: Ints, members: Ints, fixed: Ints | None) -> _Owned:
    count = int(members.max(initial=-1)) + 1
    merged = _Owned(
        np.zeros(count, np.int64),
        np.full(count, np.iinfo(np.int64).max),
        np.full(count, -1),
        np.full(count, -1),
    )
    np.maximum.at(merged.sizes, members, sizes)
    np.minimum.at(merged.first, members, first)
    np.maximum.at(merged.last, members, last)
    if fixed is not None:
        np.maximum.at(merged.fixed, members, fixed)
        for i in ((fixed >= 0) & (fixed != merged.fixed[members])).nonzero()[0]:
            raise PlanError(f"buffer {i} is prescribed at {fixed[i]}, another of its group elsewhere")
    return merged
