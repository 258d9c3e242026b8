"""Moves that address memory through an index or add to it, natively as on the interpreter."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from vcc.runtime.diagnostics import VccError
from vcc.runtime.interpreter.kernel import run_kernel
from vcc.runtime.isa.assembler import parse_kernel_text
from vcc.runtime.isa.dtypes import BY_NAME
from vcc.runtime.native.engine import compile_kernel

BODIES = {
    "rows": "load.gather {{i:5, j:37}} t(37,1), x(0,1), it(1,0), limit=9, pitch=40, mode={mode}, fill=7.0\n"
    "store {{i:185}} y(1), t(1)",
    "elements": "load {{i:360}} t(1), x(1)\n gather {{i:5, j:9}} o(9,1), t(0,40), it(1,0), limit=40, mode={mode}\n"
    "store {{i:45}} y(1), o(1)",
    "inner": "load.gather {{j:11, i:5}} t(5,1), x(9,0), it(0,1), limit=9, mode={mode}, fill=1.0\n"
    "store {{i:55}} y(1), t(1)",
    "scatter": "load {{i:185}} t(1), x(1)\n"
    "store.scatter {{i:5, j:37}} y(0,1), t(37,1), it(1,0), limit=9, pitch=37, mode={mode}",
    "scatter_inner": "load {{i:185}} t(1), x(1)\n"
    "store.scatter {{j:37, i:5}} y(9,0), t(1,37), it(0,1), limit=9, mode={mode}",
}  # fmt: skip


def source(body: str, dtype: str) -> str:
    indexes = "load {i:5} it(1), idx(1)\n"
    return (
        f"kernel k(x: gm {dtype}[400] in, idx: gm i32[5] in, y: gm {dtype}[400] inout) {{\n"
        f"buf t: ub {dtype}[400] @0  buf o: ub {dtype}[400] @4096  buf it: ub i32[5] @8192\n{indexes}{body}}}"
    )


def arguments(dtype: str, indices: list[int]) -> dict[str, Any]:
    rng, numpy = np.random.default_rng(3), BY_NAME[dtype].numpy
    x = rng.integers(0, 2, 400) if dtype == "bool" else rng.integers(-100, 100, 400)
    return {"x": x.astype(numpy), "idx": np.array(indices, np.int32), "y": np.zeros(400, numpy)}


def agree(text: str, args: dict[str, Any]) -> None:
    (kernel,) = parse_kernel_text(text)
    want, got = ({n: a.copy() for n, a in args.items()} for _ in range(2))
    run_kernel(kernel, want)
    compile_kernel(kernel).launch(got)
    np.testing.assert_array_equal(got["y"], want["y"])


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("dtype", ["f32", "f16", "i64", "bool"])
def test_indexed_moves(name: str, dtype: str) -> None:
    agree(source(BODIES[name].format(mode="trap"), dtype), arguments(dtype, [3, 0, 8, 3, 8]))


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("mode", ["clamp", "fill", "trap"])
def test_indices_out_of_range(name: str, mode: str) -> None:
    text, args = source(BODIES[name].format(mode=mode), "f32"), arguments("f32", [3, -1, 8, 40, 2])
    if mode != "trap":
        agree(text, args)
        return
    (kernel,) = parse_kernel_text(text)
    with pytest.raises(VccError, match="index") as caught:
        compile_kernel(kernel).launch(args)
    assert caught.value.diagnostics[0].code == "E0401"


@pytest.mark.parametrize("dtype", ["f32", "f16", "bf16", "i8"])
def test_adding_to_memory(dtype: str) -> None:
    body = "load {i:100} t(1), x(1)\n store.add {i:100 in 3..90} y(1), t(1)\n store.add {i:50} y[20](2), t(1)"
    args = arguments(dtype, [0] * 5)
    args["y"][:] = np.arange(400) % 50
    agree(source(body, dtype), args)


@pytest.mark.parametrize("by", ["ascending", "descending"])
@pytest.mark.parametrize("n", [1, 2, 3, 64, 301])
@pytest.mark.parametrize("dtype", ["f32", "i32", "u32", "f16"])
def test_order_of_long_rows(by: str, n: int, dtype: str) -> None:
    text = (
        f"kernel k(x: gm {dtype}[400] in, y: gm i32[400] inout) {{\n"
        f"buf t: ub {dtype}[400] @0  buf o: ub i32[400] @1600\n"
        f"load {{i:400}} t(1), x(1)\n order {{i:scan {n}}} o(1), t(1), by={by}\n store {{i:{n}}} y(1), o(1) }}"
    )
    x = np.round(np.random.default_rng(n).standard_normal(400) * 8)
    x[::11] = -0.0
    if dtype in ("f32", "f16"):
        x[::7], x[3::50] = np.nan, -np.inf
    x = (x * 5e7 if dtype == "i32" else abs(x) * 5e7 if dtype == "u32" else x).astype(BY_NAME[dtype].numpy)
    agree(text, {"x": x, "y": np.zeros(400, np.int32)})


@pytest.mark.parametrize("by", ["ascending", "descending"])
@pytest.mark.parametrize(("kept", "n"), [(1, 1), (5, 4), (5, 301), (32, 301), (40, 397), (100, 299), (100, 397)])
@pytest.mark.parametrize("dtype", ["f32", "i32", "u32", "f16", "i64"])
def test_the_foremost_of_rows(by: str, kept: int, n: int, dtype: str) -> None:
    text = (
        f"kernel k(x: gm {dtype}[1200] in, y: gm i64[{3 * kept}] inout, n: i64 0..400) {{\n"
        f"buf t: ub {dtype}[1200] @0  buf o: ub i32[1200] @16000  buf p: ub i64[{3 * kept}] @32000\n"
        f"load {{i:1200}} t(1), x(1)\n order {{r:3, i:scan %n max 400}} o(400,1), t(400,1), by={by}\n"
        f"cast {{r:3, i:{kept}}} p({kept},1), o(400,1)\n store {{i:{3 * kept}}} y(1), p(1) }}"
    )
    (kernel,) = parse_kernel_text(text)
    x = np.round(np.random.default_rng(n).standard_normal(1200) * 8)
    x[400:800] = np.sort(x[400:800])
    x[::11] = -0.0
    if dtype in ("f32", "f16"):
        x[::7], x[3::50] = np.nan, -np.inf
    x = (x * 5e7 if dtype == "i32" else abs(x) * 5e7 if dtype == "u32" else x).astype(BY_NAME[dtype].numpy)
    want, got = np.zeros((2, 3 * kept), np.int64)
    run_kernel(kernel, {"x": x, "y": want, "n": n})
    compile_kernel(kernel).launch({"x": x, "y": got, "n": n})
    read = min(kept, n)  # what lies behind the row is nobody's
    np.testing.assert_array_equal(got.reshape(3, kept)[:, :read], want.reshape(3, kept)[:, :read])


@pytest.mark.parametrize("n", [1, 10, 16])
def test_rows_side_by_side_get_no_more_positions_than_they_have(n: int) -> None:
    (kernel,) = parse_kernel_text(
        "kernel k(x: gm f32[8*%n] in, y: gm i32[8*%n] out, n: i64 1..16) {\n"
        "buf t: ub f32[128] @0  buf o: ub i32[128] @512\n"
        "load {r:8, i:%n max 16} t(16,1), x(%n,1)\n order {r:8, i:scan %n max 16} o(16,1), t(16,1)\n"
        "store {r:8, i:%n max 16} y(%n,1), o(16,1) }"
    )
    x = np.random.default_rng(n).standard_normal(8 * n).astype(np.float32)
    want, got = np.full((2, 8 * n + 64), 77, np.int32)
    run_kernel(kernel, {"x": x, "y": want[: 8 * n], "n": n})
    compile_kernel(kernel).launch({"x": x, "y": got[: 8 * n], "n": n})
    np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("n", [0, 1, 15, 100])
@pytest.mark.parametrize("dtype", ["f32", "f16", "i32"])
def test_running_sums_of_rows_side_by_side(n: int, dtype: str) -> None:
    text = (
        f"kernel k(x: gm {dtype}[1000] in, y: gm {dtype}[1000] inout, n: i64 0..100) {{\n"
        f"buf t: ub {dtype}[1000] @0  buf o: ub {dtype}[1000] @4000\n"
        f"load {{i:1000}} t(1), x(1)\n load {{i:1000}} o(1), x(1)\n"
        f"scan.add {{k:2, i:%n max 100, j:scan 5}} o(500,1,100), t(500,1,100)\n store {{i:1000}} y(1), o(1) }}"
    )
    (kernel,) = parse_kernel_text(text)
    x = np.round(np.random.default_rng(n).standard_normal(1000) * 8).astype(BY_NAME[dtype].numpy)
    want, got = np.zeros_like(x), np.zeros_like(x)
    run_kernel(kernel, {"x": x, "y": want, "n": n})
    compile_kernel(kernel).launch({"x": x, "y": got, "n": n})
    np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("line", ["div", "mod", "fmod"])
def test_integer_division_by_zero_traps(line: str) -> None:
    text = (
        f"kernel k(x: gm i32[37] in, y: gm i32[37] out) {{ buf t: ub i32[37] @0\n"
        f"load {{i:37}} t(1), x(1)\n {line} {{i:37}} t(1), t(1), t(1)\n store {{i:37}} y(1), t(1) }}"
    )
    (kernel,) = parse_kernel_text(text)
    x = np.ones(37, np.int32)
    compile_kernel(kernel).launch({"x": x, "y": np.zeros(37, np.int32)})
    x[36] = 0
    with pytest.raises(VccError, match="by zero"):
        compile_kernel(kernel).launch({"x": x, "y": np.zeros(37, np.int32)})
