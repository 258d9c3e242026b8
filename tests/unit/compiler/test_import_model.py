from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import onnx
import pytest
from onnx import TensorProto, helper
from xdsl.dialects.builtin import ArrayAttr, ModuleOp
from xdsl.dialects.func import CallOp, FuncOp
from xdsl.ir import Operation

from vcc.compiler.context import make_context
from vcc.compiler.frontend import import_model
from vcc.dialects.dominance import check_dominance
from vcc.dialects.onnx import CustomOp, NodeOp, describe
from vcc.dialects.origin import node_names, value_names
from vcc.dialects.weights import ConstantOp
from vcc.runtime.diagnostics import VccError


def value(name: str, shape: Sequence[int | str | None] | None = (2,), kind: int = TensorProto.FLOAT) -> Any:
    return helper.make_tensor_value_info(name, kind, shape)


def model(nodes: Sequence[Any], opset: int = 17, **parts: Any) -> onnx.ModelProto:
    """A model from x to y, unless `inputs` and `outputs` say otherwise."""
    graph = helper.make_graph(
        nodes, "g", parts.get("inputs", [value("x")]), parts.get("outputs", [value("y")]), parts.get("weights", [])
    )
    imports = [helper.make_opsetid("", opset), *(helper.make_opsetid(d, 1) for d in parts.get("domains", ()))]
    return helper.make_model(graph, opset_imports=imports, functions=parts.get("functions", []))


def load(proto: Any, **shapes: list[int]) -> ModuleOp:
    module = import_model(proto, make_context(), shapes)
    module.verify()
    check_dominance(module)
    return module


def ops(module: ModuleOp) -> list[NodeOp]:
    return [op for op in module.walk() if isinstance(op, NodeOp)]


def main_of(module: ModuleOp) -> FuncOp:
    op = module.body.block.first_op
    assert isinstance(op, FuncOp)
    return op


def test_names_types_and_locations_are_kept():
    nodes = [
        helper.make_node("Relu", ["x"], ["a"], name="first"),
        helper.make_node("Relu", ["a"], ["b"], name="first"),
        helper.make_node("Relu", ["b"], ["y"]),
    ]
    module = load(model(nodes))
    assert [node_names(op) for op in ops(module)] == [("first",), ("Relu_1",), ("Relu_2",)]
    assert [value_names(op.results[0]) for op in ops(module)] == [("a",), ("b",), ("y",)]
    assert [describe(op.results[0].type) for op in ops(module)] == ["?", "?", "f32[2]"]
    main = main_of(module)
    assert main.arg_attrs is not None and main.res_attrs is not None
    assert str(main.arg_attrs) == '[{onnx.name = "x", onnx.dims = ["2"]}]'
    assert str(main.res_attrs) == '[{onnx.name = "y"}]'


def test_initialisers_listed_as_inputs_are_constants_and_equal_ones_merge():
    weights = [helper.make_tensor(name, TensorProto.FLOAT, [2], [1, 2]) for name in ("w", "v")]
    nodes = [helper.make_node("Add", ["x", "w"], ["a"]), helper.make_node("Add", ["a", "v"], ["y"])]
    module = load(model(nodes, inputs=[value("x"), value("w")], weights=weights))
    assert len(main_of(module).body.block.args) == 1
    (constant,) = [op for op in module.walk() if isinstance(op, ConstantOp)]
    assert value_names(constant.result) == ("w", "v")


def test_optional_inputs_between_others_may_be_absent():
    nodes = [helper.make_node("Clip", ["x", "", "m"], ["y"])]
    (clip,) = ops(load(model(nodes, weights=[helper.make_tensor("m", TensorProto.FLOAT, [], [1])])))
    assert [each is None for each in clip.inputs] == [False, True, False]


def test_the_schema_version_is_the_one_the_model_imports():
    nodes = [helper.make_node("Softmax", ["x"], ["y"])]
    assert [ops(load(model(nodes, opset=n)))[0].name for n in (11, 12, 13)] == [
        "onnx.Softmax.v11",
        "onnx.Softmax.v11",
        "onnx.Softmax.v13",
    ]


def test_unsorted_nodes_are_sorted():
    nodes = [helper.make_node("Relu", ["a"], ["y"], name="late"), helper.make_node("Neg", ["x"], ["a"], name="early")]
    assert [node_names(op)[0] for op in ops(load(model(nodes)))] == ["early", "late"]


def test_subgraphs_see_outer_values():
    then, other = (
        helper.make_graph([helper.make_node(kind, ["x"], ["r"], name=kind)], kind, [], [value("r")])
        for kind in ("Relu", "Neg")
    )
    nodes = [helper.make_node("If", ["c"], ["y"], then_branch=then, else_branch=other)]
    module = load(model(nodes, inputs=[value("x"), value("c", [], TensorProto.BOOL)]))
    conditional = ops(module)[0]
    assert set(conditional.graphs) == {"then_branch", "else_branch"}
    inner = conditional.graphs["then_branch"].block.first_op
    assert isinstance(inner, Operation) and inner.operands[0] is main_of(module).body.block.args[0]


def test_loops_have_block_arguments():
    body = helper.make_graph(
        [helper.make_node("Identity", ["c"], ["d"]), helper.make_node("Add", ["s", "x"], ["t"])],
        "body",
        [value("i", [], TensorProto.INT64), value("c", [], TensorProto.BOOL), value("s")],
        [value("d", [], TensorProto.BOOL), value("t")],
    )
    weights = [helper.make_tensor("n", TensorProto.INT64, [], [3])]
    loop = ops(load(model([helper.make_node("Loop", ["n", "", "x"], ["y"], body=body)], weights=weights)))[0]
    assert loop.absent == {1}
    assert len(loop.graphs["body"].block.args) == 3


def test_operators_of_other_domains_are_kept_as_custom_ops():
    node = helper.make_node("BeamSearch", ["x"], ["y"], domain="com.microsoft", alpha=0.5)
    (op,) = ops(load(model([node], domains=["com.microsoft"])))
    assert isinstance(op, CustomOp)
    assert (op.domain, op.op_type, op.attribute("alpha")) == ("com.microsoft", "BeamSearch", 0.5)


def test_functions_are_specialised_for_their_attributes():
    alpha = onnx.AttributeProto(name="alpha", ref_attr_name="slope", type=onnx.AttributeProto.FLOAT)
    inner = helper.make_node("LeakyRelu", ["a"], ["b"], name="leaky")
    inner.attribute.append(alpha)
    function = helper.make_function("local", "F", ["a"], ["b"], [inner], [helper.make_opsetid("", 17)], ["slope"])
    nodes = [
        helper.make_node("F", ["x"], ["p"], domain="local", name="one", slope=0.25),
        helper.make_node("F", ["p"], ["y"], domain="local", name="two", slope=0.5),
    ]
    module = load(model(nodes, functions=[function], domains=["local"]))
    assert [node_names(op) for op in module.walk() if isinstance(op, CallOp)] == [("one",), ("two",)]
    assert sorted(op.attribute("alpha") for op in ops(module)) == [0.25, 0.5]


def test_symbolic_dimensions_are_open_until_bound():
    proto = model(
        [helper.make_node("Add", ["x", "z"], ["y"])],
        inputs=[value("x", ["N", 3]), value("z", ["N", 3])],
        outputs=[value("y", ["N", 3])],
    )
    assert [describe(arg.type) for arg in main_of(load(proto)).body.block.args] == ["f32[?,3]", "f32[?,3]"]
    bound = main_of(load(proto, x=[4, 3]))
    assert [describe(arg.type) for arg in bound.body.block.args] == ["f32[4,3]", "f32[4,3]"]
    dims = bound.arg_attrs.data[0].data["onnx.dims"] if bound.arg_attrs else None
    assert isinstance(dims, ArrayAttr) and str(dims) == '["N", "3"]'


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        ({"q": [1]}, r"no input 'q'; its inputs are x, z"),
        ({"x": [1]}, r"has 2 dimensions \[N, 3\] but 1 has 1"),
        ({"x": [1, 4]}, r"input 'x' is \[N, 3\], which 1x4 contradicts"),
        ({"x": [1, 3], "z": [2, 3]}, r"dimension 'N' cannot be 2, it is 1 already"),
        ({"x": [-1, 3]}, r"negative size"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(shapes: dict[str, list[int]], message: str):
    inputs = [value("x", ["N", 3]), value("z", ["N", 3])]
    with pytest.raises(VccError, match=f"E0105.*{message}"):
        load(model([helper.make_node("Add", ["x", "z"], ["y"])], inputs=inputs), **shapes)


def test_constant_nodes_are_constants():
    nodes = [
        helper.make_node("Constant", [], ["k"], value_floats=[1.0, 2.0], name="K"),
        helper.make_node("Add", ["x", "k"], ["y"]),
    ]
    (constant,) = [op for op in load(model(nodes)).walk() if isinstance(op, ConstantOp)]
    assert node_names(constant) == ("K",)
    assert str(constant.value) == "dense<[1.000000e+00, 2.000000e+00]> : tensor<2xf32>"


def test_sparse_initialisers_become_dense():
    proto = model([helper.make_node("Add", ["x", "s"], ["y"])])
    values = helper.make_tensor("s", TensorProto.FLOAT, [1], [5])
    indices = helper.make_tensor("i", TensorProto.INT64, [1], [1])
    proto.graph.sparse_initializer.append(helper.make_sparse_tensor(values, indices, [2]))
    (constant,) = [op for op in load(proto).walk() if isinstance(op, ConstantOp)]
    assert "dense<[0.000000e+00, 5.000000e+00]>" in str(constant)
