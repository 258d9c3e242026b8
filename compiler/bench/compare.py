"""One subject on vcc and on other engines: interleaved blocks, medians, ratios with quartiles, and what is right."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vcc.compiler.bench.blocks import block, interleaved, quartiles, runs_in, warm_up
from vcc.compiler.bench.engines.interface import Engine, Session, Subject
from vcc.compiler.bench.engines.vcc_engine import VccEngine
from vcc.compiler.bench.machine import Probe
from vcc.compiler.bench.shake import moved_outputs
from vcc.runtime.diagnostics import VccError

Array = NDArray[Any]

BLOCKS = 7
#: How far a whole model's outputs may be from another engine's (relative L2) to count as right. Engines approximate
#: functions in their own ways, which adds up over a network; `vcc diff` compares tensor by tensor and more narrowly.
TOLERANCE = 1e-4
#: The root mean square of an output below which the absolute difference counts instead of the relative one.
NEAR_ZERO = 1e-6


@dataclass(frozen=True)
class Opponent:
    """An engine on a subject, beside vcc.

    `ratio` is vcc's time divided by this engine's, the median over blocks (below 1: vcc is faster), `low` and `high`
    its quartiles. `error` is the worst relative L2 difference of vcc's outputs from this engine's, and `spread`, taken
    only where that is above the tolerance, how far this engine's own move without its optimisations of graphs or with
    floats that differ in the last digits: quantised models turn that into whole steps. `variant` is the setting that
    was fastest, `variants` the seconds of each. `open_s` is what loading and compiling took. An engine that could not
    take the model has only a `problem`.
    """

    engine: str
    version: str
    seconds: float = 0.0
    ratio: float = 0.0
    low: float = 0.0
    high: float = 0.0
    error: float = 0.0
    spread: float = 0.0
    open_s: float = 0.0
    variant: str = ""
    variants: dict[str, float] = field(default_factory=dict[str, float])
    problem: str = ""

    def wrong(self, tolerance: float) -> bool:
        """vcc's outputs are further from this engine's than the tolerance, and than this engine's own differ."""
        allowed = max(tolerance, self.spread if isfinite(self.spread) else 0.0)
        return not self.problem and not self.error <= allowed


@dataclass(frozen=True)
class Comparison:
    """A subject's results for a number of threads. Seconds are medians of blocks.

    `machine_code_s` is vcc's first run, in which machine code is made. `peak_flops` and `peak_bytes` are what the
    machine reached between the blocks (medians); `flops` is 2 * MACs, `nbytes` what must be read, both a run.
    """

    name: str
    threads: int
    seconds: float
    variant: str
    machine_code_s: float
    flops: float
    nbytes: float
    peak_flops: float
    peak_bytes: float
    opponents: tuple[Opponent, ...]

    @property
    def of_peak(self) -> float:
        """The part of the measured multiply-add peak that vcc reaches."""
        return self.flops / self.seconds / self.peak_flops

    @property
    def of_bandwidth(self) -> float:
        """The part of the measured bandwidth that vcc reaches."""
        return self.nbytes / self.seconds / self.peak_bytes


def compare(
    subject: Subject,
    engines: Sequence[Engine],
    threads: int,
    macs: int = 0,
    nbytes: int = 0,
    blocks: int = BLOCKS,
    runs: int = 0,
    tolerance: float | None = None,
) -> Comparison:
    """Time the subject on vcc and the engines, all in this process, in `blocks` blocks of `runs` runs each.

    Without `runs`, a block lasts about `BLOCK_SECONDS`. `macs` and `nbytes` are the work of one run, 0 if unknown.
    Unless a `tolerance` is given, errors above TOLERANCE are held against the engine's own spread.
    Raises VccError: E0601 for an engine that is not installed, and whatever vcc raises. A model that another engine
    cannot take is told in that engine's entry.
    """
    probe = Probe(threads)
    own, machine_code_s = _opened(lambda: VccEngine().open(subject, threads))
    found = [_try(engine, subject, threads) for engine in engines]
    sessions: list[Session] = [*own, *(s for opened, _, _ in found for s in opened)]
    for session in sessions:
        warm_up(session)
    each = [runs or runs_in(session) for session in sessions]
    times: list[list[float]] = []
    peaks: list[tuple[float, float]] = []
    for _ in range(blocks):
        times += interleaved(sessions, each, 1)
        peaks.append((probe.flops(), probe.read_bytes()))
    probe.close()
    results = own[0].outputs()
    opponents: list[Opponent] = []
    position = 1
    for engine, (opened, open_s, problem) in zip(engines, found, strict=True):
        rows = [[row[0], *row[position : position + len(opened)]] for row in times]
        opponent = _opponent(engine, opened, rows, results, open_s, problem)
        if tolerance is None and opponent.wrong(TOLERANCE):
            opponent = replace(opponent, spread=_spread(engine, subject, _fastest(opened, opponent).outputs()))
        opponents.append(opponent)
        position += len(opened)
    return Comparison(
        subject.name, threads, statistics.median(row[0] for row in times), own[0].variant, machine_code_s,
        2.0 * macs, float(nbytes), statistics.median(p for p, _ in peaks), statistics.median(p for _, p in peaks),
        tuple(opponents),
    )  # fmt: skip


def _fastest(sessions: Sequence[Session], opponent: Opponent) -> Session:
    return next(session for session in sessions if session.variant == opponent.variant)


def _spread(engine: Engine, subject: Subject, outputs: list[Array]) -> float:
    """How far an engine's outputs move by changes that should not matter."""
    return max(worst_error(other, outputs) for other in moved_outputs(engine, subject))


def worst_error(actual: Sequence[Array], expected: Sequence[Array]) -> float:
    """The largest relative L2 difference of an output; where it is about zero, the largest absolute one.

    For integers and booleans the part of the elements that differs. Infinite where shapes differ, or where one result
    is NaN or infinite and the other is not.
    """
    return max((_error(a, b) for a, b in zip(actual, expected, strict=True)), default=0.0)


def _error(a: Array, b: Array) -> float:
    if a.shape != b.shape:
        return float("inf")
    if b.dtype.kind in "biu":
        return float(np.mean(a != b)) if b.size else 0.0
    a, b = a.astype(np.float64), b.astype(np.float64)
    finite = np.isfinite(b)
    if not np.array_equal(a[~finite], b[~finite], equal_nan=True) or not np.isfinite(a[finite]).all():
        return float("inf")
    difference = a[finite] - b[finite]
    norm = float(np.linalg.norm(b[finite]))
    if norm > NEAR_ZERO * max(1, b.size) ** 0.5:
        return float(np.linalg.norm(difference)) / norm
    return float(np.abs(difference).max(initial=0.0))


def _opened(make: Callable[[], list[Session]]) -> tuple[list[Session], float]:
    """Sessions after a run each, and the seconds that the first took to come to its first result."""
    began = time.perf_counter()
    sessions = make()
    block(sessions[0], 1)
    seconds = time.perf_counter() - began
    for session in sessions[1:]:
        block(session, 1)
    return sessions, seconds


def _try(engine: Engine, subject: Subject, threads: int) -> tuple[list[Session], float, str]:
    try:
        return *_opened(lambda: engine.open(subject, threads)), ""
    except VccError as failure:
        if failure.diagnostics[0].code != "E0602":
            raise
        return [], 0.0, failure.diagnostics[0].message


def _opponent(
    engine: Engine, sessions: list[Session], rows: list[list[float]], results: list[Array], open_s: float, problem: str
) -> Opponent:
    if not sessions:
        return Opponent(engine.name, engine.version(), problem=problem)
    medians = [statistics.median(row[1 + i] for row in rows) for i in range(len(sessions))]
    best = medians.index(min(medians))
    low, ratio, high = quartiles([row[0] / row[1 + best] for row in rows])
    error = worst_error(results, sessions[best].outputs())
    variants = {s.variant: t for s, t in zip(sessions, medians, strict=True)}
    variant = sessions[best].variant
    return Opponent(
        engine.name, engine.version(), medians[best], ratio, low, high, error, 0.0, open_s, variant, variants
    )  # fmt: skip
