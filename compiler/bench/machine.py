"""What this machine can do, measured: fused multiply-adds a second, and bytes a second from memory.

Both by small loops of our own through LLVM (probe_code.py). Memory: every thread adds up its part of an array four
times as large as the last-level cache; and a triad a = b + s * c, counted as STREAM does (McCalpin, "Memory bandwidth
and machine balance", 1995): three arrays' bytes, not what caches read before they write.

Two virtual CPUs may be two threads of one core: one reaches the core's whole peak while the other idles, and half of it
while the other works. So a peak means little unless it is measured next to what is compared with it, again and again;
that is why a probe takes milliseconds. Each thread has a CPU of its own: left to itself, the system's scheduler often
lets two that were just woken share one, and twice the time looks like half a core.
"""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import numpy as np

from vcc.compiler.bench.probe_code import SUMS, UNROLLED, probe_code
from vcc.runtime.host.executor import allocate

#: Rounds of the multiply-add loop in one pass, which takes a millisecond: what interrupts it is an outlier, and that
#: threads begin some dozens of microseconds apart changes little.
FMA_ROUNDS = 100_000
#: Passes of which the median counts, as it does for the runs of an engine.
FMA_PASSES, MEMORY_PASSES = 15, 5
DEFAULT_CACHE = 32 << 20
#: No more is read even where four times the cache would be.
MOST_BYTES = 1 << 30


class Probe:
    """Measures what `threads` threads reach together. Takes four times the last-level cache of memory."""

    def __init__(self, threads: int):
        self.threads, self._code = threads, probe_code()
        self._pool = ThreadPoolExecutor(threads, initializer=_settler())
        self._outs = [np.zeros(64, np.float32) for _ in range(threads)]
        self._data = allocate(min(4 * last_level_cache(), MOST_BYTES)).view(np.float32)
        self._data.fill(1)

    def flops(self) -> float:
        """f32 operations a second (a multiply-add is two) without any access to memory."""
        code, outs = self._code, [out.ctypes.data for out in self._outs]
        seconds = self._seconds(lambda i: code.fma(outs[i], FMA_ROUNDS, 0.5, 0.5), FMA_PASSES)
        return self.threads * FMA_ROUNDS * SUMS * UNROLLED * code.lanes * 2 / seconds

    def read_bytes(self) -> float:
        """Bytes a second that are read, each thread its own part, from two places on."""
        code, step, outs = self._code, self._code.lanes * UNROLLED, [out.ctypes.data for out in self._outs]
        each = self._data.size // self.threads // 2 // step * step
        starts = [self._data.ctypes.data + 8 * each * i for i in range(self.threads)]
        seconds = self._seconds(lambda i: code.read(outs[i], starts[i], each), MEMORY_PASSES)
        return self.threads * each * 8 / seconds

    def triad_bytes(self) -> float:
        """Bytes a second of a triad: two arrays read, one written."""
        code, step = self._code, self._code.lanes * UNROLLED
        each = self._data.size // 3 // self.threads // step * step
        places = [self._data.ctypes.data + 4 * each * self.threads * n for n in range(3)]

        def part(i: int) -> None:
            code.triad(*[place + 4 * each * i for place in places], each, 0.0)

        seconds = self._seconds(part, MEMORY_PASSES)
        return self.threads * each * 12 / seconds

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown()

    def _seconds(self, part: Callable[[int], object], passes: int) -> float:
        def timed(i: int) -> tuple[float, float]:
            began = time.perf_counter()
            part(i)
            return began, time.perf_counter()

        times: list[float] = []
        for _ in range(passes):
            spans = [timed(0)] if self.threads == 1 else list(self._pool.map(timed, range(self.threads)))
            times.append(max(end for _, end in spans) - min(began for began, _ in spans))
        return statistics.median(times)


def _settler() -> Callable[[], None]:
    """Gives each thread that calls it a CPU of its own, as long as there are some."""
    free = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_setaffinity") else []
    given = iter(free)

    def settle() -> None:
        cpu = next(given, None)
        if cpu is not None:
            os.sched_setaffinity(0, {cpu})

    return settle


@cache
def last_level_cache() -> int:
    """Bytes of the last-level cache; 32 MiB where the system does not tell."""
    folder = Path("/sys/devices/system/cpu/cpu0/cache")
    sizes = [path.read_text().strip() for path in sorted(folder.glob("index*/size"))]
    units = {"K": 1 << 10, "M": 1 << 20}
    found = [int(size[:-1]) * units[size[-1]] for size in sizes if size[-1:] in units and size[:-1].isdecimal()]
    return max(found, default=DEFAULT_CACHE)


def cpu_name() -> str:
    """The processor's name as the system tells it, and as LLVM does."""
    from vcc.runtime.native.llvm import host_cpu

    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    named = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"{named[0] if named else platform.processor() or platform.machine()} ({host_cpu().name})"
