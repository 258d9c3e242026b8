#!/usr/bin/env python3
"""Single operators natively against ONNX Runtime and against this machine's measured peaks.

    python tests/bench/bench_native_kernels.py [--threads 1] [--blocks 7] [--json FILE] [--list] [NAME ...]

NAME selects cases whose names contain it, such as `matmul`, `conv3x3` or `softmax-1024x128`; none: all. Each is an ONNX
model of one operator that vcc compiles for this CPU. Inputs and outputs are bound beforehand for both engines. A ratio
below 1 says that vcc is faster (median and quartiles over interleaved blocks). The last columns are the part of the
multiply-add peak, or of the reading bandwidth, that our own probes reach between the same blocks: the median, so
another process on a sibling core lowers both alike. Work is counted by the definition of the operator: 2 * MACs, or the
bytes of inputs, weights and outputs. Quiet figures want an idle machine.

The GEMV case runs through matrices of 64 MiB each, one after the other, four times the last-level cache in total.
"""

from __future__ import annotations

import argparse
import datetime
import json
import sys
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from kernel_cases import Case, cases

from vcc.compiler.bench.compare import BLOCKS, compare
from vcc.compiler.bench.engines.onnxruntime_engine import OnnxRuntimeEngine
from vcc.compiler.bench.machine import cpu_name
from vcc.compiler.bench.subjects import Prepared, prepare


def prepared(case: Case, folder: Path) -> Prepared:
    """The case compiled for this CPU, with inputs."""
    return prepare(case.make(), folder, case.name, {}, bound=True)


def main() -> int:
    """Print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--threads", type=int, action="append")
    parser.add_argument("--blocks", type=int, default=BLOCKS)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--list", action="store_true", help="print the cases' names and leave")
    args = parser.parse_args()
    chosen = [case for case in cases() if not args.names or any(name in case.name for name in args.names)]
    if args.list:
        print("\n".join(case.name for case in chosen))
        return 0
    print(f"{datetime.date.today()}, {cpu_name()}, ONNX Runtime {OnnxRuntimeEngine().version()}\n")
    print("| kernel | threads | vcc us | ORT us | ratio | quartiles | GFLOP/s | GB/s | peak | of peak | error |")
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    rows: list[dict[str, Any]] = []
    for case in chosen:
        for threads in args.threads or [1]:
            with TemporaryDirectory(prefix="vcc-bench-") as folder:
                one = prepared(case, Path(folder)).subject
                found = compare(one, [OnnxRuntimeEngine()], threads, case.macs, case.nbytes, args.blocks)
            (ort,) = found.opponents
            gflops = f"{found.flops / found.seconds / 1e9:.1f}" if case.macs else ""
            rate = f"{found.nbytes / found.seconds / 1e9:.1f}" if case.nbytes else ""
            peak, part = (
                (f"{found.peak_bytes / 1e9:.1f} GB/s", found.of_bandwidth)
                if case.nbytes
                else (f"{found.peak_flops / 1e9:.1f} GFLOP/s", found.of_peak)
            )
            print(
                f"| {case.name} | {threads} | {1e6 * found.seconds:.1f} | {1e6 * ort.seconds:.1f} | {ort.ratio:.2f} |"
                f" {ort.low:.2f}-{ort.high:.2f} | {gflops} | {rate} | {peak} | {100 * part:.0f}% | {ort.error:.1e} |",
                flush=True,
            )
            rows.append(asdict(found))
    if args.json:
        args.json.write_text(json.dumps({"cpu": cpu_name(), "rows": rows}, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
