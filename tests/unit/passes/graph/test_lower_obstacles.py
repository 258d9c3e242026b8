"""What cannot be lowered goes to the host with a reason, or is reported, all at once and with the node."""

from __future__ import annotations

import numpy as np
import pytest
from lowered import Case, lowered, run_reference
from onnx import ModelProto, helper

from vcc.compiler.context import make_context
from vcc.compiler.debug.evaluate import evaluate
from vcc.compiler.frontend.model import import_model
from vcc.passes.graph.infer_shapes import InferShapesPass
from vcc.passes.graph.lower import all_lowerings, describe
from vcc.passes.graph.lower.report import host_reasons
from vcc.passes.graph.lower_onnx import LowerOnnx
from vcc.runtime.diagnostics import Diagnostic, VccError

RNG = np.random.default_rng(5)
X = RNG.standard_normal((2, 3, 6, 6)).astype(np.float32)
I64 = np.arange(6).reshape(2, 3)

HOST_CASES = [
    (
        Case("Resize", [X], {"mode": "linear", "antialias": 1}, {2: np.array([1, 1, 0.5, 0.5], np.float32)}),
        "The attribute antialias must be 0",
    ),
    (Case("Det", [X]), "no kernel covers this operator"),
    (Case("CumSum", [X, np.array(1)]), "The axis must be constant"),
    (Case("MatMul", [I64, I64.T.copy()]), "The first input must be a float tensor"),
    (
        Case("ScatterElements", [X > 0, np.zeros((1, 1, 1, 1), np.int64), X[:1, :1, :1, :1] > 0], {"reduction": "max"}),
        "With a reduction, the first input must be a tensor of floats or integers",
    ),
]


@pytest.mark.parametrize(("case", "reason"), HOST_CASES, ids=[case.op_type for case, _ in HOST_CASES])
def test_host_calls_have_a_reason_and_give_the_result(case: Case, reason: str | None):
    module, _ = case.lowered()
    reasons = host_reasons(module)
    if reason is not None:
        assert [(each.op_type, each.nodes, each.reason) for each in reasons] == [(case.op_type, ("the_node",), reason)]
    actual, expected = case.results()
    for y, reference in zip(actual, expected, strict=True):
        np.testing.assert_allclose(y, reference, rtol=1e-5, atol=1e-6)


def obstacles(model: ModelProto, **options: str) -> list[Diagnostic]:
    """The diagnostics of lowering a model, which must fail."""
    ctx = make_context()
    module = import_model(model, ctx)
    InferShapesPass().apply(ctx, module)
    with pytest.raises(VccError) as caught:
        LowerOnnx(**options).apply(ctx, module)  # pyright: ignore[reportArgumentType]
    return list(caught.value.diagnostics)


def two_nodes(first: str, second: str, domain: str = "") -> ModelProto:
    nodes = [
        helper.make_node(first, ["x"], ["a"], name="first"),
        helper.make_node(second, ["x"], ["b"], name="second", domain=domain),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", 1, [2, 3])],
        [helper.make_empty_tensor_value_info(name) for name in ("a", "b")],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def test_all_obstacles_come_together():
    found = obstacles(two_nodes("NonZero", "FusedThing", "com.microsoft"))
    assert [(d.code, d.node, d.op) for d in found] == [
        ("E0104", "first", "NonZero"),
        ("E0120", "second", "com.microsoft.FusedThing"),
    ]
    assert found[0].types.startswith("f32[2,3] -> i64[2,?]")


def test_a_wrong_reference_implementation_is_not_called():
    found = obstacles(Case("MaxPool", [X], {"kernel_shape": [2, 2]}, outputs=2).model())
    assert [(d.code, d.node) for d in found] == [("E0121", "the_node")]
    assert found[0].message.endswith("not supported yet: Only the first output may be used")


def test_an_old_version_that_means_something_else_is_not_called():
    channel = [np.ones((3, 6, 6), np.float32)] * 4
    found = obstacles(Case("BatchNormalization", [X, *channel], {"spatial": 0}, opset=7).model())
    assert [(d.code, d.node) for d in found] == [("E0121", "the_node")]
    assert found[0].message.startswith("operator BatchNormalization of opsets before 14 is not supported yet: ")
    assert found[0].help == "export the model with opset 14 or newer"


BOXES = np.array([[1, 1, 4, 5], [0.5, 2, 5, 4.5], [3, 3, 3.2, 3.4]], np.float32)


@pytest.mark.parametrize("mode", ["avg", "max"])
@pytest.mark.parametrize("opset", [10, 15, 16])
def test_roi_align_moves_by_half_a_pixel_from_opset_16_on(opset: int, mode: str):
    attributes = {"output_height": 3, "output_width": 2, "sampling_ratio": 2, "spatial_scale": 0.9, "mode": mode}
    case = Case("RoiAlign", [X, BOXES, np.array([0, 1, 1])], attributes, opset=opset)
    module, _ = case.lowered()
    assert [each.op_type for each in host_reasons(module)] == ["RoiAlign"]
    actual, expected = case.results()
    np.testing.assert_allclose(actual[0], expected[0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("mode", ["bilinear", "bicubic", "nearest", None])
def test_grid_sample_of_old_has_its_modes_on_the_host(mode: str | None):
    grid = (RNG.random((2, 4, 4, 2)) * 2.4 - 1.2).astype(np.float32)
    attributes = {} if mode is None else {"mode": mode}
    wide = Case("GridSample", [X, grid.astype(np.float64)], attributes, opset=16)
    module, ctx = wide.lowered()
    assert [each.reason for each in host_reasons(module)] == ["The input and the grid must have one dtype"]
    expected = run_reference(Case("GridSample", [X, grid], attributes, opset=16).model(), {"x0": X, "x1": grid})
    np.testing.assert_allclose(evaluate(module, wide.feeds, ctx)[0], expected[0], rtol=1e-4, atol=1e-5)


def test_host_calls_can_be_refused():
    found = obstacles(two_nodes("Relu", "Bernoulli"), host_ops="error")
    assert [(d.code, d.node, d.op) for d in found] == [("E0122", "second", "Bernoulli")]
    assert "--host-ops=allow" in found[0].help


def test_control_flow_is_not_supported_yet():
    branch = [
        helper.make_graph([helper.make_node(op, ["x"], ["o"])], op, [], [helper.make_tensor_value_info("o", 1, [2])])
        for op in ("Relu", "Neg")
    ]
    choose = helper.make_node("If", ["c"], ["y"], name="choice", then_branch=branch[0], else_branch=branch[1])
    graph = helper.make_graph(
        [choose],
        "g",
        [helper.make_tensor_value_info("x", 1, [2]), helper.make_tensor_value_info("c", 9, [])],
        [helper.make_empty_tensor_value_info("y")],
    )
    found = obstacles(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8))
    assert [(d.code, d.node, d.op) for d in found] == [("E0121", "choice", "If")]


def test_an_input_without_a_size_is_named():
    graph = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["y"], name="r")],
        "g",
        [helper.make_tensor_value_info("x", 1, ["batch", 3])],
        [helper.make_empty_tensor_value_info("y")],
    )
    found = obstacles(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8))
    assert [d.code for d in found] == ["E0104"] and "'x'" in found[0].message


def test_every_constraint_says_what_must_hold():
    lowerings = list(all_lowerings())
    assert len(lowerings) > 100
    for lowering in lowerings:
        assert lowering.function.__doc__
        assert all(describe(each) for each in lowering.constraints)


def test_absent_optional_inputs_reach_the_host():
    case = Case("Clip", [np.array([], np.float32).reshape(0, 2), None, np.asarray(1.0, np.float32)])
    module, _ = lowered(case.model())
    assert "must be non-empty" in host_reasons(module)[0].reason
    assert case.results()[0][0].shape == (0, 2)
