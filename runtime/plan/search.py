"""The search for a good placement.

Finding the smallest arena is NP-hard. The program is first divided where no buffer lives on, and the parts are placed
one by one: by a portfolio of greedy placements, which reaches the bound for most models; then by a search for packings
without waste, where memory is full most of the time; then by hill climbs over the orders of placement; then by an exact
search for a placement at the bound and, if there is none, above it. All of it is measured in placements and moves, not
in seconds, so that equal problems have equal solutions everywhere.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from vcc.runtime.plan.exact import fit_within
from vcc.runtime.plan.first_fit import first_fit
from vcc.runtime.plan.full_memory import fill_memory
from vcc.runtime.plan.problem import Ints, Problem, make_problem
from vcc.runtime.plan.skyline import skyline_fit
from vcc.runtime.plan.squeaky import squeaky_placement

#: How many (buffers x placements) each hill climb may cost; 300 buffers take about 0.3 s on one core.
_CLIMB = 30_000
_MIN_PLACEMENTS = 24
_MAX_PLACEMENTS = 200
#: Moves of a first exact search, before the climbs: it finds the easy ones among the perfect packings.
_FIRST_LOOK = 5_000
#: So many moves of the exact search are worth one exchange of the search for packings without waste.
_MOVES_PER_EXCHANGE = 2
#: The exact search gets its whole effort only if at least this part of the bound can be won.
_WHOLE_GAIN = 0.1
#: The part of its effort that it spends at the bound; the rest goes to capacities above it.
_AT_BOUND = 0.7
#: How many capacities above the bound are tried at most, each halfway between what failed and what is known.
_HALVINGS = 6
#: More buffers than these are not searched: a move would cost too much.
_LARGEST = 2000


def best_placement(problem: Problem, fixed: Ints, effort: int) -> Ints:
    """Offsets in bytes with the lowest peak that was found; those that `fixed` prescribes (not -1) are kept.

    `effort` is the largest number of moves that the exact search may make.
    """
    if (fixed >= 0).any():
        return _best_greedy(problem, fixed)
    offsets = np.zeros(len(fixed), np.int64)
    for part in independent_parts(problem):
        rows = make_problem(problem.sizes[part], problem.first[part], problem.last[part])
        # A part may be as high as the whole must be.
        offsets[part] = _search(rows, problem.bound, effort)
    return offsets


def independent_parts(problem: Problem) -> list[Ints]:
    """The buffers divided wherever no buffer lives from one step on to the next."""
    crossing = np.zeros(len(problem.profile) + 1, np.int64)
    np.add.at(crossing, problem.first + 1, 1)
    np.subtract.at(crossing, problem.last + 1, 1)
    starts = (crossing.cumsum()[:-1] == 0).cumsum()
    part = starts[problem.first]
    return [(part == each).nonzero()[0] for each in np.unique(part)]


def _search(problem: Problem, target: int, effort: int) -> Ints:
    """Offsets with the lowest peak that was found; the search ends when it is at most `target`."""
    best = _best_greedy(problem, np.full(len(problem.sizes), -1, np.int64), target)
    if _peak(problem, best) <= target:
        return best
    small = len(problem.sizes) <= _LARGEST
    if small and (full := fill_memory(problem, target, effort // _MOVES_PER_EXCHANGE)) is not None:
        return full
    if small and (found := fit_within(problem, target, min(effort, _FIRST_LOOK))[0]) is not None:
        return np.array(found, np.int64)
    best = _climb(problem, best, target)
    for improve in (_improve_by_failures, _improve_exactly) if small else ():
        if _peak(problem, best) <= target:
            break
        best = improve(problem, best, target, effort)
    return best


def _best_greedy(problem: Problem, fixed: Ints, target: int | None = None) -> Ints:
    best, peak = fixed, -1
    for offsets in _candidates(problem, fixed):
        if peak < 0 or _peak(problem, offsets) < peak:
            best, peak = offsets, _peak(problem, offsets)
        if peak <= (problem.bound if target is None else target):
            break
    return best


def _rounds(problem: Problem) -> int:
    return min(max(_CLIMB // len(problem.sizes), _MIN_PLACEMENTS), _MAX_PLACEMENTS)


def _improve_by_failures(problem: Problem, best: Ints, target: int, effort: int) -> Ints:
    offsets = squeaky_placement(problem, target, _rounds(problem))
    return offsets if effort and _peak(problem, offsets) < _peak(problem, best) else best


def _improve_exactly(problem: Problem, best: Ints, target: int, effort: int) -> Ints:
    """Look for a placement at the target; then, as long as one halfway to the best known is found, above it."""
    grain = int(np.gcd.reduce(problem.sizes))
    gain = (_peak(problem, best) - target) / target
    left = int(effort * min(1.0, gain / _WHOLE_GAIN))
    failed, capacity, share = target - grain, target, int(left * _AT_BOUND)
    for _ in range(_HALVINGS):
        found, _ = fit_within(problem, capacity, share)
        if found is not None:
            best = np.array(found, np.int64)
        else:
            failed = capacity
        if failed == target - grain or _peak(problem, best) - failed <= grain:
            break
        share = int(left * (1 - _AT_BOUND) / _HALVINGS)
        capacity = failed + (_peak(problem, best) - failed) // (2 * grain) * grain
    return best


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


def _climb(problem: Problem, best: Ints, target: int) -> Ints:
    """Vary the order of preference of skyline placements, keeping each that lowers the peak."""
    random = np.random.default_rng(0)
    count = len(problem.sizes)
    size, lifetime = np.log(problem.sizes), np.log(problem.lifetimes)
    peak, preference = _peak(problem, best), lifetime
    starts = [lifetime, 0.75 * lifetime + 0.25 * size, 0.5 * (size + lifetime), size]
    for turn in range(_rounds(problem)):
        if turn < len(starts):
            tried = starts[turn]
        else:
            moved = random.random(count) < random.choice([0.02, 0.1, 0.3])
            tried = preference + moved * random.normal(size=count) * random.choice([0.3, 1.0, 2.0])
        offsets = skyline_fit(problem, np.argsort(-tried, kind="stable"), peak)
        if offsets is None or (reached := _peak(problem, offsets)) >= peak:
            continue
        best, peak, preference = offsets, reached, tried
        if peak <= target:
            break
    return best
