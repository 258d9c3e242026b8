"""The reference evaluation: kernels, layouts, narrow floats, and functions that are the instruction table's."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from xdsl.dialects.builtin import ModuleOp
from xdsl.parser import Parser

from vcc.compiler.context import make_context
from vcc.compiler.debug.evaluate import evaluate, evaluate_values
from vcc.dialects.graph import BinaryFn, CompareFn, ReduceFn, UnaryFn
from vcc.runtime.diagnostics import VccError
from vcc.runtime.isa.table import OPS

RNG = np.random.default_rng(2)

KERNEL = """
func.func @main(%x: tensor<2x16x3xf32>) -> tensor<2x16x3xf32> {
  %b = graph.relayout %x : (tensor<2x16x3xf32>) -> tensor<2x16x3xf32, #graph.blocked<axis = 1, block = 8>>
  %k = graph.kernel %b : (tensor<2x16x3xf32, #graph.blocked<axis = 1, block = 8>>) -> tensor<2x16x3xf32> {
  ^bb0(%a: tensor<2x16x3xf32, #graph.blocked<axis = 1, block = 8>>):
    %one = weights.constant dense<1.0> : tensor<f32>
    %e = graph.unary exp %a : (tensor<2x16x3xf32, #graph.blocked<axis = 1, block = 8>>) -> tensor<2x16x3xf32>
    %s = graph.binary add %e, %one : (tensor<2x16x3xf32>, tensor<f32>) -> tensor<2x16x3xf32>
    graph.yield %s : tensor<2x16x3xf32>
  }
  func.return %k : tensor<2x16x3xf32>
}
"""


def parsed(text: str) -> tuple[ModuleOp, object]:
    ctx = make_context()
    return Parser(ctx, text).parse_module(), ctx


def test_kernels_run_their_body_and_layouts_change_no_value():
    module, ctx = parsed(KERNEL)
    module.verify()
    x = RNG.standard_normal((2, 16, 3)).astype(np.float32)
    np.testing.assert_allclose(evaluate(module, [x], ctx)[0], np.exp(x) + 1, rtol=1e-6)  # pyright: ignore[reportArgumentType]


def test_every_value_can_be_had():
    module, ctx = parsed(KERNEL)
    x = np.ones((2, 16, 3), np.float32)
    values = evaluate_values(module, {"x": x}, ctx)  # pyright: ignore[reportArgumentType]
    assert [value.name_hint for value in values] == ["x", "b", "k"]


@pytest.mark.parametrize("feeds", [[], [np.ones((2, 16, 4), np.float32)]])
def test_feeds_must_match(feeds: list[np.ndarray]):
    module, ctx = parsed(KERNEL)
    with pytest.raises(VccError, match="E0105"):
        evaluate(module, feeds, ctx)  # pyright: ignore[reportArgumentType]


def test_narrow_floats_accumulate_in_float32():
    module, ctx = parsed(
        "func.func @main(%a: tensor<1x512xbf16>, %b: tensor<512x1xbf16>) -> tensor<1x1xbf16> {\n"
        "  %0 = graph.matmul %a, %b : (tensor<1x512xbf16>, tensor<512x1xbf16>) -> tensor<1x1xbf16>\n"
        "  func.return %0 : tensor<1x1xbf16>\n}"
    )
    ones = np.ones((1, 512), ml_dtypes.bfloat16)
    result = evaluate(module, [ones, ones.T], ctx)[0]  # pyright: ignore[reportArgumentType]
    assert result.dtype == ml_dtypes.bfloat16 and float(result[0, 0]) == 512


def test_functions_are_the_mnemonics_of_the_instruction_set():
    names = [*UnaryFn, *BinaryFn, *(f"cmp.{fn}" for fn in CompareFn), *(f"reduce.{fn}" for fn in ReduceFn)]
    assert {str(name) for name in names} <= set(OPS)
