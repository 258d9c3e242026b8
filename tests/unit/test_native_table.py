"""Every row of the instruction table and every dtype: native code does what the interpreter does."""

from __future__ import annotations

from random import Random
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from random_instructions import COMPUTING, draw_case, first_dtypes, numbers, surrounded, values_for

from vcc.runtime.interpreter.kernel import run_kernel
from vcc.runtime.isa.dtypes import BY_NAME, DType
from vcc.runtime.isa.expr import ONE, ZERO, Poly
from vcc.runtime.isa.kernel import Buffer, Dim, Instr, Kernel, Memory, Operand, Role, Statement, TensorParam, View
from vcc.runtime.isa.table import OPS, Numeric, Op, Same
from vcc.runtime.native.emit import Cpu
from vcc.runtime.native.engine import compile_kernel

EPSILON = {"f64": 2.0**-52, "f32": 2.0**-23, "f16": 2.0**-10, "bf16": 2.0**-7}
#: A CPU with nothing but SSE2: no AVX, no fused multiply-add, no f16.
PLAIN = Cpu("x86-64", "", 16, 16)
SPECIAL = [0.0, -0.0, float("inf"), float("-inf"), float("nan"), 1e-40, -1e-40, 0.5, -0.5, 1.5, 2.5, 1.0, -1.0, 200.0]
LENGTH = 83


def compare(op: Op, got: NDArray[Any], want: NDArray[Any], dtype: DType, inputs: float, what: str) -> None:
    """Equal to the row's numeric class; `inputs` is the magnitude of what sums may cancel from."""
    if not dtype.is_float or op.numeric is Numeric.EXACT:
        np.testing.assert_array_equal(got.astype(np.float64) if dtype.is_float else got,
                                      want.astype(np.float64) if dtype.is_float else want, err_msg=what)  # fmt: skip
        return
    a, b, epsilon = got.astype(np.float64), want.astype(np.float64), EPSILON[dtype.name]
    tiny = float(np.finfo(np.float32).smallest_subnormal) if dtype.name != "f16" else 2.0**-24
    special = ~np.isfinite(b)
    np.testing.assert_array_equal(a[special], b[special], err_msg=what)
    limit = epsilon * ((op.ulp + 1) * abs(b) + inputs) + (op.ulp + 1) * (tiny if dtype.name != "f64" else 5e-324)
    wrong = ~special & ~(abs(a - b) <= limit)
    assert not wrong.any(), f"{what}: {a[wrong][:4]} not {b[wrong][:4]}"


def agree(op: Op, kernel: Kernel, arguments: dict[str, Any], dtype: DType, cpu: Cpu | None = None) -> None:
    want, got = dict(arguments), dict(arguments)
    want["result"], got["result"] = arguments["result"].copy(), arguments["result"].copy()
    with np.errstate(all="ignore"):
        run_kernel(kernel, want)
        compile_kernel(kernel, cpu).launch(got)
        arrays = [v for n, v in arguments.items() if isinstance(v, np.ndarray) and n != "result"]
        large = [float(np.nanmax(np.abs(v.astype(np.float64)), initial=0, where=np.isfinite(v))) for v in arrays]
    sums = op.numeric is Numeric.FREE_ORDER or op.name in ("fma", "drain")
    magnitude = 64 * max(large) ** (2 if op.name in ("mmad", "mac", "fma") else 1) if sums else 0.0
    # Both engines round every step of a sum in a narrow dtype.
    compare(op, got["result"], want["result"], dtype, magnitude, f"{op.name} {dtype}")


@pytest.mark.parametrize("op", COMPUTING, ids=lambda op: op.name)
def test_random_domains_and_views(op: Op) -> None:
    for number, dtype in enumerate(first_dtypes(op)):
        case, instr = draw_case(op, dtype, 100 + number)
        kernel, arguments = surrounded(case, instr)
        agree(op, kernel, arguments, BY_NAME[str(next(b.dtype for b in case.buffers if b.name == "dst"))])


def row_kernel(op: Op, dtypes: dict[str, DType], attrs: dict[str, Any]) -> Kernel:
    """One instruction along a dense row of `LENGTH` elements."""
    role = next((r for r in op.roles if r in (Role.SCAN, Role.REDUCE)), Role.PARALLEL)
    size = Poly.of(LENGTH)
    body: list[Statement] = []
    for name in dtypes:
        if name != "dst":
            views: dict[str, Operand] = {"dst": View(name, (ONE,)), "src": View(f"{name}_gm", (ONE,))}
            body.append(Instr("load", (Dim("i", size, LENGTH),), views))
    operands: dict[str, Operand] = {
        name: View(name, (ZERO if name == "dst" and role is Role.REDUCE else ONE,)) for name in dtypes
    }
    body.append(Instr(op.name, (Dim("i", size, LENGTH, role),), operands, attrs))
    count = 1 if role is Role.REDUCE else LENGTH
    body.append(Instr("store", (Dim("i", Poly.of(count), count),),
                      {"dst": View("result", (ONE,)), "src": View("dst", (ONE,))}))  # fmt: skip
    params = [TensorParam(f"{n}_gm", d, "in", size) for n, d in dtypes.items() if n != "dst"]
    params.append(TensorParam("result", dtypes["dst"], "out", Poly.of(count)))
    buffers = tuple(Buffer(n, Memory.UB, d, (LENGTH,)) for n, d in dtypes.items())
    return Kernel("row", tuple(params), buffers, (), tuple(body))


def contents(op: Op, role: str, dtype: DType) -> NDArray[Any]:
    """Random elements; of floats in any place also all special ones."""
    values = numbers(Random(f"{op.name} {role} {dtype}"), dtype, (LENGTH,), values_for(op, role))
    if dtype.is_float and op.name not in ("scan.add", "mac", "reduce.add", "reduce.mul"):
        start = {"a": 0, "b": 20, "c": 30, "src": 3}.get(role, 0)
        values[start : start + len(SPECIAL)] = np.array(SPECIAL).astype(dtype.numpy)
    if op.name == "pow" and dtype.kind == "i":
        values %= 5
    return values


ROWS = [op for op in COMPUTING if op.name not in ("mmad", "drain", "mov")]


def check_row(op: Op, dtype: DType, cpu: Cpu | None) -> None:
    dtypes = {s.role: BY_NAME["bool"] if s.role == "cond" else dtype for s in op.operands}
    if op.output.same is Same.FREE and op.name != "cast":
        dtypes["dst"] = BY_NAME[op.output.dtypes[0]]
    arguments: dict[str, Any] = {f"{n}_gm": contents(op, n, d) for n, d in dtypes.items() if n != "dst"}
    for target in op.output.dtypes if op.name == "cast" else (dtypes["dst"].name,):
        dtypes["dst"] = BY_NAME[target]
        attrs = {"start": Poly.of(3), "step": Poly.of(2)} if op.name == "iota" else {}
        kernel = row_kernel(op, dtypes, attrs)
        count = 1 if Role.REDUCE in op.roles else LENGTH
        result = np.zeros(count, dtypes["dst"].numpy)
        agree(op, kernel, {**arguments, "result": result}, dtypes["dst"], cpu)


@pytest.mark.parametrize("op", ROWS, ids=lambda op: op.name)
def test_dense_rows_with_special_values(op: Op) -> None:
    names = first_dtypes(op) if op.name != "cast" else [BY_NAME[n] for n in ("f64", "f32", "bf16", "i8", "u64", "bool")]
    for dtype in names:
        check_row(op, dtype, None)


@pytest.mark.parametrize("name", ["add", "exp", "tanh", "sin", "cast", "cmp.lt", "reduce.max", "erf"])
@pytest.mark.parametrize("dtype", ["f16", "bf16", "f32"])
def test_plain_cpu(name: str, dtype: str) -> None:
    check_row(OPS[name], BY_NAME[dtype], PLAIN)
