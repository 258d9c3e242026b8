"""The ONNX project's own node tests, compiled and run: the expected values or one diagnostic, never a crash.

`test_onnx_node_cases.py` looks at their lowering alone; here every phase, the binary and the interpreter take part.
"""

from __future__ import annotations

import warnings
from collections import defaultdict
from functools import cache
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, numpy_helper

from vcc.compiler.compilation import Compilation
from vcc.compiler.debug.compare import compare
from vcc.compiler.options import Options
from vcc.runtime.diagnostics import CODES, Exit, VccError
from vcc.runtime.session import Program

#: Whose results the standard does not fix, or whose reference needs a package that vcc does without.
LEFT_OUT = ("bernoulli", "multinomial", "random", "training_dropout", "dropout_random", "image_decoder")

#: The diagnostics that a valid model may end in: what is not supported, and shapes that depend on data.
ALLOWED = {code.id for code in CODES.values() if code.exit is Exit.UNSUPPORTED} | {"E0104"}


@cache
def cases() -> dict[str, list[Any]]:
    """The cases by operator; those with sequences and optional values, or of opsets before 7, are left out."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from onnx.backend.test.case.node import collect_testcases

        collected = collect_testcases(None)  # pyright: ignore[reportArgumentType]
    found: dict[str, list[Any]] = defaultdict(list)
    for case in collected:
        model = case.model
        if (
            model is None
            or not case.data_sets
            or model.opset_import[0].version < 7
            or case.name.removeprefix("test_").startswith(LEFT_OUT)
        ):
            continue
        tensors = all(each.type.HasField("tensor_type") for each in (*model.graph.input, *model.graph.output))
        if tensors and all(_is_tensor(value) for side in case.data_sets[0] for value in side):
            found[model.graph.node[0].op_type if len(model.graph.node) else ""].append(case)
    return found


def _is_tensor(value: object) -> bool:
    return isinstance(value, np.ndarray | np.generic | TensorProto)


def _array(value: Any) -> np.ndarray[Any, Any]:
    return numpy_helper.to_array(value) if isinstance(value, TensorProto) else np.asarray(value)


def problem_of(case: Any) -> str:
    """What is wrong with a case; empty if nothing is."""
    inputs, outputs = ([_array(value) for value in side] for side in case.data_sets[0])
    feeds = dict(zip((each.name for each in case.model.graph.input), inputs, strict=True))
    options = Options(shapes={name: array.shape for name, array in feeds.items()})
    try:
        compilation = Compilation.from_model(case.model.SerializeToString(), options)
        results = Program(compilation.encode()).run(feeds)
    except VccError as failure:
        codes = {each.code for each in failure.diagnostics}
        return "" if codes <= ALLOWED else f"{case.name}: {failure}"
    except Exception as crash:
        cause = crash.__cause__ or crash
        return f"{case.name}: {crash}: {type(cause).__name__}: {cause}"
    op = case.model.graph.node[-1].op_type
    for got, want in zip(results, outputs, strict=True):
        compared = compare(case.name, got, want, op=op)
        if not compared.matches and not _is_close(got, want):
            return f"{case.name}: got {got.dtype}{list(got.shape)}, error {compared.error:.2e}"
    return ""


def _is_close(got: np.ndarray[Any, Any], want: np.ndarray[Any, Any]) -> bool:
    """The node tests' own tolerance: their expected values are computed in narrow precision too."""
    if got.shape != want.shape or got.dtype != want.dtype or got.dtype.kind in "biu":
        return False
    relative = 1e-2 if got.dtype.itemsize == 2 else 1e-3
    return bool(np.allclose(got.astype(np.float64), want.astype(np.float64), relative, 1e-5, equal_nan=True))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("op", sorted(cases()))
def test_the_node_tests_of(op: str):
    problems = [problem for case in cases()[op] if (problem := problem_of(case))]
    assert not problems, "\n".join(problems)
