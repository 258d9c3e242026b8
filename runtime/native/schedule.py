"""Which launches of a segment wait for which: phases of tasks that do not depend on each other (claims.py).

A launch that is worth dividing is a task in many pieces. Others are joined to rows that one thread makes; two rows in
one phase are made at the same time. Launches depend on each other where one writes what the other reads or writes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

#: Bytes of some memory: its name, the first, the one after the last, whether they are written.
Span = tuple[str, int, int, bool]


@dataclass(frozen=True)
class Piece:
    """One launch, or a copy before one. `cycles` are an estimate on one thread (work.py).

    `pieces` is how many the work can be cut into, 1 if it is not worth dividing; `together` says that all threads
    must be in it at the same time.
    """

    spans: tuple[Span, ...]
    cycles: float
    pieces: int = 1
    together: bool = False


@dataclass(frozen=True)
class Task:
    """Launches `first` to `end` of a schedule, which one thread makes in this order, or one launch in many pieces."""

    first: int
    end: int
    pieces: int
    cycles: float
    together: bool


@dataclass(frozen=True)
class Schedule:
    """`order` numbers the launches as they are scheduled; `phases` have tasks, whose numbers are places in `order`."""

    order: tuple[int, ...]
    phases: tuple[tuple[Task, ...], ...]


@dataclass
class _Open:
    """A task that may still grow."""

    members: list[int] = field(default_factory=list[int])
    closed: bool = False


def schedule(launches: Sequence[Piece]) -> Schedule:
    """Phases as short as dependences allow without changing which phase comes first."""
    phases: list[list[_Open]] = []
    for number, launch in enumerate(launches):
        tasks = phases[-1] if phases else []
        whole = launch.pieces > 1 or launch.together
        before = [task for task in tasks if any(conflict(launches[m], launch) for m in task.members)]
        alone = launch.together or any(launches[m].together for task in tasks for m in task.members)
        if not phases or alone or (before and (whole or len(before) > 1 or before[0].closed)):
            phases.append([_Open([number], whole)])
        elif before:
            before[0].members.append(number)
        else:
            tasks.append(_Open([number], whole))
    order: list[int] = []
    found: list[tuple[Task, ...]] = []
    for tasks in phases:
        made: list[Task] = []
        for task in tasks:
            first, members = len(order), [launches[m] for m in task.members]
            order += task.members
            cycles = sum(member.cycles for member in members)
            made.append(Task(first, len(order), members[0].pieces if task.closed else 1, cycles, members[0].together))
        found.append(tuple(made))
    return Schedule(tuple(order), tuple(found))


def conflict(one: Piece, other: Piece) -> bool:
    """Whether two launches may not be made at the same time."""
    return any(_meet(a, b) for a in one.spans for b in other.spans)


def _meet(a: Span, b: Span) -> bool:
    return (a[3] or b[3]) and a[0] == b[0] and a[1] < b[2] and b[1] < a[2]


def widest(phases: Iterable[Sequence[Task]]) -> int:
    """How many threads could have work at the same time."""
    return max((sum(task.pieces for task in phase) for phase in phases), default=1)
