"""Floats to integers natively: truncated, saturated at both ends, NaN as 0, as on the interpreter."""

from __future__ import annotations

import numpy as np
import pytest

from vcc.runtime.interpreter.kernel import run_kernel
from vcc.runtime.isa.assembler import parse_kernel_text
from vcc.runtime.isa.dtypes import BY_NAME
from vcc.runtime.native.emit import Cpu
from vcc.runtime.native.engine import compile_kernel, translate

AVX2 = Cpu("haswell", "+avx2,+fma,+f16c", 32, 16)
#: Both sides of every end, as far as f32 tells them apart.
ENDS = [
    side * 2.0**bits * near for bits in (7, 8, 15, 16, 31, 32, 63, 64) for near in (1, 1 - 2**-23) for side in (1, -1)
]
NUMBERS = [*ENDS, np.nan, np.inf, -np.inf, 0.0, -0.0, 0.5, -0.5, -0.99, -1.0, -1.5, 3.7, -3.7, 1e30, -1e30, 1e-40]


@pytest.mark.parametrize("cpu", [None, AVX2], ids=["host", "avx2"])
@pytest.mark.parametrize("target", ["i8", "u8", "i16", "u16", "i32", "u32", "i64", "u64"])
@pytest.mark.parametrize("source", ["f16", "f32", "f64"])
def test_floats_to_integers(source: str, target: str, cpu: Cpu | None) -> None:
    count = len(NUMBERS)
    (kernel,) = parse_kernel_text(
        f"""kernel k(x: gm {source}[{count}] in, y: gm {target}[{count}] out) {{
        buf t: ub {source}[{count}] @0  buf o: ub {target}[{count}] @4096
        load {{i:{count}}} t(1), x(1)
        cast {{i:{count}}} o(1), t(1)
        store {{i:{count}}} y(1), o(1) }}"""
    )
    with np.errstate(over="ignore"):
        x = np.array(NUMBERS).astype(BY_NAME[source].numpy)
    want, got = (np.zeros(count, BY_NAME[target].numpy) for _ in range(2))
    run_kernel(kernel, {"x": x, "y": want})
    compile_kernel(kernel, cpu).launch({"x": x, "y": got})
    np.testing.assert_array_equal(got, want)
    assert "fptosi.sat" not in translate(kernel), "which takes one lane after the other"
