"""`benchmark`: everything that `vcc bench` reports, as values."""

from __future__ import annotations

import datetime
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import isfinite
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from vcc.compiler.bench.compare import BLOCKS, TOLERANCE, Comparison, compare
from vcc.compiler.bench.engines.registry import engine_named, opponents
from vcc.compiler.bench.fresh import Fresh, fresh
from vcc.compiler.bench.machine import cpu_name
from vcc.compiler.bench.subjects import prepare, prepare_binary
from vcc.compiler.options import Options
from vcc.runtime.binary.image import Image
from vcc.runtime.diagnostics import error
from vcc.runtime.session import usable_cpus

Array = NDArray[Any]


@dataclass(frozen=True)
class Measured:
    """A number of threads: the comparison, and processes of their own by engine if these were asked for."""

    comparison: Comparison
    fresh: Mapping[str, Fresh]


@dataclass(frozen=True)
class Report:
    """All results of one subject. `date` is a day, `cpus` how many processors this process may use."""

    file: str
    date: str
    cpu: str
    cpus: int
    versions: Mapping[str, str]
    macs: int
    macs_counted: str
    compile_s: float | None
    launches: int
    host_calls: int
    tolerance: float
    measured: tuple[Measured, ...]

    @property
    def wrong(self) -> tuple[tuple[int, str, float], ...]:
        """Threads, engine and error wherever vcc's outputs are further from an engine's than may be."""
        return tuple(
            (m.comparison.threads, o.engine, o.error)
            for m in self.measured
            for o in m.comparison.opponents
            if o.wrong(self.tolerance)
        )

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON values: seconds, bytes, operations; a part of a peak is of 1."""
        own = {name: value for name, value in vars(self).items() if name != "measured"}
        return own | {"measured": [self._measured(each) for each in self.measured]}

    def _measured(self, measured: Measured) -> dict[str, Any]:
        comparison = measured.comparison
        found: dict[str, Any] = asdict(comparison)
        found["of_peak"] = comparison.of_peak
        for opponent, each in zip(found["opponents"], comparison.opponents, strict=True):
            opponent["wrong"] = each.wrong(self.tolerance)
            for name in ("error", "spread"):
                if not isfinite(opponent[name]):  # JSON has no infinity
                    opponent[name] = None
        return found | {"fresh": {name: asdict(each) for name, each in measured.fresh.items()}}


def benchmark(
    source: Path | Image,
    name: str,
    against: Sequence[str] = ("onnxruntime",),
    threads: Sequence[int] = (1,),
    feeds: Mapping[str, Array] | None = None,
    *,
    seed: int = 0,
    options: Options | None = None,
    model: Path | None = None,
    blocks: int = BLOCKS,
    runs: int = 0,
    memory: bool = False,
    tolerance: float | None = None,
) -> Report:
    """Time an ONNX model (a path) or a verified image on vcc and on the engines `against`, with each number of threads.

    Inputs that `feeds` lacks are random by `seed`. `model` is the ONNX model of an image. `blocks` blocks of `runs`
    runs (0: about a tenth of a second) alternate between the engines. `memory` also starts each engine in processes
    of its own. Without a `tolerance` it is TOLERANCE, or how far an engine's outputs move by themselves.
    Raises VccError: E0601 for an engine that is not installed, E0202 for other engines without a model.
    """
    engines = opponents(against)
    if isinstance(source, Image) and model is None and engines:
        help = "--model MODEL.onnx names what it was compiled from"
        raise error("E0202", f"{engines[0].name} needs the ONNX model, but {name} is a .vbin", help=help)
    with tempfile.TemporaryDirectory(prefix="vcc-bench-") as place:
        folder = Path(place)
        if isinstance(source, Image):
            found = prepare_binary(source, folder, name, feeds or {}, seed, model)
        else:
            found = prepare(source, folder, name, feeds or {}, seed, options)
        measured: list[Measured] = []
        for count in dict.fromkeys(threads):
            comparison = compare(found.subject, engines, count, found.macs, 0, blocks, runs, tolerance)
            names = ["vcc", *(o.engine for o in comparison.opponents if not o.problem)] if memory else []
            starts = {each: fresh(engine_named(each), found.subject, count, folder) for each in names}
            measured.append(Measured(comparison, starts))
    allowed = TOLERANCE if tolerance is None else tolerance
    return Report(
        name, str(datetime.date.today()), cpu_name(), usable_cpus(),
        {engine.name: engine.version() for engine in (engine_named("vcc"), *engines)}, found.macs, found.counted,
        found.compile_s, found.launches, found.host_calls, allowed, tuple(measured),
    )  # fmt: skip
