"""ONNX Runtime's DynamicQuantizeLSTM against it, on one thread: on several it takes the ranges of parts of a batch.

A state that lies between two steps of its quantisation may go either way after rounding errors, and a whole step would
be seen in the results. `nearest_tie` holds the cases clear of that, so that the tolerance is that of floats.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import onnxruntime
import pytest
from conformance import NATIVE, TINY, Array, Case, assert_close, check_orders, compile_model, random, run_image
from onnx import ModelProto, TensorProto, helper, numpy_helper

from vcc.compiler.compilation import Compilation
from vcc.compiler.debug.evaluate import evaluate
from vcc.compiler.options import Options
from vcc.runtime.diagnostics import VccError
from vcc.runtime.host.executor import Executor
from vcc.runtime.isa.kernel import meets
from vcc.runtime.native.engine import NativeEngine

DOMAIN = "com.microsoft"
#: How far from a tie, in steps, all states of a case must be: a hundred times the error of f32 activations.
CLEAR = 1e-4


@dataclass(frozen=True)
class LstmCase(Case):
    """One node of ONNX Runtime's domain, which the `onnx` package has no schema for."""

    directions: int = 1
    hidden: int = 0

    def model(self) -> ModelProto:
        """The model; shapes of outputs are not declared."""
        inputs = [helper.make_tensor_value_info(n, TensorProto.FLOAT, a.shape) for n, a in self.feeds.items()]
        outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in self.outputs]
        weights = [numpy_helper.from_array(array, name) for name, array in self.constants.items()]
        graph = helper.make_graph(list(self.nodes), "case", inputs, outputs, weights)
        opsets = [helper.make_opsetid("", self.opset), helper.make_opsetid(DOMAIN, 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def lstm(
    name: str, *, steps: int = 4, batch: int = 2, inputs: int = 5, hidden: int = 12, direction: str = "forward",
    unsigned: bool = False, columns: bool = False, bias: bool = True, state: bool = True, peepholes: bool = False,
    outputs: str = "Y Yh Yc", seed: int = 0, **attributes: Any,
) -> LstmCase:  # fmt: skip
    """A layer; `columns` gives every column of the weights a scale of its own, `unsigned` gives them zero points."""
    directions = 2 if direction == "bidirectional" else 1
    wide = 4 * hidden
    rng = np.random.default_rng([seed, hidden, batch])
    constants: dict[str, Array] = {}
    for key, rows in (("W", inputs), ("R", hidden)):
        low, high = (0, 256) if unsigned else (-127, 128)
        constants[key] = rng.integers(low, high, (directions, rows, wide)).astype(np.uint8 if unsigned else np.int8)
        shape = (directions, wide) if columns else (directions,)
        constants[f"{key}s"] = (rng.uniform(0.5, 1.0, shape) / (127 * rows**0.5)).astype(np.float32)
        points = np.arange(directions) * 9 + 117 if unsigned else np.zeros(directions)
        table = np.broadcast_to(points.reshape(-1, *(1,) * columns), shape)
        constants[f"{key}z"] = table.astype(constants[key].dtype)
    feeds, names = {"X": random(steps, batch, inputs)}, ["X", "W", "R", *[""] * 5, "Ws", "Wz", "Rs", "Rz"]
    if bias:
        names[3], constants["B"] = "B", random(directions, 2 * wide, low=-0.5, high=0.5)
    if state:
        names[5], feeds["H"] = "H", random(directions, batch, hidden, low=-1, high=1)
        names[6], feeds["C"] = "C", random(directions, batch, hidden, seed=1)
    if peepholes:
        names[7], constants["P"] = "P", random(directions, 3 * hidden, low=-0.5, high=0.5)
    every, wanted = ["Y", "Yh", "Yc"], outputs.split()
    node = helper.make_node(
        "DynamicQuantizeLSTM", names, [each if each in wanted else "" for each in every], name=name, domain=DOMAIN,
        hidden_size=hidden, direction=direction, **attributes,
    )  # fmt: skip
    return LstmCase(name, [node], feeds, constants, wanted, terms=hidden, directions=directions, hidden=hidden)


def nearest_tie(case: LstmCase, y: Array, direction: str) -> float:
    """How near a state comes to the middle between two steps of its quantisation, in steps; y [T, D, B, H]."""
    nearest = 0.5
    for d in range(case.directions):
        backwards = direction == "reverse" or d == 1
        rows = list(y[:, d])
        order = rows[::-1] if backwards else rows
        for h in [*([case.feeds["H"][d]] if "H" in case.feeds else []), *order[:-1]]:
            scale = (max(h.max(), 0) - min(h.min(), 0)) / np.float32(255)
            nearest = min(nearest, float(np.abs(np.abs(h / scale % 1) - 0.5).min()))
    return nearest


def reference(model: ModelProto, feeds: dict[str, Array]) -> list[Array]:
    """What ONNX Runtime computes on one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return [np.asarray(each) for each in session.run(None, feeds)]


CASES = [
    *(lstm(way, direction=way) for way in ("forward", "reverse", "bidirectional")),
    lstm("zeros", bias=False, state=False),
    lstm("one-step", steps=1, batch=1, outputs="Y Yh"),
    lstm("no-quads", hidden=13, inputs=7, direction="bidirectional"),
    lstm("columns", columns=True, direction="bidirectional"),
    lstm("unsigned", unsigned=True, direction="bidirectional"),
    lstm("unsigned-columns", unsigned=True, columns=True, hidden=9),
    lstm("peepholes", peepholes=True, direction="bidirectional"),
    lstm("batch", batch=19, hidden=16, steps=2),
    lstm("wide", batch=1, hidden=70, steps=2),
]


@pytest.mark.parametrize("target", [NATIVE, "vn1", TINY], ids=["host", "vn1", "tiny"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_layers(case: LstmCase, target: str):
    compare(case, target, range(2))


def compare(case: LstmCase, target: str, seeds: Any, threads: Any = (1,)) -> None:
    """Run a case in program order, in others, natively, and as operations of the graph dialect."""
    model, way = case.model(), str(helper.get_node_attr_value(case.nodes[0], "direction").decode())
    image = compile_model(model, target)
    expected = reference(model, dict(case.feeds))
    if "Y" in case.outputs:
        assert nearest_tie(case, expected[0], way) > CLEAR
    actual = run_image(image, case.feeds, cores=3)
    for name, a, b in zip(case.outputs, actual, expected, strict=True):
        assert_close(a, b, case.terms, name)
    check_orders(case, image, actual, seeds)
    for count in threads if target == NATIVE else ():
        for a, b in zip(Executor(image).run(case.feeds, NativeEngine(count)), actual, strict=True):
            assert_close(a, b, case.terms, f"{count} threads")


#: Of so many units that cores share each step, and meet after it.
DIVIDED = [
    lstm("alone", steps=3, batch=1, hidden=400),
    lstm("zeros", steps=3, batch=1, hidden=384, state=False, bias=False, direction="reverse"),
    lstm("unsigned", steps=2, batch=1, hidden=402, unsigned=True, direction="bidirectional"),
]


@pytest.mark.parametrize("target", [NATIVE, "vn1"])
@pytest.mark.parametrize("case", DIVIDED, ids=lambda case: case.name)
def test_steps_are_divided_among_cores(case: LstmCase, target: str):
    (kernel,) = [each for each in compile_model(case.model(), target).kernels if each.name.startswith("recurrence")]
    assert meets(kernel)
    compare(case, target, range(1), threads=(1, 2, 3))


def test_the_meaning_of_the_graph_dialect():
    case = lstm("meaning", hidden=10, unsigned=True, columns=True, direction="reverse")
    compilation = Compilation.from_model(case.model(), Options())
    compilation.advance("graph")
    results = evaluate(compilation.module, case.feeds, compilation.ctx)
    for name, a, b in zip(case.outputs, results, reference(case.model(), dict(case.feeds)), strict=True):
        assert_close(np.asarray(a), b, case.terms, name)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"Rz": np.array([[1] * 47 + [2]], np.int8), "Rs": np.ones((1, 48), np.float32)}, "zero points of a direction"),
        ({"Rs": np.ones(3, np.float32)}, "one per direction or per column"),
        ({"Rz": np.zeros(1, np.uint8)}, "of the weights' dtype"),
        ({"Wz": np.zeros((1, 7), np.int8)}, "one per direction or column"),
        ({"R": np.zeros((1, 12, 40), np.int8)}, r"R \[D, H, 4 \* H\]"),
        ({"W": np.zeros((1, 4, 48), np.int8)}, r"W \[D, I, 4 \* H\]"),
        ({"W": np.zeros((5, 48), np.int8)}, r"W \[D, I, 4 \* H\]"),
        ({"B": np.zeros((1, 48), np.float32)}, r"biases \[D, 8 \* H\]"),
        ({"P": np.zeros((1, 12), np.float32)}, r"peepholes \[D, 3 \* H\]"),
    ],
)
def test_weights_that_do_not_fit_are_refused(change: dict[str, Array], reason: str):
    case = lstm("refused", peepholes=True)
    changed = replace(case, constants={**case.constants, **change})
    with pytest.raises(VccError, match=reason) as caught:
        compile_model(changed.model(), "vn1")
    assert caught.value.diagnostics[0].code == "E0121"


@pytest.mark.parametrize("absent", [1, 2, 8, 9, 10, 11])
def test_inputs_that_are_not_given_are_told(absent: int):
    case = lstm("refused")
    case.nodes[0].input[absent] = ""
    with pytest.raises(VccError, match="must be given") as caught:
        compile_model(case.model(), "vn1")
    assert caught.value.diagnostics[0].code == "E0121"


@pytest.mark.parametrize("shape", [(5,), (4, 5), (4, 2, 5, 1), (4, 2, 6)])
def test_inputs_of_another_shape_are_refused(shape: tuple[int, ...]):
    case = lstm("refused", state=False)
    with pytest.raises(VccError) as caught:
        compile_model(replace(case, feeds={"X": random(*shape)}).model(), "vn1")
    assert caught.value.diagnostics[0].code == ("E0121" if len(shape) == 3 else "E0104")


def test_states_of_another_shape_are_refused():
    case = lstm("refused")
    with pytest.raises(VccError, match=r"states \[D, B, H\]"):
        compile_model(replace(case, feeds={**case.feeds, "H": random(1, 3, 12)}).model(), "vn1")


@pytest.mark.parametrize(("hidden", "rows"), [(1500, 500), (1100, 220)])
def test_weights_that_16_does_not_divide_come_in_pieces(hidden: int, rows: int):
    """All rows of a panel together do not fit l0b."""
    case = lstm("pieces", steps=1, batch=1, inputs=3, hidden=hidden, outputs="Yh")
    image = compile_model(case.model(), "vn1")
    (kernel,) = [each for each in image.kernels if each.name.startswith("recurrence")]
    assert [each.shape[1] for each in kernel.buffers if each.name == "rt"] == [rows]
    for a, b in zip(run_image(image, case.feeds), reference(case.model(), dict(case.feeds)), strict=True):
        assert_close(a, b, case.terms)


def test_attributes_that_no_kernel_knows_are_refused():
    for case in (lstm("refused", clip=1.0), lstm("refused", input_forget=1)):
        with pytest.raises(VccError, match="clip and input_forget must not be used"):
            compile_model(case.model(), "vn1")
