#!/usr/bin/env python3
"""Resident memory over many runs: flat, natively, on one thread and two, from one session and from new ones.

    python tests/bench/check_memory_growth.py [--runs 10000] [--sessions 200] [MODEL_ID ...]

Each model runs `--runs` times; what it takes after a tenth of them must not have grown by more than `ALLOWED` at the
end. Then a .vbin is loaded, run and dropped `--sessions` times, with the same bound. Exits with 1 if memory grows.
tests/unit/test_memory_growth.py does the same with few runs of a small model.
"""

from __future__ import annotations

import argparse
import gc
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from model_corpus import corpus_model, manifest_inputs

import vcc
from vcc.compiler.bench.fresh import resident

MODELS = ("ppocr-cls-v2", "mtcnn-onet", "g2pid-bert", "attacut-sc")
#: Bytes. The allocator's own changes of mind are some hundred KiB.
ALLOWED = 2 << 20


def growth(run: Callable[[], Any], runs: int) -> int:
    """Bytes by which resident memory grew over the last nine tenths of some runs."""
    start = 0
    for number in range(runs):
        if number == runs // 10:
            gc.collect()
            start = resident("VmRSS")
        run()
    gc.collect()
    return resident("VmRSS") - start


def measure(model: str, runs: int, sessions: int) -> int:
    """Print what a model's memory grows by; the most of it."""
    feeds = manifest_inputs(model)
    program = vcc.compile(corpus_model(model), shapes={n: list(a.shape) for n, a in feeds.items()})
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.vbin"
        program.save(path)
        found = {
            "1 thread": growth(lambda: program.run(feeds, threads=1), runs),
            "2 threads": growth(lambda: program.run(feeds, threads=2), runs),
            "new sessions": growth(lambda: vcc.load(path).run(feeds, threads=2), sessions),
        }
    told = ", ".join(f"{name} {size / 1024:+.0f} KiB" for name, size in found.items())
    print(f"{model}: {told}; resident {resident('VmRSS') / 2**20:.0f} MiB", flush=True)
    return max(found.values())


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", default=list(MODELS))
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--sessions", type=int, default=200)
    args = parser.parse_args()
    found = {model: measure(model, args.runs, args.sessions) for model in args.models}
    return int(any(most > ALLOWED for most in found.values()))


if __name__ == "__main__":
    sys.exit(main())
