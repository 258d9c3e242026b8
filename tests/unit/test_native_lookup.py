"""Gathers from tables of 256 bytes: in every chain and on every CPU the bytes that the interpreter takes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from vcc.runtime.interpreter.kernel import run_kernel
from vcc.runtime.isa.assembler import parse_kernel_text
from vcc.runtime.isa.dtypes import BY_NAME
from vcc.runtime.native.emit import Cpu
from vcc.runtime.native.engine import compile_kernel, translate
from vcc.runtime.native.llvm import host_cpu

#: CPUs that this one can act as: how a table is looked up, the features for it, bytes of a register.
CPUS = {
    "halves": ("vpermi2var", "+avx512f,+avx512bw,+avx512vl,+avx512vbmi", 64),
    "wide pieces": ("avx512.pshuf.b.512", "+avx512f,+avx512bw,+avx512vl", 64),
    "pieces": ("avx2.pshuf.b", "+ssse3,+avx,+avx2", 32),
    "short pieces": ("ssse3.pshuf.b.128", "+ssse3", 16),
    "lanes": ("insertelement", "", 16),
}
#: Registers that hold 64, 16 and 7 lanes; a table that lies in the middle of a buffer; results to the other sign.
BODIES = {
    "bytes": "load {i:200} t(1), x(1)\n gather {i:200} o(1), table(0), t(1), limit=256\n store {i:200} y(1), o(1)",
    "floats": "load {i:200} t(1), x(1)\n cast {i:200} f(1), t(1)\n mul {i:200} f(1), f(1), 0.7\n"
    "cast {i:200} t(1), f(1)\n gather {i:200} o(1), table(0), t(1), limit=256\n store {i:200} y(1), o(1)",
    "rows": "load {i:9, j:7} t(7,1), x(11,1)\n gather {i:9, j:7} o(7,1), table(0,0), t(7,1), limit=256\n"
    "store {i:9, j:7} y(7,1), o(7,1)",
    "turned": "load {i:20, j:17} t(1,20), x(17,1)\n gather {j:17, i:20} o(20,1), table(0,0), t(20,1), limit=256\n"
    "store {i:340} y(1), o(1)",
    "short": "load {i:200} t(1), x(1)\n min {i:200} t(1), t(1), 99\n gather {i:200} o(1), table(0), t(1), limit=100\n"
    "store {i:200} y(1), o(1)",
}  # fmt: skip


def test_a_table_that_the_chain_writes_is_read_from_memory() -> None:
    (kernel,) = parse_kernel_text(
        "kernel k(x: gm u8[256] in, v: gm u8[1] in, k: gm u8[1] in, y: gm u8[1] out) {\n"
        "buf t: ub u8[256] @0  buf w: ub u8[1] @256  buf j: ub u8[1] @320  buf o: ub u8[1] @384\n"
        "load {i:256} t(1), x(1)\n load {i:1} w(1), v(1)\n load {i:1} j(1), k(1)\n"
        "mov {i:1} t(0), w(0)\n gather {i:1} o(0), t(0), j(0), limit=256\n store {i:1} y(1), o(1) }"
    )
    table = np.arange(256, dtype=np.uint8)
    for at in (0, 9):
        feeds = {"x": table, "v": np.array([77], np.uint8), "k": np.array([at], np.uint8)}
        want, got = np.zeros((2, 1), np.uint8)
        run_kernel(kernel, {**feeds, "y": want})
        compile_kernel(kernel).launch({**feeds, "y": got})
        assert got[0] == want[0] == (77, 9)[at > 0]


def source(body: str) -> str:
    return (
        "kernel k(x: gm u8[400] in, given: gm i8[300] in, y: gm i8[400] inout) {\n"
        "buf t: ub u8[400] @0  buf o: ub i8[400] @512  buf f: ub f32[400] @1024  buf table: ub i8[256] @4096\n"
        f"load {{k:256}} table(1), given[40](1)\n{body}}}"
    )


def arguments() -> dict[str, Any]:
    rng = np.random.default_rng(5)
    x, table = rng.integers(0, 256, 400), rng.integers(-128, 128, 300)
    x[:256] = rng.permutation(256)
    return {"x": x.astype(np.uint8), "given": table.astype(np.int8), "y": np.zeros(400, np.int8)}


@pytest.mark.parametrize("cpu", CPUS)
@pytest.mark.parametrize("name", BODIES)
def test_tables(name: str, cpu: str) -> None:
    instruction, features, vector_bytes = CPUS[cpu]
    own = host_cpu().features.split(",")
    if any(f and f not in own for f in features.split(",")):
        pytest.skip(f"this CPU has not all of {features}")
    model = Cpu("x86-64", features, vector_bytes, 32 if vector_bytes == 64 else 16)
    (kernel,) = parse_kernel_text(source(BODIES[name]))
    want, got = ({n: a.copy() for n, a in arguments().items()} for _ in range(2))
    run_kernel(kernel, want)
    compile_kernel(kernel, model).launch(got)
    np.testing.assert_array_equal(got["y"], want["y"])
    if name == "bytes":
        assert instruction in translate(kernel, cpu=model), cpu


def test_the_copy_of_a_table_disappears() -> None:
    (kernel,) = parse_kernel_text(source(BODIES["bytes"]))
    assert "%.at.table," not in translate(kernel).replace("%.at.table = ", "")


def test_an_index_of_bytes_moves_rows() -> None:
    """Tables of larger elements, and rows: bytes beyond 127 are no negative numbers."""
    text = (
        "kernel k(x: gm u8[9] in, y: gm f32[27] inout) {\n"
        "buf t: ub u8[9] @0  buf rows: ub f32[768] @64  buf o: ub f32[27] @4096\n"
        "load {i:9} t(1), x(1)\n iota {k:scan 768} rows(1), start=1\n"
        "gather {i:9, j:3} o(3,1), rows(0,1), t(1,0), limit=256, pitch=3\n store {i:27} y(1), o(1)}"
    )
    (kernel,) = parse_kernel_text(text)
    x = np.array([0, 255, 128, 127, 3, 200, 199, 1, 254], np.uint8)
    want, got = ({"x": x, "y": np.zeros(27, BY_NAME["f32"].numpy)} for _ in range(2))
    run_kernel(kernel, want)
    compile_kernel(kernel).launch(got)
    np.testing.assert_array_equal(got["y"], want["y"])
    np.testing.assert_array_equal(want["y"].reshape(9, 3)[:, 0], 3.0 * x + 1)
