"""Error of the native f32 polynomials, in units in the last place, over all of f32's range."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from vcc.runtime.isa.assembler import parse_kernel_text
from vcc.runtime.isa.semantics import UNARY
from vcc.runtime.native.emit import Cpu
from vcc.runtime.native.engine import compile_kernel

COUNT = 1 << 18
LIMIT = 4.0
FUNCTIONS = ("exp", "log", "tanh", "erf", "sigmoid", "sin", "cos")


def samples() -> NDArray[np.float32]:
    """Every exponent and sign, and as many again where the functions are neither trivial nor constant."""
    rng = np.random.default_rng(7)
    bits = rng.integers(0, 2**32, COUNT // 2, dtype=np.uint32).view(np.float32)
    near = (rng.standard_normal(COUNT // 4) * 4).astype(np.float32)
    wide = rng.uniform(-110, 110, COUNT - COUNT // 2 - COUNT // 4).astype(np.float32)
    multiples = (np.arange(1, 2001) * (np.pi / 2)).astype(np.float32)  # where sin or cos nearly vanish
    wide[: len(multiples)] = multiples
    return np.concatenate([bits, near, wide])


def native(fn: str, x: NDArray[np.float32], cpu: Cpu | None) -> NDArray[np.float32]:
    n = x.size
    (kernel,) = parse_kernel_text(
        f"kernel k(x: gm f32[{n}] in, y: gm f32[{n}] out) {{ buf a: ub f32[{n}] @0\n"
        f"load {{i:{n}}} a(1), x(1)\n {fn} {{i:{n}}} a(1), a(1)\n store {{i:{n}}} y(1), a(1) }}"
    )
    y = np.empty_like(x)
    compile_kernel(kernel, cpu).launch({"x": x, "y": y})
    return y


@pytest.mark.parametrize("fn", FUNCTIONS)
@pytest.mark.parametrize("cpu", [None, Cpu("x86-64-v3", "+avx2,+fma,+f16c", 32, 16)], ids=["host", "avx2"])
def test_error_in_ulps(fn: str, cpu: Cpu | None) -> None:
    x = samples()
    function: Callable[[NDArray[Any]], NDArray[Any]] = UNARY[fn]
    with np.errstate(all="ignore"):
        true = function(x.astype(np.float64))
        got = native(fn, x, cpu)
        rounded = true.astype(np.float32)
        ulp = np.maximum(np.spacing(np.abs(rounded)), np.float32(1e-45)).astype(np.float64)
        error = np.abs(got - true) / ulp
    ordinary = np.isfinite(rounded)
    np.testing.assert_array_equal(got[~ordinary], rounded[~ordinary])
    worst = int(np.argmax(np.where(ordinary, error, 0)))
    assert error[ordinary].max() <= LIMIT, f"{fn}({x[worst]}) is {got[worst]}, not {true[worst]}: {error[worst]} ulp"
    print(fn, error[ordinary].max())
