"""Interleaved timing: a block of runs of each engine in turn, A B A B, so that what else the machine does hits all."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from contextlib import nullcontext

from vcc.compiler.bench import floating
from vcc.compiler.bench.engines.interface import Session

#: One block of runs of one engine lasts about so long, and each has at least so many runs.
BLOCK_SECONDS, LEAST_RUNS = 0.1, 3
#: Before all blocks, at most so many runs and seconds.
WARM_RUNS, WARM_SECONDS = 20, 2.0
#: Before a block, so that threads of the engine before, which spin for a while after their work, have gone to sleep:
#: ONNX Runtime's second thread takes 32 ms of CPU time after a run.
SETTLE_SECONDS = 0.05


def warm_up(session: Session) -> None:
    """Runs that are not counted, in which engines find out how they run best and memory settles."""
    began, flush = time.perf_counter(), session.flushes_denormals
    with floating.denormals(flush) if floating.can_switch() else nullcontext():
        for _ in range(WARM_RUNS):
            session.run()
            if time.perf_counter() - began > WARM_SECONDS:
                break


def runs_in(session: Session, seconds: float = BLOCK_SECONDS) -> int:
    """How many runs of this session make a block."""
    return max(LEAST_RUNS, int(seconds / max(block(session, LEAST_RUNS), 1e-7)))


def block(session: Session, runs: int) -> float:
    """The median seconds of some runs, after one that is not counted."""
    flush = session.flushes_denormals
    times: list[float] = []
    time.sleep(SETTLE_SECONDS)
    with floating.denormals(flush) if floating.can_switch() else nullcontext():
        session.run()
        for _ in range(runs):
            began = time.perf_counter()
            session.run()
            times.append(time.perf_counter() - began)
    return statistics.median(times)


def interleaved(sessions: Sequence[Session], runs: Sequence[int], blocks: int) -> list[list[float]]:
    """Median seconds of each block: `blocks` lists with an entry for each session, in the order they ran."""
    return [[block(session, n) for session, n in zip(sessions, runs, strict=True)] for _ in range(blocks)]


def quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    """The lower quartile, the median and the upper quartile; one value is all three."""
    if len(values) == 1:
        return values[0], values[0], values[0]
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, middle, high
