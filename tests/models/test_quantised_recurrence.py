"""A trained network of dynamically quantised LSTMs is kernels alone, and as right as ONNX Runtime is.

A state that lies near the middle between two steps of its quantisation goes either way after a rounding error, so that
ONNX Runtime's own results move by 3e-3 when the model's scales and biases change in their last digit. That movement,
measured here, is the bound.
"""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from accuracy import error_of, run_reference
from model_corpus import corpus_model, manifest_inputs
from onnx import ModelProto, TensorProto, numpy_helper

from vcc.compiler.compilation import Compilation
from vcc.compiler.options import Options
from vcc.runtime.isa.host import HostCall
from vcc.runtime.session import Program

MODEL = "tashkeel-bilstm-int8"


def moved(model: ModelProto, seed: int) -> ModelProto:
    """The model with each float among its constants one step of its dtype larger, smaller, or as it was."""
    changed, rng = ModelProto(), np.random.default_rng(seed)
    changed.CopyFrom(model)
    for tensor in changed.graph.initializer:
        if tensor.data_type == TensorProto.FLOAT:
            array = numpy_helper.to_array(tensor)
            way = rng.choice(np.array([-np.inf, 0, np.inf], np.float32), array.shape)
            steps = np.where(way == 0, array, np.nextafter(array, way)).astype(np.float32)
            tensor.CopyFrom(numpy_helper.from_array(steps, tensor.name))
    return changed


@pytest.mark.parametrize("engine", ["interpreter", "native"])
def test_its_results_move_less_than_those_of_onnx_runtime(engine: str):
    path, feeds = corpus_model(MODEL), manifest_inputs(MODEL)
    image = Compilation.from_model(path, Options(shapes={name: a.shape for name, a in feeds.items()})).encode()
    assert not [step.op_type for step in image.host.steps if isinstance(step, HostCall)]
    model = onnx.load(path)
    expected = run_reference(model, feeds)[0]
    (actual,) = Program(image).run(feeds, engine=engine)
    bound = max(error_of(run_reference(moved(model, seed), feeds)[0], expected) for seed in range(2))
    assert error_of(actual, expected) <= bound < 0.01
