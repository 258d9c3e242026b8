"""The native engine: the same results as the interpreter, from the bytes of a .vbin."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from vcc.runtime.binary.image import Image
from vcc.runtime.binary.reader import read_image
from vcc.runtime.binary.writer import write_image
from vcc.runtime.diagnostics import VccError
from vcc.runtime.host.executor import Executor
from vcc.runtime.interpreter.kernel import run_kernel
from vcc.runtime.isa.assembler import parse_kernel_text
from vcc.runtime.isa.dtypes import BY_NAME
from vcc.runtime.isa.host import HostProgram, Launch, Ref, Space, TensorSpec
from vcc.runtime.isa.kernel import Kernel, ScalarParam, TensorParam, instructions
from vcc.runtime.native.compose import Composer
from vcc.runtime.native.emit import Cpu
from vcc.runtime.native.engine import NativeEngine, compile_kernel, translate

Array = NDArray[Any]
EXAMPLES = Path(__file__).parents[2] / "docs" / "isa" / "examples"
#: A CPU with nothing but SSE2: no AVX, no fused multiply-add.
PLAIN = Cpu("x86-64", "", 16, 16)


def decoded(text: str) -> tuple[Kernel, ...]:
    """Kernels that went through the bytes of a .vbin."""
    data = write_image(Image(parse_kernel_text(text), HostProgram((), (), ())))
    return read_image(data, "test").kernels


def kernel(body: str, header: str = "n: i64 1..64", x: str = "f32[4096]", y: str = "f32[4096]") -> Kernel:
    return decoded(f"kernel k(x: gm {x} in, y: gm {y} out, {header}) {{\n{body}\n}}")[0]


def arguments(kernel: Kernel, scalars: Mapping[str, int], seed: int = 0) -> dict[str, Array | int]:
    rng, args = np.random.default_rng(seed), dict[str, Array | int]()
    for p in kernel.params:
        if isinstance(p, ScalarParam):
            args[p.name] = scalars.get(p.name, min(p.high, max(p.low, 5)))
    sizes = {name: value for name, value in args.items() if isinstance(value, int)}
    for p in kernel.params:
        if isinstance(p, TensorParam):
            values = rng.standard_normal(p.extent.evaluate(sizes))
            args[p.name] = (values if p.dtype.is_float else abs(values * 4)).astype(p.dtype.numpy)
    return args


def copied(args: Mapping[str, Array | int]) -> dict[str, Array | int]:
    return {name: value.copy() if isinstance(value, np.ndarray) else value for name, value in args.items()}


def agree(kernel: Kernel, args: Mapping[str, Array | int], cpu: Cpu | None = None, threads: int = 1) -> None:
    """Native and interpreter leave the same arrays, but for the order of sums and the last places of exp."""
    want, got = copied(args), copied(args)
    run_kernel(kernel, want)
    compile_kernel(kernel, cpu).launch(got, threads)
    for name, value in want.items():
        large = float(np.nanmax(np.abs(value), initial=1.0)) if np.size(value) else 1.0
        np.testing.assert_allclose(got[name], value, rtol=2e-5, atol=1e-5 * large, err_msg=f"{kernel.name}: {name}")


def example(name: str) -> tuple[Kernel, ...]:
    return decoded((EXAMPLES / f"{name}.vasm").read_text())


@pytest.mark.parametrize("n", [1, 15, 16, 37, 64, 130])
@pytest.mark.parametrize("cpu", [None, PLAIN], ids=["host", "plain"])
def test_softmax_of_any_length(n: int, cpu: Cpu | None) -> None:
    for found in example("softmax"):
        agree(found, arguments(found, {"rows": 7, "n": n}), cpu)


@pytest.mark.parametrize("threads", [1, 3])
def test_convolution(threads: int) -> None:
    (found,) = example("conv3x3")
    agree(found, arguments(found, {}), threads=threads)


@pytest.mark.parametrize("name", ["vector_add", "matmul", "layer_norm"])
@pytest.mark.parametrize("size", [1, 24, 77])
def test_other_examples(name: str, size: int) -> None:
    for found in example(name):
        agree(found, arguments(found, {p.name: size for p in found.params if isinstance(p, ScalarParam)}))


def test_convolution_keeps_no_copies() -> None:
    (found,) = example("conv3x3")
    assert [i.op for i in instructions(Composer(found).run())] == ["load", "mmad", "drain", "store"]


def test_merged_dimensions_are_cut_to_compose() -> None:
    found = kernel(
        """buf p: l1 f32[6,7,16] @0  buf a: l0a f32[20,9,16] @0  buf w: l0b f32[144,16] @0  buf t: l0c f32[20,16] @0
        buf o: ub f32[20,16] @0
        load {h:6, w:7, c:16 in 0..15} p(112,16,1), x(112,16,1)
        mov {h:4, w:5, i:3, j:48} a(720,144,48,1), p(112,16,112,1)
        load {e:2304} w(1), x[1000](1)
        mmad {m:m 20, n:n 16, k:k 144} t(16,1,0), a(144,0,1), w(0,1,16)
        drain {h:4, w:5, n:16} o(80,16,1), t(80,16,1)
        store {e:320} y(1), o(1)"""
    )
    assert [i.op for i in instructions(Composer(found).run())] == ["load", "mmad", "drain"]
    agree(found, arguments(found, {}))


def test_a_dimension_in_steps_of_four_is_cut_to_compose() -> None:
    """Bytes are read in words: 64 of them run over 16 blocks of 16 channels that lie apart."""
    found = kernel(
        """buf p: l1 u8[16,20,16] @0  buf a: l0a u8[20,16,16] @0  buf w: l0b i8[64,16,4] @0  buf t: l0c i32[20,16] @0
        load {c:16, w:20, i:16 in 0..15} p(320,16,1), x(1,256,16)
        mov {w:20, c:16, i:16} a(256,16,1), p(16,320,1)
        load {e:4096} w(1), z(1)
        mmad {m:m 20, n:n 16, c:k 64, q:k 4} t(16,1,0,0), a(256,0,4,1), w(0,4,64,1)
        store {e:320} y(1), t(1)""",
        "z: gm i8[4096] in",
        "u8[8192]",
        "i32[320]",
    )
    assert [i.op for i in instructions(Composer(found).run())] == ["load", "mmad", "store"]
    agree(found, arguments(found, {}))


def exp_kernel() -> Kernel:
    return kernel(
        "buf a: ub f32[1048576] @0\n forall %i = 0..1 { load {j:%n max 1048576} a(1), x(1)\n"
        "exp {j:%n max 1048576} a(1), a(1)\n store {j:%n max 1048576} y(1), a(1) }",
        "n: i64 1..1048576", "f32[%n]", "f32[%n]",
    )  # fmt: skip


@pytest.mark.parametrize("cpu", [None, PLAIN], ids=["host", "plain"])
def test_exp_is_within_four_ulp(cpu: Cpu | None) -> None:
    magnitudes = np.arange(0x3A83126F, 0x42CF0000, 521, dtype=np.int32)  # the bits of 1e-3 .. 103.5
    x = np.concatenate([-magnitudes.view(np.float32), magnitudes.view(np.float32)])
    x, y = x[x < 88.7], np.empty_like(x[x < 88.7])
    compile_kernel(exp_kernel(), cpu).launch({"x": x, "y": y, "n": x.size})
    true = np.exp(x.astype(np.float64))
    assert (abs(y - true) / np.spacing(true.astype(np.float32)).astype(np.float64)).max() < 4


@pytest.mark.parametrize("cpu", [None, PLAIN], ids=["host", "plain"])
def test_exp_of_special_values(cpu: Cpu | None) -> None:
    x = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 3e38, -3e38, 1e9, -1e9, 89, -104.5] * 3, np.float32)
    y = np.empty_like(x)
    compile_kernel(exp_kernel(), cpu).launch({"x": x, "y": y, "n": x.size})
    want = np.array([1, 1, np.inf, 0, np.nan, np.inf, 0, np.inf, 0, np.inf, 0] * 3, np.float32)
    np.testing.assert_array_equal(y, want)


@pytest.mark.parametrize("fn", ["add", "max", "min", "mul"])
@pytest.mark.parametrize("n", [1, 16, 33, 64])
def test_reductions_across_and_along_lanes(fn: str, n: int) -> None:
    found = kernel(
        f"""buf a: ub f32[64,64] @0  buf r: ub f32[64] @16384  buf c: ub f32[64] @16640
        forall %i = 0..1 {{
        load {{i:%n max 64, j:%n max 64}} a(64,1), x(64,1)
        reduce.{fn} {{i:%n max 64, j:reduce %n max 64}} r(1,0), a(64,1)
        reduce.{fn} {{i:reduce %n max 64, j:%n max 64}} c(0,1), a(64,1)
        reduce.{fn} {{i:%n max 64, j:reduce %n max 64}} r(1,0), a(1,64), zero=0
        store {{j:%n max 64}} y(1), r(1)
        store {{j:%n max 64}} y[64](1), c(1) }}"""
    )
    args = arguments(found, {"n": n})
    agree(found, args)
    x = args["x"]
    assert isinstance(x, np.ndarray)
    x[[0, 64 * (n - 1), n - 1]] = np.nan
    agree(found, args)


def test_elementwise_scalars_intervals_and_control_flow() -> None:
    found = kernel(
        """buf a: ub f32[16,32] @0  buf b: ub f32[16,32] @2048
        %h = div 7-%n, 3
        %p = mod -7, 3
        %i = sload z[%p]
        %q = gt %i, 2
        forall %r = 0..2 {
          load {i:16 in 1..%n, j:32 in 2..29} a(32,1), x[64*%r](32,1), fill=-2.5
          relu {i:16, j:32} b(32,1), a(32,1)
          fma {i:16, j:32} b(32,1), b(32,1), scalar(%n+%h), a(32,1)  when=%q
          if %r { mul {i:16, j:32} b(32,1), b(32,1), 0.5 } else { sub {i:16, j:32} b(32,1), 1.0, b(32,1) }
          loop %k = 0..%n step 3 seq { add {j:32} b[32*%p](1), b[32*%p](1), scalar(%k) }
          store {i:16 in 0..%n-1, j:32 in 5..30} y[512*%r](32,1), b(32,1)
        }""",
        "z: gm i32[8] in, n: i64 1..16",
    )
    for n in (1, 9, 16):
        agree(found, arguments(found, {"n": n}, n))


def test_a_source_that_changes_is_copied() -> None:
    found = kernel(
        """buf a: ub f32[64] @0  buf b: ub f32[64] @256
        load {i:64} a(1), x(1)
        mov {i:64} b(1), a(1)
        loop %k = 0..3 {
          mul {i:64} a(1), a(1), b(1)
          add {i:64} a(1), a(1), 1.0
        }
        store {i:64} y(1), a(1)"""
    )
    agree(found, arguments(found, {}))


def test_slots_filled_ahead_are_kept() -> None:
    found = kernel(
        """buf a: ub f32[32] x2 @0  buf b: ub f32[32] @256
        forall %z = 0..1 {
        load {i:32} a(1), x(1)
        loop %k = 0..4 {
          load {i:32} a@(%k+1)(1), x[32*%k+32](1)
          add {i:32} b(1), a@%k(1), 1.0
          store {i:32} y[32*%k](1), b(1) } }"""
    )
    agree(found, arguments(found, {}))


@pytest.mark.parametrize("seed", range(12))
def test_composed_views_read_what_copies_would(seed: int) -> None:
    rng = np.random.default_rng(seed)
    p, q, at = (int(v) for v in rng.integers(2, 9, 3))
    rows, columns, step = int(rng.integers(1, p + 1)), int(rng.integers(1, q + 1)), int(rng.integers(1, 3))
    first = int(rng.integers(0, p - rows + 1)), int(rng.integers(0, q - columns + 1))
    pitch = q + int(rng.integers(0, 3))
    found = kernel(
        f"""buf a: ub f32[256] @0  buf b: l1 f32[256] @0  buf c: ub f32[256] @1024
        forall %i = 0..2 {{
        load {{p:{p}, q:{q}}} a({pitch},1), x[{at}*%i]({q},1)
        mov {{q:{q}, p:{p}}} b({p},1), a(1,{pitch})
        mov {{j:{columns}, i:{rows}}} c(1,{columns * step}), b[{first[1] * p + first[0]}]({p},1)
        neg {{i:{rows}, j:{columns}}} c({columns * step},1), c({columns * step},1)
        store {{i:{rows}, j:{columns}}} y[256*%i]({columns},1), c({columns * step},1) }}"""
    )
    agree(found, arguments(found, {}, seed))


@pytest.mark.parametrize("m,n,k", [(1, 1, 1), (5, 17, 3), (16, 48, 20), (13, 33, 7)])
@pytest.mark.parametrize("cpu", [None, PLAIN], ids=["host", "plain"])
def test_products_in_memory_and_in_registers(m: int, n: int, k: int, cpu: Cpu | None) -> None:
    found = kernel(
        f"""buf a: l0a f32[512] @0  buf b: l0b f32[1024] @0  buf s: l0c f32[1024] @0  buf t: l0c f32[1024] @4096
        buf o: ub f32[1024] @0
        forall %z = 0..1 {{
        load {{i:{m * k}}} a(1), x(1)
        load {{i:{k * n}}} b(1), x[1024](1)
        loop %c = 0..3 reduce {{
          %first = eq %c, 0
          mmad {{i:m %m max 16, j:n %n max 48, k:k %k max 20}} s(48,1,0), a({k},0,1), b(0,1,{n}), zero=%first
        }}
        drain {{i:%m max 16, j:%n max 48}} o(48,1), s(48,1), scale=0.5, residual=2.0, act=relu
        mmad {{j:n {n}, i:m {m}, k:k {k}}} t(1,{n},0), a(0,{k},1), b(1,0,{n})
        mmad {{j:n {n}, i:m {m}, k:k {k}}} t(1,{n},0), a(0,{k},1), b(1,0,{n}), zero=0
        store {{i:%m max 16, j:%n max 48}} y(48,1), o(48,1)
        store {{i:{m}, j:{n}}} y[1024]({n},1), t({n},1) }}""",
        "m: i64 1..16, n: i64 1..48, k: i64 1..20",
    )
    agree(found, arguments(found, {"m": m, "n": n, "k": k}), cpu)


@pytest.mark.parametrize("n", [0, 1, 8])
def test_empty_reductions_leave_their_outputs(n: int) -> None:
    found = kernel(
        """buf a: ub f32[64] @0  buf r: ub f32[8] @256  buf s: ub f32[8] @288
        buf p: l0a f32[64] @0  buf q: l0b f32[64] @0  buf t: l0c f32[64] @0
        load {i:64} a(1), x(1)
        load {i:8} r(1), x(1)
        load {i:8} s(1), x(1)
        load {i:64} p(1), x(1)
        load {i:64} q(1), x(1)
        reduce.add {i:8, j:reduce %n max 8} r(1,0), a(8,1)
        reduce.max {j:reduce %n max 8} s(0), a(1), zero=0
        mmad {m:m 8, n:n 8, k:k 8} t(8,1,0), p(8,0,1), q(0,1,8)
        loop %c = 0..2 reduce {
          %first = eq %c, 0
          mmad {m:m 8, n:n 8, k:k %n max 8} t(8,1,0), p(8,0,1), q(0,1,8), zero=%first
        }
        drain {i:8, j:8} a(8,1), t(8,1)
        store {i:8} y(1), r(1)
        store {i:8} y[8](1), s(1)
        store {i:64} y[16](1), a(1)""",
        "n: i64 0..8",
    )
    agree(found, arguments(found, {"n": n}))


@pytest.mark.parametrize("sizes", ["m:m 0, n:n 8, k:k 8", "m:m 8, n:n 0, k:k 8", "m:m 8, n:n 8, k:k 0"])
def test_instructions_without_elements(sizes: str) -> None:
    found = kernel(
        f"""buf a: ub f32[64] @0
        buf p: l0a f32[64] @0  buf q: l0b f32[64] @0  buf t: l0c f32[64] @0
        load {{i:64}} a(1), x(1)
        load {{i:64}} p(1), x(1)
        load {{i:64}} q(1), x(1)
        mmad {{m:m 8, n:n 8, k:k 8}} t(8,1,0), p(8,0,1), q(0,1,8)
        mmad {{{sizes}}} t(8,1,0), p(8,0,1), q(0,1,8)
        drain {{i:8, j:8}} a(8,1), t(8,1)
        add {{i:0}} a(1), a(1), 1.0
        store {{i:64}} y(1), a(1)"""
    )
    agree(found, arguments(found, {"n": 64}))


@pytest.mark.parametrize("most", [32, 64, 100_000])
def test_constant_sizes_below_their_maximum(most: int) -> None:
    """Blocks of rows and vectors that the maximum would leave room for do not fit."""
    found = kernel(
        f"""buf a: ub f32[256] @0
        buf p: l0a f32[64] @0  buf q: l0b f32[256] @0  buf t: l0c f32[256] @0
        load {{i:256}} a(1), x(1)
        load {{i:48 max {most + 16}}} p(1), x(1)
        load {{i:256}} q(1), x(1)
        mmad {{m:m 6 max {most}, n:n 32 max {most}, k:k 8 max {most}}} t(32,1,0), p(8,0,1), q(0,1,32)
        drain {{i:6 max {most}, j:32}} a(32,1), t(32,1)
        exp {{i:5 max {most}, j:7 max {most}}} a[8](8,1), a[8](8,1)
        reduce.add {{i:3, j:reduce 5 max {most}}} a[200](1,0), a(8,1)
        store {{i:256}} y(1), a(1)"""
    )
    agree(found, arguments(found, {"n": 64}))


@pytest.mark.parametrize("length", [8, 40, 3000])
def test_an_order_that_nothing_reads(length: int) -> None:
    """Damage of a file can make one."""
    found = kernel(
        f"""buf a: ub f32[{length}] @0  buf o: ub i32[{length}] @{4 * length}
        load {{i:{length}}} a(1), x(1)
        order {{s:scan {length}}} o(1), a(1), by=descending
        store {{i:8}} y(1), a(1)"""
    )
    agree(found, arguments(found, {}))


def test_a_skipped_instruction_does_not_trap() -> None:
    found = kernel(
        """buf a: ub f32[32] @0
        %small = le %n, 32
        load {i:32} a(1), x(1)
        neg {i:%n max 32} a(1), a(1)  when=%small
        store {i:32} y(1), a(1)"""
    )
    for n in (20, 40):
        agree(found, arguments(found, {"n": n}))


def test_outputs_over_inputs() -> None:
    (found,) = (k for k in example("softmax") if k.name == "softmax")
    args = arguments(found, {"rows": 3, "n": 50})
    want, got = copied(args), copied(args)
    run_kernel(found, want)
    got["y"] = got["x"]
    compile_kernel(found).launch(got)
    np.testing.assert_allclose(got["y"], want["y"], rtol=1e-5)


def test_sizes_above_their_maximum_trap() -> None:
    found = kernel("buf a: ub f32[32] @0\n load {i:%n max 32} a(1), x(1)\n store {i:%n max 32} y(1), a(1)")
    compile_kernel(found).launch(arguments(found, {"n": 32}))
    with pytest.raises(VccError, match=r"E0401.*size of i is not within 0\.\.32"):
        compile_kernel(found).launch(arguments(found, {"n": 33}))
    with pytest.raises(VccError, match="E0401"):
        compile_kernel(found).launch(arguments(found, {"n": 32}) | {"n": 65})


def test_wrong_arguments() -> None:
    found = exp_kernel()
    args = arguments(found, {"n": 9})
    for wrong in (
        {"x": np.zeros(9)},
        {"x": np.zeros(8, np.float32)},
        {"y": np.zeros(18, np.float32)[::2]},
        {"n": args["x"]},
    ):
        with pytest.raises(VccError, match="E0105"):
            compile_kernel(found).launch(args | wrong)


def test_a_host_program_runs() -> None:
    f32 = BY_NAME["f32"]
    shape = TensorSpec("x", f32, (6, 40)), TensorSpec("y", f32, (6, 40))
    (found,) = (k for k in example("softmax") if k.name == "softmax")
    launch = Launch("softmax", (Ref(Space.INPUT), Ref(Space.OUTPUT), 6, 40))
    image = read_image(write_image(Image((found,), HostProgram(shape[:1], shape[1:], (launch,)))), "test")
    x = np.random.default_rng(0).standard_normal((6, 40), np.float32)
    (y,) = Executor(image).run({"x": x}, NativeEngine(threads=2))
    e = np.exp(x - x.max(1, keepdims=True))
    np.testing.assert_allclose(y, e / e.sum(1, keepdims=True), rtol=1e-5)


def test_windows_that_slide_along_several_dimensions_are_no_more_text_for_it() -> None:
    (found,) = parse_kernel_text(
        "kernel k(x: gm f32[2560] in, y: gm f32[128] out) { buf a: ub f32[2560] @0  buf d: ub f32[128] @10240\n"
        "load {i:2560} a(1), x(1)\n"
        "reduce.add {r:8, l:16, i:reduce 9, j:reduce 49, k:reduce 49} d(16,1,0,0,0), a(16,1,16,16,16)\n"
        "store {i:128} y(1), d(1) }"
    )
    assert len(translate(found).splitlines()) < 4000  # written out whole, 9 * 49 * 49 * 8 terms
    x = np.random.default_rng(0).integers(-8, 9, 2560).astype(np.float32)  # sums of integers are exact in any order
    want, got = np.zeros((2, 128), np.float32)
    run_kernel(found, {"x": x, "y": want})
    compile_kernel(found).launch({"x": x, "y": got})
    np.testing.assert_array_equal(got, want)
