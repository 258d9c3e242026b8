"""How many threads a segment of launches gets: all, or one where that is faster.

Threads meet between kernels, which takes microseconds, and much longer when other processes want their CPUs. No figure
known beforehand tells whether that pays for a segment of a hundred microseconds, but its own runs do: the first few
try both, and later now and then some try the other way, so rarely that even a bad try costs little. The results are the
same bits either way.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable

#: Seconds. Segments that take longer get all threads, always: trying would be felt.
LONG = 0.1
#: Runs of each way that are remembered; the median counts. The best would say what several threads can do on an idle
#: machine, even where others mostly keep one of them from running.
REMEMBERED = 5
#: At most one part in so many of the time goes into trying the way that was slower, but at the beginning one in EARLY:
#: what disturbed the first runs may be gone soon.
SHARE, EARLY = 50, 8
#: Runs after each other that try a way: workers that have slept find it slower to begin with. A run that takes
#: HOPELESS times as long as the better way ends the trial.
TRIES, HOPELESS = REMEMBERED, 4.0


class Pace:
    """Chooses for one segment among one or two numbers of threads. The first run, which is cold, tells nothing.

    `expected` is the seconds that the last run took, infinity if there was none.
    """

    def __init__(self, *ways: int):
        self._times = {way: deque[float](maxlen=REMEMBERED) for way in dict.fromkeys(ways)}
        self._most = self._now = max(ways)
        self._cold, self._trying, self._patience = True, False, EARLY
        self._left = 0.0 if len(self._times) > 1 else math.inf  # runs until the next decision
        self.expected = math.inf

    def threads(self) -> int:
        """For the next run."""
        if self._left > 0:
            self._left -= 1
            return self._now
        return self._decide()

    def _decide(self) -> int:
        times, most = self._times, self._most
        if self._cold or LONG < typical(times[most]) < math.inf:
            return most
        untried = [way for way, found in times.items() if len(found) < REMEMBERED]
        if untried:
            self._trying = True
            return max(untried)
        best, other = sorted(times, key=lambda way: typical(times[way]))
        self._trying = not self._trying
        if self._trying:
            self._now, self._left = other, TRIES - 1
        else:
            self._now = best
            self._left = int(TRIES * self._patience * typical(times[other]) / typical(times[best]))
            self._patience = min(SHARE, 2 * self._patience)
        return self._now

    @property
    def long(self) -> bool:
        """Whether it is better to wait for all threads than to do with one."""
        return LONG < typical(self._times[self._most]) < math.inf

    def took(self, threads: int, seconds: float) -> None:
        """A run with so many threads took so long."""
        self.expected = seconds
        if self._cold:
            self._cold = False
        else:
            self._times[threads].append(seconds)
            if self._trying and seconds > HOPELESS * min(map(typical, self._times.values())):
                self._left = 0.0


def typical(seconds: Iterable[float]) -> float:
    """The median of some times; infinity of none."""
    ordered = sorted(seconds)
    return ordered[len(ordered) // 2] if ordered else math.inf
