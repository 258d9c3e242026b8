"""What an engine takes in a process of its own: seconds to the first result, cold and warm, and the peak of memory.

Cold is without, warm with what the engine caches between processes (vcc: machine code; the others cache nothing
unless told to). Counted from after `import numpy` with the inputs in memory, the engine's own imports included.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vcc.compiler.bench.engines.interface import Engine, Subject
from vcc.runtime.diagnostics import error

#: Runs after the first, so that memory that is taken step by step is there.
RUNS = 20


@dataclass(frozen=True)
class Fresh:
    """Seconds to the first result, and resident bytes: before the engine is imported, and the peak of a warm start."""

    cold_s: float
    warm_s: float
    start_bytes: int
    peak_bytes: int


def fresh(engine: Engine, subject: Subject, threads: int, folder: Path) -> Fresh:
    """Start the engine twice in processes of its own, the first time with an empty cache.

    Raises VccError (E0602) with the last line of what the process wrote if it fails.
    """
    feeds = folder / "feeds.npz"
    np.savez(feeds, *subject.feeds.values())
    spec = {
        "engine": engine.name, "name": subject.name, "binary": str(subject.binary), "model": str(subject.model or ""),
        "inputs": list(subject.feeds), "dtypes": [str(a.dtype) for a in subject.feeds.values()], "feeds": str(feeds),
        "threads": threads,
    }  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="vcc-bench-cache-") as cache:
        cold, warm = (_start(engine, spec, cache) for _ in range(2))
    return Fresh(cold["first_s"], warm["first_s"], warm["start_bytes"], warm["peak_bytes"])


def _start(engine: Engine, spec: dict[str, Any], cache: str) -> dict[str, Any]:
    environment = os.environ | {"VCC_CACHE_DIR": cache, "VCC_CACHE_DISABLE": "0"}
    command = [sys.executable, "-m", __name__, json.dumps(spec)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"status {done.returncode}"]
        raise error("E0602", f"{engine.name} fails in a process of its own: {lines[-1]}")
    return json.loads(done.stdout.splitlines()[-1])


@dataclass(frozen=True)
class _Start:
    first_s: float
    start_bytes: int
    peak_bytes: int


def _measure(spec: dict[str, Any]) -> _Start:
    """In the new process."""
    with np.load(spec["feeds"]) as arrays:
        values = [arrays[f"arr_{i}"] for i in range(len(spec["inputs"]))]
    feeds = {
        n: a if a.dtype.kind != "V" else _named(a, d)
        for n, a, d in zip(spec["inputs"], values, spec["dtypes"], strict=True)
    }
    subject = Subject(spec["name"], Path(spec["binary"]), feeds, Path(spec["model"]) if spec["model"] else None)
    start_bytes = resident("VmRSS")
    began = time.perf_counter()
    from vcc.compiler.bench.engines.registry import engine_named

    (session,) = engine_named(spec["engine"]).open(subject, spec["threads"], variants=False)
    session.run()
    first_s = time.perf_counter() - began
    for _ in range(RUNS):
        session.run()
    return _Start(first_s, start_bytes, resident("VmHWM"))


def _named(array: Any, dtype: str) -> Any:
    """Bytes as numbers of a dtype that .npy files do not know."""
    import ml_dtypes

    return array.view(np.dtype(getattr(ml_dtypes, dtype)))


def resident(field: str) -> int:
    """Resident bytes of this process: now (VmRSS) or at most so far (VmHWM, also where the system has no /proc)."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:"))


if __name__ == "__main__":
    print(json.dumps(asdict(_measure(json.loads(sys.argv[1])))))
