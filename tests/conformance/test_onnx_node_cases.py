"""The ONNX project's own node tests, lowered to the graph dialect, simplified, and evaluated in numpy.

Cases that lower without a host call must give the expected outputs; the others say nothing about lowering.
"""

from __future__ import annotations

import warnings
from functools import cache
from typing import Any

import numpy as np
import pytest

from vcc.compiler.context import make_context
from vcc.compiler.debug.evaluate import evaluate
from vcc.compiler.frontend.model import import_model
from vcc.compiler.pipeline import make_pass
from vcc.passes.graph.lower.report import host_reasons
from vcc.runtime.diagnostics import VccError

PASSES = ("inline", "infer-shapes", "fold-constants", "lower-onnx", "simplify-graph", "cse", "dce")
FUSE = ("fold-batchnorm", "simplify-graph")
#: One or two units in the last place of these dtypes: the cases' own tolerance is for float32.
NARROW_TOLERANCE = {"bfloat16": 1.6e-2, "float16": 2e-3}


@cache
def cases() -> dict[str, Any]:
    """The cases by name, without those whose inputs are not all arrays of numbers."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from onnx.backend.test.case.node import collect_testcases

        found = collect_testcases(None)  # pyright: ignore[reportArgumentType]
    return {case.name.removeprefix("test_"): case for case in found if _numeric(case)}


def _numeric(case: Any) -> bool:
    inputs, outputs = case.data_sets[0]
    return all(isinstance(x, (np.ndarray, np.generic)) and x.dtype.kind != "O" for x in (*inputs, *outputs))


def lowered_results(case: Any) -> list[np.ndarray] | None:
    """The results of the case's model; None if it is not lowered as a whole."""
    inputs, _ = case.data_sets[0]
    feeds = dict(zip([each.name for each in case.model.graph.input], inputs, strict=False))
    ctx = make_context()
    try:
        module = import_model(case.model, ctx, {name: x.shape for name, x in feeds.items()})
        for name in (*PASSES, *FUSE):
            make_pass(name).apply(ctx, module)
    except VccError:
        return None
    module.verify()
    return None if host_reasons(module) else evaluate(module, feeds, ctx)


def difference(case: Any, results: list[np.ndarray]) -> str:
    """What is wrong with the results; nothing if they are as expected."""
    for y, expected in zip(results, case.data_sets[0][1], strict=True):
        if (y.shape, y.dtype) != (expected.shape, expected.dtype):
            return f"{y.dtype}{y.shape} instead of {expected.dtype}{expected.shape}"
        rtol = NARROW_TOLERANCE.get(y.dtype.name) or max(float(case.rtol), 1e-5)
        wide = y.astype(np.float64), expected.astype(np.float64)
        if not np.allclose(*wide, rtol=rtol, atol=max(float(case.atol), 1e-6), equal_nan=True):
            return f"off by {np.nanmax(np.abs(wide[0] - wide[1]))}"
    return ""


@pytest.mark.parametrize("initial", "abcdefghijklmnopqrstuvwxyz")
def test_what_lowers_gives_the_expected_outputs(initial: str):
    wrong: dict[str, str] = {}
    for name, case in cases().items():
        results = lowered_results(case) if name.startswith(initial) else None
        if results is not None and (text := difference(case, results)):
            wrong[name] = text
    assert wrong == {}


@pytest.mark.parametrize(
    "operator", ["conv_with", "gemm", "matmul_", "softmax", "maxpool_2d", "averagepool", "batchnorm"]
)
def test_the_cases_of_core_operators_lower(operator: str):
    names = [n for n in cases() if n.startswith(operator) and "training" not in n and "uint8" not in n]
    assert names
    assert [name for name in names if lowered_results(cases()[name]) is None] == []
