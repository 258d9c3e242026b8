#!/usr/bin/env python3
"""Whole models natively against other engines: interleaved blocks of runs on the same inputs, medians and ratios.

    python tests/bench/bench_native_models.py [--threads 1 --threads 2] [--blocks 7] [--against ENGINE ...] [--memory]
                                              [--json FILE] [--list] [MODEL ...]

MODEL is an id of tests/models/manifest.json, or the path of an exported transformer (tests/models/README.md). Without
one: all of both kinds that compile wholly into kernels, as the compiler says; what is left out is listed. `vcc bench`
does the same for one model, and docs/benchmarks.md says what the columns mean. `code s` and `open s` are loading and
the first run in this process: other engines compile, vcc makes machine code unless the user's cache has it.
"""

from __future__ import annotations

import argparse
import datetime
import json
import statistics
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from exported_models import exported_models, transformer_inputs
from model_corpus import corpus_model, manifest, manifest_inputs

from vcc.compiler.bench.compare import BLOCKS, Comparison, Opponent, compare
from vcc.compiler.bench.engines.interface import Engine
from vcc.compiler.bench.engines.registry import engine_named, opponents
from vcc.compiler.bench.fresh import Fresh, fresh
from vcc.compiler.bench.machine import cpu_name
from vcc.compiler.bench.subjects import Prepared, prepare
from vcc.runtime.diagnostics import VccError, error
from vcc.runtime.session import usable_cpus

HEAD = ("model", "threads", "launches", "compile s", "code s", "vcc ms", "GFLOP/s", "of peak")
OPPONENT = ("ms", "ratio", "quartiles", "error", "open s")
FRESH = ("cold s", "warm s", "peak MiB")


def all_models() -> list[str]:
    """Ids of the corpus's ONNX models, and paths of exported transformers."""
    return [*(n for n, entry in manifest().items() if entry["ext"] == ".onnx"), *map(str, exported_models())]


def prepared(model: str, folder: Path) -> Prepared:
    """A model compiled for this CPU, with its inputs."""
    if model in manifest():
        return prepare(corpus_model(model), folder, model, manifest_inputs(model))
    path = Path(model)
    if not path.is_file():
        raise error("E0204", "neither a model of the corpus nor a file")
    return prepare(path, folder, path.stem, transformer_inputs(path))


def cells(found: Prepared, result: Comparison, starts: dict[str, Fresh], engines: Sequence[Engine]) -> Iterator[str]:
    """A row of the table."""
    rate = result.flops / result.seconds
    yield from (result.name, str(result.threads), f"{found.launches} + {found.host_calls}")
    yield from (f"{found.compile_s:.1f}", f"{result.machine_code_s:.1f}")
    yield from (f"{1e3 * result.seconds:.3f}", f"{rate / 1e9:.1f}", f"{100 * result.of_peak:.0f}%")
    for each in result.opponents:
        yield from opponent_cells(each)
    for name in ("vcc", *(engine.name for engine in engines)):
        if starts:
            start = starts.get(name)
            yield from (
                (f"{start.cold_s:.2f}", f"{start.warm_s:.3f}", f"{start.peak_bytes / 2**20:.0f}") if start else "---"
            )


def opponent_cells(each: Opponent) -> tuple[str, ...]:
    """The columns of an engine beside vcc; `z` says that it was faster flushing denormals to zero."""
    if each.problem:
        return "refused", "-", "-", each.problem[:60], "-"
    flushed = "z" if "flushed" in each.variant else ""
    return (
        f"{1e3 * each.seconds:.3f}{flushed}",
        f"{each.ratio:.2f}",
        f"{each.low:.2f}-{each.high:.2f}",
        f"{each.error:.1e}" + (f" (its own {each.spread:.1e})" if each.spread else ""),
        f"{each.open_s:.2f}",
    )


def measure(model: str, args: argparse.Namespace, engines: Sequence[Engine], chosen: bool) -> Iterator[dict[str, Any]]:
    """Print the rows of a model; their values. One that was not asked for by name must be kernels alone."""
    with TemporaryDirectory(prefix="vcc-bench-") as place:
        folder = Path(place)
        try:
            found = prepared(model, folder)
        except VccError as failure:
            print(f"left out: {model}: {failure.diagnostics[0].message}", file=sys.stderr)
            return
        if found.host_calls and not chosen:
            print(f"left out: {model}: {found.host_calls} operators run on the host", file=sys.stderr)
            return
        for threads in args.threads or (1, 2):
            result = compare(found.subject, engines, threads, found.macs, 0, args.blocks)
            names = ["vcc", *(o.engine for o in result.opponents if not o.problem)] if args.memory else []
            starts = {name: fresh(engine_named(name), found.subject, threads, folder) for name in names}
            print(f"| {' | '.join(cells(found, result, starts, engines))} |", flush=True)
            yield asdict(result) | {"fresh": {name: asdict(start) for name, start in starts.items()}}


def means(rows: Sequence[dict[str, Any]], engines: Sequence[Engine]) -> Iterator[str]:
    """Geometric means of ratios, and the worst, for each engine and number of threads."""
    for threads in dict.fromkeys(row["threads"] for row in rows):
        for engine in engines:
            ratios = {
                row["name"]: o["ratio"]
                for row in rows if row["threads"] == threads
                for o in row["opponents"] if o["engine"] == engine.name and not o["problem"]
            }  # fmt: skip
            if ratios:
                worst = max(ratios, key=lambda name: ratios[name])
                mean = statistics.geometric_mean(ratios.values())
                count, most = len(ratios), f"{ratios[worst]:.2f} ({worst})"
                yield f"{engine.name}, threads {threads}: geometric mean {mean:.2f} of {count}, worst {most}"


def main() -> int:
    """Print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", metavar="MODEL")
    parser.add_argument("--threads", type=int, action="append")
    parser.add_argument("--blocks", type=int, default=BLOCKS)
    parser.add_argument("--against", action="append", help="engines (default: onnxruntime)")
    parser.add_argument("--memory", action="store_true", help="also start-up and peak memory in fresh processes")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--list", action="store_true", help="print all models and leave")
    args = parser.parse_args()
    if args.list:
        print("\n".join(all_models()))
        return 0
    engines = opponents(args.against or ["onnxruntime"])
    versions = ", ".join(f"{engine.name} {engine.version()}" for engine in (engine_named("vcc"), *engines))
    print(f"{datetime.date.today()}, {cpu_name()}, {usable_cpus()} CPUs, {versions}\n")
    heads = [*HEAD, *(f"{e.name} {h}" for e in engines for h in OPPONENT)]
    heads += [f"{n} {h}" for n in ("vcc", *(e.name for e in engines)) for h in FRESH] if args.memory else []
    print(f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}")
    rows = [row for m in args.models or all_models() for row in measure(m, args, engines, bool(args.models))]
    print("", *means(rows, engines), sep="\n")
    if args.json:
        args.json.write_text(json.dumps({"cpu": cpu_name(), "versions": versions, "rows": rows}, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
