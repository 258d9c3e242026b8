"""Whole ways through the command: compile, run, resume, compare."""

from __future__ import annotations

import json
from pathlib import Path

import ml_dtypes
import numpy as np
import onnx
import pytest
from broken_models import small_model
from onnx import numpy_helper

from vcc.compiler.demo import model_path, test_images
from vcc.tools.vcc import main

images, labels = test_images()  # pyright: ignore[reportAssignmentType]
del test_images  # pytest would take it for a test

SHAPE = "--shape=image:4x1x8x8"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    np.save("image.npy", images[:4])
    return tmp_path


def digits() -> str:
    return str(model_path())


def test_compile_and_run(folder: Path, capsys: pytest.CaptureFixture[str]):
    assert main([digits(), SHAPE, "--report", "r.json"]) == 0
    out, err = capsys.readouterr()
    assert out == "" and "digits.vbin: compiled for host" in err and "hint:" in err
    report = json.loads(Path("r.json").read_text())
    assert report["schema"] == 1 and report["host_ops"] == [] and report["machine_share"] == 1
    assert list(report["seconds"]) == ["import", "graph", "fuse", "tile", "schedule", "plan", "encode"]
    assert main(["run", "digits.vbin", "--input", "image=image.npy", "--output-dir", "out"]) == 0
    assert "probabilities" in capsys.readouterr().out
    assert (np.load("out/probabilities.npy").argmax(axis=1) == labels[:4]).all()
    assert sorted(path.name for path in folder.iterdir()) == ["digits.vbin", "image.npy", "out", "r.json"]


def test_the_same_bytes_every_time():
    assert main([digits(), SHAPE, "-o", "a.vbin"]) == main([digits(), SHAPE, "-o", "b.vbin"]) == 0
    assert Path("a.vbin").read_bytes() == Path("b.vbin").read_bytes()


def test_json_summary(capsys: pytest.CaptureFixture[str]):
    assert main(["compile", digits(), SHAPE, "--target", "vn1", "--format=json"]) == 0
    out, err = capsys.readouterr()
    facts = json.loads(out)
    assert err == "" and facts["target"] == "vn1" and facts["kernels"] > 0 and facts["output"] == "digits.vbin"
    assert facts["arena_bytes"] >= facts["arena_lower_bound_bytes"] > 0


@pytest.mark.parametrize("phase", ["import", "graph", "fuse", "tile", "schedule", "plan"])
def test_going_on_from_a_phase_gives_the_same_binary(phase: str, capsys: pytest.CaptureFixture[str]):
    assert main([digits(), SHAPE, "-o", "whole.vbin"]) == 0
    assert main([digits(), SHAPE, "--emit", phase, "-o", "g.mlir"]) == 0
    assert "g.mlir.safetensors" in capsys.readouterr().err
    assert main(["g.mlir", "--from", phase, "-o", "resumed.vbin"]) == 0
    assert Path("whole.vbin").read_bytes() == Path("resumed.vbin").read_bytes()
    err = capsys.readouterr().err
    assert ("MACs" in err) == (phase in ("import", "graph")) and ("not counted" in err) != ("MACs" in err)


def test_temps_are_numbered():
    assert main([digits(), SHAPE, "--save-temps", "--verify-each", "-o", "d.vbin"]) == 0
    names = sorted(path.name for path in Path("digits.temps").glob("*.mlir"))
    assert names == [
        f"{i}-{name}.mlir" for i, name in enumerate(("import", "graph", "fuse", "tile", "schedule", "plan"))
    ]


def test_run_takes_open_sizes_from_the_inputs(capsys: pytest.CaptureFixture[str]):
    assert main(["run", digits(), "--input", "image=image.npy", "--format=json"]) == 0
    assert json.loads(capsys.readouterr().out)["outputs"]["probabilities"]["shape"] == [4, 10]


def test_random_pipe_orders_give_the_same(capsys: pytest.CaptureFixture[str]):
    # Native code sums in an order of its own, so the interpreter it is.
    for folder, words in {"o0": ["--engine=interpreter"], "o1": ["--order=1"], "o2": ["--order=2"]}.items():
        assert main(["run", digits(), "--input", "image=image.npy", "--output-dir", folder, *words]) == 0
    first, *others = (np.load(f"{folder}/probabilities.npy") for folder in ("o0", "o1", "o2"))
    assert all(np.array_equal(first, other) for other in others)


@pytest.mark.parametrize("target", ["host", "vn1"])
def test_diff_finds_nothing_in_a_right_binary(target: str, capsys: pytest.CaptureFixture[str]):
    assert main(["diff", digits(), "--input", "image=image.npy", "--target", target]) == 0
    out = capsys.readouterr().out
    assert " of 8 values compared with ONNX Runtime" in out and ", 0 differ" in out


def test_diff_names_the_first_value_that_differs(capsys: pytest.CaptureFixture[str]):
    model = onnx.load(model_path())
    for tensor in model.graph.initializer:
        if tensor.name == "conv2.weight":
            weight = numpy_helper.to_array(tensor).copy()
            weight[3, 2, 1, 1] += 0.5
            tensor.CopyFrom(numpy_helper.from_array(weight, tensor.name))
    onnx.save(model, "changed.onnx")
    assert main(["changed.onnx", SHAPE, "--no-winograd"]) == 0
    capsys.readouterr()
    assert main(["diff", digits(), "changed.vbin"]) == 5
    err = capsys.readouterr().err
    # conv2 and relu2 are one kernel; done directly, its drain shows relu2's value alone.
    assert err.startswith("error[VCC-E0501]: 'relu2.out' is the first value that differs")
    assert "the fault is in one of conv2 (Conv), relu2 (Relu)" in err
    assert main(["diff", digits(), "changed.vbin", "--format=json"]) == 5
    found = json.loads(capsys.readouterr().out)
    first = next(each for each in found["values"] if not each["matches"])
    assert first["node"] == "relu2" and first["worst"][1] == 3
    assert [each["node"] for each in found["values"] if each["matches"]] == ["relu1"]


def test_diff_without_onnxruntime(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("vcc.compiler.debug.reference_run.has_onnxruntime", lambda: False)
    assert main(["diff", digits(), "--input", "image=image.npy"]) == 0
    out, err = capsys.readouterr()
    assert "onnxruntime is not installed" in err and "reference implementation" in out


def test_host_operators_are_reported(capsys: pytest.CaptureFixture[str]):
    model = small_model("Det", dims=(3, 3))
    model.graph.output[0].type.tensor_type.shape.Clear()
    onnx.save(model, "det.onnx")
    assert main(["det.onnx"]) == 0
    err = capsys.readouterr().err
    assert "0 on the machine, 1 on the host" in err and "Det" in err and "the_node" in err
    assert main(["run", "det.vbin", "--random"]) == 0
    assert main(["det.onnx", "--host-ops=error"]) == 3
    assert "error[VCC-E0122]" in capsys.readouterr().err


def test_demo(capsys: pytest.CaptureFixture[str]):
    assert main(["demo", "--target", "vn1"]) == 0
    out, err = capsys.readouterr()
    assert "49 of 50 images recognised" in out and "the same results as" in out and "compiled for vn1" in err
    assert main(["demo", "--format=json"]) == 0
    assert json.loads(capsys.readouterr().out)["right"] == 49


def test_inspect(capsys: pytest.CaptureFixture[str]):
    assert main(["inspect", digits()]) == 0
    out = capsys.readouterr().out
    assert "f32[N,1,8,8]" in out and "Softmax" in out and "0 on the host, open dimensions taken as 1" in out
    assert main([digits(), SHAPE]) == 0
    capsys.readouterr()
    assert main(["inspect", "digits.vbin", "--format=json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["kind"] == "vbin" and found["plan"] and "conv1" in found["nodes"]
    assert main(["inspect", "digits.vbin", "--target=vn1"]) == 2


def test_doctor(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    assert main(["doctor"]) == 0
    assert "works" in capsys.readouterr().out
    monkeypatch.setattr("vcc.compiler.demo.test_images", lambda: (images, labels + 1))
    assert main(["doctor", "--format=json"]) == 1
    rows = {row["what"]: row for row in json.loads(capsys.readouterr().out)["found"]}
    assert rows["bundled model"]["note"] == "its results are wrong" and rows["numpy"]["found"]


def test_doctor_shows_and_clears_the_cache(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setenv("VCC_CACHE_DIR", str(tmp_path))
    assert main(["run", digits(), "--input", "image=image.npy"]) == 0
    capsys.readouterr()
    assert main(["doctor", "--format=json"]) == 0
    rows = {row["what"]: row for row in json.loads(capsys.readouterr().out)["found"]}
    assert rows["machine code"]["found"] == "mapped" and "vectors of" in rows["machine code"]["note"]
    assert rows["cache"]["found"] == str(tmp_path / "native") and rows["cache"]["note"].startswith("code of 1 program,")
    assert main(["doctor", "--clear-cache"]) == 0
    assert "removed the code of 1 program," in capsys.readouterr().err
    monkeypatch.setenv("VCC_CACHE_SIZE", "many")
    assert main(["doctor", "--clear-cache"]) == 2
    monkeypatch.setenv("VCC_CACHE_DISABLE", "1")
    assert main(["doctor", "--clear-cache"]) == 0
    assert "switched off" in capsys.readouterr().err


def test_counting_and_sanitizing_a_compiled_program(capsys: pytest.CaptureFixture[str]):
    found: list[tuple[int, int]] = []
    for words in (["--no-winograd"], []):
        args = ["run", digits(), "--target=host-avx512", "--input", "image=image.npy", "--sanitize", "--stats", *words]
        assert main([*args, "--format=json"]) == 0
        rows = {row["node"]: row for row in json.loads(capsys.readouterr().out)["stats"]}
        found.append((rows["conv1"]["macs"], rows["conv2"]["macs"]))
    # 3x3 windows over 8x8 images, 1 -> 16 -> 32 channels; then 16 multiplications for 2x2 outputs of conv2, not 36.
    assert found == [(4 * 64 * 9 * 16, 4 * 64 * 9 * 16 * 32), (4 * 64 * 9 * 16, 4 * 16 * 16 * 16 * 32)]


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float64", "int8", "uint16", "bool", "int64"])
def test_arrays_of_every_dtype_go_in_and_out(dtype: str, capsys: pytest.CaptureFixture[str]):
    kind = ml_dtypes.bfloat16 if dtype == "bfloat16" else np.dtype(dtype)
    model = small_model("Identity")
    for info in (*model.graph.input, *model.graph.output):
        info.type.tensor_type.elem_type = onnx.helper.np_dtype_to_tensor_dtype(np.dtype(kind))
    onnx.save(model, "m.onnx")
    x = np.array([[0, 1, 0], [1, 1, 0]]).astype(kind)
    np.save("x.npy", x)
    assert main(["run", "m.onnx", "--input", "x=x.npy", "--output-dir", "out"]) == 0
    assert np.load("out/y.npy").tobytes() == x.tobytes()
    assert main(["run", "m.onnx", "--random"]) == 0
