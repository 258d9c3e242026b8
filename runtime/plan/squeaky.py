"""Improving a first-fit order by its failures: buffers that end up above the target are placed earlier next time.

"Squeaky wheel" optimisation (Joslin and Clements, 1999).
"""

from __future__ import annotations

from random import Random

import numpy as np

from vcc.runtime.plan.problem import Ints, Problem

#: How far a buffer above the target moves forward, as a part of the whole range of priorities.
_STEP = 0.1
#: Orders this much worse than the best one are given up.
_GIVE_UP = 1.05


def squeaky_placement(problem: Problem, target: int, rounds: int) -> Ints:
    """Offsets in bytes of the best of `rounds` first-fit placements; fewer if one has a peak of `target` or less."""
    sizes = problem.sizes.tolist()
    neighbours = [
        np.nonzero((problem.first <= last) & (problem.last >= first))[0].tolist()
        for first, last in zip(problem.first, problem.last, strict=True)
    ]
    priority = np.log(problem.sizes)
    step = _STEP * max(float(np.ptp(priority)), 1.0)
    random = Random(0)
    best, best_priority, lowest = [0] * len(sizes), priority, -1
    for _ in range(rounds):
        offsets = _first_fit(sizes, neighbours, np.argsort(-priority, kind="stable").tolist())
        tops = [offset + size for offset, size in zip(offsets, sizes, strict=True)]
        peak = max(tops)
        if lowest < 0 or peak < lowest:
            best, best_priority, lowest = offsets, priority.copy(), peak
        if lowest <= target:
            break
        if peak > lowest * _GIVE_UP:
            priority = best_priority.copy()
        for i, top in enumerate(tops):
            if top > target:
                priority[i] += step * random.random()
        for _ in range(2):
            priority[random.randrange(len(sizes))] += step * (random.random() - 0.5)
    return np.array(best, np.int64)


def _first_fit(sizes: list[int], neighbours: list[list[int]], order: list[int]) -> list[int]:
    """Each buffer as low as it fits; the same as `first_fit`, but quick where few buffers are live at once."""
    offsets = [-1] * len(sizes)
    for i in order:
        lowest = 0
        for start, end in sorted((offsets[j], offsets[j] + sizes[j]) for j in neighbours[i] if offsets[j] >= 0):
            if start - lowest >= sizes[i]:
                break
            lowest = max(lowest, end)
        offsets[i] = lowest
    return offsets
