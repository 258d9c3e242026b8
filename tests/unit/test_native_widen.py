"""Narrow buffers that products read are held as f32 natively, where their elements are used often."""

from __future__ import annotations

import numpy as np
import pytest

from vcc.runtime.interpreter.kernel import run_kernel
from vcc.runtime.isa.assembler import parse_kernel_text
from vcc.runtime.isa.dtypes import BY_NAME
from vcc.runtime.isa.kernel import Kernel
from vcc.runtime.native.emit import Cpu
from vcc.runtime.native.engine import compile_kernel
from vcc.runtime.native.widen import widened

AVX2 = Cpu("haswell", "+avx2,+fma,+f16c", 32, 16)
PLAIN = Cpu("x86-64", "", 16, 16)


def window(columns: int, dtype: str = "f16", also: str = "", fill: str = "", rows: int = 30) -> Kernel:
    """Windows of 3 of `rows` padded numbers in 8 channels times weights."""
    (found,) = parse_kernel_text(
        f"""kernel k(x: gm {dtype}[{8 * rows}] in, w: gm {dtype}[{24 * columns}] in,
        y: gm {dtype}[{rows * columns}] out) {{
        buf p: l1 {dtype}[8, {rows + 2}] @0  buf a: l0a {dtype}[{rows}, 24] @0  buf b: l0b {dtype}[24, {columns}] @0
        buf t: l0c f32[{rows}, {columns}] @0  buf o: ub {dtype}[{rows}, {columns}] @0
        load {{c:8, i:{rows + 2} in 1..{rows + 1}}} p({rows + 2},1), x[-1]({rows},1){fill}
        mov {{i:{rows}, c:8, k:3}} a(24,3,1), p(1,{rows + 2},1)
        load {{e:{24 * columns}}} b(1), w(1)
        mmad {{m:m {rows}, n:n {columns}, k:k 24}} t({columns},1,0), a(24,0,1), b(0,1,{columns})
        drain {{e:{rows * columns}}} o(1), t(1)
        {also}
        store {{e:{rows * columns}}} y(1), o(1) }}"""
    )
    return found


def dtypes(found: Kernel) -> dict[str, str]:
    return {b.name: b.dtype.name for b in widened(found).buffers}


@pytest.mark.parametrize("dtype", ["f16", "bf16"])
@pytest.mark.parametrize("cpu", [None, AVX2, PLAIN], ids=["host", "avx2", "sse2"])
@pytest.mark.parametrize("columns", [8, 40])
def test_products_of_narrow_floats(columns: int, dtype: str, cpu: Cpu | None) -> None:
    found = window(columns, dtype)
    rng, kind = np.random.default_rng(0), BY_NAME[dtype].numpy
    x, w = (rng.standard_normal(n).astype(kind) for n in (240, 24 * columns))
    x[3] = np.inf
    want, got = (np.zeros(30 * columns, kind) for _ in range(2))
    run_kernel(found, {"x": x, "w": w, "y": want})
    compile_kernel(found, cpu).launch({"x": x, "w": w, "y": got})
    tolerance = {"f16": 2e-3, "bf16": 1.6e-2}[dtype]
    np.testing.assert_allclose(got.astype(np.float64), want.astype(np.float64), rtol=tolerance, atol=tolerance)


def test_what_is_copied_once_and_used_often_is_held_as_f32() -> None:
    held = dtypes(window(40, rows=100))
    assert (held["p"], held["a"], held["b"], held["o"]) == ("f32", "f32", "f32", "f16")


@pytest.mark.parametrize(("columns", "rows", "kinds"), [(8, 30, "f16 f16"), (40, 30, "f32 f16"), (8, 100, "f16 f32")])
def test_what_is_used_seldom_stays(columns: int, rows: int, kinds: str) -> None:
    held = dtypes(window(columns, rows=rows))
    assert f"{held['a']} {held['b']}" == kinds


def test_what_something_else_reads_stays_and_windows_of_it_too() -> None:
    held = dtypes(window(40, also="mov {e:8} o(1), p(1)", rows=100))
    assert (held["p"], held["a"], held["b"]) == ("f16", "f16", "f32")


@pytest.mark.parametrize(("fill", "kind"), [(0.5, "f32"), (0.1, "f16")])
def test_a_fill_must_be_the_same_number(fill: float, kind: str) -> None:
    assert dtypes(window(40, fill=f", fill={fill}"))["p"] == kind
