"""Instructions made to run over the same domain join one chain, and do the same."""

from __future__ import annotations

import numpy as np
import pytest

from vcc.runtime.interpreter.kernel import run_kernel
from vcc.runtime.isa.assembler import parse_kernel_text
from vcc.runtime.isa.kernel import Instr, Kernel
from vcc.runtime.native.domains import refined
from vcc.runtime.native.engine import compile_kernel, translate


def kernel(*lines: str) -> Kernel:
    body = "\n".join(lines)
    (found,) = parse_kernel_text(
        f"kernel k(x: gm f32[512] in, y: gm f32[512] out) {{ buf t: ub f32[512] @0 buf u: ub f32[512] @2048\n{body} }}"
    )
    return found


def pair(coarse: str, fine: str) -> tuple[Instr, Instr]:
    a, b = kernel(coarse, fine).body
    assert isinstance(a, Instr) and isinstance(b, Instr)
    return a, b


@pytest.mark.parametrize(
    ("coarse", "fine", "cuts"),
    [
        ("relu {i:512} t(1), t(1)", "relu {a:2, b:32, c:8} u(256,8,1), u(256,8,1)", True),
        ("relu {i:4, j:128} t(128,1), t(128,1)", "relu {a:2, b:2, c:128} u(256,128,1), u(256,128,1)", True),
        ("relu {i:4, j:128} t(128,1), t(128,1)", "relu {a:8, b:64} u(64,1), u(64,1)", False),
        ("relu {i:510} t(1), t(1)", "relu {a:2, b:32, c:8} u(256,8,1), u(256,8,1)", False),
        ("reduce.add {i:reduce 512} t(0), t(1)", "relu {a:2, b:256} u(256,1), u(256,1)", False),
    ],
)
def test_only_what_cuts_is_refined(coarse: str, fine: str, cuts: bool) -> None:
    a, b = pair(coarse, fine)
    found = refined(a, b.domain)
    assert (found is not None) == cuts
    if found is not None:
        assert [v.strides for _, v in found.views()] == [v.strides for _, v in b.views()]


@pytest.mark.parametrize("flip", [False, True])
def test_the_chain_is_one_loop_and_right(flip: bool) -> None:
    flat = ["add {i:512} t(1), t(1), 3.0", "relu {i:512} u(1), t(1)"]
    deep = ["mul {a:2, b:32, c:8} t(256,8,1), t(256,8,1), 0.5", "add {a:2, b:32, c:8} u(256,8,1), t(256,8,1), 1.0"]
    middle = [deep[0], flat[1]] if flip else [flat[0], deep[1]]
    found = kernel("load {i:512} t(1), x(1)", *middle, "store {i:512} y(1), u(1)")
    x = np.random.default_rng(1).standard_normal(512).astype(np.float32)
    want, got = np.empty_like(x), np.empty_like(x)
    run_kernel(found, {"x": x, "y": want})
    compile_kernel(found).launch({"x": x, "y": got})
    np.testing.assert_array_equal(got, want)
    assert "%.at.t, i64 %" not in translate(found), "the value in between does not reach memory"


def test_a_product_takes_its_drain_without_a_loop() -> None:
    (found,) = parse_kernel_text(
        "kernel k(x: gm f32[560] in, w: gm f32[1280] in, y: gm f32[448] out) {\n"
        "buf a: l0a f32[560] @0 buf b: l0b f32[1280] @0 buf acc: l0c f32[448] @0 buf t: ub f32[448] @0\n"
        "load {i:560} a(1), x(1)\n load {i:1280} b(1), w(1)\n"
        "mmad {m:m 14, n:n 32, k:k 40} acc(32,1,0), a(40,0,1), b(0,1,32)\n"
        "drain {m:14, n:32} t(32,1), acc(32,1), act=relu\n store {i:448} y(1), t(1) }"
    )
    rng = np.random.default_rng(2)
    x, w = (rng.standard_normal(n).astype(np.float32) for n in (560, 1280))
    y = np.empty(448, np.float32)
    compile_kernel(found).launch({"x": x, "w": w, "y": y})
    want = np.maximum(x.reshape(14, 40) @ w.reshape(40, 32), 0)
    np.testing.assert_allclose(y.reshape(14, 32), want, rtol=1e-5, atol=1e-5)
    assert "%.at.acc, i64 %" not in translate(found), "the sums do not reach memory"
