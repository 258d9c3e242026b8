"""The search for a good placement.

Finding the smallest arena is NP-hard. A portfolio of greedy placements comes close, and a hill climb over the order of
preference of another comes closer; both stop at the lower bound. The search is measured in placements, not in seconds,
so that equal problems have equal solutions everywhere.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from vcc.runtime.plan.first_fit import first_fit
from vcc.runtime.plan.problem import Ints, Problem
from vcc.runtime.plan.skyline import skyline_fit

#: How many (buffers x placements) the hill climb may cost; 300 buffers take about 0.3 s on one core.
_EFFORT = 30_000
_MIN_PLACEMENTS = 24
_MAX_PLACEMENTS = 200


def best_placement(problem: Problem, fixed: Ints) -> Ints:
    """Offsets in bytes with the lowest peak that was found; those that `fixed` prescribes (not -1) are kept."""
    best = fixed
    peak = -1
    for offsets in _candidates(problem, fixed):
        if peak < 0 or _peak(problem, offsets) < peak:
            best, peak = offsets, _peak(problem, offsets)
        if peak == problem.bound:
            return best
    # A skyline has no room for buffers that are there already.
    return _climb(problem, best) if (fixed < 0).all() and len(fixed) else best


def _orders(problem: Problem) -> Iterator[Ints]:
    """Orders of placement: by size, by size x lifetime, by the live bytes around, by start."""
    sizes, lifetimes = problem.sizes, problem.lifetimes
    area, breadth = sizes * lifetimes, problem.breadth()
    for keys in ((-lifetimes, -sizes), (-area,), (-sizes, -breadth), (-area, -breadth), (-sizes, problem.first)):
        yield np.lexsort(keys)


def _peak(problem: Problem, offsets: Ints) -> int:
    return int((offsets + problem.sizes).max(initial=0))


def _candidates(problem: Problem, fixed: Ints) -> Iterator[Ints]:
    for order in _orders(problem):
        for tightest in (False, True):
            yield first_fit(problem, order, tightest=tightest, fixed=fixed)


def _climb(problem: Problem, best: Ints) -> Ints:
    """Vary the order of preference of skyline placements, keeping each that lowers the peak."""
    random = np.random.default_rng(0)
    count = len(problem.sizes)
    size, lifetime = np.log(problem.sizes), np.log(problem.lifetimes)
    peak, preference = _peak(problem, best), lifetime
    starts = [lifetime, 0.75 * lifetime + 0.25 * size, 0.5 * (size + lifetime), size]
    for turn in range(min(max(_EFFORT // count, _MIN_PLACEMENTS), _MAX_PLACEMENTS)):
        if turn < len(starts):
            tried = starts[turn]
        else:
            moved = random.random(count) < random.choice([0.02, 0.1, 0.3])
            tried = preference + moved * random.normal(size=count) * random.choice([0.3, 1.0, 2.0])
        offsets = skyline_fit(problem, np.argsort(-tried, kind="stable"), peak)
        if offsets is None or (reached := _peak(problem, offsets)) >= peak:
            continue
        best, peak, preference = offsets, reached, tried
        if peak == problem.bound:
            break
    return best
