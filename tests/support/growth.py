"""Whether something that is done many times takes memory."""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Callable
from contextlib import suppress

from vcc.compiler.bench.fresh import resident

#: The allocator, or a thread that another test left, may take memory in one round; what runs keep shows in all of them.
ROUNDS = 5


def growth(run: Callable[[], object], warm: int, runs: int, allowed: int) -> int:
    """Bytes by which the memory in use grows over so many runs, after some that are not counted.

    That is the least of up to `ROUNDS` rounds, of which one within `allowed` is the last.
    """
    for _ in range(warm):
        run()
    found: list[int] = []
    while not found or (min(found) > allowed and len(found) < ROUNDS):
        before = _in_use()
        for _ in range(runs):
            run()
        found.append(_in_use() - before)
    return min(found)


def _in_use() -> int:
    """Resident bytes without what the allocator keeps of what was freed, in which much growth would find room."""
    gc.collect()
    with suppress(AttributeError):  # a C library other than glibc
        ctypes.CDLL(None).malloc_trim(ctypes.c_size_t(0))
    return resident("VmRSS")
