"""`vcc.compile` and `vcc.InferenceSession`."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import vcc
from vcc.compiler import demo

images, labels = demo.test_images()


def test_compile_save_load_run(tmp_path: Path):
    program = vcc.compile(demo.model_path(), shapes={"image": (2, 1, 8, 8)})
    assert [(spec.name, spec.shape) for spec in program.inputs] == [("image", (2, 1, 8, 8))]
    assert [(spec.name, spec.shape) for spec in program.outputs] == [("probabilities", (2, 10))]
    program.save(tmp_path / "d.vbin")
    (first,) = program.run({"image": images[:2]})
    (second,) = vcc.load(tmp_path / "d.vbin").run([images[:2]])
    assert np.array_equal(first, second)
    assert (first.argmax(axis=1) == labels[:2]).all()


def test_a_model_may_be_bytes_or_a_message():
    data = demo.model_path().read_bytes()
    shapes = {"image": [1, 1, 8, 8]}
    for model in (data, onnx.load_from_string(data), str(demo.model_path())):
        assert vcc.compile(model, "vn1", shapes).run({"image": images[:1]})[0].shape == (1, 10)


def test_errors_are_vcc_errors(tmp_path: Path):
    with pytest.raises(vcc.VccError, match="E0104"):
        vcc.compile(demo.model_path())
    with pytest.raises(vcc.VccError, match="E0201"):
        vcc.compile(demo.model_path(), "vn9")
    with pytest.raises(vcc.VccError, match="E0202"):
        vcc.compile(demo.model_path(), shapes={"image": [1, 1, 8, 8]}, host_ops="maybe")
    with pytest.raises(vcc.VccError, match="E0204"):
        vcc.compile(tmp_path / "none.onnx")


def test_the_session_is_like_onnx_runtimes():
    onnxruntime = importlib.import_module("onnxruntime")
    theirs = onnxruntime.InferenceSession(str(demo.model_path()), providers=["CPUExecutionProvider"])
    ours = vcc.InferenceSession(str(demo.model_path()))
    for mine, other in zip(
        (*ours.get_inputs(), *ours.get_outputs()), (*theirs.get_inputs(), *theirs.get_outputs()), strict=True
    ):
        assert (mine.name, mine.shape, mine.type) == (other.name, other.shape, other.type)
    for batch in (1, 3, 1):
        feeds = {"image": images[:batch]}
        (mine,), (other,) = ours.run(None, feeds), theirs.run(None, feeds)
        assert np.linalg.norm(mine - other) <= 1e-5 * np.linalg.norm(other)
    (named,) = ours.run(["probabilities"], {"image": images[:1]})
    assert named.shape == (1, 10)


def test_shapes_are_compiled_once_each(monkeypatch: pytest.MonkeyPatch):
    session = vcc.InferenceSession(demo.model_path())
    compiled: list[object] = []
    real = session._compile  # pyright: ignore[reportPrivateUsage]
    monkeypatch.setattr(session, "_compile", lambda shapes: compiled.append(shapes) or real(shapes))
    for batch in (1, 2, 1, 2):
        session.run(None, {"image": images[:batch]})
    assert compiled == [{"image": (1, 1, 8, 8)}, {"image": (2, 1, 8, 8)}]
    monkeypatch.setattr("vcc.compiler.inference_session.MOST_SHAPES", 2)
    compiled.clear()
    for batch in (3, 2, 1):  # the first drops 1, which is then no longer there and drops 3
        session.run(None, {"image": images[:batch]})
    assert compiled == [{"image": (3, 1, 8, 8)}, {"image": (1, 1, 8, 8)}]


def test_no_names_of_outputs_mean_all():
    session = vcc.InferenceSession(demo.model_path())
    for names in (None, [], ()):
        assert len(session.run(names, {"image": images[:1]})) == 1


def test_a_session_loads_binaries(tmp_path: Path):
    vcc.compile(demo.model_path(), shapes={"image": (1, 1, 8, 8)}).save(tmp_path / "d.vbin")
    session = vcc.InferenceSession(tmp_path / "d.vbin")
    assert session.get_inputs()[0].shape == [1, 1, 8, 8] and session.get_inputs()[0].type == "tensor(float)"
    assert session.run(None, {"image": images[:1]})[0].argmax() == labels[0]


def test_a_sessions_options_are_those_of_compile(tmp_path: Path):
    """Each reaches the compilation of every set of shapes."""
    direct = vcc.InferenceSession(demo.model_path(), winograd=False)
    filtered = vcc.InferenceSession(demo.model_path(), target="host-avx2")
    for session, winograd, target in ((direct, False, "host"), (filtered, True, "host-avx2")):
        session.run(None, {"image": images[:2]})
        (program,) = session._programs.values()  # pyright: ignore[reportPrivateUsage]
        same = vcc.compile(demo.model_path(), target, {"image": (2, 1, 8, 8)}, winograd=winograd)
        assert program.image.kernels == same.image.kernels
    with pytest.raises(vcc.VccError, match="E0202"):
        vcc.InferenceSession(demo.model_path(), host_ops="maybe")
    vcc.compile(demo.model_path(), shapes={"image": (1, 1, 8, 8)}).save(tmp_path / "d.vbin")
    for options in ({"winograd": False}, {"target": "vn1"}, {"values": {"image": 0}}):
        with pytest.raises(vcc.VccError, match="compiled already"):
            vcc.InferenceSession(tmp_path / "d.vbin", **options)  # pyright: ignore[reportArgumentType]


def test_a_sessions_inputs_with_values_are_constants():
    infos = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape) for name, shape in
             (("x", ["n"]), ("k", []), ("y", ["n"]))]  # fmt: skip
    graph = onnx.helper.make_graph([onnx.helper.make_node("Mul", ["x", "k"], ["y"])], "g", infos[:2], infos[2:])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=8)
    session = vcc.InferenceSession(model.SerializeToString(), values={"k": 3})
    assert [each.name for each in session.get_inputs()] == ["x"]
    assert session.run(None, {"x": np.ones(2, np.float32)})[0].tolist() == [3, 3]
    with pytest.raises(vcc.VccError, match="no input 'rate'"):
        vcc.InferenceSession(model.SerializeToString(), values={"rate": 3})


def test_what_is_ignored_is_said():
    with pytest.warns(UserWarning, match="ignores providers"):
        session = vcc.InferenceSession(demo.model_path(), providers=["CUDAExecutionProvider"])
    with pytest.warns(UserWarning, match="ignores run_options"):
        session.run(None, {"image": images[:1]}, run_options=object())


def test_an_input_of_unknown_rank_takes_the_shape_that_is_fed():
    values = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in "xy"]
    graph = onnx.helper.make_graph([onnx.helper.make_node("Relu", ["x"], ["y"])], "g", values[:1], values[1:])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=8)
    session = vcc.InferenceSession(model.SerializeToString())
    for shape in ((2, 3), (4,)):
        assert session.run(None, {"x": -np.ones(shape, np.float32)})[0].shape == shape
    with pytest.raises(vcc.VccError, match="how many dimensions input 'x' has"):
        vcc.compile(model)


@pytest.mark.parametrize(
    "feeds",
    [
        {},
        [images[:1]],
        {"picture": images[:1]},
        {"image": images[:1, 0]},
        {"image": images[:1] > 0},
        {"image": [[1], [1, 2]]},
    ],
)
def test_unsuitable_feeds(feeds: Any):
    session = vcc.InferenceSession(demo.model_path())
    with pytest.raises(vcc.VccError, match="E0105"):
        session.run(None, feeds)
    with pytest.raises(vcc.VccError, match="E0105"):
        session.run(["nothing"], {"image": images[:1]})
