"""The kernels in docs/isa/examples, run by the interpreter against numpy: in program order and in others it allows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from vcc.runtime.interpreter.kernel import run_kernel
from vcc.runtime.isa.assembler import parse_kernel_text
from vcc.runtime.isa.disassembler import disassemble_kernel
from vcc.runtime.isa.kernel import Kernel
from vcc.runtime.isa.verifier import verify_kernel
from vcc.runtime.native.engine import NativeKernel, compile_kernel

Array = NDArray[Any]
Arguments = dict[str, Array | int]

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "isa" / "examples"
#: On-chip memories of the machine vn1, in bytes.
VN1 = {"l1": 524288, "l0a": 65536, "l0b": 65536, "l0c": 131072, "ub": 196608}


def example(file: str, kernel: str = "") -> Kernel:
    """One kernel of docs/isa/examples/FILE.vasm, by default the one of the same name."""
    path = EXAMPLES / f"{file}.vasm"
    found = {k.name: k for k in parse_kernel_text(path.read_text(encoding="utf-8"), str(path))}
    return found[kernel or file]


ALL = [k for path in sorted(EXAMPLES.glob("*.vasm")) for k in parse_kernel_text(path.read_text(), str(path))]


_compiled: dict[str, NativeKernel] = {}


def native(kernel: Kernel) -> NativeKernel:
    """The kernel's machine code, made once."""
    if kernel.name not in _compiled:
        _compiled[kernel.name] = compile_kernel(kernel)
    return _compiled[kernel.name]


def values(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


def check(kernel: Kernel, args: Arguments, expected: Array, cores: int | None = None, order: int | None = None) -> None:
    """Run into a fresh y and compare."""
    y = np.full(expected.shape, np.nan, np.float32)
    run_kernel(kernel, {**args, "y": y}, cores=cores, order=order)
    np.testing.assert_allclose(y, expected, rtol=2e-5, atol=2e-5)


def softmax(x: Array) -> Array:
    e = np.exp(x.astype(np.float64) - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def layer_norm(x: Array, gamma: Array, beta: Array) -> Array:
    wide = x.astype(np.float64)
    centred = wide - wide.mean(axis=-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-5) * gamma + beta


def conv_arguments() -> tuple[Arguments, Array]:
    """Blocked arguments of conv3x3, and y[4][56][56][16] of a convolution done plainly."""
    x, w, b = values(64, 58, 58), values(64, 64, 3, 3, seed=1) / 24, values(64, seed=2)
    x[:, [0, -1]] = 0
    x[:, :, [0, -1]] = 0
    y = np.zeros((64, 56, 56))
    for i in range(3):
        for j in range(3):
            y += np.einsum("nc,chw->nhw", w[:, :, i, j], x[:, i : i + 56, j : j + 56])
    y = np.maximum(y + b[:, None, None], 0)
    blocked = x[:, 1:-1, 1:-1].reshape(4, 16, 56, 56).transpose(0, 2, 3, 1)
    panels = w.reshape(2, 32, 4, 16, 9).transpose(0, 2, 4, 3, 1)
    args: Arguments = {"x": np.ascontiguousarray(blocked), "w": np.ascontiguousarray(panels), "b": b}
    return args, np.ascontiguousarray(y.reshape(4, 16, 56, 56).transpose(0, 2, 3, 1))


def vector_add_case(n: int) -> tuple[Kernel, Arguments, Array]:
    a, b = values(n), values(n, seed=1)
    return example("vector_add"), {"a": a, "b": b, "n": n}, a + b


def matmul_case(rows: int, depth: int, columns: int) -> tuple[Kernel, Arguments, Array]:
    a, b = values(rows, depth), values(depth, columns, seed=1) / 16
    return example("matmul"), {"a": a, "b": b, "rows": rows, "depth": depth, "columns": columns}, a @ b


def softmax_case(kernel: str, rows: int, n: int) -> tuple[Kernel, Arguments, Array]:
    x = values(rows, n) * 8
    return example("softmax", kernel), {"x": x, "rows": rows, "n": n}, softmax(x)


def layer_norm_case(rows: int, n: int) -> tuple[Kernel, Arguments, Array]:
    x, gamma, beta = values(rows, n) + 3, values(n, seed=1), values(n, seed=2)
    args: Arguments = {"x": x, "gamma": gamma, "beta": beta, "rows": rows, "n": n}
    return example("layer_norm"), args, layer_norm(x, gamma, beta)


def elman_case(steps: int) -> tuple[Kernel, Arguments, Array]:
    x, w = values(steps, 64), values(64, 64, seed=1) / 8
    rows, state = list[Array](), np.zeros(64)
    for row in x:
        state = np.tanh(row + w @ state)
        rows.append(state)
    return example("elman"), {"x": x, "w": w, "steps": steps}, np.stack(rows)


Case = Callable[[], tuple[Kernel, Arguments, Array]]
CASES: dict[str, Case] = {
    "vector_add short": lambda: vector_add_case(5),
    "vector_add whole tiles": lambda: vector_add_case(3 * 8192),
    "vector_add tail": lambda: vector_add_case(5 * 8192 + 77),
    "vector_add empty": lambda: vector_add_case(0),
    "matmul one tile": lambda: matmul_case(64, 128, 64),
    "matmul small": lambda: matmul_case(3, 5, 1),
    "matmul tails": lambda: matmul_case(150, 300, 201),
    "matmul deep": lambda: matmul_case(65, 900, 64),
    "softmax": lambda: softmax_case("softmax", 7, 1000),
    "softmax longest": lambda: softmax_case("softmax", 3, 8192),
    "softmax single": lambda: softmax_case("softmax", 5, 1),
    "softmax_long": lambda: softmax_case("softmax_long", 5, 3 * 8192 + 100),
    "softmax_long short": lambda: softmax_case("softmax_long", 3, 10),
    "layer_norm": lambda: layer_norm_case(130, 96),
    "layer_norm longest": lambda: layer_norm_case(3, 6144),
    "conv3x3": lambda: (example("conv3x3"), *conv_arguments()),
    "elman": lambda: elman_case(9),
    "elman one step": lambda: elman_case(1),
}


@pytest.mark.parametrize("name", CASES)
def test_examples_compute_what_numpy_does(name: str):
    check(*CASES[name]())


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("seed", range(5))
def test_events_order_all_that_must_be_ordered(name: str, seed: int):
    check(*CASES[name](), cores=1 + seed % 3, order=seed)


def test_softmax_long_takes_rows_that_begin_with_minus_infinity():
    x = values(2, 20000)
    x[:, :9000] = -np.inf
    check(example("softmax", "softmax_long"), {"x": x, "rows": 2, "n": 20000}, softmax(x))


@pytest.mark.parametrize("kernel", ALL, ids=lambda kernel: kernel.name)
def test_buffers_have_places_of_their_own_in_vn1(kernel: Kernel):
    for memory, size in VN1.items():
        end = 0
        buffers = [b for b in kernel.buffers if b.memory == memory]
        for buffer in sorted(buffers, key=lambda b: -1 if b.address is None else b.address):
            assert buffer.address is not None and buffer.address >= end
            end = buffer.address + buffer.slots * buffer.slot_bytes
        assert end <= size


@pytest.mark.parametrize("kernel", ALL, ids=lambda kernel: kernel.name)
def test_examples_keep_the_rules(kernel: Kernel):
    assert verify_kernel(kernel, None) == []


@pytest.mark.parametrize("name", CASES)
def test_the_native_engine_agrees(name: str):
    kernel, args, expected = CASES[name]()
    y = np.full(expected.shape, np.nan, np.float32)
    native(kernel).launch({**args, "y": y}, threads=2)
    np.testing.assert_allclose(y, expected, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("kernel", ALL, ids=lambda kernel: kernel.name)
def test_examples_survive_disassembly(kernel: Kernel):
    assert parse_kernel_text(disassemble_kernel(kernel)) == (kernel,)
