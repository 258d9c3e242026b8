"""The bundled digits model: small, valid, named, and right on its own test images."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime

from vcc.compiler import demo


def test_the_model_is_valid_and_every_node_has_a_name():
    model = onnx.load(demo.model_path())
    onnx.checker.check_model(model, full_check=True)
    names = [node.name for node in model.graph.node]
    assert names == ["conv1", "relu1", "conv2", "relu2", "pool", "flatten", "fc", "softmax"]
    assert demo.model_path().stat().st_size < 200_000


def test_the_model_reads_the_bundled_images():
    images, labels = demo.test_images()
    assert images.shape == (50, 1, 8, 8) and images.dtype == np.float32
    assert labels.shape == (50,) and labels.dtype == np.int64
    assert images.min() == 0 and images.max() == 1
    session = onnxruntime.InferenceSession(demo.model_path(), providers=["CPUExecutionProvider"])
    (probabilities,) = session.run(None, {"image": images})
    assert np.mean(np.asarray(probabilities).argmax(axis=1) == labels) >= 0.97
