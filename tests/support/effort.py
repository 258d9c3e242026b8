"""Bounds on how long work takes, which a slow or busy computer does not break.

Seconds are those of this thread on a CPU, of the computer where the bounds were chosen: a fixed piece of Python beside
the work tells how much slower this one is now.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import contextmanager

#: Seconds that the fixed piece took where the bounds were chosen.
_REFERENCE = 0.003


def _fixed_piece() -> float:
    """Seconds for some tens of thousands of steps of the interpreter."""
    start = time.thread_time()
    counts: dict[int, list[int]] = {}
    for number in range(40_000):
        counts.setdefault(number * 7 % 1009, []).append(number)
    assert sum(map(len, counts.values())) == 40_000
    return time.thread_time() - start


def slowness() -> float:
    """How many times slower than the reference this computer is now; at least 1."""
    return max(1.0, min(_fixed_piece() for _ in range(3)) / _REFERENCE)


@contextmanager
def at_most(seconds: float) -> Generator[None]:
    """Fail if the body takes longer. A bound is ten times what it takes, since a loop too many is a hundred times."""
    before = slowness()
    start = time.thread_time()
    yield
    taken = time.thread_time() - start
    allowed = seconds * max(before, slowness())
    assert taken <= allowed, f"{taken:.2f} s on the CPU instead of {allowed:.2f}"
