"""What this machine can do, measured: fused multiply-adds a second, and bytes a second from memory.

Both by small loops of our own through LLVM (probe_code.py). Memory: every thread adds up its part of an array four
times as large as the last-level cache; and a triad a = b + s * c, counted as STREAM does (McCalpin, "Memory bandwidth
and machine balance", 1995): three arrays' bytes, not what caches read before they write.

Two virtual CPUs are often two threads of one core: one reaches the core's whole peak while the other idles, and half of
it while the other works. So a peak means little unless it is measured next to what is compared with it, again and
again; that is why a probe takes milliseconds.
"""

from __future__ import annotations

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

#: Rounds of the multiply-add loop in one pass, which takes less than a millisecond: what interrupts it is an outlier.
FMA_ROUNDS = 6_000
#: Passes of which the median counts, as it does for the runs of an engine.
FMA_PASSES, MEMORY_PASSES = 15, 5
DEFAULT_CACHE = 32 << 20
#: No more is read even where four times the cache would be.
MOST_BYTES = 1 << 30


class Probe:
    """Measures what `threads` threads reach together. Takes four times the last-level cache of memory."""

    def __init__(self, threads: int):
        self.threads, self._code = threads, probe_code()
        self._pool = ThreadPoolExecutor(threads)
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
        times: list[float] = []
        for _ in range(passes):
            began = time.perf_counter()
            if self.threads == 1:
                part(0)
            else:
                list(self._pool.map(part, range(self.threads)))
            times.append(time.perf_counter() - began)
        return statistics.median(times)


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
