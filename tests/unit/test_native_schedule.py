"""Which launches wait for which, and how their pieces are given to threads."""

from __future__ import annotations

import random
from itertools import pairwise

from vcc.runtime.native.jobs import plan
from vcc.runtime.native.schedule import Piece, Schedule, Span, Task, conflict, schedule


def launch(reads: str, writes: str, pieces: int = 1, cycles: float = 100.0, together: bool = False) -> Piece:
    """Memories are letters."""
    spans: list[Span] = [(name, 0, 8, False) for name in reads]
    return Piece((*spans, *((name, 0, 8, True) for name in writes)), cycles, pieces, together)


def shape(found: Schedule) -> list[list[list[int]]]:
    """For each phase, the launches of each task."""
    return [[list(found.order[task.first : task.end]) for task in phase] for phase in found.phases]


def test_small_launches_that_follow_each_other_are_one_task():
    assert shape(schedule([launch("a", "b"), launch("b", "c"), launch("c", "d")])) == [[[0, 1, 2]]]


def test_branches_are_made_at_the_same_time():
    branches = [launch("a", "b"), launch("b", "c"), launch("a", "d"), launch("d", "e"), launch("ce", "f")]
    assert shape(schedule(branches)) == [[[0, 1], [2, 3]], [[4]]]


def test_divided_launches_wait_for_what_they_read_only():
    found = schedule(
        [launch("a", "b", 8), launch("a", "c", 8), launch("bc", "d", 8), launch("d", "e"), launch("e", "f")]
    )
    assert shape(found) == [[[0], [1]], [[2]], [[3, 4]]]
    assert [[task.pieces for task in phase] for phase in found.phases] == [[8, 8], [8], [1]]


def test_memory_that_is_used_again_is_waited_for():
    assert shape(schedule([launch("a", "b", 4), launch("x", "a", 4)])) == [[[0]], [[1]]]
    assert shape(schedule([launch("a", "b", 4), launch("x", "b", 4)])) == [[[0]], [[1]]]
    assert shape(schedule([launch("a", "b", 4), launch("a", "c", 4)])) == [[[0], [1]]]


def test_what_all_threads_make_together_is_alone():
    found = schedule([launch("a", "b"), launch("c", "d", together=True), launch("e", "f")])
    assert shape(found) == [[[0]], [[1]], [[2]]]


def test_any_schedule_keeps_the_order_of_what_conflicts():
    generator = random.Random(1)
    for _ in range(200):
        letters = "abcdef"
        launches = [
            launch("".join(generator.sample(letters, 2)), generator.choice(letters), generator.choice([1, 1, 6]))
            for _ in range(12)
        ]
        found = schedule(launches)
        assert sorted(found.order) == list(range(12))
        where: dict[int, tuple[int, int, int]] = {}
        for p, phase in enumerate(found.phases):
            for t, task in enumerate(phase):
                assert task.pieces == 1 or task.end == task.first + 1
                where |= {found.order[place]: (p, t, place) for place in range(task.first, task.end)}
        for one in range(12):
            for other in range(one + 1, 12):
                if conflict(launches[one], launches[other]):
                    (p, t, place), (q, u, next_place) = where[one], where[other]
                    assert p < q or ((p, t) == (q, u) and place < next_place)


def rows(phases: tuple[tuple[Task, ...], ...], threads: int) -> tuple[list[list[int]], list[list[int]]]:
    made = plan(phases, threads)
    words = made.task_words
    tasks = [list(made.tasks[at : at + words]) for at in range(0, len(made.tasks), words)]
    return [list(made.phases[at : at + 3]) for at in range(0, len(made.phases), 3)], tasks


def test_one_thread_makes_all_in_one_piece():
    phases = schedule([launch("a", "b", 8), launch("b", "c", 8)]).phases
    assert rows(phases, 1) == ([[0, 1, 1]], [[0, 2, 1, 0, 0, 1]])


def test_each_thread_has_as_many_pieces():
    phases = ((Task(0, 1, 5, 1e7, False),), (Task(1, 2, 1000, 1e7, False),), (Task(2, 3, 1000, 100.0, False),))
    found, tasks = rows(phases, 2)
    assert found == [[0, 1, 4], [1, 2, 12], [2, 3, 14]]
    assert tasks == [[0, 1, 4, 0, 0, 2, 4], [1, 2, 8, 0, 0, 4, 8], [2, 3, 2, 0, 0, 1, 2]]


def test_equal_iterations_are_shared_equally_whatever_they_cost():
    for cycles in (100.0, 3e5, 5e5, 7e5, 1e9):
        for iterations in (2, 4, 8, 12, 64):
            for threads in (2, 4):
                (task,) = rows(((Task(0, 1, iterations, cycles, False),),), threads)[1]
                pieces, bounds = task[2], task[4:]
                starts = [iterations * piece // pieces for piece in bounds]
                shares = [high - low for low, high in pairwise(starts)]
                assert max(shares) == -(-iterations // threads) and sum(shares) == iterations


def test_rows_go_to_whom_has_least_to_do():
    phase = (Task(0, 1, 1, 50.0, False), Task(1, 2, 1, 30.0, False), Task(2, 3, 1, 30.0, False))
    _, tasks = rows((phase,), 2)
    assert [task[4:] for task in tasks] == [[0, 1, 1], [0, 0, 1], [0, 0, 1]]


def test_together_gives_each_thread_its_own():
    _, tasks = rows(((Task(0, 1, 1, 50.0, True),),), 3)
    assert tasks == [[0, 1, 3, 1, 0, 1, 2, 3]]
