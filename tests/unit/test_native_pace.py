"""How many threads a segment gets: what its own runs say, tried rarely."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

from vcc.runtime.native.pace import LONG, REMEMBERED, SHARE, Pace


def runs(pace: Pace, count: int, seconds: Callable[[int], float]) -> list[int]:
    """The threads of some runs that take so long."""
    found: list[int] = []
    for _ in range(count):
        found.append(pace.threads())
        pace.took(found[-1], seconds(found[-1]))
    return found


def test_the_faster_way_is_found_and_kept():
    for fast in (1, 4):
        pace = Pace(1, 4)
        found = runs(pace, 2000, lambda way, fast=fast: 1e-4 if way == fast else 2e-4)
        assert found[0] == 4 and set(found[1 : 1 + 2 * REMEMBERED]) == {1, 4}
        rest = found[1 + 2 * REMEMBERED :]
        slow = sum(way != fast for way in rest)
        assert 2 <= slow <= len(rest) / SHARE
        assert pace.expected in (1e-4, 2e-4)


def test_trying_costs_little_even_if_the_other_way_is_very_slow():
    found = runs(Pace(1, 2), 50_000, lambda way: 1e-4 if way == 1 else 3e-2)
    assert 3e-2 * found[20:].count(2) <= 3e-2 + 2 * 1e-4 * len(found) / SHARE


def test_it_changes_its_mind():
    pace = Pace(1, 2)
    runs(pace, 50, lambda way: 1e-4 if way == 1 else 2e-4)
    found = runs(pace, 10 * SHARE, lambda way: 2e-4 if way == 1 else 1e-4)
    assert found[-1] == 2 and pace.threads() == 2


def test_one_disturbed_run_is_not_believed():
    pace, disturbed = Pace(1, 2), iter([9e-2, 9e-2, 9e-2] + [0.0] * 100)
    found = runs(pace, 40, lambda way: (1e-4 if way == 2 else 2e-4) + next(disturbed))
    assert found[-1] == 2


def test_workers_that_must_wake_up_first_get_another_chance():
    pace, last = Pace(1, 2), [1]
    runs(pace, 30, lambda way: 1e-4 if way == 1 else 3e-4)  # somebody else used the other CPU

    def seconds(way: int) -> float:
        woken, last[0] = last[0] == 2, way
        return 1e-4 if way == 1 else 7e-5 if woken else 1.3e-4

    assert runs(pace, 200, seconds)[-20:].count(2) >= 18


def test_a_hopeless_trial_is_one_run():
    pace = Pace(1, 2)
    found = runs(pace, 300, lambda way: 1e-4 if way == 1 else 1e-3)[2 * REMEMBERED + 1 :]
    assert all(not (a == b == 2) for a, b in pairwise(found)) and 2 in runs(pace, 2000, lambda way: 1e-4)


def test_long_segments_always_get_all():
    assert set(runs(Pace(1, 2), 30, lambda way: 2 * LONG)) == {2}


def test_what_cannot_be_divided_gets_one():
    pace = Pace(1)
    assert pace.expected == math.inf
    assert set(runs(pace, 5, lambda way: float(way))) == {1} and pace.expected == 1.0
