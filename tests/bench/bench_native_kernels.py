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
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from vcc.compiler.bench.compare import BLOCKS, compare
from vcc.compiler.bench.engines.onnxruntime_engine import OnnxRuntimeEngine
from vcc.compiler.bench.machine import cpu_name, last_level_cache
from vcc.compiler.bench.subjects import Prepared, prepare

OPSET = 18


@dataclass(frozen=True)
class Case:
    """A model of one kind of operator; its MACs, and its bytes where memory is what bounds it."""

    name: str
    make: Callable[[], onnx.ModelProto]
    macs: int = 0
    nbytes: int = 0


def random(rng: np.random.Generator, shape: tuple[int, ...], scale: float = 1.0) -> Any:
    """Normal f32 values."""
    return (scale * rng.standard_normal(shape, np.float32)).astype(np.float32)


def model(nodes: list[Any], x: tuple[int, ...], y: tuple[int, ...], weights: dict[str, Any]) -> onnx.ModelProto:
    """A model from x to y of these shapes."""
    infos = [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in (("x", x), ("y", y))]
    constants = [numpy_helper.from_array(array, name) for name, array in weights.items()]
    graph = helper.make_graph(nodes, "kernel", infos[:1], infos[1:], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9)


def matmul(m: int, k: int, n: int, count: int = 1) -> onnx.ModelProto:
    """`count` products with constant matrices, one after the other (then k = n)."""
    rng = np.random.default_rng(0)
    names = ["x", *(f"t{i}" for i in range(1, count)), "y"]
    nodes = [helper.make_node("MatMul", [names[i], f"w{i}"], [names[i + 1]]) for i in range(count)]
    return model(nodes, (m, k), (m, n), {f"w{i}": random(rng, (k, n), k**-0.5) for i in range(count)})


def conv(cin: int, cout: int, size: int, window: int, stride: int = 1) -> onnx.ModelProto:
    """A square convolution with bias, padded so that stride 1 keeps the size."""
    rng, pad, out = np.random.default_rng(0), window // 2, -(-size // stride)
    weights = {"w": random(rng, (cout, cin, window, window), (cin * window**2) ** -0.5), "b": random(rng, (cout,))}
    node = helper.make_node("Conv", ["x", "w", "b"], ["y"], pads=[pad] * 4, strides=[stride] * 2)
    return model([node], (1, cin, size, size), (1, cout, out, out), weights)


def softmax(rows: int, n: int) -> onnx.ModelProto:
    """Softmax of rows."""
    return model([helper.make_node("Softmax", ["x"], ["y"], axis=-1)], (rows, n), (rows, n), {})


def layer_norm(rows: int, n: int) -> onnx.ModelProto:
    """Layer normalisation of rows."""
    rng = np.random.default_rng(0)
    node = helper.make_node("LayerNormalization", ["x", "s", "b"], ["y"], axis=-1)
    return model([node], (rows, n), (rows, n), {"s": random(rng, (n,)), "b": random(rng, (n,))})


def cases() -> list[Case]:
    """All cases."""
    found = [Case(f"matmul-{n}", partial(matmul, n, n, n), n**3) for n in (256, 512, 768, 1024)]
    for cin, cout, size, window, stride in (
        (256, 64, 56, 1, 1), (64, 64, 56, 3, 1), (128, 128, 28, 3, 1), (512, 512, 7, 3, 1), (3, 64, 224, 7, 2),
    ):  # fmt: skip
        name = f"conv{window}x{window}{f'/{stride}' if stride > 1 else ''}-{cin}-{cout}-{size}x{size}"
        out = -(-size // stride)
        found.append(Case(name, partial(conv, cin, cout, size, window, stride), out**2 * cin * cout * window**2))
    count = -(-4 * last_level_cache() // (4096**2 * 4))
    found.append(Case("gemv-4096", partial(matmul, 1, 4096, 4096, count), count * 4096**2, count * 4096**2 * 4))
    for rows, n in ((1024, 32), (1024, 128), (1024, 1000), (1024, 4096)):
        found.append(Case(f"softmax-{rows}x{n}", partial(softmax, rows, n), nbytes=2 * 4 * rows * n))
    for rows, n in ((128, 768), (1024, 1024)):
        found.append(Case(f"layernorm-{rows}x{n}", partial(layer_norm, rows, n), nbytes=2 * 4 * rows * n))
    return found


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
