"""`vcc bench`: what it takes and what it refuses; tests/filecheck/tools/bench.test has what it prints."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from vcc.compiler.demo import model_path
from vcc.tools.vcc import main

MODEL = str(model_path())
QUICK = ["--shape=image:2x1x8x8", "--blocks=1", "--runs=1"]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ([MODEL, "--threads=0"], "E0202"),
        ([MODEL, "--blocks=x"], "E0202"),
        ([MODEL, "--runs=-1"], "E0202"),
        ([MODEL, "--tolerance=-1"], "E0202"),
        ([MODEL, "--tolerance=nan"], "E0202"),
        ([MODEL, "--against=tensorflow"], "E0202"),
        ([MODEL, "--against=vcc"], "E0202"),
        ([MODEL, f"--model={MODEL}"], "E0202"),
        (["-"], "E0202"),
        (["nothing.onnx"], "E0204"),
        ([MODEL], "E0104"),
        ([MODEL, *QUICK, "--input=other=x.npy"], "E0105"),
    ],
)
def test_mistakes(
    words: list[str], code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", np.zeros((2, 1, 8, 8), np.float32))
    assert main(["bench", *words]) in (1, 2)
    out, err = capsys.readouterr()
    assert out == "" and err.startswith(f"error[VCC-{code}]") and err.count("error[") == 1


def test_a_missing_engine(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert main(["bench", MODEL, *QUICK, "--against=onnxruntime"]) == 2
    assert "error[VCC-E0601]: onnxruntime is not installed\n  help: pip install" in capsys.readouterr().err


def test_another_models_binary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    from broken_models import small_model
    from onnx import save_model

    monkeypatch.chdir(tmp_path)
    save_model(small_model(), "other.onnx")
    assert main([MODEL, "--shape=image:2x1x8x8", "-o", "d.vbin"]) == 0
    capsys.readouterr()
    assert main(["bench", "d.vbin", "--model=other.onnx", "--against=onnxruntime"]) == 2
    assert capsys.readouterr().err.startswith("error[VCC-E0105]: other.onnx has the inputs")


def test_json_with_memory(capsys: pytest.CaptureFixture[str]):
    words = ["bench", MODEL, *QUICK, "--threads=2", "--against=onnxruntime", "--memory", "--format=json"]
    assert main(words) == 0
    found = json.loads(capsys.readouterr().out)
    assert [each["threads"] for each in found["measured"]] == [2] and found["macs"] > 0
    for each in found["measured"]:
        assert set(each["fresh"]) == {"vcc", "onnxruntime"} and each["fresh"]["vcc"]["peak_bytes"] > 0
        assert each["opponents"][0]["ratio"] > 0 and not each["opponents"][0]["wrong"]
