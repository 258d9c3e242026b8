"""Placing buffers one by one in a given order, each into a gap that is free during its whole life."""

from __future__ import annotations

import numpy as np

from vcc.runtime.plan.problem import Ints, Problem


class _Placed:
    """The buffers placed so far, sorted by offset."""

    def __init__(self, capacity: int):
        self._columns = np.empty((4, capacity), np.int64)  # offset, end, first step, last step
        self._count = 0

    def add(self, offset: int, size: int, first: int, last: int) -> None:
        columns, count = self._columns, self._count
        at = int(columns[0, :count].searchsorted(offset))
        columns[:, at + 1 : count + 1] = columns[:, at:count]
        columns[:, at] = (offset, offset + size, first, last)
        self._count = count + 1

    def gap(self, size: int, first: int, last: int, tightest: bool) -> int:
        """The offset of the lowest (or the tightest) gap of `size` bytes that is free from step `first` to `last`."""
        offsets, ends, firsts, lasts = self._columns[:, : self._count]
        live = ((firsts <= last) & (lasts >= first)).nonzero()[0]
        if len(live) == 0:
            return 0
        tops = np.maximum.accumulate(ends[live])
        gaps = offsets[live]
        gaps[1:] -= tops[:-1]
        fits = gaps >= size
        if tightest:
            gaps[~fits] = np.iinfo(np.int64).max
            chosen = int(gaps.argmin())
        else:
            chosen = int(fits.argmax())
        if not fits[chosen]:
            return int(tops[-1])
        return int(tops[chosen - 1]) if chosen else 0


def first_fit(problem: Problem, order: Ints, *, tightest: bool = False, fixed: Ints | None = None) -> Ints:
    """Offsets in bytes when buffers are placed in `order`, each as low as it fits, or into the tightest gap.

    `fixed` gives offsets that are not for this function to choose, -1 elsewhere.
    """
    sizes, first, last = problem.sizes, problem.first, problem.last
    offsets = np.full(len(sizes), -1, np.int64) if fixed is None else fixed.copy()
    placed = _Placed(len(sizes))
    for i in (offsets >= 0).nonzero()[0]:
        placed.add(int(offsets[i]), int(sizes[i]), int(first[i]), int(last[i]))
    for i in order:
        if offsets[i] < 0:
            size, start, end = int(sizes[i]), int(first[i]), int(last[i])
            offsets[i] = placed.gap(size, start, end, tightest)
            placed.add(int(offsets[i]), size, start, end)
    return offsets
