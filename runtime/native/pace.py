"""How many threads a segment of launches gets: all, or one where that is faster.

Threads meet between kernels, which takes microseconds, and much longer when other processes want their CPUs. No figure
known beforehand tells whether that pays for a segment of a hundred microseconds, but its own runs do: the first few
try both, and later now and then some try the other way. What a trial loses says how soon the next one is: ways that
are nearly as fast are compared often, for a wrong choice among them is soon put right, and a bad way rarely. The
results are the same bits either way.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable

#: Seconds. Trials of segments that take longer would be felt: they are one run, and rare from the beginning.
LONG = 0.1
#: Runs of each way that are remembered; the median counts. The best would say what several threads can do on an idle
#: machine, even where others mostly keep one of them from running.
REMEMBERED = 5
#: Runs after each other that try a way: workers that have slept find it slower to begin with. Fewer are enough if SLOW
#: of them are slower than the better way, or one takes HOPELESS times as long.
TRIES, SLOW, HOPELESS = REMEMBERED, 2, 4.0
#: At most one part in so many of the time is lost by trials, but at the beginning and after a change of mind one in
#: EARLY: what disturbed the last runs may be gone soon. So many runs are between trials even if they lose nothing.
SHARE, EARLY, LEAST = 50, 16, 2 * TRIES


class Pace:
    """Chooses for one segment among one or two numbers of threads. The first run, which is cold, tells nothing.

    `expected` is the seconds that the last run took, infinity if there was none.
    """

    def __init__(self, *ways: int):
        self._times = {way: deque[float](maxlen=REMEMBERED) for way in dict.fromkeys(ways)}
        self._most = self._now = self._chosen = max(ways)
        self._cold, self._trying, self._patience = True, False, EARLY
        self._left = 0.0 if len(self._times) > 1 else math.inf  # runs until the next decision
        self._tried = self._slow = 0  # runs of the present trial, slower ones
        self.expected = math.inf

    def threads(self) -> int:
        """For the next run."""
        if self._left > 0:
            self._left -= 1
            return self._now
        return self._decide()

    def _decide(self) -> int:
        if self._cold:
            return self._most
        times, long = self._times, self.expected > LONG
        best, other = sorted(times, key=lambda way: typical(times[way]))
        if not self._trying or not times[other]:
            self._trying, self._now, self._left = True, other, 0 if long else TRIES - 1
            self._tried = self._slow = 0
            return other
        if best != self._chosen:
            self._chosen, self._patience = best, EARLY
        lost = self._tried * (typical(times[other]) / typical(times[best]) - 1)  # in runs of the better way
        self._trying, self._now, self._left = False, best, max(LEAST, int((SHARE if long else self._patience) * lost))
        self._patience = min(SHARE, 2 * self._patience)
        return best

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
            if self._trying:
                best = min(map(typical, self._times.values()))
                self._tried += 1
                self._slow += seconds > best
                if self._slow >= SLOW or seconds > HOPELESS * best:
                    self._left = 0.0


def typical(seconds: Iterable[float]) -> float:
    """The median of some times; infinity of none."""
    ordered = sorted(seconds)
    return ordered[len(ordered) // 2] if ordered else math.inf
