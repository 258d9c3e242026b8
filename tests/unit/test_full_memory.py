"""The search for packings without waste: PQ-trees against all permutations, and memories that are nearly full."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations, product

import numpy as np
import pytest
from effort import at_most
from hypothesis import given, settings
from hypothesis import strategies as st
from packings import Boxes, churn, guillotine, pinwheels

from vcc.runtime.plan.arena import check_plan, plan_arena
from vcc.runtime.plan.exchanges import groups
from vcc.runtime.plan.full_memory import fill_memory
from vcc.runtime.plan.pq_tree import Tree, any_order, arrangement, common, exchanged, in_order, items, leaf, only
from vcc.runtime.plan.problem import make_problem

CAPACITY = 1 << 20

Order = tuple[int, ...]


def orders(tree: Tree) -> set[Order]:
    """All orders of a tree, by its definition."""
    if not tree.children:
        return {tuple(items(tree.mask))}
    places = range(len(tree.children))
    ways = [tuple(places), tuple(places)[::-1]] if tree.ordered else list(permutations(places))
    below = [orders(child) for child in tree.children]
    return {sum(parts, ()) for way in ways for parts in product(*(below[i] for i in way))}


def side_by_side(order: Order, group: int) -> bool:
    at = [i for i, item in enumerate(order) if group >> item & 1]
    return at[-1] - at[0] + 1 == len(at)


@st.composite
def trees(draw: st.DrawFn, count: int) -> Tree:
    tree = any_order([leaf(i) for i in range(count)])
    for group in draw(st.lists(st.integers(1, (1 << count) - 1), max_size=4)):
        tree = exchanged(tree, group, None) or tree
    return tree


@given(st.integers(2, 6).flatmap(lambda n: st.tuples(trees(n), st.integers(1, (1 << n) - 1))))
@settings(max_examples=200, deadline=None)
def test_a_tree_has_all_orders_and_no_others(case: tuple[Tree, int]):
    tree, group = case
    expected = {order for order in orders(tree) if side_by_side(order, group)}
    kept = exchanged(tree, group, None)
    assert (orders(kept) if kept else set()) == expected
    replaced = exchanged(tree, group, any_order([leaf(8), leaf(9)]))
    inserted = set[Order]()
    for order in expected:
        at = [i for i, item in enumerate(order) if group >> item & 1]
        inserted |= {(*order[: at[0]], *new, *order[at[-1] + 1 :]) for new in ((8, 9), (9, 8))}
    assert (orders(replaced) if replaced else set()) == inserted


@given(st.integers(2, 6).flatmap(lambda n: st.tuples(trees(n), trees(n), st.integers(1, (1 << n) - 1))))
@settings(max_examples=200, deadline=None)
def test_trees_are_intersected_and_restricted(case: tuple[Tree, Tree, int]):
    one, other, mask = case
    both = common(one, other)
    assert (orders(both) if both else set()) == orders(one) & orders(other)
    left = only(one, mask)
    assert left is not None
    assert orders(left) == {tuple(item for item in order if mask >> item & 1) for order in orders(one)}


@given(st.integers(3, 6).flatmap(lambda n: st.tuples(trees(n), st.data(), st.just(n))))
@settings(max_examples=100, deadline=None)
def test_an_arrangement_agrees_with_given_places(case: tuple[Tree, st.DataObject, int]):
    tree, data, count = case
    wanted = data.draw(st.sampled_from(sorted(orders(tree))))
    low = data.draw(st.integers(0, count - 1))
    high = data.draw(st.integers(low, count - 1))
    places = {item: at for at, item in enumerate(wanted)} | dict.fromkeys(wanted[low : high + 1], low)
    found = arrangement(tree, places)
    assert tuple(found) in orders(tree)
    assert [places[item] for item in found] == sorted(places.values())


def test_groups_have_equal_sums_and_stand_side_by_side():
    sizes = [500, 300, 200, 300, 700, 900]  # 0, 1 and 2 end, 3 and 4 begin, 5 stays between 1 and 2
    ending = [leaf(i) for i in (0, 1, 5, 2)]
    anywhere = {(each.ending, each.beginning) for each in groups(any_order(ending), [0, 1, 2], [3, 4], sizes)}
    assert anywhere == {(0b010, 0b01000), (0b101, 0b10000)}
    fixed = {(each.ending, each.beginning) for each in groups(in_order(ending), [0, 1, 2], [3, 4], sizes)}
    assert fixed == {(0b010, 0b01000)}


def fill(boxes: Boxes, effort: int = 50_000) -> bool:
    sizes, first, last = boxes[:, 1] - boxes[:, 0], boxes[:, 2], boxes[:, 3] - 1
    offsets = fill_memory(make_problem(sizes, first.copy(), last), CAPACITY, effort)
    if offsets is None:
        return False
    check_plan(offsets, sizes, first, last, CAPACITY)
    return True


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("count", [100, 300, 500])
def test_a_memory_that_is_always_full_is_filled_at_once(count: int, seed: int):
    assert fill(churn(count, CAPACITY, 0, seed))


@pytest.mark.parametrize("seed", range(3))
def test_packings_of_hundreds_of_buffers_are_found(seed: int):
    assert fill(guillotine(300, CAPACITY, 200, seed))
    assert fill(pinwheels(200, CAPACITY, 200, seed))


@pytest.mark.parametrize("make", [guillotine, churn])
def test_a_memory_that_is_nearly_always_full_is_filled(make: Callable[[int, int, int, int], Boxes]):
    boxes = make(200, CAPACITY, 200, 1)
    plan = plan_arena(boxes[6:, 1] - boxes[6:, 0], boxes[6:, 2], boxes[6:, 3] - 1)
    assert plan.peak == plan.lower_bound == CAPACITY


def test_what_is_mostly_empty_is_left_to_others():
    problem = make_problem(np.array([64, 64, 128, 64]), np.array([0, 1, 2, 3]), np.array([0, 1, 2, 3]))
    assert fill_memory(problem, 1024, 1000) is None


def test_many_equal_buffers_at_each_step_take_no_time():
    sizes, first = np.full(600, 64), np.arange(600) // 100
    with at_most(10):
        assert fill_memory(make_problem(sizes, first, first), 6400, 50_000) is not None
