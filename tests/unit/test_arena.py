from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from effort import at_most
from hypothesis import given, settings
from hypothesis import strategies as st

from vcc.runtime.plan.arena import PlanError, check_plan, lower_bound, plan_arena

Buffers = list[tuple[int, int, int]]
Columns = tuple[np.ndarray, np.ndarray, np.ndarray]


@st.composite
def buffers(draw: st.DrawFn) -> Buffers:
    """Sizes in bytes (0 included), first and last steps."""
    rows = draw(st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 30), st.integers(0, 12)), max_size=25))
    return [(size, first, first + more) for size, first, more in rows]


def columns(rows: Buffers) -> tuple[list[int], list[int], list[int]]:
    return [r[0] for r in rows], [r[1] for r in rows], [r[2] for r in rows]


def live_bytes(rows: Buffers) -> int:
    """The bound by its definition."""
    return max((sum(s for s, a, b in rows if a <= t <= b) for t in range(64)), default=0)


@given(buffers(), st.sampled_from([1, 16, 64]))
@settings(max_examples=100, deadline=None)
def test_live_buffers_never_overlap_and_no_plan_beats_the_bound(rows: Buffers, alignment: int):
    plan = plan_arena(*columns(rows), alignment)
    assert plan.lower_bound == live_bytes(rows) <= plan.peak
    assert plan.peak == max((int(o) + s for o, (s, _, _) in zip(plan.offsets, rows, strict=True)), default=0)
    for i, (size, first, last) in enumerate(rows):
        assert plan.offsets[i] % alignment == 0
        for j, (other, begin, end) in enumerate(rows[:i]):
            if first <= end and last >= begin and size and other:
                apart = plan.offsets[i] + size <= plan.offsets[j] or plan.offsets[j] + other <= plan.offsets[i]
                assert apart, f"{i} and {j} overlap"


def random_buffers(count: int, seed: int) -> Columns:
    """Sizes spread over three orders of magnitude, lives up to a quarter of the program."""
    random = np.random.default_rng(seed)
    first = random.integers(0, count, count)
    sizes = np.exp(random.normal(9, 1.5, count)).astype(np.int64) + 1
    return sizes, first, np.minimum(first + random.integers(0, count // 4, count), count)


def network_buffers(count: int, seed: int) -> Columns:
    """One buffer a step, most used by the next steps alone, some by much later ones, as skip connections are."""
    random = np.random.default_rng(seed)
    first = np.arange(count)
    life = np.where(random.random(count) < 0.15, random.integers(2, count // 3, count), random.integers(1, 3, count))
    return random.choice([1, 2, 3, 4, 6, 8, 16], count) * 4096, first, np.minimum(first + life, count)


@pytest.mark.parametrize("make", [random_buffers, network_buffers])
def test_arena_is_close_to_the_bound(make: Callable[[int, int], Columns]):
    ratios = [(p := plan_arena(*make(250, seed))).peak / p.lower_bound for seed in range(8)]
    assert sorted(ratios)[len(ratios) * 3 // 4] <= 1.02
    assert max(ratios) <= 1.05


def test_equal_inputs_give_equal_plans():
    problem = random_buffers(120, 3)
    assert (plan_arena(*problem).offsets == plan_arena(*problem).offsets).all()


def test_thousands_of_buffers_take_seconds():
    with at_most(10):  # about 1 s
        plan_arena(*random_buffers(3000, 0))


def test_a_group_shares_its_place_for_all_its_steps():
    plan = plan_arena([100, 100, 50], [0, 2, 1], [2, 4, 3], groups=[7, 7, 1])
    assert plan.offsets[0] == plan.offsets[1]
    assert plan.lower_bound == 150
    assert plan.peak in (178, 164)  # the group first, padded to 128 bytes, or the other one


def test_prescribed_offsets_are_kept():
    plan = plan_arena([64, 64, 64], [0, 0, 1], [1, 1, 2], fixed=[-1, 0, -1])
    assert list(plan.offsets) == [64, 0, 128]
    with pytest.raises(PlanError, match="overlap"):
        plan_arena([64, 64], [0, 0], [1, 1], fixed=[0, 0])
    with pytest.raises(PlanError, match="aligned"):
        plan_arena([64], [0], [1], fixed=[32])
    with pytest.raises(PlanError, match="elsewhere"):
        plan_arena([64, 64], [0, 0], [1, 1], fixed=[0, 64], groups=[0, 0])


def test_steps_need_not_be_dense():
    plan = plan_arena([64, 64], [10**9, 5], [2 * 10**9, 10**9 - 1])
    assert plan.peak == plan.lower_bound == 64


def test_no_buffers_need_no_arena():
    plan = plan_arena([], [], [])
    assert (len(plan.offsets), plan.peak, plan.lower_bound) == (0, 0, 0)


def test_a_wrong_plan_is_refused():
    with pytest.raises(PlanError, match="buffers 0 and 1 overlap"):
        check_plan([0, 64], [65, 10], [0, 1], [1, 2], 128)
    with pytest.raises(PlanError, match="inside an arena of 100"):
        check_plan([64], [64], [0], [0], 100)
    check_plan([0, 0], [64, 64], [0, 1], [0, 1], 64)


@pytest.mark.parametrize("row", [(-1, 0, 0), (4, 2, 1), (4, -1, 0)])
def test_impossible_buffers_are_refused(row: tuple[int, int, int]):
    with pytest.raises(PlanError, match="buffer 0 cannot have"):
        plan_arena([row[0]], [row[1]], [row[2]])


def test_bound_is_the_most_that_is_live_at_once():
    assert lower_bound([10, 20, 40], [0, 1, 3], [1, 2, 3]) == 40
    assert lower_bound([10, 20, 40], [0, 1, 2], [1, 2, 3]) == 60
