"""Vectors over two dimensions, turned squares, padded copies, and chains that go on after a reduction."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from vcc.runtime.interpreter.kernel import run_kernel
from vcc.runtime.isa.assembler import parse_kernel_text
from vcc.runtime.isa.kernel import Instr, Kernel, TensorParam
from vcc.runtime.native.emit import Cpu
from vcc.runtime.native.engine import compile_kernel, translate
from vcc.runtime.native.iteration import common, merged, recut

CPUS = [None, Cpu("x86-64-v3", "+avx2,+fma,+f16c", 32, 16)]


def kernel(head: str, *lines: str) -> Kernel:
    body = "\n".join(lines)
    (found,) = parse_kernel_text(f"kernel k({head}) {{ {body} }}")
    return found


def agree(found: Kernel, cpu: Cpu | None, nan: bool = False, **scalars: int) -> None:
    rng = np.random.default_rng(7)
    args: dict[str, Any] = dict(scalars)
    for p in found.params:
        if isinstance(p, TensorParam):
            values = rng.integers(-9, 10, p.extent.constant or 0).astype(np.float64)  # whose sums are exact
            if nan:
                values[::17] = np.nan
            args[p.name] = values.astype(p.dtype.numpy)
    want = {n: a.copy() if isinstance(a, np.ndarray) else a for n, a in args.items()}
    run_kernel(found, want)
    compile_kernel(found, cpu).launch(args)
    for name, got in args.items():
        if isinstance(got, np.ndarray):
            np.testing.assert_array_equal(got, want[name], err_msg=name)


@pytest.mark.parametrize("cpu", CPUS, ids=["host", "avx2"])
@pytest.mark.parametrize("block", [2, 4, 8, 12, 16])
@pytest.mark.parametrize("width", ["12", "13", "1", "%n max 21"])
def test_a_depthwise_window_and_what_follows(cpu: Cpu | None, block: int, width: str) -> None:
    x, w, t = 3 * 25 * block, 9 * block, 21 * block
    found = kernel(
        f"x: gm f32[{x}] in, w: gm f32[{w}] in, b: gm f32[{block}] in, y: gm f32[{t}] inout, n: i64 0..21",
        f"buf xt: ub f32[{x}] @0 buf wt: ub f32[{w}] @8192 buf bt: ub f32[{block}] @16384",
        f"buf t: ub f32[{t}] @20480 buf u: ub f32[{t}] @28672",
        f"load {{i:{x}}} xt(1), x(1) load {{i:{w}}} wt(1), w(1) load {{i:{block}}} bt(1), b(1)",
        f"mac {{ow:{width}, c:{block}, kh:reduce 3, kw:reduce 3}}"
        f" t({block},1,0,0), xt({block},1,{25 * block},{block}), wt(0,1,{3 * block},{block})",
        f"add {{ow:{width}, c:{block}}} t({block},1), t({block},1), bt(0,1)",
        f"max {{ow:{width}, c:{block}}} u({block},1), t({block},1), -1.5",
        f"mul {{ow:{width}, c:{block}}} u({block},1), u({block},1), t({block},1)",
        f"store {{ow:{width}, c:{block}}} y({block},1), u({block},1)",
    )
    agree(found, cpu, n=11)
    if width == "12" and block in (8, 16):
        text = translate(found, cpu)
        assert "%.at.t, i64" not in text and "%.at.u, i64" not in text, "sums and what follows stay in registers"


@pytest.mark.parametrize("cpu", CPUS, ids=["host", "avx2"])
@pytest.mark.parametrize("fn", ["add", "max"])
@pytest.mark.parametrize(("block", "count"), [(8, 192), (8, 7), (4, 36), (3, 10), (2, 64)])
def test_reducing_what_lies_between_short_rows(cpu: Cpu | None, fn: str, block: int, count: int) -> None:
    n = block * count
    found = kernel(
        f"x: gm f32[{n}] in, y: gm f32[{block}] out",
        f"buf t: ub f32[{n}] @0 buf r: ub f32[{block}] @8192",
        f"load {{i:{n}}} t(1), x(1)",
        f"reduce.{fn} {{c:{block}, i:reduce {count}}} r(1,0), t(1,{block})",
        f"mul {{c:{block}}} r(1), r(1), 0.125 store {{c:{block}}} y(1), r(1)",
    )
    agree(found, cpu)
    if fn == "max":
        agree(found, cpu, nan=True)


@pytest.mark.parametrize("cpu", CPUS, ids=["host", "avx2"])
@pytest.mark.parametrize("dtype", ["f32", "f16", "i8", "i64"])
@pytest.mark.parametrize(("rows", "columns"), [(16, 32), (13, 37), (5, 8), (3, 50)])
def test_turning(cpu: Cpu | None, dtype: str, rows: int, columns: int) -> None:
    n = rows * columns
    found = kernel(
        f"x: gm {dtype}[{n}] in, z: gm {dtype}[{n}] in, y: gm {dtype}[{n}] out, u: gm {dtype}[{n}] out",
        f"buf a: ub {dtype}[{n}] @0 buf b: ub {dtype}[{n}] @8192 buf c: ub {dtype}[{n}] @16384",
        f"load {{i:{n}}} a(1), x(1) load {{i:{n}}} b(1), z(1)",
        f"add {{i:{rows}, j:{columns}}} c({columns},1), a(1,{rows}), b({columns},1)",
        f"store {{i:{rows}, j:{columns}}} y({columns},1), c({columns},1)",
        f"store {{i:{rows}, j:{columns}}} u(1,{rows}), c({columns},1)",
    )
    agree(found, cpu)


@pytest.mark.parametrize("cpu", CPUS, ids=["host", "avx2"])
@pytest.mark.parametrize("block", [1, 8])
@pytest.mark.parametrize("start", [-9, -2, 0, 3, 11])
def test_padded_loads(cpu: Cpu | None, block: int, start: int) -> None:
    """A window of 6 x 9 out of 5 x 11 positions, from (start, 2 * start) on; outside is -1."""
    size = 6 * 9 * block
    low, wide = f"{-start}-%z", f"{-2 * start}-%z"
    found = kernel(
        f"x: gm f32[{55 * block}] in, y: gm f32[{size}] out, z: i64 0..1",
        f"buf t: ub f32[{size}] @0",
        f"load {{h:6 in {low}..{low}+5, w:9 in {wide}..{wide}+11, c:{block}}} t({9 * block},{block},1),"
        f" x[{13 * start * block}]({11 * block},{block},1), fill=-1.0",
        f"relu {{i:{size}}} t(1), t(1) sub {{i:{size}}} t(1), t(1), 2.0 store {{i:{size}}} y(1), t(1)",
    )
    agree(found, cpu, z=0)


@pytest.mark.parametrize("cpu", CPUS, ids=["host", "avx2"])
@pytest.mark.parametrize(("rows", "columns"), [(5, 9), (13, 30), (21, 17)])
def test_turning_what_is_known_when_it_runs(cpu: Cpu | None, rows: int, columns: int) -> None:
    found = kernel(
        "x: gm f32[672] in, y: gm f32[672] inout, z: gm f32[672] inout, m: i64 0..21, n: i64 0..32",
        "buf a: ub f32[672] @0 load {i:672} a(1), x(1)",
        "store {i:%m max 21, j:%n max 32} y(32,1), a(1,21)",
        "store {i:%m max 21, j:%n max 32} z(1,21), a(32,1)",
    )
    agree(found, cpu, m=rows, n=columns)


@pytest.mark.parametrize("cpu", CPUS, ids=["host", "avx2"])
@pytest.mark.parametrize("start", [-9, -2, 0, 3, 11])
@pytest.mark.parametrize("block", [4, 8, 24])
def test_padded_loads_across(cpu: Cpu | None, start: int, block: int) -> None:
    """Channels last out of channels first."""
    size = 6 * 19 * block
    low, wide = f"{-start}-%z", f"{-2 * start}-%z"
    found = kernel(
        f"x: gm f32[{105 * block}] in, y: gm f32[{size}] out, z: i64 0..1",
        f"buf t: ub f32[{size}] @0",
        f"load {{h:6 in {low}..{low}+5, w:19 in {wide}..{wide}+21, c:{block}}} t({19 * block},{block},1),"
        f" x[{23 * start}](21,1,105), fill=-1.0 store {{i:{size}}} y(1), t(1)",
    )
    agree(found, cpu, z=0)


@pytest.mark.parametrize("cpu", CPUS, ids=["host", "avx2"])
@pytest.mark.parametrize("pace", [2, 3, 4, 5])
@pytest.mark.parametrize("width", [4, 15, 16, 37])
def test_every_so_many_th_element(cpu: Cpu | None, pace: int, width: int) -> None:
    """The last element that is read is the last there is."""
    n = (width - 1) * pace + 3
    found = kernel(
        f"x: gm f32[{n}] in, y: gm f32[{width}] out, z: gm f32[{width}] out",
        f"buf a: ub f32[{n}] @0 buf b: ub f32[{width}] @8192 buf c: ub f32[{width}] @16384",
        f"load {{i:{n}}} a(1), x(1)",
        f"reduce.max {{i:{width}, k:reduce 3}} b(1,0), a({pace},1)",
        f"relu {{i:{width}}} c(1), a({pace}) store {{i:{width}}} y(1), b(1) store {{i:{width}}} z(1), c(1)",
    )
    agree(found, cpu)
    agree(found, cpu, nan=True)


def pair(first: str, second: str) -> tuple[Instr, Instr]:
    found = kernel("m: i64 0..64", "buf t: ub f32[512] @0 buf u: ub f32[512] @2048", first, second)
    a, b = found.body
    assert isinstance(a, Instr) and isinstance(b, Instr)
    return a, b


@pytest.mark.parametrize(
    ("first", "second", "sizes"),
    [
        ("relu {i:512} t(1), t(1)", "relu {a:2, b:32, c:8} u(256,8,1), u(256,8,1)", "2,32,8"),
        ("relu {i:4, j:128} t(128,1), t(128,1)", "relu {a:8, b:64} u(64,1), u(64,1)", "4,2,64"),
        ("relu {i:8*%m max 512} t(1), t(1)", "relu {a:%m max 64, b:8} u(8,1), u(8,1)", "%m,8"),
        ("relu {i:510} t(1), t(1)", "relu {a:2, b:32, c:8} u(256,8,1), u(256,8,1)", None),
        ("relu {i:%m max 64} t(1), t(1)", "relu {a:64} u(1), u(1)", None),
    ],
)
def test_common_cuts(first: str, second: str, sizes: str | None) -> None:
    a, b = pair(first, second)
    cuts = common(a.domain, b.domain)
    assert (cuts is None) == (sizes is None)
    if cuts is not None:
        fine = [recut(i, c) for i, c in zip((a, b), cuts, strict=True)]
        for instr in fine:
            assert ",".join(str(d.size) for d in instr.domain) == sizes
        (x, _), (y, _) = ([v.strides for _, v in i.views()] for i in fine)
        assert x == y
        assert len(merged(fine)[0].domain) == 1, "what was cut for nothing is joined again"


def test_roles_stay_when_domains_are_cut() -> None:
    """A sum of squares joins the squares, and a third instruction cuts both."""
    found = kernel(
        "x: gm f32[512] in, y: gm f32[64] out, z: gm f32[512] out",
        "buf t: ub f32[512] @0 buf u: ub f32[512] @2048 buf s: ub f32[64] @4096",
        "load {i:512} t(1), x(1) mul {i:64, k:8} u(8,1), t(8,1), t(8,1)",
        "reduce.add {i:64, k:reduce 8} s(1,0), u(8,1) sub {i:512} t(1), u(1), 1.0",
        "store {i:512} z(1), t(1) store {i:64} y(1), s(1)",
    )
    agree(found, None)


@pytest.mark.parametrize("flip", [False, True])
def test_a_chain_of_other_cuts_is_one_loop(flip: bool) -> None:
    flat = ["add {i:512} t(1), t(1), 3.0", "relu {i:512} u(1), t(1)"]
    deep = ["mul {a:2, b:32, c:8} t(256,8,1), t(256,8,1), 0.5", "add {a:2, b:32, c:8} u(256,8,1), t(256,8,1), 1.0"]
    found = kernel(
        "x: gm f32[512] in, y: gm f32[512] out",
        "buf t: ub f32[512] @0 buf u: ub f32[512] @2048",
        "load {i:512} t(1), x(1)",
        *([deep[0], flat[1]] if flip else [flat[0], deep[1]]),
        "store {i:512} y(1), u(1)",
    )
    agree(found, None)
    assert "%.at.t, i64 %" not in translate(found), "the value in between does not reach memory"
