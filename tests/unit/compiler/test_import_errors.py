from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from vcc.compiler.context import make_context
from vcc.compiler.frontend import import_model
from vcc.dialects.weights import ConstantOp, constant_array
from vcc.runtime.diagnostics import VccError


def value(name: str, kind: int = TensorProto.FLOAT) -> Any:
    return helper.make_tensor_value_info(name, kind, [2])


def model(*nodes: Any, opset: int = 17, weights: Any = ()) -> onnx.ModelProto:
    graph = helper.make_graph(list(nodes), "g", [value("x")], [value("y")], list(weights))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])


def refused(proto: Any, code: str) -> str:
    with pytest.raises(VccError) as caught:
        import_model(proto, make_context())
    assert caught.value.diagnostics[0].code == code
    return str(caught.value)


RELU = helper.make_node("Relu", ["x"], ["y"], name="r")


def test_files_that_are_no_models(tmp_path: Path):
    refused(tmp_path / "none.onnx", "E0204")
    refused(b"", "E0101")
    refused(b"\x89PNG\r\n\x1a\n" * 9, "E0101")
    refused(model(RELU).SerializeToString()[:-3], "E0101")


@pytest.mark.parametrize(
    ("node", "code", "message"),
    [
        (helper.make_node("Relu", ["q"], ["y"], name="r"), "E0102", "its input 'q' is not"),
        (helper.make_node("Relu", ["y"], ["y"], name="r"), "E0102", "cycle"),
        (helper.make_node("Rleu", ["x"], ["y"], name="r"), "E0120", "ai.onnx has no operator Rleu"),
        (helper.make_node("Gelu", ["x"], ["y"], name="r"), "E0120", "Gelu is not in opset 17 of ai.onnx; opset 20"),
        (helper.make_node("Upsample", ["x", "x"], ["y"], name="r"), "E0120", "Upsample was removed"),
        (helper.make_node("Relu", ["x", "x"], ["y"], name="r"), "E0102", "it has 2 inputs but takes 1"),
        (helper.make_node("Relu", ["x"], ["y"], name="r", foo=1), "E0102", "no attribute 'foo'"),
        (helper.make_node("Tree", ["x"], ["y"], name="r", domain="ai.onnx.ml"), "E0102", "imports no version"),
    ],
)
def test_nodes_that_are_not_valid(node: Any, code: str, message: str):
    text = refused(model(node), code)
    assert message in text
    assert "node 'r'" in text


def test_two_values_of_one_name():
    assert "two values of one graph have the name 'y'" in refused(model(RELU, RELU), "E0102")


def test_all_obstacles_are_reported_at_once():
    nodes = [helper.make_node(kind, ["x"], [kind], name=f"n{kind}") for kind in ("Foo", "Bar")]
    with pytest.raises(VccError) as caught:
        import_model(model(*nodes, RELU), make_context())
    assert [each.node for each in caught.value.diagnostics] == ["nFoo", "nBar"]


@pytest.mark.parametrize(("opset", "message"), [(6, "version_converter"), (9999, "newer onnx")])
def test_opsets_that_are_too_old_or_too_new(opset: int, message: str):
    assert message in refused(model(RELU, opset=opset), "E0102")


def test_a_function_that_calls_itself():
    call = helper.make_node("F", ["a"], ["b"], domain="local", name="again")
    proto = model(helper.make_node("F", ["x"], ["y"], domain="local", name="call"))
    proto.opset_import.append(helper.make_opsetid("local", 1))
    imports = [helper.make_opsetid("local", 1)]
    proto.functions.append(helper.make_function("local", "F", ["a"], ["b"], [call], imports))
    assert "calls itself" in refused(proto, "E0102")


def test_tensors_whose_data_do_not_fit_their_shape():
    short = TensorProto(name="w", dims=[3], data_type=TensorProto.FLOAT, raw_data=b"\0" * 8)
    assert "8 bytes" in refused(model(RELU, weights=[short]), "E0102")
    refused(model(RELU, weights=[TensorProto(name="w", dims=[3], data_type=TensorProto.FLOAT)]), "E0102")
    refused(model(RELU, weights=[TensorProto(name="w", dims=[-1], data_type=TensorProto.FLOAT)]), "E0102")
    refused(model(RELU, weights=[TensorProto(name="w", dims=[1], data_type=999)]), "E0102")
    refused(model(RELU, weights=[numpy_helper.from_array(np.array(["a"], object), "w")]), "E0121")


def external(location: str, **entries: object) -> onnx.ModelProto:
    tensor = TensorProto(name="w", dims=[1024], data_type=TensorProto.FLOAT, data_location=TensorProto.EXTERNAL)
    for key, text in {"location": location, **entries}.items():
        tensor.external_data.add(key=key, value=str(text))
    return model(helper.make_node("Add", ["x", "w"], ["y"]), weights=[tensor])


def test_external_data_are_mapped_not_read(tmp_path: Path):
    weights = np.arange(1024, dtype=np.float32)
    (tmp_path / "w.bin").write_bytes(b"#" * 8 + weights.tobytes())
    (tmp_path / "m.onnx").write_bytes(external("w.bin", offset=8, length=4096).SerializeToString())
    ctx = make_context()
    module = import_model(tmp_path / "m.onnx", ctx)
    (constant,) = [op for op in module.walk() if isinstance(op, ConstantOp)]
    array = constant_array(constant, ctx)
    assert isinstance(array, np.memmap)
    np.testing.assert_array_equal(array, weights)


@pytest.mark.parametrize(
    ("location", "entries", "message"),
    [
        ("none.bin", {}, "cannot read"),
        ("w.bin", {"offset": 8}, "ends at byte 4104 of w.bin, which has 4096"),
        ("w.bin", {"length": 8}, "its shape takes 4096 bytes"),
        ("w.bin", {"offset": "x"}, "no number"),
        ("w.bin", {"offset": -4}, "at offset -4"),
        ("../w.bin", {}, "not in the model's folder"),
        ("a/../../w.bin", {}, "not in the model's folder"),
        ("/etc/passwd", {}, "not in the model's folder"),
        ("", {}, "not in the model's folder"),
    ],
)
def test_external_data_at_fault(tmp_path: Path, location: str, entries: dict[str, object], message: str):
    (tmp_path / "w.bin").write_bytes(bytes(4096))
    (tmp_path / "m.onnx").write_bytes(external(location, **entries).SerializeToString())
    assert message in refused(tmp_path / "m.onnx", "E0103")


def test_external_data_of_a_model_in_memory():
    assert "give the model as a path" in refused(external("w.bin"), "E0103")


def test_damaged_models_never_end_in_a_traceback():
    weight = numpy_helper.from_array(np.ones(2, np.float32), "w")
    body = helper.make_graph([helper.make_node("Neg", ["x"], ["r"])], "b", [], [value("r")])
    branch = helper.make_node("If", ["c"], ["p"], then_branch=body, else_branch=body)
    condition = helper.make_tensor("c", TensorProto.BOOL, [], [True])
    data = model(branch, helper.make_node("Add", ["p", "w"], ["y"]), weights=[weight, condition]).SerializeToString()
    generator = random.Random(0)
    survived = 0
    for _ in range(1500):
        damaged = bytearray(data)
        if generator.random() < 0.1:
            del damaged[generator.randrange(len(data)) :]
        for _ in range(generator.choice((1, 2, 4))):
            if damaged:
                damaged[generator.randrange(len(damaged))] = generator.randrange(256)
        try:
            import_model(bytes(damaged), make_context()).verify()
            survived += 1
        except VccError:
            pass
    assert survived
