"""Loads, stores and indexed moves: valid intervals, fill, permuted and overlapping views, modes, traps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from vcc.runtime.diagnostics import VccError
from vcc.runtime.interpreter.kernel import run_kernel
from vcc.runtime.isa.assembler import parse_kernel_text
from vcc.runtime.isa.kernel import Kernel


def kernel(body: str, params: str = "x: gm f32[60] in, y: gm f32[60] out", buffers: str = "") -> Kernel:
    """A kernel with a ub buffer t of 60 f32, its body and parameters as text."""
    (parsed,) = parse_kernel_text(f"kernel k({params}) {{\n buf t: ub f32[60]\n {buffers}\n {body}\n}}")
    return parsed


def result(program: Kernel, **args: Any) -> np.ndarray:
    """y of 60 elements, which begins as -1, after the kernel ran on x = 0, 1, 2, ..."""
    y = np.full(60, -1, np.float32)
    run_kernel(program, {"x": np.arange(60, dtype=np.float32), "y": y, **args})
    return y


WHOLE = "store {j:60} y(1), t(1)"


@pytest.mark.parametrize(("low", "high"), [(0, 4), (-2, 2), (1, 9), (2, 3), (4, 4), (3, 1), (-9, -5), (7, 9)])
def test_a_load_fills_outside_its_valid_interval(low: int, high: int):
    y = result(
        kernel(
            "load {i:4 in %a..%b, j:15 in 2..14} t(15,1), x[-15*%a](15,1), fill=7.0\n" + WHOLE,
            "x: gm f32[60] in, y: gm f32[60] out, a: i64 -9..9, b: i64 -9..9",
        ),
        a=low,
        b=high,
    )
    expected = np.full((4, 15), 7, np.float32)
    x = np.arange(60, dtype=np.float32).reshape(4, 15)
    for i in range(max(0, low), min(4, high)):
        expected[i, 2:14] = x[i - low, 2:14]
    assert np.array_equal(y.reshape(4, 15), expected)


def test_a_store_skips_outside_its_valid_interval():
    y = result(kernel("load {j:60} t(1), x(1)\nstore {i:4 in 1..9, j:15 in -3..2} y(15,1), t(15,1)")).reshape(4, 15)
    expected = np.full((4, 15), -1, np.float32)
    expected[1:, :2] = np.arange(60, dtype=np.float32).reshape(4, 15)[1:, :2]
    assert np.array_equal(y, expected)


def test_a_store_adds():
    y = result(kernel("load {j:60} t(1), x(1)\nstore.add {i:4 in 2..3, j:15} y(15,1), t(15,1)"))
    expected = np.full((4, 15), -1, np.float32)
    expected[2] += np.arange(30, 45)
    assert np.array_equal(y.reshape(4, 15), expected)


def test_views_transpose_reverse_and_overlap():
    y = result(
        kernel(
            "load {i:4, j:15} t(1,4), x(15,1)\nmov {i:5, j:3, k:4} u[59](-12,-4,-1), t(4,4,1)\nstore {j:60} y(1), u(1)",
            buffers="buf u: ub f32[60]",
        )
    )
    t = np.arange(60).reshape(4, 15).T
    windows = np.stack([t[i : i + 3] for i in range(5)])
    assert np.array_equal(y, windows.reshape(-1)[::-1])


def test_sizes_from_registers_and_empty_domains():
    program = kernel(
        "load {j:60} t(1), x(1)\nloop %i = 0..4 {\n store {j:%i max 3, k:5} y[15*%i](5,1), t[15*%i](5,1)\n}"
    )
    y = result(program).reshape(4, 15)
    for i in range(4):
        assert np.array_equal(y[i, : 5 * i], 15 * i + np.arange(5 * i)) and np.all(y[i, 5 * i :] == -1)


def test_a_predicate_skips_even_the_checks():
    y = result(kernel(f"load {{j:60}} t(1), x(1)\nload {{j:99}} t(1), x[-5](1) when=%p\n{WHOLE}",
                      "x: gm f32[60] in, y: gm f32[60] out, p: i64 0..1"), p=0)  # fmt: skip
    assert np.array_equal(y, np.arange(60))


INDEX = "x: gm f32[60] in, y: gm f32[60] out, i: gm i64[4] in"


@pytest.mark.parametrize("op", ["load.gather", "gather"])
def test_gathers_by_mode(op: str):
    source = "x[2](0,1)" if op == "load.gather" else "u[2](0,1)"
    body = (
        f"load {{j:4}} n(1), i(1)\nload {{j:60}} u(1), x(1)\n"
        f"{op} {{a:4, b:3}} t(3,1), {source}, n(1,0), mode=MODE, limit=5, pitch=10, fill=9.0\n"
        "store {j:12} y(1), t(1)"
    )
    buffers = "buf n: ub i64[4]\n buf u: ub f32[60]"
    rows = np.arange(60, dtype=np.float32).reshape(6, 10)[:, 2:5]
    indices = np.array([3, 0, -1, 5])
    clamped = result(kernel(body.replace("MODE", "clamp"), INDEX, buffers), i=indices)[:12].reshape(4, 3)
    assert np.array_equal(clamped, rows[[3, 0, 0, 4]])
    filled = result(kernel(body.replace("MODE", "fill"), INDEX, buffers), i=indices)[:12].reshape(4, 3)
    assert np.array_equal(filled[:2], rows[[3, 0]]) and np.all(filled[2:] == 9)
    with pytest.raises(VccError, match=r"index -1 is not within 0\.\.4"):
        result(kernel(body.replace("MODE", "trap"), INDEX, buffers), i=indices)
    assert np.array_equal(
        result(kernel(body.replace("MODE", "trap"), INDEX, buffers), i=np.array([4, 4, 1, 2]))[:12].reshape(4, 3),
        rows[[4, 4, 1, 2]],
    )


def test_of_equal_scatter_addresses_the_last_wins_and_fill_skips():
    body = (
        "load {j:4} n(1), i(1)\nload {j:60} t(1), x(1)\n"
        "store.scatter {a:4, b:3} y(0,1), t(3,1), n(1,0), mode=MODE, limit=5, pitch=10"
    )
    y = result(kernel(body.replace("MODE", "fill"), INDEX, "buf n: ub i64[4]"), i=np.array([3, 7, 3, 1])).reshape(6, 10)
    expected = np.full((6, 10), -1)
    expected[3, :3], expected[1, :3] = [6, 7, 8], [9, 10, 11]
    assert np.array_equal(y, expected)
    y = result(kernel(body.replace("MODE", "clamp"), INDEX, "buf n: ub i64[4]"), i=np.array([3, 7, 3, 1]))
    assert np.array_equal(y.reshape(6, 10)[4, :3], [3, 4, 5])


def test_a_scatter_that_adds_counts_every_equal_address():
    body = (
        "load {j:4} n(1), i(1)\nload {j:60} t(1), x(1)\nstore {j:60} y(1), t(1)\n"
        "store.scatter.add {a:4, b:3} y(0,1), t[12](3,1), n(1,0), mode=fill, limit=5, pitch=10"
    )
    y = result(kernel(body, INDEX, "buf n: ub i64[4]"), i=np.array([3, 7, 3, 1])).reshape(6, 10)
    expected = np.arange(60).reshape(6, 10)
    expected[3, :3] += [12 + 18, 13 + 19, 14 + 20]
    expected[1, :3] += [21, 22, 23]
    assert np.array_equal(y, expected)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("load {j:61} t(1), x(1)", r"elements 0\.\.60 of x are accessed, but it has 60"),
        ("load {j:60} t[1](1), x(1)", r"elements 1\.\.60 of t"),
        ("load {i:4, j:15} t(15,1), x[30](-15,1)", r"elements -15\.\.44 of x"),
        ("load {j:60 in 0..60} t(1), x[1](1)", r"elements 1\.\.60 of x"),
        ("load {j:%n max 7} t(1), x(1)", r"dimension j has size 8, which is not within 0\.\.7"),
        ("load {j:%n-9 max 7} t(1), x(1)", r"dimension j has size -1"),
        ("load.gather {j:4} t(1), x(0), q(1), limit=70, pitch=20", r"elements 0\.\.60 of x"),
        ("load.gather {j:1} t(1), x(0), q(1), limit=%n-8, mode=clamp", "the limit is 0"),
        ("div {j:4} q(1), q(1), q(1)", "integer division by zero"),
        ("mod {j:4} q(1), q(1), 0", "integer remainder by zero"),
        ("fmod {j:4} q(1), q(1), 0", "integer remainder by zero"),
        ("pow {j:4} q(1), 2, -1", "integer to a negative power"),
        ("%d = div 1, %n-8", "division by zero"),
        ("%d = mod 1, %n-8", "division by zero"),
        ("%d = sload i[%n]", r"elements 8\.\.8 of i"),
    ],
)
def test_traps_tell_kernel_instruction_and_registers(body: str, message: str):
    program = kernel(f"load {{j:4}} q(1), i(1)\n{body}", f"{INDEX}, n: i64 8..8", "buf q: ub i64[4]")
    with pytest.raises(VccError, match=message) as caught:
        result(program, i=np.arange(4), n=8)
    text = str(caught.value)
    assert caught.value.diagnostics[0].code == "E0401" and "kernel k:" in text and "at: " in text
    assert ("%n=8" in text) == ("%n" in body)


def test_a_trap_names_the_onnx_nodes():
    program = kernel("load {j:61} t(1), x(1) !src(1,0)")
    with pytest.raises(VccError, match="node 'Relu_3, Conv_1'"):
        run_kernel(program, {"x": np.zeros(60, np.float32), "y": np.zeros(60, np.float32)}, nodes=["Conv_1", "Relu_3"])


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({}, "no argument for parameter x"),
        ({"x": 3}, "parameter x is an array, not 3"),
        ({"x": np.zeros(60)}, "parameter x is f32, but the array is f64"),
        ({"x": np.zeros(59, np.float32)}, "parameter x has 60 elements, but the array has 59"),
        ({"x": np.zeros(120, np.float32)[::2]}, "not contiguous"),
    ],
)
def test_unsuitable_arguments_are_told(args: dict[str, Any], message: str):
    with pytest.raises(VccError, match=message) as caught:
        run_kernel(kernel(WHOLE), {"y": np.zeros(60, np.float32), **args})
    assert caught.value.diagnostics[0].code == "E0105"


def test_an_integer_argument_must_be_in_range():
    program = kernel(WHOLE, "x: gm f32[60] in, y: gm f32[60] out, n: i64 1..8")
    with pytest.raises(VccError, match=r"parameter n = 9 is not within 1\.\.8"):
        result(program, n=9)


def test_memory_nobody_wrote_reads_as_nan():
    assert np.isnan(result(kernel(WHOLE))).all()


def test_buffers_with_addresses_share_memory():
    (program,) = parse_kernel_text(
        "kernel k(x: gm f32[60] in, y: gm f32[60] out) {\n buf t: ub f32[60] @0\n buf u: ub f32[30] @120\n"
        f"load {{j:60}} t(1), x(1)\n neg {{j:30}} u(1), u(1)\n {WHOLE}\n}}"
    )
    assert np.array_equal(result(program), [*range(30), *range(-30, -60, -1)])
