from __future__ import annotations

import warnings
from functools import cache
from typing import Any

import numpy as np
import onnx
import pytest
from effort import at_most
from onnx import TensorProto, helper, numpy_helper
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.dialects.func import FuncOp, ReturnOp

from vcc.compiler.context import make_context
from vcc.compiler.frontend import import_model
from vcc.dialects.dominance import check_dominance
from vcc.dialects.onnx import NodeOp, describe
from vcc.dialects.weights import constant_array
from vcc.passes.graph.fold_constants import FoldConstantsPass
from vcc.passes.graph.infer_shapes import InferShapesPass
from vcc.passes.graph.inline import InlinePass

#: Operators of shape arithmetic; their own test cases in the onnx package are folded and compared below.
OPERATORS = ("Reshape", "Concat", "ConstantOfShape", "Expand", "Gather", "Range", "Shape", "Slice", "Split", "Where")


def run(model: onnx.ModelProto, ctx: Context) -> ModuleOp:
    module = import_model(model, ctx)
    for each in (InlinePass(), InferShapesPass(), FoldConstantsPass()):
        each.apply(ctx, module)
        module.verify()
        check_dominance(module)
    return module


def returned(module: ModuleOp) -> ReturnOp:
    main = module.body.block.first_op
    assert isinstance(main, FuncOp)
    last = main.body.block.last_op
    assert isinstance(last, ReturnOp)
    return last


@cache
def cases() -> dict[str, list[Any]]:
    """The test cases of single operators in the onnx package, by operator; making them takes two seconds."""
    from onnx.backend.test.case.node import collect_testcases

    found: dict[str, list[Any]] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for case in collect_testcases(None):  # pyright: ignore[reportArgumentType]
            if case.model is not None and len(case.model.graph.node) == 1:
                found.setdefault(case.model.graph.node[0].op_type, []).append(case)
    return found


@pytest.mark.parametrize("op_type", OPERATORS)
def test_folding_agrees_with_the_standards_own_cases(op_type: str):
    compared = 0
    for case in cases()[op_type]:
        feeds, wanted = case.data_sets[0]
        tensors = [each for each in (*feeds, *wanted) if isinstance(each, np.ndarray | np.generic)]
        if len(tensors) < len(feeds) + len(wanted) or any(np.asarray(each).dtype.kind in "OUSc" for each in tensors):
            continue
        model = onnx.ModelProto()
        model.CopyFrom(case.model)
        for info, array in zip(model.graph.input, feeds, strict=False):
            model.graph.initializer.append(numpy_helper.from_array(np.asarray(array), info.name))
        ctx = make_context()
        for value, expected in zip(returned(run(model, ctx)).operands, wanted, strict=True):
            array = constant_array(value, ctx)
            assert array is not None, case.name
            assert array.dtype == np.asarray(expected).dtype, case.name
            np.testing.assert_array_equal(array, expected, case.name)
            compared += 1
    assert compared


def chain(length: int) -> onnx.ModelProto:
    """Convolutions, each followed by shape arithmetic that flattens and restores its result."""
    nodes: list[Any] = []
    value = "x"
    for i in range(length):
        nodes += [
            helper.make_node("Conv", [value, "w"], [f"c{i}"], pads=[1, 1, 1, 1]),
            helper.make_node("Shape", [f"c{i}"], [f"s{i}"]),
            helper.make_node("Reshape", [f"c{i}", "flat"], [f"f{i}"]),
            helper.make_node("Reshape", [f"f{i}", f"s{i}"], [f"r{i}"]),
        ]
        value = f"r{i}"
    weights = [
        numpy_helper.from_array(np.zeros((4, 4, 3, 3), np.float32), "w"),
        numpy_helper.from_array(np.array([0, -1]), "flat"),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4, 8, 8])
    y = helper.make_tensor_value_info(value, TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, "g", [x], [y], weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])


def test_shape_arithmetic_is_resolved_and_folded_in_little_time():
    model = chain(30)
    run(chain(1), make_context())
    with at_most(1):
        module = run(model, make_context())
    assert describe(returned(module).operands[0].type) == "f32[1,4,8,8]"
    assert {op.op_type for op in module.walk() if isinstance(op, NodeOp)} == {"Conv", "Reshape"}


def test_types_agree_with_onnx_shape_inference():
    model = chain(2)
    inferred = onnx.shape_inference.infer_shapes(model, data_prop=True)
    shapes = {
        info.name: [dim.dim_value for dim in info.type.tensor_type.shape.dim] for info in inferred.graph.value_info
    }
    module = import_model(model, ctx := make_context())
    InferShapesPass().apply(ctx, module)
    for op in module.walk():
        if isinstance(op, NodeOp) and (name := op.results[0].name_hint) in shapes:
            sizes = ",".join(map(str, shapes[name]))
            assert describe(op.results[0].type).endswith(f"[{sizes}]")
