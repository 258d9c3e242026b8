"""Packings without waste, found by going through time instead of through memory.

Where the memory is full at every step, only the order of the live buffers matters: their offsets are sums. All orders
that agree with what happened up to a step are the orders of one PQ-tree. At the next step some buffers end and others
of as many bytes take their places, group by group (see exchanges.py): the ending buffers of a group stand side by side,
which the tree tells or is made to, and the beginning ones, in any order, are put there instead. As no position is
chosen before it has to be, what is to be decided is only which groups there are.

The search goes through time from both ends, always at that end where fewer groups are possible, until the two trees
meet and have an order in common. Of several ways to divide the buffers into groups the surest come first; a beam of the
surest partial solutions is kept, or one is followed depth first. Groups that are nearly certain from their sizes alone
are known before the search: they stand side by side already when the last of them begins.

Free bytes are made into buffers first, so a memory that is full most of the time is a full one with a few of those.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from random import Random
from typing import NamedTuple

import numpy as np

from vcc.runtime.plan.exchanges import ALL_SUBSETS, Group, groups, mask_of
from vcc.runtime.plan.pq_tree import Tree, any_order, arrangement, common, exchanged, items, leaf, only
from vcc.runtime.plan.problem import Ints, Problem, make_problem

#: The first searches: how many partial solutions they keep. After them widths alternate, 0 being depth first.
_FIRST_WIDTHS = (1, 6, 12)
_WIDTHS = (0, 0, 0, 8, 0, 0, 0, 16)
#: Which way they go: forward, back in time, or where it is easier (0).
_WAYS = (0, 1, -1)
#: Exchanges of a search that goes depth first.
_DEEP = 1500
#: How much surer than any other a division must be to count as known before, and how much chance is added to what is
#: sure; drawn for each search but the first ones.
_MARGINS = (0.3, 1.0, 3.0, 1e9)
_NOISES = (0.3, 0.7, 1.5)
#: At most this many divisions of one step's buffers are compared, and many more at the meeting of both ends.
_DIVISIONS, _LAST_DIVISIONS = 48, 200
#: Divisions are known before only of so few buffers, with so few groups to choose from.
_KNOWN_BUFFERS, _KNOWN_GROUPS = 10, 40
#: Free bytes in more pieces than this part of the buffers are too many for this search.
_FILLERS = 0.5
#: More buffers that begin at one step than these leave too many ways to divide them.
_MOST_AT_ONCE = 150
#: How often a free piece ends and a larger one begins instead of another piece, where the choice is random.
_JOIN = 0.2


def fill_memory(problem: Problem, capacity: int, effort: int) -> Ints | None:
    """Offsets in bytes of all buffers below `capacity`, if a search of about `effort` exchanges finds them."""
    random = Random(0)
    full = _filled(problem, capacity, None)
    most = max(np.bincount(full.first).max(), np.bincount(full.last).max())
    if len(full.sizes) > (1 + _FILLERS) * len(problem.sizes) or len(problem.profile) < 2 or most > _MOST_AT_ONCE:
        return None
    spent = turn = 0
    while spent < effort:
        if turn < len(_FIRST_WIDTHS):
            width, margin, noise, way = _FIRST_WIDTHS[turn], 1.0, 0.0, 0
        else:
            width, way = _WIDTHS[turn % len(_WIDTHS)], _WAYS[turn % len(_WAYS)]
            margin, noise = random.choice(_MARGINS), random.choice(_NOISES)
            full = _filled(problem, capacity, random)
        limit = effort - spent if width else min(_DEEP, effort - spent)
        search = _FullSearch(full, random, margin, noise, way, limit)
        found = search.run(width) if width else search.run_deep()
        if found is not None:
            return np.array([found[i] for i in range(len(problem.sizes))], np.int64)
        spent += search.nodes
        turn += 1
    return None


def _filled(problem: Problem, capacity: int, random: Random | None) -> Problem:
    """The problem with buffers for all bytes that are free; what becomes free last is used first, or any of it.

    A piece of the size that is needed is taken in any case, if there is one.
    """
    free: list[tuple[int, int]] = []  # size and first step of each piece
    rows: list[tuple[int, int, int]] = []
    for step, change in enumerate(np.diff(capacity - problem.profile, prepend=0).tolist()):
        if change > 0:
            if random is not None and free and random.random() < _JOIN:
                # One piece ends where another begins at the same step: all that shows is the difference.
                size, first = free.pop(random.randrange(len(free)))
                rows.append((size, first, step - 1))
                change += size
            free.append((change, step))
        while change < 0:
            exact = [i for i, (size, _) in enumerate(free) if size == -change]
            at = (exact or [len(free) - 1])[-1] if random is None else random.choice(exact or range(len(free)))
            size, first = free.pop(at)
            rows.append((size, first, step - 1))
            change += size
            if change > 0:
                free.append((change, step))
    rows += [(size, first, len(problem.profile) - 1) for size, first in free]
    every = np.column_stack((problem.sizes, problem.first, problem.last))
    sizes, first, last = np.concatenate((every, np.array(rows, np.int64).reshape(-1, 3))).T
    return make_problem(sizes.copy(), first, last)


class _Link(NamedTuple):
    """An exchange that was made: the tree before, what ended and what began (masks), and the exchange before that."""

    before: _Link | None
    tree: Tree
    out: int
    into: int


class _End(NamedTuple):
    """One end of the search: the orders at a step, how it came there, and the groups of the next exchange."""

    tree: Tree
    step: int
    done: _Link | None
    todo: list[Group]


class _FullSearch:
    """One search in a problem of several steps without free bytes; the constants above say what the numbers are."""

    def __init__(self, problem: Problem, random: Random, margin: float, noise: float, way: int, limit: int):
        self._sizes: list[int] = (problem.sizes // np.gcd.reduce(problem.sizes)).tolist()
        self._unit = int(np.gcd.reduce(problem.sizes))
        self._steps = len(problem.profile)
        self._begin: list[list[int]] = [[] for _ in range(self._steps)]
        self._end: list[list[int]] = [[] for _ in range(self._steps)]
        for i, (first, last) in enumerate(zip(problem.first.tolist(), problem.last.tolist(), strict=True)):
            self._begin[first].append(i)
            self._end[last].append(i)
        self._first, self._last = problem.first.tolist(), problem.last.tolist()
        self._random, self._noise, self._way, self._limit = random, noise, way, limit
        #: Exchanges and groups tried so far, weighted by what they cost.
        self.nodes = 0
        #: For both directions and each step what stands side by side from then on.
        self._known: tuple[list[list[int]], list[list[int]]] = (
            [[] for _ in range(self._steps)],
            [[] for _ in range(self._steps)],
        )
        for step in range(1, self._steps):
            self._learn(step, margin)

    def _learn(self, step: int, margin: float) -> None:
        """Note the groups of one step's exchange if one division is much surer than all others."""
        ending, beginning = self._end[step - 1], self._begin[step]
        if max(len(ending), len(beginning)) > _KNOWN_BUFFERS:
            return
        tree = any_order([leaf(i) for i in ending])
        todo = self._doubted(groups(tree, ending, beginning, self._sizes))
        if len(todo) > _KNOWN_GROUPS:
            return
        found = self._surest(tree, mask_of(ending), mask_of(beginning), todo, None, _DIVISIONS)
        if not found or (len(found) > 1 and found[0][0] > found[1][0] - margin):
            return
        link = found[0][2]
        while link is not None:
            if link.out.bit_count() > 1:
                self._known[0][max(self._first[i] for i in items(link.out))].append(link.out)
            if link.into.bit_count() > 1:
                self._known[1][min(self._last[i] for i in items(link.into))].append(link.into)
            link = link.before

    def _doubted(self, todo: list[Group]) -> list[Group]:
        if not self._noise:
            return todo
        return sorted(each._replace(chance=each.chance + self._noise * self._random.gauss(0, 1)) for each in todo)

    def run(self, width: int) -> dict[int, int] | None:
        """The buffers' offsets in bytes, or None if a beam of this width does not find any."""
        pair = self._both_ends()
        if pair is None:
            return None
        beam = [(0.0, *pair)]
        while beam and self.nodes < self._limit:
            following: list[tuple[float, _End, _End]] = []
            for regret, begin, end in beam:
                surest: float | None = None
                for chance, new_begin, new_end in islice(self._advanced(begin, end), 2 * width):
                    surest = chance if surest is None else surest
                    if new_begin.step == new_end.step:
                        order = common(new_begin.tree, new_end.tree)
                        if order is not None:
                            return self._offsets(order, new_begin.done, new_end.done)
                    else:
                        following.append((regret + chance - surest, new_begin, new_end))
            beam = sorted(following, key=lambda each: each[0])[:width]
        return None

    def run_deep(self) -> dict[int, int] | None:
        """As `run`, but depth first."""
        pair = self._both_ends()
        if pair is None:
            return None
        path = [self._advanced(*pair)]
        while path and self.nodes < self._limit:
            following = next(path[-1], None)
            if following is None:
                path.pop()
                continue
            _, begin, end = following
            if begin.step < end.step:
                path.append(self._advanced(begin, end))
            elif (order := common(begin.tree, end.tree)) is not None:
                return self._offsets(order, begin.done, end.done)
        return None

    def _both_ends(self) -> tuple[_End, _End] | None:
        begin = self._arrive(any_order([leaf(i) for i in self._begin[0]]), 0, None, 1)
        end = self._arrive(any_order([leaf(i) for i in self._end[-1]]), self._steps - 1, None, -1)
        return None if begin is None or end is None else (begin, end)

    def _exchange(self, step: int, way: int) -> tuple[list[int], list[int]]:
        """What ends and what begins when time goes on (or back) from a step."""
        return (self._end[step], self._begin[step + 1]) if way > 0 else (self._begin[step], self._end[step - 1])

    def _arrive(self, tree: Tree, step: int, done: _Link | None, way: int) -> _End | None:
        """An end of the search that has come to a step; None if the tree contradicts what is known."""
        known: Tree | None = tree
        for group in self._known[way < 0][step]:
            self.nodes += 1
            known = exchanged(known, group, None)
            if known is None:
                return None
        todo: list[Group] = []
        if 0 <= step + way < self._steps:
            todo = self._doubted(groups(known, *self._exchange(step, way), self._sizes))
        self.nodes += 3 + len(todo) // 10 + len(self._begin[step]) // 4
        return _End(known, step, done, todo)

    def _difficulty(self, end: _End, way: int) -> int:
        out, into = self._exchange(end.step, way)
        # Of very many buffers not all groups are listed.
        return len(end.todo) + (1 << 20 if max(len(out), len(into)) > ALL_SUBSETS else 0)

    def _advanced(self, begin: _End, end: _End) -> Iterator[tuple[float, _End, _End]]:
        """Both ends after the exchange at that end where it is easier, the surest division first."""
        forward = self._way > 0 if self._way else self._difficulty(begin, 1) <= self._difficulty(end, -1)
        near, far, way = (begin, end, 1) if forward else (end, begin, -1)
        out, into = self._exchange(near.step, way)
        meets = near.step + way == far.step
        todo = self._doubted(groups(near.tree, out, into, self._sizes, far.tree)) if meets else near.todo
        most = _LAST_DIVISIONS if meets else _DIVISIONS
        for chance, tree, done in self._surest(near.tree, mask_of(out), mask_of(into), todo, near.done, most):
            new = _End(tree, far.step, done, []) if meets else self._arrive(tree, near.step + way, done, way)
            if new is not None and (meets or self._agree(new.tree, far.tree)):
                yield (chance, new, far) if forward else (chance, far, new)

    def _agree(self, one: Tree, other: Tree) -> bool:
        """Whether two trees have an order of the buffers that are in both in common."""
        both = one.mask & other.mask
        if both.bit_count() < 3:
            return True
        self.nodes += 1
        left, right = only(one, both), only(other, both)
        return left is None or right is None or common(left, right) is not None

    def _surest(
        self, tree: Tree, out: int, into: int, todo: Sequence[Group], done: _Link | None, most: int
    ) -> list[tuple[float, Tree, _Link | None]]:
        """The surest of the first `most` divisions into groups: their chance, and what comes of them."""
        return sorted(islice(self._divided(tree, out, into, todo, done, 0.0), most), key=lambda each: each[0])

    def _divided(
        self, tree: Tree, out: int, into: int, todo: Sequence[Group], done: _Link | None, chance: float
    ) -> Iterator[tuple[float, Tree, _Link | None]]:
        """All divisions of `out` and `into` into groups: those of the buffer with the fewest groups one by one."""
        if not out:
            yield chance, tree, done
            return
        count = dict.fromkeys(items(out | into), 0)
        for group in todo:
            for i in items(group.ending | group.beginning):
                count[i] += 1
        fewest = 1 << min(count, key=count.__getitem__)
        tried = [group for group in todo if (group.ending | group.beginning) & fewest]
        for each, ending, beginning in sorted([*tried, Group(0.0, out, into)]):
            if self.nodes > self._limit:
                return
            self.nodes += 1
            new = exchanged(tree, ending, any_order([leaf(i) for i in items(beginning)]))
            if new is None:
                continue
            left, more = out & ~ending, into & ~beginning
            rest = [g for g in todo if not (g.ending & ~left or g.beginning & ~more) and g.ending != left]
            link = _Link(done, tree, ending, beginning)
            yield from self._divided(new, left, more, rest, link, chance + each)

    def _offsets(self, order: Tree, *links: _Link | None) -> dict[int, int]:
        """The offsets in bytes when the buffers at the meeting stand in an order, and before and after as was found."""
        offsets: dict[int, int] = {}

        def stack(order: Sequence[int]) -> None:
            at = 0
            for i in order:
                offsets[i] = at
                at += self._sizes[i] * self._unit

        stack(arrangement(order, dict.fromkeys(items(order.mask), 0)))
        for link in links:
            while link is not None:
                # What ended there stands where what began in its place does.
                place = min(offsets[i] for i in items(link.into))
                stack(arrangement(link.tree, offsets | dict.fromkeys(items(link.out), place)))
                link = link.before
        return offsets
