"""How many threads a segment gets: what its own runs say, tried so that little is lost."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from itertools import pairwise

import pytest

from vcc.runtime.native.pace import LEAST, LONG, SHARE, TRIES, Pace


def runs(pace: Pace, count: int, seconds: Callable[[int], float]) -> list[int]:
    """The threads of some runs that take so long."""
    found: list[int] = []
    for _ in range(count):
        found.append(pace.threads())
        pace.took(found[-1], seconds(found[-1]))
    return found


def noisy(seed: int, seconds: Callable[[int], float], spread: float = 0.03) -> Callable[[int], float]:
    """Times that vary upwards, one in a hundred by the 4 ms for which a system's scheduler gives a CPU to others."""
    chance = random.Random(seed)
    return lambda way: seconds(way) * (1 + abs(chance.gauss(0, spread))) + 4e-3 * (chance.random() < 0.01)


@pytest.mark.parametrize("ratio", [0.26, 0.52, 0.8, 0.97, 1.03, 1.3, 2, 3.9])
def test_the_faster_way_is_found_and_kept_and_trying_costs_little(ratio: float):
    pace, best = Pace(1, 4), min(1.0, ratio)
    found = runs(pace, 5000, lambda way: 1e-4 * (ratio if way == 4 else 1))
    assert found[0] == 4 and set(found[1 : 1 + 2 * TRIES]) == {1, 4}
    for part, share in ((found[1 + 2 * TRIES : 500], 0.1), (found[1000:], 1.2 / SHARE)):
        spent = sum(ratio if way == 4 else 1.0 for way in part)
        assert best * len(part) < spent < best * len(part) * (1 + share)


@pytest.mark.parametrize("ratio", [0.52, 0.8, 1.3, 2])
def test_noise_costs_little_more(ratio: float):
    for seed in range(20):
        found = runs(Pace(1, 2), 3000, noisy(seed, lambda way: 1e-4 * (ratio if way == 2 else 1)))
        spent = sum(ratio if way == 2 else 1.0 for way in found)
        assert spent < min(1.0, ratio) * len(found) * (1 + 2 / SHARE)


def test_trying_costs_little_even_if_the_other_way_is_very_slow():
    found = runs(Pace(1, 2), 50_000, lambda way: 1e-4 if way == 1 else 3e-2)
    assert 3e-2 * found[20:].count(2) <= 3e-2 + 2 * 1e-4 * len(found) / SHARE


@pytest.mark.parametrize("seconds", [4e-5, 3e-4, 1.5e-3, 1e-2])
@pytest.mark.parametrize("disturbed", [0.03, 0.3])
def test_what_disturbed_the_first_runs_is_soon_forgotten(seconds: float, disturbed: float):
    """Another engine's thread that spins on the second CPU for some time, as at the start of a benchmark."""
    for seed in range(20):
        pace, clock = Pace(1, 2), [0.0]
        time = noisy(seed, lambda way: seconds * (1 if way == 1 else 1.15 if clock[0] < disturbed else 0.55))  # noqa: B023
        while clock[0] < disturbed:
            way = pace.threads()
            taken = time(way)
            pace.took(way, taken)
            clock[0] += taken
        assert runs(pace, 100, time)[-60:].count(2) >= 45


@pytest.mark.parametrize(
    ("before", "after", "within"), [(2.0, 0.5, 600), (1.1, 0.5, 80), (0.5, 2.0, 400), (0.9, 1.1, 80)]
)
def test_it_changes_its_mind(before: float, after: float, within: int):
    pace = Pace(1, 2)
    runs(pace, 2000, lambda way: 1e-4 * (before if way == 2 else 1))
    found = runs(pace, within, lambda way: 1e-4 * (after if way == 2 else 1))
    assert found[-LEAST:].count(2 if after < 1 else 1) >= LEAST / 2


def test_ways_that_are_nearly_as_fast_are_compared_often_and_others_rarely():
    counts = [
        sum(
            a == 1 and b == 2
            for a, b in pairwise(runs(Pace(1, 2), 3000, lambda way, r=r: 1e-4 * (r if way == 2 else 1)))
        )
        for r in (1.01, 1.1, 1.5, 3.0)
    ]
    assert counts == sorted(counts, reverse=True) and counts[0] > 100 and 2 < counts[-1] < 30


def test_one_disturbed_run_is_not_believed():
    pace, disturbed = Pace(1, 2), iter([9e-2, 9e-2, 9e-2] + [0.0] * 100)
    found = runs(pace, 60, lambda way: (1e-4 if way == 2 else 2e-4) + next(disturbed))
    assert found[-LEAST:].count(2) >= LEAST - 2


def test_workers_that_must_wake_up_first_get_another_chance():
    pace, last = Pace(1, 2), [1]
    runs(pace, 30, lambda way: 1e-4 if way == 1 else 3e-4)  # somebody else used the other CPU

    def seconds(way: int) -> float:
        woken, last[0] = last[0] == 2, way
        return 1e-4 if way == 1 else 7e-5 if woken else 1.3e-4

    assert runs(pace, 300, seconds)[-20:].count(2) >= 15


def test_a_hopeless_trial_is_one_run_and_a_bad_one_two():
    for ratio, most in ((10, 1), (1.5, 2)):
        found = runs(Pace(1, 2), 1000, lambda way, ratio=ratio: 1e-4 if way == 1 else ratio * 1e-4)[2 * TRIES + 1 :]
        streaks = "".join(map(str, found)).split("1")
        assert max(map(len, streaks)) == most


def test_long_segments_get_all_but_for_single_runs_now_and_then():
    found = runs(Pace(1, 2), 500, lambda way: 2 * LONG if way == 2 else 3.6 * LONG)
    assert found.count(1) <= 500 / SHARE + 2 and all(not (a == b == 1) for a, b in pairwise(found))


def test_long_segments_get_one_where_threads_keep_each_other_waiting():
    """As where they meet a thousand times and others want their CPUs."""
    found = runs(Pace(1, 2), 500, lambda way: 10 * LONG if way == 2 else LONG / 10)
    assert found[:4].count(2) <= 3 and found[4:].count(2) <= 1


def test_what_cannot_be_divided_gets_one():
    pace = Pace(1)
    assert pace.expected == math.inf
    assert set(runs(pace, 5, lambda way: float(way))) == {1} and pace.expected == 1.0
