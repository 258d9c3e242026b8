"""Filling the arena from the bottom up: a skyline over the steps, whose lowest stretch takes the next buffer.

After Sekiyama et al., "Profile-guided memory optimization for deep neural networks" (2018), with one change:
the space wasted below the skyline is counted per step, and a stretch first takes buffers live at its tightest step.
"""

from __future__ import annotations

import numpy as np

from vcc.runtime.plan.problem import Ints, Problem

_INFINITE = 1 << 62


class _Skyline:
    """Stretches of steps `starts[i]..ends[i]` (inclusive), below whose `heights[i]` (bytes) everything is settled."""

    def __init__(self, steps: int):
        self.starts, self.ends, self.heights = [0], [steps - 1], [0]

    def lowest(self) -> int:
        return self.heights.index(min(self.heights))

    def above(self, at: int) -> int:
        """The height of the lower neighbour of stretch `at`."""
        left = self.heights[at - 1] if at else _INFINITE
        right = self.heights[at + 1] if at + 1 < len(self.heights) else _INFINITE
        return min(left, right)

    def raise_part(self, at: int, first: int, last: int, height: int) -> None:
        """Raise the steps `first..last` of stretch `at` to `height`, merging equally high neighbours."""
        start, end, low = self.starts[at], self.ends[at], self.heights[at]
        pieces = [(start, first - 1, low), (first, last, height), (last + 1, end, low)]
        begin, stop = max(at - 1, 0), min(at + 2, len(self.heights))
        around = [(self.starts[i], self.ends[i], self.heights[i]) for i in range(begin, stop) if i != at]
        merged: list[tuple[int, int, int]] = []
        for piece in sorted(around + [piece for piece in pieces if piece[0] <= piece[1]]):
            if merged and merged[-1][2] == piece[2]:
                merged[-1] = (merged[-1][0], piece[1], piece[2])
            else:
                merged.append(piece)
        self.starts[begin:stop] = [piece[0] for piece in merged]
        self.ends[begin:stop] = [piece[1] for piece in merged]
        self.heights[begin:stop] = [piece[2] for piece in merged]


def skyline_fit(problem: Problem, order: Ints, limit: int = _INFINITE) -> Ints | None:
    """Offsets in bytes when earlier buffers of `order` are preferred; None if the peak cannot get below `limit`."""
    first, last = problem.first[order], problem.last[order]
    sizes = problem.sizes[order]
    offsets = np.zeros(len(order), np.int64)
    waiting = np.ones(len(order), np.bool_)
    # What each step will reach at least: the bytes live at it, and the waste below the skyline.
    reach = problem.profile.copy()
    skyline = _Skyline(len(reach))
    left = len(order)
    while left:
        at = skyline.lowest()
        start, end, height = skyline.starts[at], skyline.ends[at], skyline.heights[at]
        tightest = start + int(reach[start : end + 1].argmax())
        fits = waiting & (first >= start) & (last <= end)
        preferred = fits & (first <= tightest) & (last >= tightest)
        chosen = int(preferred.argmax())
        if not preferred[chosen]:
            chosen = int(fits.argmax())
        if fits[chosen]:
            offsets[order[chosen]] = height
            waiting[chosen] = False
            left -= 1
            skyline.raise_part(at, int(first[chosen]), int(last[chosen]), height + int(sizes[chosen]))
            continue
        above = skyline.above(at)
        reach[start : end + 1] += above - height
        if reach[tightest] >= limit:
            return None
        skyline.raise_part(at, start, end, above)
    return offsets
