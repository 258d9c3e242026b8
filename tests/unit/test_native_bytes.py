"""Products of bytes natively: exact for every pair of signs, with and without an instruction for four at a time."""

from __future__ import annotations

import numpy as np
import pytest

from vcc.runtime.interpreter.kernel import run_kernel
from vcc.runtime.isa.assembler import parse_kernel_text
from vcc.runtime.isa.dtypes import BY_NAME
from vcc.runtime.isa.kernel import Kernel
from vcc.runtime.native.emit import Cpu
from vcc.runtime.native.engine import compile_kernel, translate
from vcc.runtime.native.llvm import host_cpu

CPUS = {
    "host": None,
    "avx2": Cpu("haswell", "+avx2,+fma,+f16c", 32, 16),
    "plain": Cpu("x86-64", "", 16, 16),
    "vnni": Cpu("icelake-server", "+avx512f,+avx512bw,+avx512vl,+avx512vnni", 64, 32),
    "short vnni": Cpu("alderlake", "+avx2,+fma,+avxvnni", 32, 16),
}


def kernel(a: str, b: str, m: int = 11, n: int = 40, k: int = 24) -> Kernel:
    """Weights in one panel of 48 columns, four k of a column side by side; 40 columns are wanted."""
    mmad = f"mmad {{m:m {m}, n:n 48, o:k {k // 4}, i:k 4}} t(48,1,0,0), p({k},0,4,1), q(0,4,192,1)"
    if k == 4:
        mmad = f"mmad {{m:m {m}, n:n 48, i:k 4}} t(48,1,0), p(4,0,1), q(0,4,1)"
    (found,) = parse_kernel_text(
        f"""kernel k(x: gm {a}[{m * k}] in, w: gm {b}[{48 * k}] in, y: gm i32[{m * n}] out) {{
        buf p: l0a {a}[{m * k}] @0  buf q: l0b {b}[{48 * k}] @0  buf t: l0c i32[{m * 48}] @0  buf o: ub i32[{m * n}] @0
        load {{e:{m * k}}} p(1), x(1)
        load {{e:{48 * k}}} q(1), w(1)
        {mmad}
        drain {{m:{m}, n:{n}}} o({n},1), t(48,1), bias=7
        store {{e:{m * n}}} y(1), o(1) }}"""
    )
    return found


@pytest.mark.parametrize("a", ["u8", "i8"])
@pytest.mark.parametrize("b", ["u8", "i8"])
@pytest.mark.parametrize("cpu", CPUS)
def test_four_products_at_once_are_exact(a: str, b: str, cpu: str) -> None:
    chosen = CPUS[cpu]
    if chosen is not None and not set(chosen.features.split(",")) <= {"", *host_cpu().features.split(",")}:
        assert "define i32" in translate(kernel(a, b), chosen)  # this CPU could not run it
        return
    found, rng = kernel(a, b), np.random.default_rng(0)
    arrays = []
    for name, size in ((a, 11 * 24), (b, 48 * 24)):
        limits = np.iinfo(BY_NAME[name].numpy)
        values = rng.integers(limits.min, limits.max, size, endpoint=True)
        values[::7], values[::11] = limits.min, limits.max
        arrays.append(values.astype(BY_NAME[name].numpy))
    want, got = np.zeros(440, np.int32), np.zeros(440, np.int32)
    run_kernel(found, {"x": arrays[0], "w": arrays[1], "y": want})
    compile_kernel(found, chosen).launch({"x": arrays[0], "w": arrays[1], "y": got})
    np.testing.assert_array_equal(got, want)


def computed(a: str, b: str, n: int, k: int, dense: bool) -> Kernel:
    """Two products of 11 rows and `n` columns, none of them packed; b is dense along K or along the columns."""
    strides = f"{n * k},0,{k},1" if dense else f"{n * k},0,1,{n}"
    (found,) = parse_kernel_text(
        f"""kernel k(x: gm {a}[{22 * k}] in, w: gm {b}[{2 * n * k}] in, y: gm i32[{22 * n}] out) {{
        buf p: l0a {a}[{22 * k}] @0  buf q: l0b {b}[{2 * n * k}] @0  buf t: l0c i32[{22 * n}] @0
        buf o: ub i32[{22 * n}] @0
        load {{e:{22 * k}}} p(1), x(1)
        load {{e:{2 * n * k}}} q(1), w(1)
        mmad {{h:2, m:m 11, n:n {n}, k:k {k}}} t({11 * n},{n},1,0), p({11 * k},{k},0,1), q({strides})
        drain {{e:{22 * n}}} o(1), t(1)
        store {{e:{22 * n}}} y(1), o(1) }}"""
    )
    return found


@pytest.mark.parametrize("a", ["u8", "i8"])
@pytest.mark.parametrize("b", ["u8", "i8"])
@pytest.mark.parametrize(("n", "k", "dense"), [(40, 24, True), (40, 24, False), (16, 80, True), (7, 64, False)])
@pytest.mark.parametrize("cpu", CPUS)
def test_inputs_that_are_not_packed_get_panels(a: str, b: str, n: int, k: int, dense: bool, cpu: str) -> None:
    chosen = CPUS[cpu]
    found = computed(a, b, n, k, dense)
    if chosen is not None and not set(chosen.features.split(",")) <= {"", *host_cpu().features.split(",")}:
        assert "define i32" in translate(found, chosen)
        return
    rng, arrays = np.random.default_rng(1), list[np.ndarray]()
    for name, size in ((a, 22 * k), (b, 2 * n * k)):
        limits = np.iinfo(BY_NAME[name].numpy)
        arrays.append(rng.integers(limits.min, limits.max, size, endpoint=True).astype(BY_NAME[name].numpy))
    want, got = np.zeros(22 * n, np.int32), np.zeros(22 * n, np.int32)
    run_kernel(found, {"x": arrays[0], "w": arrays[1], "y": want})
    compile_kernel(found, chosen).launch({"x": arrays[0], "w": arrays[1], "y": got})
    np.testing.assert_array_equal(got, want)


def test_panels_of_words_use_what_the_cpu_has() -> None:
    for dense in (True, False):
        assert "vpdpbusd.512" in translate(computed("u8", "i8", 40, 24, dense), CPUS["vnni"])


def test_what_the_cpu_has_is_used() -> None:
    assert "vpdpbusd.512" in translate(kernel("u8", "i8"), CPUS["vnni"])
    assert "vpdpbusd.256" in translate(kernel("i8", "i8"), CPUS["short vnni"])
    assert "pmadd.wd" in translate(kernel("i8", "i8"), CPUS["avx2"])
    assert "pmadd" not in translate(kernel("i8", "i8"), CPUS["plain"])


def test_four_k_are_all() -> None:
    found = kernel("u8", "i8", 3, 40, 4)
    rng = np.random.default_rng(0)
    x, w = rng.integers(0, 255, 12).astype(np.uint8), rng.integers(-128, 127, 192).astype(np.int8)
    want, got = np.zeros(120, np.int32), np.zeros(120, np.int32)
    run_kernel(found, {"x": x, "w": w, "y": want})
    compile_kernel(found).launch({"x": x, "w": w, "y": got})
    np.testing.assert_array_equal(got, want)


def test_a_store_of_one_byte_writes_no_other():
    # LLVM 22 makes a masked store of one lane, cut from 32 bits to 8, a store of 32 bits.
    (kernel,) = parse_kernel_text(
        """kernel k(x: gm f32[17] in, y: gm u8[20] out) {
        buf t: ub f32[17] @0  buf q: ub u8[17] @128
        load {n:17} t(1), x(1)
        cast {n:17} q(1), t(1)
        store {n:17} y(1), q(1)
        }"""
    )
    x, y = np.arange(17, dtype=np.float32), np.full(20, 99, np.uint8)
    compile_kernel(kernel).launch({"x": x, "y": y})
    assert [*y] == [*range(17), 99, 99, 99]


def beside(a: str, b: str, channels: int, tap: int) -> Kernel:
    """3 x 4 taps of each of some channels that lie side by side, taps `tap` elements apart, at 9 positions."""
    (found,) = parse_kernel_text(
        f"""kernel k(x: gm {a}[1024] in, w: gm {b}[{12 * channels}] in, y: gm i32[{9 * channels}] out) {{
        buf p: l0a {a}[1024] @0  buf q: l0b {b}[{12 * channels}] @0  buf t: l0c i32[{9 * channels}] @0
        buf o: ub i32[{9 * channels}] @0
        load {{e:1024}} p(1), x(1)
        load {{e:{12 * channels}}} q(1), w(1)
        mmad {{m:m 9, c:{channels}, i:k 3, j:k 4}} t({channels},1,0,0), p({tap},1,{8 * tap},{tap}),
             q(0,4,{4 * channels},1)
        drain {{e:{9 * channels}}} o(1), t(1)
        store {{e:{9 * channels}}} y(1), o(1) }}"""
    )
    return found


@pytest.mark.parametrize(("a", "b"), [("u8", "i8"), ("i8", "i8"), ("u8", "u8")])
@pytest.mark.parametrize(("channels", "tap"), [(16, 16), (12, 12), (8, 16)])
@pytest.mark.parametrize("cpu", CPUS)
def test_products_side_by_side_are_exact(a: str, b: str, channels: int, tap: int, cpu: str) -> None:
    chosen, found = CPUS[cpu], beside(a, b, channels, tap)
    if chosen is not None and not set(chosen.features.split(",")) <= {"", *host_cpu().features.split(",")}:
        assert "define i32" in translate(found, chosen)
        return
    rng, arrays = np.random.default_rng(2), list[np.ndarray]()
    for name, size in ((a, 1024), (b, 12 * channels)):
        limits = np.iinfo(BY_NAME[name].numpy)
        arrays.append(rng.integers(limits.min, limits.max, size, endpoint=True).astype(BY_NAME[name].numpy))
    want, got = np.zeros(9 * channels, np.int32), np.zeros(9 * channels, np.int32)
    run_kernel(found, {"x": arrays[0], "w": arrays[1], "y": want})
    compile_kernel(found, chosen).launch({"x": arrays[0], "w": arrays[1], "y": got})
    np.testing.assert_array_equal(got, want)


def test_products_side_by_side_use_what_the_cpu_has() -> None:
    assert "vpdpbusd.512" in translate(beside("u8", "i8", 16, 16), CPUS["vnni"])


@pytest.mark.parametrize("cpu", CPUS)
def test_channels_that_lie_apart_are_brought_together(cpu: str) -> None:
    """A load with an interval that leaves nothing out, of 16 channels of 37 positions: squares that are turned."""
    (found,) = parse_kernel_text(
        """kernel k(x: gm u8[592] in, y: gm u8[592] out) {
        buf p: l1 u8[592] @0
        load {n:37, c:16 in 0..16} p(16,1), x(1,37)
        store {e:592} y(1), p(1) }"""
    )
    chosen = CPUS[cpu]
    if chosen is not None and not set(chosen.features.split(",")) <= {"", *host_cpu().features.split(",")}:
        assert "define i32" in translate(found, chosen)
        return
    x, y = np.random.default_rng(3).integers(0, 256, 592).astype(np.uint8), np.zeros(592, np.uint8)
    compile_kernel(found, chosen).launch({"x": x, "y": y})
    np.testing.assert_array_equal(y, x.reshape(16, 37).T.reshape(-1))
    assert "shufflevector" in translate(found, chosen)
