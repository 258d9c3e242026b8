"""The exact search: packings without any waste, and small problems against brute force."""

from __future__ import annotations

from itertools import permutations
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packings import Boxes, buddies, churn, guillotine, pinwheels

from vcc.runtime.plan.arena import EFFORT, Plan, check_plan, plan_arena
from vcc.runtime.plan.coalesce import coalesce, single_blocks
from vcc.runtime.plan.exact import fit_within
from vcc.runtime.plan.problem import Problem, make_problem
from vcc.runtime.plan.search import independent_parts
from vcc.runtime.plan.valleys import ValleySearch

CAPACITY = 1 << 20


def problem_of(boxes: Boxes) -> Problem:
    return make_problem(boxes[:, 1] - boxes[:, 0], boxes[:, 2], boxes[:, 3] - 1)


def plan_of(boxes: Boxes, effort: int = EFFORT) -> Plan:
    return plan_arena(boxes[:, 1] - boxes[:, 0], boxes[:, 2], boxes[:, 3] - 1, effort=effort)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("count", [100, 200, 300])
def test_guillotine_packings_are_found(count: int, seed: int):
    plan = plan_of(guillotine(count, CAPACITY, 200, seed))
    assert plan.peak == plan.lower_bound == CAPACITY


@pytest.mark.parametrize("count", [100, 200])
def test_a_memory_that_is_always_full_is_planned_without_waste(count: int):
    plan = plan_of(churn(count, CAPACITY, 0, 0))
    assert plan.peak == plan.lower_bound == CAPACITY


def test_packings_that_no_cut_divides_are_found():
    plan = plan_of(pinwheels(100, CAPACITY, 200, 0))
    assert plan.peak == CAPACITY


def test_large_packings_come_close():
    plan = plan_of(pinwheels(300, CAPACITY, 200, 0), effort=5_000)
    assert CAPACITY == plan.lower_bound <= plan.peak < 1.25 * CAPACITY


def test_powers_of_two_come_close_to_the_bound():
    plan = plan_of(buddies(200, CAPACITY, 0, 0), effort=20_000)
    assert plan.peak <= 1.02 * plan.lower_bound


def test_equal_problems_have_equal_plans():
    boxes = pinwheels(120, CAPACITY, 100, 4)
    assert (plan_of(boxes, effort=10_000).offsets == plan_of(boxes, effort=10_000).offsets).all()


def test_more_effort_is_never_worse():
    boxes = churn(200, CAPACITY, 0, 7)
    assert plan_of(boxes, effort=50_000).peak <= plan_of(boxes, effort=0).peak


SMALL = st.lists(st.tuples(st.integers(1, 6), st.integers(0, 5), st.integers(0, 4)), min_size=1, max_size=6)


def smallest_peak(problem: Problem) -> int:
    """By trying every order: in the right one, placing each buffer as low as it fits is optimal."""
    lowest = int(problem.sizes.sum())
    for order in permutations(range(len(problem.sizes))):
        offsets: dict[int, int] = {}
        for i in order:
            live = [j for j in offsets if problem.first[j] <= problem.last[i] and problem.last[j] >= problem.first[i]]
            # Buffers rest on something, and a later one of the order is nowhere lower than an earlier one.
            offsets[i] = max((offsets[j] + int(problem.sizes[j]) for j in live), default=0)
        lowest = min(lowest, max(offsets[i] + int(problem.sizes[i]) for i in offsets))
    return lowest


@given(SMALL, st.booleans())
@settings(max_examples=150, deadline=None)
def test_the_search_decides_as_brute_force_does(rows: list[tuple[int, int, int]], both_sides: bool):
    sizes, first, more = (np.array(column) for column in zip(*rows, strict=True))
    problem = make_problem(sizes, first, first + more)
    blocks = single_blocks(problem.sizes.tolist(), problem.first.tolist(), problem.last.tolist())
    best = smallest_peak(problem)
    for capacity in range(problem.bound, best + 2):
        order = list(range(len(blocks)))
        search = ValleySearch(blocks, problem.profile.tolist(), capacity, order, both_sides=both_sides)
        found = search.run(100_000)
        assert (found is not None) == (capacity >= best)
        assert search.exhausted == (capacity < best)
        if found is not None:
            check_plan(found, problem.sizes, problem.first, problem.last, capacity, 1)


@given(SMALL, st.integers(0, 100), st.sampled_from([0.0, 0.3]))
@settings(max_examples=100, deadline=None)
def test_gluing_keeps_the_live_bytes_and_every_buffer(rows: list[tuple[int, int, int]], seed: int, refuse: float):
    sizes, first, more = (np.array(column) for column in zip(*rows, strict=True))
    problem = make_problem(sizes, first, first + more)
    glued = coalesce(
        single_blocks(problem.sizes.tolist(), problem.first.tolist(), problem.last.tolist()), Random(seed), refuse
    )
    again = make_problem(*(np.array([getattr(b, name) for b in glued]) for name in ("size", "first", "last")))
    assert again.bound == problem.bound
    offsets, at = [-1] * len(rows), 0
    for block in glued:
        block.spread(at, offsets)
        at += block.size
    check_plan(offsets, problem.sizes, problem.first, problem.last, at, 1)


def test_an_impossible_capacity_is_proven_impossible():
    problem = make_problem(np.array([2, 1, 2, 2]), np.array([0, 0, 1, 2]), np.array([0, 2, 1, 2]))
    assert fit_within(problem, problem.bound, 10_000)[0] is not None
    assert fit_within(problem, problem.bound - 1, 10_000) == (None, True)


def test_a_program_is_divided_where_nothing_lives_on():
    problem = make_problem(np.array([1, 1, 1, 1]), np.array([0, 1, 2, 3]), np.array([1, 1, 3, 3]))
    assert [list(part) for part in independent_parts(problem)] == [[0, 1], [2, 3]]
