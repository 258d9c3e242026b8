"""Whether results are as right as ONNX Runtime's, where ONNX Runtime itself is not right to the last digit.

The bound is a relative L2 error of 1e-5 (absolute 1e-6 where an output is about zero). ONNX Runtime's own Sigmoid is
off by more than that for large arguments, so a model that has one is compared with ONNX Runtime on the same model with
Sigmoid written out. What is still further away is compared with an evaluation in float64, from which our result must
not be further than ONNX Runtime's. Where a single rounding decides how far that is (a model that subtracts the least of
all logarithms, say), it depends on the CPU, for both; then ONNX Runtime's results for inputs that differ in the last
digits count, too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnx import AttributeProto, GraphProto, ModelProto, TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from vcc.compiler.bench.shake import SHAKES, shaken

Array = NDArray[Any]
Feeds = Mapping[str, Array]

BOUND = 1e-5
NEAR_ZERO = 1e-6


def error_of(actual: Array, expected: Array) -> float:
    """The relative L2 difference; for integers 0 or infinity.

    Where the output is about zero (its root mean square below 1e-6) the largest absolute difference counts, scaled so
    that 1e-6 meets the bound.
    """
    if expected.dtype.kind != "f":
        return 0.0 if np.array_equal(actual, expected) else float("inf")
    difference = actual.astype(np.float64) - expected.astype(np.float64)
    norm = float(np.linalg.norm(expected.astype(np.float64)))
    if norm > NEAR_ZERO * max(1, expected.size) ** 0.5:
        return float(np.linalg.norm(difference)) / norm
    return float(np.abs(difference).max(initial=0.0)) / NEAR_ZERO * BOUND


def run_reference(model: ModelProto, feeds: Feeds) -> list[Array]:
    """ONNX Runtime's results."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return [np.asarray(result) for result in session.run(None, dict(feeds))]


def with_plain_sigmoid(model: ModelProto) -> ModelProto:
    """The model with Sigmoid as Neg, Exp, Add and Reciprocal."""
    changed = ModelProto()
    changed.CopyFrom(model)
    nodes = list(changed.graph.node)
    del changed.graph.node[:]
    changed.graph.initializer.append(numpy_helper.from_array(np.ones((), np.float32), "sigmoid.one"))
    for node in nodes:
        if node.op_type != "Sigmoid":
            changed.graph.node.append(node)
            continue
        x, y = node.input[0], node.output[0]
        changed.graph.node.extend(
            [
                helper.make_node("Neg", [x], [f"{y}.neg"]),
                helper.make_node("Exp", [f"{y}.neg"], [f"{y}.exp"]),
                helper.make_node("Add", [f"{y}.exp", "sigmoid.one"], [f"{y}.sum"]),
                helper.make_node("Reciprocal", [f"{y}.sum"], [y]),
            ]
        )
    return changed


def run_double(model: ModelProto, feeds: Feeds) -> list[Array]:
    """The results of the model evaluated in float64 by the reference implementation of the `onnx` package."""
    changed = ModelProto()
    changed.CopyFrom(model)
    _widen(changed.graph)
    wide = {name: a.astype(np.float64) if a.dtype == np.float32 else a for name, a in feeds.items()}
    return [np.asarray(result) for result in ReferenceEvaluator(changed).run(None, wide)]


def _widen(graph: GraphProto) -> None:
    tensors = [_double(tensor) for tensor in graph.initializer]
    del graph.initializer[:]
    graph.initializer.extend(tensors)
    for value in (*graph.input, *graph.output, *graph.value_info):
        if value.type.tensor_type.elem_type == TensorProto.FLOAT:
            value.type.tensor_type.elem_type = TensorProto.DOUBLE
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == AttributeProto.TENSOR:
                attribute.t.CopyFrom(_double(attribute.t))
            elif node.op_type == "Cast" and attribute.name == "to" and attribute.i == TensorProto.FLOAT:
                attribute.i = TensorProto.DOUBLE


def _double(tensor: TensorProto) -> TensorProto:
    if tensor.data_type != TensorProto.FLOAT:
        return tensor
    return numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float64), tensor.name)


def check_accuracy(model: ModelProto, feeds: Feeds, actual: Sequence[Array]) -> None:
    """Assert that results are within the bound, or no further from the truth than ONNX Runtime's."""
    expected = run_reference(model, feeds)
    errors = [error_of(a, b) for a, b in zip(actual, expected, strict=True)]
    if max(errors) <= BOUND:
        return
    if any(node.op_type == "Sigmoid" for node in model.graph.node):
        plain = run_reference(with_plain_sigmoid(model), feeds)
        if max(error_of(a, b) for a, b in zip(actual, plain, strict=True)) <= BOUND:
            return
    truth = run_double(model, feeds)
    ours, theirs = _errors(actual, truth), _errors(expected, truth)
    if all(a <= max(b, BOUND) for a, b in zip(ours, theirs, strict=True)):
        return
    noise = np.random.default_rng(0)
    moved = [{name: shaken(array, noise) for name, array in feeds.items()} for _ in range(SHAKES)]
    others = [_errors(run_reference(model, each), truth) for each in moved]
    for number, (a, *reached) in enumerate(zip(ours, theirs, *others, strict=True)):
        allowed = max(*reached, BOUND)
        assert a <= allowed, f"output {number}: {a:.2e} from float64, ONNX Runtime {allowed:.2e} at most"


def _errors(actual: Sequence[Array], truth: Sequence[Array]) -> list[float]:
    return [error_of(a.astype(b.dtype), b) for a, b in zip(actual, truth, strict=True)]
