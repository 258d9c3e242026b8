"""NaN, infinities, denormals and both zeros, through models of every kind of kernel: natively as on the interpreter.

NaNs and infinities must be in the same places, with the same signs; other numbers agree to a few units in the last
place of what goes into them, denormals included, so that flushing them to zero shows. Results of single instructions
are held to each other bit by bit in tests/unit/test_native_table.py; these models have chains, tails and epilogues.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from conformance import Case, compile_model, node, random
from numpy.typing import NDArray
from onnx.helper import make_node

from vcc.runtime.session import Program

Array = NDArray[Any]

TINY = float(np.finfo(np.float32).smallest_subnormal)
SPECIAL = (np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-40, -1e-40, TINY, -TINY, 3e38, -3e38, 1e-38)
EPSILON = 2.0**-23
#: Cases with sums, which may cancel: their errors are relative to what is added.
SUMS = ("matmul", "gemv", "conv", "depth", "reducesum", "reducemean", "cumsum", "layer", "average", "global")
#: Bytes before and after an output.
GUARD = 4096


def special(*shape: int, every: int = 7, among: Sequence[float] = SPECIAL, seed: int = 0) -> Array:
    """Random numbers, with a special one in every seventh place or so."""
    rng = np.random.default_rng(seed)
    values = random(*shape, seed=seed).reshape(-1)
    places = rng.permutation(values.size)[: max(1, values.size // every)]
    values[places] = np.resize(np.array(among, np.float32), places.size)
    return values.reshape(shape)


def rows(*shape: int, among: Sequence[float] = SPECIAL) -> Array:
    """Rows of which one has nothing special, and every other one kind of special value."""
    x = random(*shape)
    for i, row in enumerate(x.reshape(-1, shape[-1])):
        if i:
            row[i % row.size] = among[i % len(among)]
    return x


def denormal(*shape: int, seed: int = 0) -> Array:
    """Numbers around the smallest normal one: flushing denormals would change most of them."""
    return (random(*shape, seed=seed) * np.float32(2e-38)).astype(np.float32)


def elementwise() -> list[Case]:
    """Chains of unary and binary operators."""
    found: list[Case] = []
    for op in ("Relu", "Abs", "Neg", "Exp", "Log", "Sqrt", "Tanh", "Sigmoid", "Erf", "Sin", "Cos", "Floor", "Ceil",
               "Round", "Sign", "Reciprocal", "Softplus", "HardSwish", "LeakyRelu", "Elu", "Gelu"):  # fmt: skip
        nodes = [node("Add", ["x", "w"], "t"), node(op, "t", "u"), node("Mul", ["u", "v"])]
        feeds = {"x": special(5, 37), "w": np.zeros((5, 37), np.float32), "v": np.ones((5, 37), np.float32)}
        found.append(Case(op.lower(), nodes, feeds, opset=20))
    for op in ("Add", "Sub", "Mul", "Div", "Min", "Max", "Pow", "PRelu"):
        found.append(Case(op.lower(), [node(op, ["x", "z"])], {"x": special(6, 41), "z": special(6, 41, seed=1)}))
    for op in ("Less", "Greater", "Equal", "LessOrEqual"):
        found.append(Case(op.lower(), [node(op, ["x", "z"])], {"x": special(6, 41), "z": special(6, 41, seed=1)}))
    bounds = {"low": np.array(-1, np.float32), "high": np.array(1e30, np.float32)}
    found.append(Case("clip", [node("Clip", ["x", "low", "high"])], {"x": special(5, 37)}, bounds))
    found.append(Case("isnan-where", [node("IsNaN", "x", "b"), node("Where", ["b", "z", "x"])],
                      {"x": special(5, 37), "z": random(5, 37)}))  # fmt: skip
    return found


def reductions() -> list[Case]:
    """Reductions over rows and over columns."""
    ops = ("ReduceSum", "ReduceMax", "ReduceMin", "ReduceMean", "ReduceL2", "ReduceL1", "ReduceProd", "ReduceLogSumExp")
    found: list[Case] = []
    for op in ops:
        # Whether a product overflows on the way depends on its order, which is free.
        x = rows(13, 45, among=[v for v in SPECIAL if abs(v) != 3e38] if op == "ReduceProd" else SPECIAL)
        for axis, feed in ((0, x.T.copy()), (1, x)):
            nodes = [node(op, ["x", "axes"], keepdims=0)]
            found.append(Case(f"{op.lower()}-{axis}", nodes, {"x": feed}, {"axes": np.array([axis])}))
    return found


def linear() -> list[Case]:
    """Products and convolutions whose sums meet special values, with epilogues."""
    w, k = random(19, 23, seed=2), random(9, 5, 3, 3, seed=3)
    depth = random(16, 1, 3, 3, seed=4)
    product = [node("MatMul", ["x", "w"], "t"), node("Relu", "t")]
    conv = [node("Conv", ["x", "k"], "t", pads=[1, 1, 1, 1]), node("Sigmoid", "t")]
    return [
        Case("matmul", product, {"x": rows(15, 19)}, {"w": w}),
        Case("matmul-denormal", [node("MatMul", ["x", "w"])], {"x": denormal(15, 19)}, {"w": w}),
        Case("gemv", [node("MatMul", ["x", "w"])], {"x": denormal(1, 19)}, {"w": w}),
        Case("conv", conv, {"x": special(1, 5, 9, 11, every=90)}, {"k": k}),
        Case("conv-denormal", [node("Conv", ["x", "k"], pads=[1, 1, 1, 1])], {"x": denormal(1, 5, 9, 11)}, {"k": k}),
        Case("depthwise", [node("Conv", ["x", "d"], pads=[1, 1, 1, 1], group=16)],
             {"x": special(1, 16, 9, 11, every=90)}, {"d": depth}),
        Case("depthwise-denormal", [node("Conv", ["x", "d"], pads=[1, 1, 1, 1], group=16)],
             {"x": denormal(1, 16, 9, 11)}, {"d": depth}),
    ]  # fmt: skip


def windows_and_rows() -> list[Case]:
    """Pooling, softmax and normalisations."""
    image = special(1, 7, 13, 11, every=40)
    pool: dict[str, Any] = {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}
    scale = {"s": random(45, seed=5), "b": random(45, seed=6)}
    turned = [node("Transpose", "x", "t", perm=[1, 0]), node("Sub", ["t", "m"], "u")]
    lone = [random(32, 33) for _ in range(4)]  # the last of 33 lanes that lie apart is reduced alone
    for x, place in zip(lone[1:], [(0, 3), (31, 32), (17, 12)], strict=True):
        x[place] = np.nan
    return [
        *(Case(f"max-apart-{i}", [*turned, node("ReduceMax", "u", keepdims=0)], {"x": x, "m": np.zeros(1, np.float32)})
          for i, x in enumerate(lone)),
        Case("maxpool", [node("MaxPool", "x", **pool)], {"x": image}),
        Case("maxpool-wide", [node("MaxPool", "x", kernel_shape=[7, 5], pads=[3, 2, 3, 2])], {"x": image}),
        Case("averagepool", [node("AveragePool", "x", **pool)], {"x": image}),
        Case("averagepool-denormal", [node("AveragePool", "x", **pool)], {"x": denormal(1, 7, 13, 11)}),
        Case("globalpool", [node("GlobalAveragePool", "x")], {"x": image}),
        Case("softmax", [node("Softmax", "x", axis=-1)], {"x": rows(25, 45)}),
        Case("softmax-scaled", [node("Mul", ["x", "c"], "t"), node("Softmax", "t", axis=-1)], {"x": rows(25, 45)},
             {"c": np.array(0.125, np.float32)}),
        Case("logsoftmax", [node("LogSoftmax", "x", axis=-1)], {"x": rows(25, 45)}),
        Case("layernorm", [node("LayerNormalization", ["x", "s", "b"], axis=-1)], {"x": rows(25, 45)}, scale),
        Case("argmax", [node("ArgMax", "x", axis=-1)], {"x": rows(25, 45)}),
        *(Case(f"topk-{largest}", [make_node("TopK", ["x", "k"], ["v", "y"], name="topk", largest=largest)],
               {"x": rows(25, 45)}, {"k": np.array([6])}) for largest in (0, 1)),
        Case("cumsum", [node("CumSum", ["x", "axis"])], {"x": rows(25, 45)}, {"axis": np.array(1)}),
        Case("transpose", [node("Transpose", "x", perm=[1, 0])], {"x": special(25, 45)}),
    ]  # fmt: skip


CASES = [*elementwise(), *reductions(), *linear(), *windows_and_rows()]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_special_values(case: Case):
    program = Program(compile_model(case.model(), "host"))
    (want,) = program.run(case.feeds, engine="interpreter")
    for threads in (1, 2):
        agree(guarded_run(program, case, threads), want, case)


def guarded_run(program: Program, case: Case, threads: int) -> Array:
    """The native result, written between bytes that must stay as they are."""
    (spec,) = program.outputs
    dtype, count = np.dtype(spec.dtype.numpy), int(np.prod(spec.shape))
    memory = np.full(count * dtype.itemsize + 2 * GUARD, 0xA5, np.uint8)
    out = memory[GUARD:-GUARD].view(dtype).reshape(spec.shape)
    program.run(case.feeds, engine="native", threads=threads, out=[out])
    assert (memory[:GUARD] == 0xA5).all() and (memory[-GUARD:] == 0xA5).all(), "written outside of the output"
    return out


def agree(got: Array, want: Array, case: Case) -> None:
    """Assert that results agree as this file's head says."""
    if want.dtype.kind != "f":
        np.testing.assert_array_equal(got, want)
        return
    for name, of in (("NaN", np.isnan), ("+inf", np.isposinf), ("-inf", np.isneginf)):
        np.testing.assert_array_equal(of(got), of(want), err_msg=name)
    finite = np.isfinite(want)
    a, b = got[finite].astype(np.float64), want[finite].astype(np.float64)
    inputs = np.concatenate([array.reshape(-1) for array in case.feeds.values()]).astype(np.float64)
    usual = inputs[np.abs(inputs) < 1e30]  # false for NaN
    large = float(np.abs(usual).max(initial=0)) if case.name.startswith(SUMS) else 0.0
    limit = 16 * EPSILON * (np.abs(b) + 4 * large) + 8 * TINY
    wrong = ~(np.abs(a - b) <= limit)
    assert not wrong.any(), f"{a[wrong][:4]} instead of {b[wrong][:4]}"
