"""The native proof: a convolution and a softmax from a .vbin alone, against ONNX Runtime, one thread each.

Run with `python tests/bench/bench_native_proof.py`. Prints medians over blocks of interleaved runs (A B A B ...) and
the ratio of speeds; with `--check` it fails if a ratio is below the promised (0.8 for the convolution, 1 for softmax).
Only running is timed: for vcc a launch with bound arguments, for ONNX Runtime `run_with_iobinding` with bound arrays.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper, numpy_helper

from vcc.runtime.binary.image import Image
from vcc.runtime.binary.reader import read_image
from vcc.runtime.binary.writer import write_image
from vcc.runtime.interpreter.memory import aligned
from vcc.runtime.isa.assembler import parse_kernel_text
from vcc.runtime.isa.host import HostProgram
from vcc.runtime.native.engine import NativeKernel, compile_kernel, host_cpu

Array = NDArray[Any]
Run = Callable[[], object]
EXAMPLES = Path(__file__).parents[2] / "docs" / "isa" / "examples"
BLOCKS, REPEATS = 15, 15
PROMISED = {"conv": 0.8, "softmax": 1.0}


def native(example: str) -> NativeKernel:
    """The first kernel of an example, assembled, written as .vbin, read back and compiled."""
    kernels = parse_kernel_text((EXAMPLES / f"{example}.vasm").read_text(), example)
    return compile_kernel(read_image(write_image(Image(kernels, HostProgram((), (), ()))), example).kernels[0])


def on_lines(array: Array) -> Array:
    """A copy that starts on a cache line, as both runtimes' own memory does."""
    copy = aligned(array.nbytes).view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy


def session(model: ModelProto) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    return ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def reference(nodes: list[Any], shape: list[int], constants: list[Any]) -> ort.InferenceSession:
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in ("x", "y"))
    graph = helper.make_graph(nodes, "proof", [x], [y], constants)
    return session(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9))


def bound(found: ort.InferenceSession, x: Array, y: Array) -> Run:
    binding = found.io_binding()
    binding.bind_cpu_input("x", x)
    binding.bind_output("y", "cpu", 0, np.float32, list(y.shape), y.ctypes.data)

    def run() -> None:
        assert x.size and y.size  # the binding does not keep the arrays alive
        found.run_with_iobinding(binding)

    return run


def timed(run: Run) -> float:
    """The median of a block of runs, in seconds."""
    times: list[float] = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        run()
        times.append(time.perf_counter() - began)
    return median(times)


def compare(name: str, runs: dict[str, Run], flops: float = 0) -> float:
    """Prints one line; gives the ratio of the first runner's speed to the second's."""
    blocks = {runner: list[float]() for runner in runs}
    for run in runs.values():
        timed(run)
    for _ in range(BLOCKS):
        for runner, run in runs.items():
            blocks[runner].append(timed(run))
    seconds = {runner: median(found) for runner, found in blocks.items()}
    text = ", ".join(
        f"{runner} {value * 1e6:7.1f} us" + (f" ({flops / value / 1e9:5.1f} GFLOP/s)" if flops else "")
        for runner, value in seconds.items()
    )
    ours, theirs = list(seconds.values())[:2]
    print(f"{name:24} {text}, vcc/ORT {theirs / ours:.2f}")
    return theirs / ours


def convolution(rng: np.random.Generator) -> float:
    """64 -> 64 channels at 56 x 56; a chain of five shows what ORT takes without its change of layout at the ends."""
    w, b = rng.standard_normal((64, 64, 3, 3), np.float32), rng.standard_normal(64, np.float32)
    x = rng.standard_normal((1, 64, 56, 56), np.float32)
    constants = [numpy_helper.from_array(w, "w"), numpy_helper.from_array(b, "b")]

    def chain(count: int) -> ort.InferenceSession:
        names = ["x", *(f"r{i}" for i in range(1, count)), "y"]
        nodes = [
            node
            for i in range(count)
            for node in (
                helper.make_node("Conv", [names[i], "w", "b"], [f"c{i}"], pads=[1, 1, 1, 1]),
                helper.make_node("Relu", [f"c{i}"], [names[i + 1]]),
            )
        ]
        return reference(nodes, [1, 64, 56, 56], constants)

    y, want = (on_lines(np.zeros_like(x)) for _ in range(2))
    args = {
        "x": on_lines(x.reshape(4, 16, 56, 56).transpose(0, 2, 3, 1)),
        "w": on_lines(w.reshape(2, 32, 4, 16, 9).transpose(0, 2, 4, 3, 1)),
        "b": b,
        "y": y,
    }
    runs = {"vcc": native("conv3x3").bind(args), "ORT": bound(chain(1), on_lines(x), want)}
    five = bound(chain(5), on_lines(x), on_lines(want))
    for run in runs.values():
        run()
    got = y.reshape(4, 56, 56, 16).transpose(0, 3, 1, 2).reshape(want.shape)
    assert np.linalg.norm(got - want) <= 1e-5 * np.linalg.norm(want)
    flops = 2 * 9 * 64 * 64 * 56 * 56
    ratio = compare("conv 3x3 64->64 56x56", runs, flops)
    longer = median((timed(five) - timed(runs["ORT"])) / 4 for _ in range(BLOCKS))
    print(
        f"{'':24} (one more convolution in a chain costs ORT {longer * 1e6:.1f} us, {flops / longer / 1e9:.1f} GFLOP/s)"
    )
    return ratio


def softmax(rng: np.random.Generator, n: int, rows: int = 1024) -> float:
    """`rows` rows of `n`; n is a register in the kernel and a symbolic dimension would change nothing for ORT."""
    x = on_lines(3 * rng.standard_normal((rows, n), np.float32))
    y, want = (on_lines(np.zeros_like(x)) for _ in range(2))
    found = reference([helper.make_node("Softmax", ["x"], ["y"], axis=-1)], [rows, n], [])
    runs = {"vcc": native("softmax").bind({"x": x, "y": y, "rows": rows, "n": n}), "ORT": bound(found, x, want)}
    for run in runs.values():
        run()
    assert np.abs(y - want).max() <= 1e-6
    return compare(f"softmax {rows} x {n}", runs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="fail below the promised ratios")
    check = parser.parse_args().check
    print(f"{host_cpu().name}, {8 * host_cpu().vector_bytes}-bit vectors, one thread, ONNX Runtime {ort.__version__}")
    rng = np.random.default_rng(0)
    ratios = {"conv": [convolution(rng)], "softmax": [softmax(rng, n) for n in (32, 128, 1000, 1024, 4096, 8192)]}
    missed = [name for name, found in ratios.items() if min(found) < PROMISED[name]]
    if check and missed:
        raise SystemExit(f"slower than promised: {', '.join(missed)}")


if __name__ == "__main__":
    main()
