from __future__ import annotations

from io import StringIO

import numpy as np
import onnx
import pytest
from effort import at_most
from onnx import helper
from xdsl.context import Context
from xdsl.dialects.builtin import Builtin, ModuleOp
from xdsl.dialects.func import Func
from xdsl.parser import Parser
from xdsl.printer import Printer
from xdsl.traits import is_side_effect_free
from xdsl.transforms.dead_code_elimination import would_be_trivially_dead
from xdsl.utils.exceptions import VerifyException

from vcc.dialects.onnx import (
    NodeOp,
    find_schema,
    op_class,
    register_onnx,
    to_node_proto,
    type_from_proto,
    type_to_proto,
)
from vcc.dialects.onnx.attributes import attribute_from_proto, attribute_kind, attribute_to_proto
from vcc.dialects.weights import register_weights


@pytest.fixture
def ctx() -> Context:
    context = Context()
    context.load_dialect(Builtin)
    context.load_dialect(Func)
    register_weights(context)
    register_onnx(context)
    return context


def parse(ctx: Context, body: str) -> ModuleOp:
    text = f"func.func @f(%x: tensor<2x3xf32>, %i: tensor<2xi64>, %b: tensor<i1>) {{\n{body}\nfunc.return\n}}"
    return Parser(ctx, text).parse_module()


def node(ctx: Context, body: str) -> NodeOp:
    return next(op for op in parse(ctx, body).walk() if isinstance(op, NodeOp))


def test_every_schema_becomes_a_class_in_little_time(ctx: Context):
    with at_most(0.7):
        dialects = [ctx.get_dialect(name) for name in ("onnx", "onnx_ml", "onnx_training", "onnx_preview")]
        assert sum(1 for dialect in dialects for _ in dialect.operations) > 600


def test_a_class_is_made_once_and_knows_its_version():
    schema = find_schema("", "Conv", 20)
    assert schema is not None
    conv = op_class("", "Conv", schema.since_version)
    assert conv.name == "onnx.Conv.v11"
    assert conv is op_class("", "Conv", 11)
    assert find_schema("", "Convolution", 20) is None


def test_attributes_fall_back_to_the_schemas_defaults(ctx: Context):
    pool = node(
        ctx, '%0 = "onnx.MaxPool.v12"(%x) <{kernel_shape = array<i64: 2>}> : (tensor<2x3xf32>) -> tensor<*xf32>'
    )
    assert pool.attribute("kernel_shape") == [2]
    assert pool.attribute("auto_pad") == "NOTSET"
    assert pool.attribute("ceil_mode") == 0
    assert pool.attribute("pads") is None
    assert pool.attribute("pads", [0, 0]) == [0, 0]


def test_inputs_have_the_positions_they_have_in_onnx(ctx: Context):
    clip = node(
        ctx,
        '%0 = "onnx.Clip.v13"(%x, %x) <{absent_inputs = array<i64: 1>}> '
        ": (tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<2x3xf32>",
    )
    assert [value is None for value in clip.inputs] == [False, True, False]
    assert clip.input(1) is None
    assert clip.input(2) is clip.operands[1]
    assert clip.input(7) is None
    assert list(to_node_proto(clip, ctx).input) == ["v0", "", "v0"]


BAD = {
    'onnx.Conv.v11"(%x) : (tensor<2x3xf32>) -> tensor<*xf32>': "it has 1 inputs but takes 2 to 3",
    'onnx.Relu.v14"(%x) <{foo = 1 : i64}> : (tensor<2x3xf32>) -> tensor<2x3xf32>': "it has no attribute 'foo'",
    'onnx.Softmax.v13"(%x) <{axis = "1"}> : (tensor<2x3xf32>) -> tensor<2x3xf32>': "'axis' is STRING but must be INT",
    'onnx.Concat.v13"(%x) : (tensor<2x3xf32>) -> tensor<2x3xf32>': "it lacks the required attribute 'axis'",
    'onnx.Relu.v14"(%x) : (tensor<2x3xf32>) -> tensor<2x3xf64>': r"output 0 \('Y'\) is tensor\(double\) but input 0",
    'onnx.Add.v14"(%x, %i) : (tensor<2x3xf32>, tensor<2xi64>) -> tensor<2x3xf32>': "and both are T",
    'onnx.Not.v1"(%x) : (tensor<2x3xf32>) -> tensor<2x3xi1>': r"cannot be tensor\(float\); it takes tensor\(bool\)",
    'onnx.Add.v14"(%x, %x) <{absent_inputs = array<i64: 0>}> : (tensor<2x3xf32>, tensor<2x3xf32>) '
    "-> tensor<2x3xf32>": "it has 3 inputs",
    'onnx.Reshape.v14"(%i) <{absent_inputs = array<i64: 0>}> : (tensor<2xi64>) -> tensor<*xf32>': "but required",
    'onnx.If.v16"(%b) : (tensor<i1>) -> tensor<f32>': "it has 0 regions but 2 graph attributes",
    'onnx.If.v16"(%b) ({}, {}) : (tensor<i1>) -> tensor<f32>': "it lacks the required graph 'else_branch'",
    'onnx.If.v16"(%b) ({onnx.yield}, {onnx.yield}) : (tensor<i1>) -> tensor<f32>': "takes 0 values and gives 0",
    'onnx.custom"(%x) : (tensor<2x3xf32>) -> tensor<f32>': "needs the string property 'domain'",
}


@pytest.mark.parametrize("text", BAD)
def test_ops_that_break_their_schema_are_refused(ctx: Context, text: str):
    module = parse(ctx, f'%0 = "{text} loc("the node")')
    with pytest.raises(VerifyException, match=BAD[text]) as caught:
        module.verify()
    assert "the node" in str(caught.value) or "onnx.custom" in text


def test_a_domain_of_unknown_operators_is_kept_whole(ctx: Context):
    gelu = node(
        ctx,
        '%0 = "onnx.custom"(%x) <{domain = "com.microsoft", op_type = "FastGelu", opset = 1 : i64, '
        "attributes = {a = 1 : i64}}> : (tensor<2x3xf32>) -> tensor<2x3xf32>",
    )
    gelu.verify()
    assert (gelu.domain, gelu.op_type, gelu.opset, gelu.attribute("a")) == ("com.microsoft", "FastGelu", 1, 1)
    proto = to_node_proto(gelu, ctx)
    assert (proto.domain, proto.op_type, proto.attribute[0].i) == ("com.microsoft", "FastGelu", 1)


def test_random_ops_may_be_dropped_but_not_merged(ctx: Context):
    random = node(ctx, '%0 = "onnx.RandomNormal.v1"() <{shape = array<i64: 2>}> : () -> tensor<2xf32>')
    relu = node(ctx, '%0 = "onnx.Relu.v14"(%x) : (tensor<2x3xf32>) -> tensor<2x3xf32>')
    assert would_be_trivially_dead(random)
    assert not is_side_effect_free(random)
    assert is_side_effect_free(relu)


ATTRIBUTES = [
    ("i", 7),
    ("f", 0.1),
    ("s", "same"),
    ("ints", [1, -2]),
    ("floats", [0.5, 1e-30]),
    ("strings", ["a", "\n"]),
    ("t", helper.make_tensor("t", onnx.TensorProto.FLOAT, [2], [1, 2])),
    ("tp", helper.make_tensor_type_proto(onnx.TensorProto.INT8, [2, None])),
    ("ts", [helper.make_tensor("t", onnx.TensorProto.INT64, [], [1])] * 2),
]


@pytest.mark.parametrize(("name", "value"), ATTRIBUTES, ids=[name for name, _ in ATTRIBUTES])
def test_attributes_survive_the_way_there_and_back(ctx: Context, name: str, value: object):
    proto = helper.make_attribute(name, value)
    attribute = attribute_from_proto(proto, ctx, onnx.numpy_helper.to_array)
    assert attribute_kind(attribute) == proto.type
    text = StringIO()
    Printer(text).print_attribute(attribute)
    if name != "tp":
        assert Parser(ctx, text.getvalue()).parse_attribute() == attribute
    back = attribute_to_proto(name, attribute, ctx)
    assert back.type == proto.type
    if name not in ("t", "ts"):
        assert back == proto
    else:
        first, second = (each.t if name == "t" else each.tensors[1] for each in (back, proto))
        np.testing.assert_array_equal(onnx.numpy_helper.to_array(first), onnx.numpy_helper.to_array(second))


@pytest.mark.parametrize(
    ("proto", "text"),
    [
        (helper.make_tensor_type_proto(onnx.TensorProto.FLOAT, [1, None, "n"]), "tensor<1x?x?xf32>"),
        (helper.make_tensor_type_proto(onnx.TensorProto.UINT8, None), "tensor<*xui8>"),
        (helper.make_tensor_type_proto(onnx.TensorProto.STRING, []), "tensor<!onnx.string>"),
        (
            helper.make_sequence_type_proto(helper.make_tensor_type_proto(onnx.TensorProto.BFLOAT16, [3])),
            "!onnx.seq<tensor<3xbf16>>",
        ),
        (
            helper.make_optional_type_proto(helper.make_tensor_type_proto(onnx.TensorProto.INT4, [3])),
            "!onnx.optional<tensor<3xi4>>",
        ),
        (
            helper.make_map_type_proto(
                onnx.TensorProto.INT64, helper.make_tensor_type_proto(onnx.TensorProto.FLOAT, [])
            ),
            "!onnx.map<i64, tensor<f32>>",
        ),
        (onnx.TypeProto(), "!onnx.unknown"),
    ],
)
def test_types_survive_the_way_there_and_back(ctx: Context, proto: onnx.TypeProto, text: str):
    type = type_from_proto(proto)
    assert str(type) == text
    assert Parser(ctx, text).parse_type() == type
    assert type_from_proto(type_to_proto(type)) == type


def test_subgraphs_become_graphs_and_captured_values_keep_one_name(ctx: Context):
    op = node(
        ctx,
        """%0 = "onnx.If.v16"(%b) ({
          %1 = "onnx.Relu.v14"(%x) : (tensor<2x3xf32>) -> tensor<2x3xf32>
          onnx.yield %1 : tensor<2x3xf32>
        }, {
          onnx.yield %x : tensor<2x3xf32>
        }) : (tensor<i1>) -> tensor<2x3xf32>""",
    )
    op.verify()
    names: dict[object, str] = {}
    proto = to_node_proto(op, ctx, names)  # pyright: ignore[reportArgumentType]
    x = op.graphs["else_branch"].block.first_op
    assert x is not None
    graphs = {attribute.name: attribute.g for attribute in proto.attribute}
    captured = names[x.operands[0]]
    assert graphs["else_branch"].node[0].input[0] == captured
    # A branch that only hands a captured value on needs a node to make its output.
    assert [each.op_type for each in graphs["then_branch"].node] == ["Identity"]
