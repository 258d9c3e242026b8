"""Matrix products natively: every way in which their inputs may lie, against the interpreter."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from vcc.runtime.interpreter.kernel import run_kernel
from vcc.runtime.isa.assembler import parse_kernel_text
from vcc.runtime.isa.kernel import Instr, Kernel, Loop, instructions
from vcc.runtime.native import shape
from vcc.runtime.native.emit import Cpu
from vcc.runtime.native.engine import compile_kernel, translate
from vcc.runtime.native.epilogue import fuse
from vcc.runtime.native.reduction import accumulation, unrolled
from vcc.runtime.native.tail import Tail

AVX512 = Cpu("skylake-avx512", "+avx512f,+avx512bw,+avx512vl", 64, 32)
AVX2 = Cpu("haswell", "+avx2,+fma,+f16c", 32, 16)


def kernel(a: str, b: str, m: int, n: int, k: int, rest: str = "") -> Kernel:
    """acc = x * w for x and w with these strides over (m, n, k), then drained and stored row-major."""
    (found,) = parse_kernel_text(
        f"""kernel k(x: gm f32[65536] in, w: gm f32[65536] in, y: gm f32[65536] out, c: i64 1..{n}) {{
        buf p: l0a f32[65536] @0  buf q: l0b f32[65536] @0  buf t: l0c f32[65536] @0  buf o: ub f32[65536] @0
        load {{e:65536}} p(1), x(1)
        load {{e:65536}} q(1), w(1)
        mmad {{m:m {m}, n:n {n}, k:k {k}}} t({n},1,0), p({a}), q({b})
        {rest or f"drain {{m:{m}, n:{n}}} o({n},1), t({n},1)"}
        store {{e:{m * n}}} y(1), o(1) }}"""
    )
    return found


def agree(found: Kernel, cpu: Cpu | None = None, count: int = 1) -> None:
    """Both engines leave the same, where anything is written at all."""
    rng = np.random.default_rng(0)
    x, w = (rng.standard_normal(65536).astype(np.float32) for _ in range(2))
    want, got = np.zeros(65536, np.float32), np.zeros(65536, np.float32)
    run_kernel(found, {"x": x, "w": w, "y": want, "c": count})
    compile_kernel(found, cpu).launch({"x": x, "w": w, "y": got, "c": count})
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize(("m", "n", "k"), [*product((1, 7, 30), (1, 5, 40, 77), (1, 33))])
@pytest.mark.parametrize("turned", [False, True], ids=["rows", "columns"])
def test_any_size(m: int, n: int, k: int, turned: bool) -> None:
    b = f"0,{k},1" if turned else f"0,1,{n}"
    agree(kernel(f"{k},0,1", b, m, n, k))


@pytest.mark.parametrize("rows", [0, 1, 5, 14, 15, 28, 33, 40])
def test_rows_that_only_a_launch_counts(rows: int) -> None:
    (found,) = parse_kernel_text(
        """kernel k(x: gm f32[65536] in, w: gm f32[65536] in, y: gm f32[65536] out, c: i64 0..40) {
        buf p: l0a f32[1600] @0  buf q: l0b f32[1280] @0  buf t: l0c f32[1280] @0  buf o: ub f32[1280] @0
        load {e:1600} p(1), x(1)
        load {e:1280} q(1), w(1)
        mmad {m:m %c max 40, n:n 32, k:k 40} t(32,1,0), p(40,0,1), q(0,1,32)
        drain {m:%c max 40, n:32} o(32,1), t(32,1), bias=1.0
        store {m:%c max 40, n:32} y(32,1), o(32,1) }"""
    )
    agree(found, count=rows)


@pytest.mark.parametrize("b", ["0,1,512", "0,512,1", "0,3,200"], ids=["far rows", "turned", "no vectors"])
@pytest.mark.parametrize("cpu", [None, AVX2], ids=["host", "avx2"])
def test_inputs_that_need_panels(b: str, cpu: Cpu | None) -> None:
    agree(kernel("40,0,1", b, 30, 50, 40), cpu)


@pytest.mark.parametrize("cpu", [None, AVX2], ids=["host", "avx2"])
@pytest.mark.parametrize("step", [2, 3, 4])
@pytest.mark.parametrize("n", [5, 16, 45, 64])
def test_lanes_a_few_apart_are_picked_for_a_panel(n: int, step: int, cpu: Cpu | None) -> None:
    found = kernel("9,0,1", f"0,{step},1", 30, n, 9)
    agree(found, cpu)
    if cpu is None and n >= 16:
        assert "%.panel, i64" in translate(found, AVX512)


def test_a_panel_is_read_where_rows_are_far_apart() -> None:
    assert "%.panel, i64" in translate(kernel("40,0,1", "0,1,512", 30, 50, 40))
    assert "%.panel, i64" not in translate(kernel("40,0,1", "0,1,64", 30, 50, 40))
    assert "%.panel, i64" not in translate(kernel("40,0,1", "0,512,1", 2, 50, 40))


def test_a_drain_into_half_vectors_waits_where_k_is_long() -> None:
    rest = "drain {m:12, b:8, c:8} o(8,96,1), t(64,8,1)"
    found = kernel("40,0,1", "0,1,64", 12, 64, 40, rest)
    agree(found)
    wide = Cpu("znver4", "+avx512f", 64, 32)
    assert "ptr %.at.t," in translate(found, wide), "sums of 8 channels go through memory"


@pytest.mark.parametrize("blocks", [(2, 32), (4, 16)])
def test_a_drain_into_channel_blocks_is_the_epilogue(blocks: tuple[int, int]) -> None:
    outer, inner = blocks
    rest = f"drain {{m:12, b:{outer}, c:{inner}}} o({inner},{12 * inner},1), t(64,{inner},1)"
    found = kernel("40,0,1", "0,1,64", 12, 64, 40, rest)
    agree(found)
    mmad, drain = (i for i in instructions(found) if i.op in ("mmad", "drain"))
    assert fuse(mmad, Tail(drain)) is not None
    assert "ptr %.at.t," not in translate(found), "the sums do not reach memory"


@pytest.mark.parametrize("count", [1, 47, 48, 65, 96])
def test_panels_beyond_the_drains_columns_are_not_stored(count: int) -> None:
    (found,) = parse_kernel_text(
        """kernel k(x: gm f32[65536] in, w: gm f32[65536] in, y: gm f32[65536] out, c: i64 0..96) {
        buf p: l0a f32[512] @0  buf q: l0b f32[4096] @0  buf t: l0c f32[1024] @0  buf o: ub f32[1024] @0
        load {e:512} p(1), x(1)
        load {e:4096} q(1), w(1)
        mmad {m:m 9, o:n 2, n:n 48, k:k 40} t(96,48,1,0), p(40,0,0,1), q(0,1920,1,48)
        drain {m:9, n:%c max 96} o(96,1), t(96,1), bias=3.0
        store {m:9, n:%c max 96} y(96,1), o(96,1) }"""
    )
    agree(found, count=count)


@pytest.mark.parametrize("b", ["0,1,512", "0,64,1"])
def test_long_k_is_taken_in_parts(b: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rest = "drain {m:29, n:50} o(50,1), t(50,1), bias=2.0, act=relu"
    found = kernel("60,0,1", b, 29, 50, 60, rest)
    plain = translate(found)
    monkeypatch.setattr(shape, "PART_BYTES", 1024)
    assert translate(found) != plain
    agree(found)


@pytest.mark.parametrize(("m", "asked"), [(1, False), (16, True), (400, False)])
def test_the_next_panel_is_asked_for_where_few_rows_use_one(m: int, asked: bool) -> None:
    (found,) = parse_kernel_text(
        f"""kernel k(x: gm f32[65536] in, w: gm f32[65536] in, y: gm f32[65536] out, c: i64 1..9) {{
        buf p: l0a f32[{m * 40}] @0  buf q: l0b f32[5120] @0  buf t: l0c f32[{m * 128}] @0  buf o: ub f32[{m * 128}] @0
        load {{e:{m * 40}}} p(1), x(1)
        load {{e:5120}} q(1), w(1)
        mmad {{m:m {m}, o:n 2, n:n 64, k:k 40}} t(128,64,1,0), p(40,0,0,1), q(0,2560,1,64)
        drain {{e:{m * 128}}} o(1), t(1)
        store {{e:{m * 128}}} y(1), o(1) }}"""
    )
    agree(found)
    assert ("llvm.prefetch" in translate(found, AVX512)) == asked


@pytest.mark.parametrize(("m", "pitch", "asked"), [(1, 512, True), (1, 128, False), (3, 512, False)])
def test_rows_of_a_matrix_that_meets_one_vector_are_asked_for(m: int, pitch: int, asked: bool) -> None:
    found = kernel("40,0,1", f"0,1,{pitch}", m, 128, 40)
    agree(found)
    assert ("llvm.prefetch" in translate(found, AVX512)) == asked


@pytest.mark.parametrize(("pitch", "asked"), [(640, True), (704, False)])
def test_the_next_panel_is_asked_for_along_all_of_k(pitch: int, asked: bool) -> None:
    (found,) = parse_kernel_text(
        f"""kernel k(x: gm f32[65536] in, w: gm f32[65536] in, y: gm f32[65536] out, c: i64 1..9) {{
        buf p: l0a f32[800] @0  buf q: l0b f32[65536] @0  buf t: l0c f32[1280] @0  buf o: ub f32[1280] @0
        load {{e:800}} p(1), x(1)
        load {{e:65536}} q(1), w(1)
        mmad {{h:m 4, v:m 5, n:n 64, j:k 4, k:k 10}} t(320,64,1,0,0), p(100,11,0,23,1), q(0,0,1,{pitch},64)
        drain {{e:1280}} o(1), t(1)
        store {{e:1280}} y(1), o(1) }}"""
    )
    agree(found)
    assert ("llvm.prefetch" in translate(found, AVX512)) == asked


@pytest.mark.parametrize(("pitch", "asked"), [(200, True), (100, False)])
def test_the_next_rows_are_asked_for_where_k_lies_pages_apart(pitch: int, asked: bool) -> None:
    found = kernel(f"1,0,{pitch}", "0,1,64", 400, 64, 40)
    agree(found)
    assert ("llvm.prefetch" in translate(found, AVX512)) == asked


def test_a_loop_over_k_is_a_dimension_of_it() -> None:
    (found,) = parse_kernel_text(
        """kernel k(x: gm f32[65536] in, w: gm f32[65536] in, y: gm f32[65536] out, c: i64 1..9) {
        buf p: l0a f32[4096] @0  buf q: l0b f32[4096] @0  buf t: l0c f32[1024] @0  buf o: ub f32[1024] @0
        load {e:4096} p(1), x(1)
        load {e:4096} q(1), w(1)
        loop %k = 0..5 reduce {
          %z = eq %k, 0
          mmad {m:m 9, n:n 20, k:k 8} t(20,1,0), p[8*%k](40,0,1), q[160*%k](0,1,20), zero=%z
        }
        drain {e:180} o(1), t(1)
        store {e:180} y(1), o(1) }"""
    )
    loop = next(s for s in found.body if isinstance(s, Loop))
    mmad = accumulation(loop)
    assert isinstance(mmad, Instr)
    flat = unrolled(loop, mmad, {})
    assert flat is not None
    assert [dim.max for dim in flat.domain] == [9, 20, 40]
    agree(found)


def test_rows_are_not_computed_twice_where_the_residual_lies_in_the_result() -> None:
    rest = "copy {e:539} o(1), 1.0  drain {m:7, n:77} o(77,1), t(77,1), residual=o(77,1)"
    agree(kernel("40,0,1", "0,1,77", 7, 77, 40, rest))
