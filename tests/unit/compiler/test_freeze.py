"""Inputs that become constants: --freeze and `vcc.compile(values=...)`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper

import vcc
from vcc.compiler.options import parse_values
from vcc.runtime.diagnostics import VccError
from vcc.tools.vcc import main


def model() -> Any:
    """x of two sizes, depending on a rate: the branch that is not taken does not fit the sizes of the other."""
    narrow = helper.make_graph(
        [helper.make_node("Reshape", ["x", "two"], ["a"])], "then", [], [helper.make_empty_tensor_value_info("a")]
    )
    wide = helper.make_graph(
        [helper.make_node("Reshape", ["x", "three"], ["b"])], "else", [], [helper.make_empty_tensor_value_info("b")]
    )
    nodes = [
        helper.make_node("Equal", ["rate", "sixteen"], ["c"]),
        helper.make_node("If", ["c"], ["r"], then_branch=narrow, else_branch=wide, name="choose"),
        helper.make_node("Add", ["r", "bias"], ["y"]),
    ]
    inputs = [
        helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n"]),
        helper.make_tensor_value_info("rate", TensorProto.INT64, []),
        helper.make_tensor_value_info("bias", TensorProto.FLOAT, [1]),
    ]
    initial = [
        helper.make_tensor("sixteen", TensorProto.INT64, [], [16]),
        helper.make_tensor("two", TensorProto.INT64, [2], [2, -1]),
        helper.make_tensor("three", TensorProto.INT64, [2], [3, -1]),
    ]
    graph = helper.make_graph(nodes, "g", inputs, [helper.make_empty_tensor_value_info("y")], initial)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def test_a_frozen_input_takes_its_branch_and_is_no_input_any_more():
    program = vcc.compile(model(), shapes={"x": [4]}, values={"rate": 16, "bias": np.array([1], np.float32)})
    assert [each.name for each in program.inputs] == ["x"]
    (y,) = program.run({"x": np.arange(4, dtype=np.float32)})
    assert y.tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"speed": 1}, "the model has no input 'speed'; its inputs are x, rate, bias"),
        ({"rate": 1.5}, "input 'rate' is of int64, not of float64"),
        ({"rate": 1 << 70}, "input 'rate' is of int64"),
        ({"rate": [16]}, r"input 'rate' is \[\], which a value of shape \[1\] contradicts"),
        ({"x": 1.0}, r"input 'x' is \[n\], which a value of shape \[\] contradicts"),
        ({"rate": "fast"}, "input 'rate' is of int64, not of <U4"),
    ],
)
def test_values_that_do_not_fit(values: dict[str, Any], message: str):
    with pytest.raises(VccError, match=message) as caught:
        vcc.compile(model(), values=values)
    assert caught.value.diagnostics[0].code == "E0105"


def test_values_on_the_command_line(tmp_path: Path):
    np.save(tmp_path / "b.npy", np.ones(1, np.float32))
    found = parse_values(["a=3", "b=2.5", "c=true", f"d={tmp_path / 'b.npy'}", "e=x=4"])
    assert found == {"a": 3, "b": 2.5, "c": True, "d": np.ones(1, np.float32), "e=x": 4}
    for wrong in (["a"], ["=3"], ["a=z"], ["a=1", "a=2"], ["a=missing.npy"]):
        with pytest.raises(VccError):
            parse_values(wrong)


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = tmp_path / "m.onnx"
    path.write_bytes(model().SerializeToString())
    assert main(["run", str(path), "--random", "--shape", "x:4", "--freeze", "rate=16", "--freeze", "bias=0"]) == 0
    assert "f32[2,2]" in capsys.readouterr().out
    assert main(["check", str(path), "--shape", "x:4", "--freeze", "rate=16.5"]) == 2
    assert "input 'rate' is of int64, not of float64" in capsys.readouterr().err
