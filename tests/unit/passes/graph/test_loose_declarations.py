"""A declared shape with open sizes that contradicts the operators is left out, with a warning."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

from vcc.compiler.compilation import Compilation
from vcc.compiler.options import Options
from vcc.runtime.diagnostics import VccError
from vcc.runtime.session import Program


def model(declared: list[int | str | None]) -> ModelProto:
    """A reshape of six numbers to [2, 1, 3], whose result the model declares otherwise."""
    node = helper.make_node("Reshape", ["x", "shape"], ["y"], name="reshape")
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [6])]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, declared)]
    shape = numpy_helper.from_array(np.array([2, 1, 3]), "shape")
    graph = helper.make_graph([node], "g", inputs, outputs, [shape])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.mark.parametrize("declared", [[1, None], ["batch", 2, 3]])
def test_the_operators_decide(declared: list[int | str | None]):
    with pytest.warns(UserWarning, match=r"declares 'y' .* but its operators make it f32\[2,1,3\]"):
        image = Compilation.from_model(model(declared), Options()).encode()
    (y,) = Program(image).run({"x": np.arange(6, dtype=np.float32)}, engine="interpreter")
    np.testing.assert_array_equal(y, np.arange(6, dtype=np.float32).reshape(2, 1, 3))


def test_a_declaration_without_open_sizes_must_be_true():
    with pytest.raises(VccError) as caught:
        Compilation.from_model(model([1, 6]), Options()).encode()
    assert [each.code for each in caught.value.diagnostics] == ["E0106"]
