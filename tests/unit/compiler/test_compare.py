"""Comparing tensors, and the reference that models are compared with."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from broken_models import small_model
from onnx import save_model

from vcc.compiler.debug import reference_run
from vcc.compiler.debug.compare import compare, compare_runs
from vcc.compiler.debug.reference_run import expand_sigmoid, run_reference
from vcc.runtime.diagnostics import VccError


def f32(*values: float) -> np.ndarray[Any, Any]:
    return np.array(values, np.float32)


@pytest.mark.parametrize(
    ("got", "want", "matches"),
    [
        (f32(1, 2), f32(1, 2), True),
        (f32(1.000005, 2), f32(1, 2), True),
        (f32(1.0001, 2), f32(1, 2), False),
        (f32(5e-7, 0), f32(0, 0), True),
        (f32(1e-4, 0), f32(0, 0), False),
        (f32(np.nan, 1), f32(np.nan, 1), True),
        (f32(np.nan, 1), f32(0, 1), False),
        (f32(np.inf, 1), f32(np.inf, 1), True),
        (f32(-np.inf, 1), f32(np.inf, 1), False),
        (f32(1, 2), f32(1, 2, 3), False),
        (np.array([1.0]), f32(1), False),
        (np.array([3], np.int64), np.array([3], np.int64), True),
        (np.array([2**62], np.int64), np.array([-(2**62)], np.int64), False),
        (np.array([True]), np.array([False]), False),
        (np.zeros((0, 2), np.float32), np.zeros((0, 2), np.float32), True),
        (np.array([1.001], np.float16), np.array([1], np.float16), True),
    ],
)
def test_tolerances(got: np.ndarray[Any, Any], want: np.ndarray[Any, Any], matches: bool):
    assert compare("v", got, want).matches is matches


def test_one_step_is_right_where_rounding_is_open():
    got, want = np.array([3, 4], np.uint8), np.array([3, 5], np.uint8)
    assert compare("v", got, want, op="QuantizeLinear").matches
    assert not compare("v", got, want, op="Add").matches


def test_the_worst_element_is_named():
    found = compare("v", f32(1, 5, 3).reshape(1, 3), f32(1, 2, 3).reshape(1, 3))
    assert found.worst == (0, 1) and (found.got, found.want) == (5, 2)


@pytest.fixture
def model(tmp_path: Any):
    made = small_model("Sigmoid")
    made.graph.node.add().CopyFrom(small_model("Neg").graph.node[0])
    made.graph.node[0].output[0] = made.graph.node[1].input[0] = "inner"
    made.graph.node[0].name = "first"
    save_model(made, tmp_path / "m.onnx")
    return tmp_path / "m.onnx"


@pytest.mark.parametrize("runtime", [True, False])
def test_the_reference_gives_every_value(model: Any, runtime: bool, monkeypatch: pytest.MonkeyPatch):
    if not runtime:
        monkeypatch.setattr(reference_run, "has_onnxruntime", lambda: False)
    x = np.linspace(-4, 4, 6, dtype=np.float32).reshape(2, 3)
    found = run_reference(model, {"x": x})
    assert list(found.values) == ["inner", "y"]
    inner = (1 / (1 + np.exp(-x.astype(np.float64)))).astype(np.float32)
    compared = compare_runs({"inner": inner, "y": inner, "unknown": x}, found)
    assert [(each.name, each.node, each.op, each.matches) for each in compared] == [
        ("inner", "first", "Sigmoid", True),
        ("y", "the_node", "Neg", False),
    ]


def test_a_reference_that_cannot_run_is_a_diagnostic(model: Any):
    with pytest.raises(VccError, match="E0102"):
        run_reference(model, {"x": np.zeros((2, 4), np.float32)})


def test_only_f32_sigmoids_are_written_out():
    assert [node.op_type for node in expand_sigmoid(small_model("Sigmoid")).graph.node][-1] == "Reciprocal"
    assert [node.op_type for node in expand_sigmoid(small_model()).graph.node] == ["Relu"]
