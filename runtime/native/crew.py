"""The process's threads for native code: all programs share them, and they are started when first needed.

A worker is a thread of the C library that never runs Python: it needs no lock of the interpreter, sleeps when it has no
job, and ends with the process. Its code and its box are therefore kept for ever. Where threads cannot sleep on memory
(futex.py), Python's threads make the parts of a job instead.
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import cache

from vcc.runtime.native.code import Loaded
from vcc.runtime.native.crew_code import NUMBER, OCCUPIED
from vcc.runtime.native.futex import has_futex
from vcc.runtime.native.lending import BOX_BYTES, BOXES, CPU_BYTES, CPUS
from vcc.runtime.native.scratch import LINE

#: Threads of a run at most: so many boxes are kept, of which only those of threads that were started take memory.
MOST = 256

#: Runs a job, given its address: 0 or a trap, or `OCCUPIED` if the crew has another.
Go = Callable[[int], int]


class Workers:
    """Threads of the C library. A child has none after a fork, where `reset` must be called."""

    def __init__(self) -> None:
        self._bytes = BOXES + BOX_BYTES * MOST
        raw = _libc().calloc(1, self._bytes + LINE)
        if not raw:
            raise MemoryError
        self.address, self._started = -(-raw // LINE) * LINE, 0
        self._starting = threading.Lock()

    def reset(self) -> None:
        """Forget the threads of the parent process, and the job that they may have had when it forked."""
        self._starting = threading.Lock()
        ctypes.memset(self.address, 0, BOXES + BOX_BYTES * self._started)
        self._started = 0

    def runner(self, code: Loaded, threads: int) -> Go:
        """What runs jobs of that code on so many threads, of which the caller's is one."""
        memory, go = self.address, _function(code, "go", ctypes.c_void_p)

        def run(job: int) -> int:
            if self._started < threads - 1:
                self._start(code, threads - 1)
            return go(job, memory)

        return run

    def _start(self, code: Loaded, count: int) -> None:
        """Starts workers. If some cannot be started, or are just being, the leader takes back what was posted to them.

        Nobody waits here: a signal's handler may run a program while the thread that it interrupted is in here.
        """
        if not self._starting.acquire(blocking=False):
            return
        try:
            allowed = sum(1 << cpu for cpu in os.sched_getaffinity(0) if cpu < 8 * CPU_BYTES)
            ctypes.memmove(self.address + CPUS, allowed.to_bytes(CPU_BYTES, "little"), CPU_BYTES)
            address = _kept_for_ever(code).address("worker")
            while self._started < count:
                box = self.address + BOXES + BOX_BYTES * self._started
                ctypes.c_int64.from_address(box + NUMBER).value = self._started + 1
                thread = ctypes.c_ulong()
                if _libc().pthread_create(ctypes.byref(thread), None, address, box):
                    break  # the system gives no more threads; the next run asks again
                self._started += 1
                _libc().pthread_detach(thread)
        finally:
            self._starting.release()


class Borrowed:
    """Threads of Python's, for systems on which others cannot sleep."""

    address = 0  # they have no memory for a leader to look into

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """As `Workers.reset`."""
        self._busy, self._threads = threading.Lock(), 0
        self._pool: ThreadPoolExecutor | None = None

    def runner(self, code: Loaded, threads: int) -> Go:
        """As `Workers.runner`."""
        clear, lead = (_function(code, name) for name in ("clear", "lead"))
        work = _function(code, "work", ctypes.c_int64)

        def run(job: int) -> int:
            if not self._busy.acquire(blocking=False):
                return OCCUPIED
            others: list[Future[int]] = []
            try:
                if self._pool is None or self._threads < threads - 1:
                    self._pool, self._threads = ThreadPoolExecutor(threads - 1), threads - 1
                clear(job)
                others += [self._pool.submit(work, job, part) for part in range(1, threads)]
                return lead(job)
            finally:
                wait([other for other in others if not other.cancel()])
                self._busy.release()

        return run


def alone(code: Loaded) -> Go:
    """What runs jobs of that code on the caller's thread."""
    return _function(code, "alone")


def _function(code: Loaded, name: str, *second: type) -> Callable[..., int]:
    return ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p, *second)(code.address(name))


_kept: list[Loaded] = []


def _kept_for_ever(code: Loaded) -> Loaded:
    """The code of all workers: never unmapped, not even when the interpreter ends and forgets this list."""
    if not _kept:
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(code))
        _kept.append(code)
    return _kept[0]


@cache
def _libc() -> ctypes.CDLL:
    library = ctypes.CDLL(None)
    library.calloc.restype, library.calloc.argtypes = ctypes.c_void_p, (ctypes.c_size_t, ctypes.c_size_t)
    library.pthread_create.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)
    library.pthread_detach.argtypes = (ctypes.c_ulong,)
    return library


#: The one of this process.
CREW: Workers | Borrowed = Workers() if has_futex() else Borrowed()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=CREW.reset)
