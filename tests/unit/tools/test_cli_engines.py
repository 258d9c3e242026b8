"""`vcc run --engine` and `--threads`: what they take, and that they give the same."""

from __future__ import annotations

import json
import re
import warnings
from pathlib import Path

import pytest
from broken_models import small_model
from onnx import save_model

from vcc.compiler.demo import model_path
from vcc.tools.vcc import main

SHAPE = "--shape=image:2x1x8x8"


@pytest.fixture(autouse=True)
def binary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([str(model_path()), SHAPE, "-o", "d.vbin"]) == 0


@pytest.mark.parametrize(
    "words", [[], ["--engine=native"], ["--threads=1"], ["--engine=native", "--threads=2"], ["--engine=interpreter"]]
)
def test_every_engine_gives_the_same(words: list[str], capsys: pytest.CaptureFixture[str]):
    assert main(["run", "d.vbin", "--random=3", "--format=json", *words]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["engine"] == ("interpreter" if "--engine=interpreter" in words else "native")
    (output,) = found["outputs"].values()
    assert output["mean"] == pytest.approx(0.1, rel=1e-5)  # ten probabilities


@pytest.mark.parametrize(
    "words",
    [
        ["--threads=0"],
        ["--threads=x"],
        ["--threads=999999"],
        ["--threads=1", "--engine=interpreter"],
        ["--threads=1", "--stats"],
        ["--engine=warp"],
        ["--engine=native", "--sanitize"],
    ],
)
def test_what_does_not_go_together(words: list[str], capsys: pytest.CaptureFixture[str]):
    capsys.readouterr()
    assert main(["run", "d.vbin", "--random", *words]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("error[VCC-E0202]") and err.count("error[") == 1


def test_a_warning_is_one_line(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    def run(args: object) -> int:
        warnings.warn("vcc runs this on the interpreter", stacklevel=1)
        return 0

    monkeypatch.setattr("vcc.tools.verbs.doctor_verb.run", run)
    capsys.readouterr()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what other tests left
        warnings.simplefilter("always", UserWarning)
        assert main(["doctor"]) == 0
    assert capsys.readouterr().err == "warning: vcc runs this on the interpreter\n"


def test_tiles_are_not_made_again(capsys: pytest.CaptureFixture[str]):
    save_model(small_model(), "small.onnx")
    assert main(["small.onnx", "--target=vn1", "--emit=tile", "-o", "t.mlir"]) == 0
    assert main(["t.mlir", "--from=tile", "--target=vn1", "-o", "t.vbin"]) == 0
    capsys.readouterr()
    assert main(["t.mlir", "--from=tile", "-o", "t.vbin"]) == 2
    assert "--target vn1" in capsys.readouterr().err
    text = Path("t.mlir").read_text(encoding="utf-8")
    # Written by hand, or by vcc-opt.
    Path("t.mlir").write_text(re.sub(r'attributes \{"?vcc.machine[^}]*\}', "", text), encoding="utf-8")
    assert main(["t.mlir", "--from=tile", "-o", "t.vbin"]) == 0
    assert "--target (host) must be what they were made for" in capsys.readouterr().err


def test_an_output_folder_that_cannot_be(capsys: pytest.CaptureFixture[str]):
    capsys.readouterr()
    assert main(["run", "d.vbin", "--random", "--output-dir", "/proc/x"]) == 2
    assert "cannot write /proc/x:" in capsys.readouterr().err


def test_ir_of_another_phase_is_refused(capsys: pytest.CaptureFixture[str]):
    save_model(small_model(), "small.onnx")
    for made, said in (("plan", "import"), ("graph", "plan"), ("fuse", "import"), ("tile", "graph")):
        assert main(["small.onnx", "--target=vn1", f"--emit={made}", "-o", f"{made}.mlir"]) == 0
        capsys.readouterr()
        assert main([f"{made}.mlir", f"--from={said}", "--target=vn1", "-o", "t.vbin"]) == 2
        err = capsys.readouterr().err
        assert err.startswith(f"error[VCC-E0202]: {made}.mlir is not the IR after phase {said}\n")
        assert f"--from {made}" in err


def test_diff_takes_no_binary_of_another_model(capsys: pytest.CaptureFixture[str]):
    save_model(small_model(), "small.onnx")
    capsys.readouterr()
    assert main(["diff", "small.onnx", "d.vbin"]) == 2
    assert capsys.readouterr().err.startswith("error[VCC-E0105]: small.onnx has the inputs 'x', d.vbin has 'image'")
    assert main(["diff", "small.onnx", "--tolerance=-1"]) == 2
