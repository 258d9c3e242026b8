"""A segment's work as tables in memory for some number of threads: what claims.py reads."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass

from vcc.runtime.native.claims import (
    CREW,
    LAUNCHES,
    PARTS,
    PHASE_COUNT,
    PHASE_WORDS,
    PHASES,
    PLACES,
    SCRATCH,
    SHARED,
    TASK_BYTES,
    TASK_WORDS,
    TASKS,
    WORK,
)
from vcc.runtime.native.schedule import Task

#: What a thread has of a launch is cut so that one which comes late or is slow can be helped out: into pieces of no
#: fewer cycles, and no more of them. Smaller ones cost more than they save.
PIECE_CYCLES, PIECES = 100_000, 4
_Words = ctypes.Array[ctypes.c_int64]


@dataclass(frozen=True)
class Plan:
    """What runs of a segment on so many threads have in common."""

    threads: int
    phases: _Words
    tasks: _Words
    task_words: int

    @property
    def phase_count(self) -> int:
        """Phases of the segment."""
        return len(self.phases) // PHASE_WORDS


def plan(phases: Sequence[Sequence[Task]], threads: int) -> Plan:
    """The tables of phases and tasks. One thread alone makes all launches in one piece."""
    if threads == 1:
        last = max((task.end for phase in phases for task in phase), default=0)
        phases = [[Task(0, last, 1, 0.0, False)]]
    rows, table = list[int](), list[int]()
    total = count = 0
    for phase in phases:
        first, load = count, [0.0] * threads
        for task in phase:
            bounds = _bounds(task, threads, load)
            table += [task.first, task.end, bounds[-1], int(task.together), *bounds]
            total, count = total + bounds[-1], count + 1
        rows += [first, count, total]
    return Plan(threads, _words(rows), _words(table), TASK_WORDS + threads + 1)


def _bounds(task: Task, threads: int, load: list[float]) -> list[int]:
    """Where each thread's pieces begin, and how many there are; a task of one is for who has least, as `load` notes."""
    if task.together:
        return list(range(threads + 1))
    if task.pieces > 1:
        # As many for each thread, so that all have equal parts of the iterations.
        each = min(PIECES, int(task.cycles / threads / PIECE_CYCLES), task.pieces // threads)
        count = min(threads * max(1, each), task.pieces)
        for thread in range(threads):
            load[thread] += task.cycles / threads
        return [-(-count * thread // threads) for thread in range(threads + 1)]
    owner = load.index(min(load))
    load[owner] += task.cycles
    return [0] * (owner + 1) + [1] * (threads - owner)


class Job:
    """A segment's work for one run at a time. `address` is what `go` takes; `launches` are functions of the driver.

    `places` and `shared` are addresses, of the table of driver.py and of `shared_bytes` bytes; `scratch` those of the
    threads' own memories; `work` is the address of the function, `crew` that of the workers' memory, 0 if it has none.
    Plan and functions are kept alive.
    """

    def __init__(
        self, plan: Plan, launches: _Words, places: int, shared: int, scratch: Sequence[int], work: int, crew: int
    ):
        words = {
            PARTS: plan.threads,
            PHASES: ctypes.addressof(plan.phases),
            PHASE_COUNT: plan.phase_count,
            TASKS: ctypes.addressof(plan.tasks),
            TASK_BYTES: 8 * plan.task_words,
            LAUNCHES: ctypes.addressof(launches),
            PLACES: places,
            SHARED: shared,
            WORK: work,
            CREW: crew,
        }
        self._kept = plan, launches
        self._words = _words([*(words[at] for at in range(0, SCRATCH, 8)), *scratch[: plan.threads]])
        self.address = ctypes.addressof(self._words)


def _words(values: Sequence[int]) -> _Words:
    return (ctypes.c_int64 * max(1, len(values)))(*values)
