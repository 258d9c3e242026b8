"""The threads of a program: one call of native code divided among them, in which the main thread can be interrupted.

Python handles signals in the main thread alone, and only between its own instructions. A short call is made there
directly. A long one, or one of unknown length, is made by another thread while the main thread waits, which a
signal's handler may end by an exception, as Ctrl-C does. Then the call's threads are asked to stop, and waited for, so
that nothing writes to the caller's arrays afterwards.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait

#: Seconds. A signal may wait so long for a call that the main thread makes itself.
SHORT = 0.05

_gangs: weakref.WeakSet[Gang] = weakref.WeakSet()


class Gang:
    """`threads` threads with the caller's. After a fork, the child starts its own."""

    def __init__(self, threads: int):
        self.threads = threads
        self.reset()
        _gangs.add(self)

    def reset(self) -> None:
        """Forget all threads: those of the parent process do not exist in a forked child."""
        self._others = ThreadPoolExecutor(self.threads - 1) if self.threads > 1 else None
        self._leader: ThreadPoolExecutor | None = None
        self._together = threading.Lock()  # half of the threads of two calls each would wait for the others for ever
        self._making = threading.Lock()

    def call(self, part: Callable[[int], int], parts: int, stop: Callable[[], None], seconds: float) -> int:
        """Part 0's result, after all of `parts` (1, or as many as threads) have run at the same time.

        `seconds` is how long it is likely to take. If an exception interrupts the main thread here, `stop` is
        called, which must make running parts leave soon and others not begin; then the exception goes on.
        """
        if parts == 1:
            return self._run(part, [], stop, seconds)
        with self._together:
            assert self._others is not None
            others: list[Future[int]] = []
            try:
                for number in range(1, parts):
                    others.append(self._others.submit(part, number))
            except BaseException:
                stop()
                wait(others)
                raise
            return self._run(part, others, stop, seconds)

    def _run(
        self, part: Callable[[int], int], others: list[Future[int]], stop: Callable[[], None], seconds: float
    ) -> int:
        running = list(others)
        try:
            if seconds < SHORT or threading.current_thread() is not threading.main_thread():
                result = part(0)
            else:
                running.append(self._led().submit(part, 0))
                result = running[-1].result()
            for other in others:
                other.result()
        except BaseException:
            stop()
            wait(running)
            raise
        return result

    def _led(self) -> ThreadPoolExecutor:
        """The thread that makes the main thread's part."""
        with self._making:
            if self._leader is None:
                self._leader = ThreadPoolExecutor(1)
            return self._leader


def _reset_all() -> None:
    for gang in list(_gangs):
        gang.reset()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reset_all)
