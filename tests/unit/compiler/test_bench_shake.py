"""How far an engine's own outputs move: by floats of inputs and of the model, and not by what is no float."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from vcc.compiler.bench.engines.registry import engine_named
from vcc.compiler.bench.shake import SHAKES, moved_outputs, shaken
from vcc.compiler.bench.subjects import prepare
from vcc.compiler.options import Options


def floors(*values: float) -> Any:
    """The floors of a table of floats, picked by integers: exact ones may become one less by a last digit."""
    graph = helper.make_graph(
        [helper.make_node("Gather", ["table", "at"], ["t"]), helper.make_node("Floor", ["t"], ["y"])],
        "floors",
        [helper.make_tensor_value_info("at", TensorProto.INT64, [len(values)])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [len(values)])],
        [numpy_helper.from_array(np.array(values, np.float32), "table")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def test_shaken_floats_stay_near_and_integers_as_they_are():
    x, noise = np.linspace(-3, 3, 101, dtype=np.float32), np.random.default_rng(0)
    moved = shaken(x, noise)
    assert moved.dtype == x.dtype and (moved != x).any()
    np.testing.assert_array_less(np.abs(moved - x), 9 * np.finfo(np.float32).eps * np.abs(x) + 1e-30)
    np.testing.assert_array_equal(shaken(np.arange(5), noise), np.arange(5))


@pytest.mark.parametrize(("values", "moves"), [((1.0, 2.0, 3.0), True), ((1.5, 2.5, 3.5), False)])
def test_weights_move_what_integers_pick(tmp_path: Path, values: tuple[float, ...], moves: bool):
    pytest.importorskip("onnxruntime")
    found = prepare(floors(*values), tmp_path, "floors", {"at": np.arange(len(values))}, options=Options())
    outputs = list(moved_outputs(engine_named("onnxruntime"), found.subject))
    assert len(outputs) == SHAKES + 1
    np.testing.assert_array_equal(outputs[0][0], np.floor(np.array(values, np.float32)))
    assert moves == any((each[0] != outputs[0][0]).any() for each in outputs[1:])
