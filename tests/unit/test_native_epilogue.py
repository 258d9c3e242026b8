"""Blocks of the matrix micro-kernel and the drain on its registers, against the interpreter."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from vcc.runtime.interpreter.kernel import run_kernel
from vcc.runtime.isa.assembler import assemble
from vcc.runtime.isa.kernel import Kernel
from vcc.runtime.native.emit import Cpu
from vcc.runtime.native.engine import compile_kernel, host_cpu, translate

#: Products of `m` rows, `n` columns and `k`, drained to y by the given domain and strides.
TEXT = """kernel f(a: gm f32[{mk}] in, b: gm f32[{kn}] in, c: gm f32[{n}] in, r: gm f32[{mn}] in,
  y: gm f32[{mn}] out) {{
  buf acc: l0c f32[{mn}] @0
  mmad {{{rows}, n:n {n}, k:k {k}}} acc({acc},1,0), a({slow},0,1), b({none},1,{n})
  drain {{{domain}}} y({to}), acc({src}){more}
}}
"""


def kernel(m: int, n: int, k: int, domain: str, to: str, src: str, more: str = "", split: int = 0) -> Kernel:
    """The kernel; `split` cuts the product's rows in rows of so many."""
    rows = f"o:m {m // split}, i:m {split}" if split else f"m:m {m}"
    steps = [split, 1] if split else [1]
    acc, slow, none = (",".join(str(step * by) for step in steps) for by in (n, k, 0))
    (found,) = assemble(
        TEXT.format(mk=m * k, kn=k * n, mn=m * n, n=n, k=k, rows=rows, acc=acc, slow=slow, none=none, domain=domain,
                    to=to, src=src, more=more)
    ).kernels  # fmt: skip
    return found


CASES = {
    "along-lanes": kernel(10, 40, 5, "m:10, n:40", "40,1", "40,1", ", bias=c(0,1), act=relu"),
    "turned": kernel(37, 40, 5, "n:40, m:37", "37,1", "1,40", ", bias=c(1,0), residual=r(37,1)"),
    "turned-few-columns": kernel(29, 3, 7, "n:3, m:29", "29,1", "1,3"),
    "turned-split-rows": kernel(42, 20, 9, "n:20, m:42", "42,1", "1,20", split=7),
    "blocks-of-16": kernel(49, 48, 11, "o:3, m:49, n:16", "784,16,1", "16,48,1", ", bias=c(16,0,1)", split=7),
    "blocks-of-8": kernel(15, 24, 6, "o:3, m:15, n:8", "120,8,1", "8,24,1", ", bias=c(8,0,1), act=relu"),
    "blocks-of-12": kernel(15, 36, 6, "o:3, m:15, n:12", "180,12,1", "12,36,1", ", residual=r(180,12,1)"),
    "blocks-of-10-turned": kernel(18, 20, 4, "o:2, n:10, m:18", "180,18,1", "10,1,20"),
    "many-blocks-of-12": kernel(5, 120, 6, "o:10, m:5, n:12", "60,12,1", "12,120,1"),
    "blocks-of-32": kernel(9, 96, 3, "o:3, m:9, n:32", "288,32,1", "32,96,1"),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("wide", [True, False])
def test_a_drain_on_registers_is_the_drain(name: str, wide: bool):
    found, rng, cpu = CASES[name], np.random.default_rng(0), host_cpu()
    narrow = Cpu(cpu.name, cpu.features, min(cpu.vector_bytes, 32), 16)
    sizes = {p.name: int(p.extent.constant or 0) for p in found.params}  # type: ignore[union-attr]
    feeds: dict[str, Any] = {p: rng.standard_normal(size).astype(np.float32) for p, size in sizes.items()}
    expected = {p: array.copy() for p, array in feeds.items()}
    run_kernel(found, expected)
    compile_kernel(found, cpu if wide else narrow).launch(feeds)
    np.testing.assert_allclose(feeds["y"], expected["y"], rtol=1e-5, atol=1e-5)


APART = ("many-blocks-of-12", "blocks-of-10-turned", "turned-few-columns")


@pytest.mark.parametrize("name", [name for name in CASES if name not in APART])
def test_the_sums_do_not_reach_memory(name: str):
    assert "ptr %.at.acc" not in translate(CASES[name])


@pytest.mark.parametrize(("rows", "split", "count"), [(42, 7, 28), (56, 14, 28), (12, 3, 24)])
def test_a_block_has_rows_of_several_indices(rows: int, split: int, count: int):
    """Two rows of 7 positions are 14 rows to the micro-kernel; a row of 14 is enough by itself."""
    found = kernel(rows, 32, 6, f"m:{rows}, n:32", "32,1", "32,1", split=split)
    sums = translate(found, Cpu("znver4", "+avx512f", 64, 32)).count("= alloca <16 x float>")
    assert sums >= count


def test_blocks_of_a_tail_that_is_known_at_run_time_are_not_passed():
    """The last of two panels of 16 columns has but one block of 8; what lies behind y must not be touched."""
    (found,) = assemble(
        """kernel f(a: gm f32[30] in, b: gm f32[160] in, y: gm f32[144] out) {
          buf acc: l0c f32[96] @0
          forall %p = 0..2 {
            %m = min 2, 3-2*%p
            mmad {m:m 6, n:n 8*%m max 16, k:k 5} acc(16,1,0), a(5,0,1), b[80*%p](0,1,16)
            drain {o:%m max 2, m:6, n:8} y[96*%p](48,8,1), acc(8,16,1)
          }
        }"""
    ).kernels
    rng = np.random.default_rng(0)
    feeds: dict[str, Any] = {"a": rng.standard_normal(30, np.float32), "b": rng.standard_normal(160, np.float32)}
    whole, expected = np.full(176, 7.0, np.float32), np.empty(144, np.float32)
    run_kernel(found, {**feeds, "y": expected})
    compile_kernel(found).launch({**feeds, "y": whole[:144]})
    np.testing.assert_allclose(whole[:144], expected, rtol=1e-5, atol=1e-5)
    assert (whole[144:] == 7.0).all()
