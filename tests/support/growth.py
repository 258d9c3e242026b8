"""Whether something that is done many times takes memory."""

from __future__ import annotations

import gc
from collections.abc import Callable

from vcc.compiler.bench.fresh import resident

#: The allocator, or a thread that another test left, may take memory in one round; what runs keep shows in all of them.
ROUNDS = 5


def growth(run: Callable[[], object], warm: int, runs: int, allowed: int) -> int:
    """Bytes by which resident memory grows over so many runs, after some that are not counted.

    That is the least of up to `ROUNDS` rounds, of which one within `allowed` is the last.
    """
    for _ in range(warm):
        run()
    found: list[int] = []
    while not found or (min(found) > allowed and len(found) < ROUNDS):
        gc.collect()
        before = resident("VmRSS")
        for _ in range(runs):
            run()
        gc.collect()
        found.append(resident("VmRSS") - before)
    return min(found)
