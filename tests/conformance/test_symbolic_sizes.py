"""Models that compute with their own sizes: bound by the inputs, that arithmetic folds away before there is code."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from conformance import node
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper, save_model

from vcc.compiler.compilation import Compilation
from vcc.compiler.inference_session import InferenceSession
from vcc.compiler.options import Options
from vcc.runtime.diagnostics import VccError
from vcc.tools.vcc import main

Array = NDArray[Any]
RANDOM = np.random.default_rng(0)


@dataclass(frozen=True)
class Symbolic:
    """A model whose inputs have names for sizes, sizes to try, and how many launches it may become."""

    name: str
    nodes: Sequence[NodeProto]
    inputs: Mapping[str, Sequence[str | int]]
    sizes: Sequence[Mapping[str, int]]
    launches: int
    constants: Mapping[str, Array] = field(default_factory=dict[str, Array])
    rank: int = 2

    def model(self) -> ModelProto:
        infos = [helper.make_tensor_value_info(n, TensorProto.FLOAT, dims) for n, dims in self.inputs.items()]
        result = helper.make_tensor_value_info("y", TensorProto.FLOAT, [None] * self.rank)
        weights = [numpy_helper.from_array(array, n) for n, array in self.constants.items()]
        graph = helper.make_graph(list(self.nodes), self.name, infos, [result], weights)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)

    def feeds(self, sizes: Mapping[str, int]) -> dict[str, Array]:
        shapes = {n: [sizes[d] if isinstance(d, str) else d for d in dims] for n, dims in self.inputs.items()}
        return {n: RANDOM.standard_normal(shape).astype(np.float32) for n, shape in shapes.items()}


def ints(*values: int) -> Array:
    return np.array(values, np.int64)


def f32(*shape: int) -> Array:
    return RANDOM.standard_normal(shape).astype(np.float32)


BATCHES = [{"batch": 1}, {"batch": 5}]
FLATTEN = [
    node("Shape", "x", "s"),
    node("Gather", "s zero", "n", axis=0),
    node("Unsqueeze", "n zeros", "n1"),
    node("Concat", "n1 rest", "to", axis=0),
    node("Relu", "x", "r"),
    node("Reshape", "r to", "f"),
    node("MatMul", "f w"),
]
HALF = [
    node("Shape", "x", "s"),
    node("Gather", "s two", "h", axis=0),
    node("Div", "h two", "half"),
    node("Unsqueeze", "half zeros", "to"),
    node("Slice", "x zeros to twos", "z"),
    node("Sigmoid", "z"),
]
UPSAMPLE = [
    node("Shape", "x", "s"),
    node("Slice", "s twos fours zeros", "hw"),
    node("Mul", "hw two", "hw2"),
    node("Slice", "s zeros twos zeros", "nc"),
    node("Concat", "nc hw2", "to", axis=0),
    helper.make_node("Resize", ["x", "", "", "to"], ["y"], name="resize", mode="nearest"),
]
POSITIONS = [
    node("Shape", "x", "s"),
    node("Gather", "s one", "length", axis=0),
    node("Range", "zero length one", "at"),
    node("Gather", "table at", "rows", axis=0),
    node("Add", "x rows"),
]
HEADS = [
    node("Shape", "x", "s"),
    node("Slice", "s zeros twos zeros", "bl"),
    node("Concat", "bl split", "to", axis=0),
    node("Reshape", "x to", "h"),
    node("Transpose", "h", "t", perm=[0, 2, 1, 3]),
    node("Transpose", "h", "k", perm=[0, 2, 3, 1]),
    node("MatMul", "t k", "scores"),
    node("Shape", "scores", "ss"),
    node("Gather", "ss minus", "n", axis=0),
    node("Cast", "n", "nf", to=TensorProto.FLOAT),
    node("Sqrt", "nf", "root"),
    node("Div", "scores root"),
]
FILL = [
    node("Shape", "x", "s"),
    node("ConstantOfShape", "s", "ones", value=numpy_helper.from_array(np.ones(1, np.float32))),
    node("Expand", "row s", "rows"),
    node("Sub", "ones rows", "d"),
    node("Mul", "d x"),
]
ZERO = {"zero": np.array(0, np.int64), "zeros": ints(0)}
CASES = [
    Symbolic(
        "flatten", FLATTEN, {"x": ["batch", 4, 3, 3]}, BATCHES, 1, {**ZERO, "rest": ints(-1), "w": f32(36, 5)}
    ),
    Symbolic(
        "half of the rows", HALF, {"x": [1, 2, "height", 4]}, [{"height": 6}, {"height": 9}], 1,
        {**ZERO, "two": np.array(2, np.int64), "twos": ints(2)}, 4,
    ),
    Symbolic(
        "twice the image", UPSAMPLE, {"x": ["batch", 3, "h", "w"]},
        [{"batch": 1, "h": 4, "w": 5}, {"batch": 2, "h": 3, "w": 7}], 1,
        {**ZERO, "two": np.array(2, np.int64), "twos": ints(2), "fours": ints(4)}, 4,
    ),
    Symbolic(
        "positions", POSITIONS, {"x": ["batch", "length", 8]},
        [{"batch": 1, "length": 3}, {"batch": 2, "length": 11}], 1,
        {**ZERO, "one": np.array(1, np.int64), "table": f32(16, 8)}, 3,
    ),
    Symbolic(
        "heads", HEADS, {"x": ["batch", "length", 12]}, [{"batch": 1, "length": 5}, {"batch": 2, "length": 7}], 2,
        {**ZERO, "twos": ints(2), "split": ints(3, 4), "minus": np.array(-1, np.int64)}, 4,
    ),
    Symbolic("fill", FILL, {"x": ["batch", 6]}, BATCHES, 1, {"row": f32(1, 6)}),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_sizes_come_from_the_inputs_and_their_arithmetic_folds_away(case: Symbolic):
    data = case.model().SerializeToString()
    reference = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    session = InferenceSession(data)
    for sizes in case.sizes:
        feeds = case.feeds(sizes)
        (expected,) = reference.run(None, feeds)
        (found,) = session.run(None, feeds)
        assert isinstance(expected, np.ndarray) and found.shape == expected.shape
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
        for target in ("vn1", "host-avx2"):
            options = Options(target, {name: array.shape for name, array in feeds.items()})
            steps = Compilation.from_model(data, options).encode().host.steps
            assert len(steps) <= case.launches, "all that is left is work on the data"


def test_run_binds_sizes_by_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.chdir(tmp_path)
    case = CASES[3]
    save_model(case.model(), "m.onnx")
    feeds = case.feeds({"batch": 2, "length": 4})
    np.save("x.npy", feeds["x"])
    assert main(["run", "m.onnx", "--input", "x=x.npy", "--output-dir", "out", "--format=json"]) == 0
    json.loads(capsys.readouterr().out)
    (expected,) = onnxruntime.InferenceSession("m.onnx", providers=["CPUExecutionProvider"]).run(None, feeds)
    assert isinstance(expected, np.ndarray)
    np.testing.assert_allclose(np.load("out/y.npy"), expected, rtol=1e-5)


def test_sizes_that_one_name_cannot_have_are_refused():
    two = Symbolic("sum", [node("Concat", "x z", axis=1)], {"x": ["n", 2], "z": ["n", 3]}, [], 1)
    with pytest.raises(VccError) as failure:
        Compilation.from_model(two.model().SerializeToString(), Options("vn1", {"x": [2, 2], "z": [4, 3]}))
    (diagnostic,) = failure.value.diagnostics
    assert diagnostic.code == "E0105" and "'n'" in diagnostic.message
