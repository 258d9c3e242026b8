"""LSTM, GRU and RNN against ONNX Runtime: directions, states, tails of sequences and panels, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from conformance import (
    NATIVE,
    Case,
    assert_close,
    check,
    check_orders,
    compile_model,
    parametrize,
    random,
    reference,
    run_image,
)
from onnx import helper

from vcc.runtime.diagnostics import VccError
from vcc.runtime.host.executor import Executor
from vcc.runtime.isa.kernel import meets
from vcc.runtime.native.engine import NativeEngine

GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}


def cell(
    name: str, kind: str, *, steps: int = 4, batch: int = 2, inputs: int = 5, hidden: int = 12, bias: bool = True,
    state: bool = True, peepholes: bool = False, outputs: str = "", lengths: Any = None,
    **attributes: Any,
) -> Case:  # fmt: skip
    """One node; `outputs` are those that the model has, by default all."""
    directions = 2 if attributes.get("direction") == "bidirectional" else 1
    rows = GATES[kind] * hidden
    constants = {
        "W": random(directions, rows, inputs, low=-0.5, high=0.5),
        "R": random(directions, rows, hidden, low=-0.5, high=0.5),
    }
    feeds, names = {"X": random(steps, batch, inputs)}, ["X", "W", "R", "", "", "", "", ""]
    if bias:
        names[3], constants["B"] = "B", random(directions, 2 * rows, low=-0.5, high=0.5)
    if lengths is not None:
        names[4], constants["S"] = "S", np.array(lengths, np.int32)
    if state:
        names[5], feeds["H"] = "H", random(directions, batch, hidden)
        if kind == "LSTM":
            names[6], feeds["C"] = "C", random(directions, batch, hidden, seed=1)
    if peepholes:
        names[7], constants["P"] = "P", random(directions, 3 * hidden, low=-0.5, high=0.5)
    names = names[: max(i for i, each in enumerate(names) if each) + 1]
    every = ["Y", "Yh", "Yc"] if kind == "LSTM" else ["Y", "Yh"]
    wanted = outputs.split() or every
    results = [each if each in wanted else "" for each in every]
    node = helper.make_node(kind, names, results, name=name, hidden_size=hidden, **attributes)
    return Case(f"{kind.lower()}-{name}", [node], feeds, constants, wanted, terms=hidden)


CASES = [
    *(cell(way, kind, direction=way) for kind in GATES for way in ("forward", "reverse", "bidirectional")),
    *(cell("zeros", kind, bias=False, state=False) for kind in GATES),
    *(cell("one-step", kind, steps=1, batch=1, outputs="Yh") for kind in GATES),
    *(cell("wide", kind, steps=2, batch=1, hidden=70) for kind in GATES),
    cell("batch", "LSTM", steps=2, batch=37, hidden=16, direction="bidirectional"),
    cell("batch", "GRU", steps=2, batch=37, hidden=16),
    cell("cell-state", "LSTM", outputs="Yc"),
    cell("peepholes", "LSTM", peepholes=True, direction="bidirectional"),
    cell("after", "GRU", linear_before_reset=1, direction="bidirectional"),
    cell("after-no-bias", "GRU", linear_before_reset=1, bias=False),
    cell("relu", "RNN", activations=["Relu"]),
    cell("whole", "LSTM", lengths=[4, 4]),
]


@parametrize(CASES)
def test_recurrent_layers(case: Case, target: str):
    check(case, target)


#: So many units and so few sequences that each step is divided among cores, which meet after it.
DIVIDED = [
    cell("tails", "LSTM", steps=3, batch=1, hidden=200),
    cell("zeros", "LSTM", steps=3, batch=1, hidden=192, bias=False, state=False, direction="reverse"),
    cell("peepholes", "LSTM", steps=3, batch=2, hidden=208, peepholes=True),
    cell("both-ways", "LSTM", steps=2, batch=1, hidden=400, direction="bidirectional"),
    cell("after", "GRU", steps=3, batch=1, hidden=250, linear_before_reset=1),
    cell("after-zeros", "GRU", steps=3, batch=1, hidden=250, linear_before_reset=1, bias=False, state=False),
    cell("reset-first", "GRU", steps=3, batch=1, hidden=250),
    cell("reset-first-zeros", "GRU", steps=3, batch=2, hidden=306, bias=False, state=False, direction="reverse"),
    cell("both-ways", "GRU", steps=2, batch=1, hidden=400, direction="bidirectional"),
    cell("wide", "RNN", steps=3, batch=1, hidden=450),
    cell("one-step", "LSTM", steps=1, batch=1, hidden=200),
]


@pytest.mark.parametrize("target", [NATIVE, "vn1"])
@pytest.mark.parametrize("case", DIVIDED, ids=lambda case: case.name)
def test_steps_are_divided_among_cores(case: Case, target: str):
    image, model = compile_model(case.model(), target), case.model()
    (kernel,) = [kernel for kernel in image.kernels if kernel.name.startswith("recurrence")]
    assert meets(kernel) or case.name == "lstm-one-step"
    actual = run_image(image, case.feeds, cores=3)
    for name, a, b in zip(case.outputs, actual, reference(model, case.feeds), strict=True):
        assert_close(a, b, case.terms, name)
    check_orders(case, image, actual, range(2))
    for threads in (1, 2, 3) if target == NATIVE else ():
        for a, b in zip(Executor(image).run(case.feeds, NativeEngine(threads)), actual, strict=True):
            assert_close(a, b, case.terms, f"{threads} threads")


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        ({"lengths": [4, 2]}, "sequence_lens is absent, or constant and equal to it"),
        ({"clip": 0.5}, "clip and input_forget must not be used"),
        ({"activations": ["HardSigmoid", "Tanh", "Tanh"]}, "default activations"),
    ],
)
def test_what_no_kernel_computes_is_refused(attributes: dict[str, Any], reason: str):
    # The reference implementation on the host ignores these, so it is no way out.
    with pytest.raises(VccError, match=reason) as caught:
        compile_model(cell("refused", "LSTM", **attributes).model(), "vn1")
    assert caught.value.diagnostics[0].code == "E0121"


@pytest.mark.parametrize("kind", GATES)
@pytest.mark.parametrize("wrong", ["W", "R", "B", "H"])
def test_shapes_that_contradict_each_other_are_refused(kind: str, wrong: str):
    case, rows = cell("refused", kind), GATES[kind] * 12
    shapes = {"W": (1, rows, 4), "R": (1, rows + 1, 12), "B": (1, rows), "H": (1, 3, 12)}
    held = "feeds" if wrong == "H" else "constants"
    changed = {**getattr(case, held), wrong: np.zeros(shapes[wrong], np.float32)}
    with pytest.raises(VccError, match="The shapes must be those of D directions and H hidden units") as caught:
        compile_model(replace(case, **{held: changed}).model(), "vn1")
    assert caught.value.diagnostics[0].code == "E0121"


def test_peepholes_of_another_shape_are_refused():
    case = cell("refused", "LSTM", peepholes=True)
    changed = replace(case, constants={**case.constants, "P": np.zeros((1, 12), np.float32)})
    with pytest.raises(VccError, match=r"peepholes \[D, 3 \* H\]"):
        compile_model(changed.model(), "vn1")
