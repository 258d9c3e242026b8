"""How far an engine's outputs move by changes that should not matter: its own part in a difference from ours."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vcc.compiler.bench.engines.interface import Engine, Subject

if TYPE_CHECKING:
    from onnx import TensorProto

Array = NDArray[Any]

#: Runs with floats changed in the last digits: whether that turns a rounding over is a matter of luck.
SHAKES = 6


def moved_outputs(engine: Engine, subject: Subject) -> Iterator[list[Array]]:
    """An engine's outputs without its optimisations of graphs, if it can do without, and with floats that differ in
    the last digits: those of the inputs and those of the model, for the inputs may be integers."""
    plain = engine.unoptimised_outputs(subject)
    if plain is not None:
        yield plain
    noise = np.random.default_rng(0)
    with tempfile.TemporaryDirectory(prefix="vcc-bench-") as folder:
        for number in range(SHAKES):
            feeds = {name: shaken(array, noise) for name, array in subject.feeds.items()}
            model = subject.model and _shaken_model(subject.model, Path(folder) / f"{number}.onnx", noise)
            other = replace(subject, feeds=feeds, model=model)
            yield engine.open(other, 1, variants=False)[0].outputs()


def shaken(array: Array, noise: np.random.Generator) -> Array:
    """Floats changed by at most eight units of relative precision; others as they are."""
    if array.dtype.kind != "f":
        return array
    step = 8 * float(np.finfo(array.dtype).eps)
    return (array * (1 + step * noise.uniform(-1, 1, array.shape))).astype(array.dtype)


def _shaken_model(model: Path, path: Path, noise: np.random.Generator) -> Path:
    """The model with its f32 and f64 initialisers changed; one that keeps them in another file stays as it is."""
    import onnx
    from onnx import numpy_helper

    proto = onnx.load(model, load_external_data=False)
    if any(tensor.data_location == onnx.TensorProto.EXTERNAL for tensor in proto.graph.initializer):
        return model

    def is_float(tensor: TensorProto) -> bool:
        return tensor.data_type in (onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE)

    for tensor in filter(is_float, proto.graph.initializer):
        tensor.CopyFrom(numpy_helper.from_array(shaken(numpy_helper.to_array(tensor), noise), tensor.name))
    onnx.save(proto, path)
    return path
