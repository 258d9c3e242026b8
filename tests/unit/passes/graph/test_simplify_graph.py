"""Simplification and folding keep results and shrink modules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from lowered import lowered, op_names
from onnx import helper, numpy_helper
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp

from vcc.compiler.debug.evaluate import evaluate
from vcc.dialects.graph import ConvOp
from vcc.dialects.origin import node_names, value_names
from vcc.passes.fuse.fold_batchnorm import FoldBatchnorm
from vcc.passes.graph.cse import CommonSubexpressions
from vcc.passes.graph.simplify import SimplifyGraph

RNG = np.random.default_rng(3)


def f(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32)


def model(nodes: list, x: tuple[int, ...], constants: Mapping[str, Any], outputs: tuple[str, ...] = ("y",)):
    """A model of one float input `x` and named constants."""
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", 1, x)],
        [helper.make_empty_tensor_value_info(name) for name in outputs],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def node(op_type: str, inputs: str, output: str, **attributes: Any):
    return helper.make_node(op_type, inputs.split(), [output], name=f"n_{output}", **attributes)


def before_and_after(proto, *passes) -> tuple[ModuleOp, Context]:
    """The module after the passes, whose results are checked against those before."""
    x = f(*(d.dim_value for d in proto.graph.input[0].type.tensor_type.shape.dim))
    plain, plain_ctx = lowered(proto)
    expected = evaluate(plain, [x], plain_ctx)

    def run(ctx: Context, module: ModuleOp) -> None:
        for each in passes:
            each.apply(ctx, module)

    module, ctx = lowered(proto, run)
    for actual, reference in zip(evaluate(module, [x], ctx), expected, strict=True):
        np.testing.assert_allclose(actual, reference, rtol=1e-5, atol=1e-5)
    return module, ctx


C4 = {"g": f(4), "b": f(4), "m": f(4), "v": np.abs(f(4)) + 0.5}
BN = node("BatchNormalization", "c g b m v", "y")


@pytest.mark.parametrize("group", [1, 2])
@pytest.mark.parametrize("bias", [False, True])
def test_batch_norm_disappears_in_its_convolution(group: int, bias: bool):
    constants = {"w": f(4, 2 // group, 3, 3), **C4} | ({"cb": f(4)} if bias else {})
    proto = model([node("Conv", "x w cb" if bias else "x w", "c", group=group), BN], (1, 2, 6, 6), constants)
    module, _ = before_and_after(proto, SimplifyGraph(), FoldBatchnorm())
    assert op_names(module) == ["conv"]
    conv = next(op for op in module.walk() if isinstance(op, ConvOp))
    assert value_names(conv.result) == ("y",)
    assert node_names(conv) == ("n_c", "n_y")


def test_batch_norm_stays_where_the_convolution_has_another_use():
    nodes = [node("Conv", "x w", "c"), BN, node("Relu", "c", "z")]
    proto = model(nodes, (1, 2, 6, 6), {"w": f(4, 2, 3, 3), **C4}, ("y", "z"))
    assert "binary.mul" in op_names(before_and_after(proto, SimplifyGraph(), FoldBatchnorm())[0])


def test_bias_scale_and_division_fold_into_a_convolution():
    nodes = [node("Conv", "x w", "c"), node("Add", "c t", "d"), node("Mul", "s d", "e"), node("Div", "e q", "h")]
    nodes += [node("Sub", "h t", "y")]
    constants = {"w": f(4, 2, 3, 3), "t": f(1, 4, 1, 1), "s": np.float32(0.3), "q": np.abs(f(4, 1, 1)) + 1}
    module, _ = before_and_after(model(nodes, (1, 2, 6, 6), constants), SimplifyGraph(), FoldBatchnorm())
    assert op_names(module) == ["conv"]


def test_an_offset_per_pixel_stays():
    nodes = [node("Conv", "x w", "c"), node("Add", "c t", "y")]
    module, _ = before_and_after(model(nodes, (1, 2, 6, 6), {"w": f(4, 2, 3, 3), "t": f(4, 4)}), FoldBatchnorm())
    assert op_names(module) == ["conv", "binary.add"]


def test_batch_norm_of_a_matrix_product_becomes_one_offset():
    nodes = [node("MatMul", "x w", "a"), node("Add", "a t", "c"), BN]
    module, _ = before_and_after(
        model(nodes, (3, 5), {"w": f(5, 4), "t": f(4), **C4}), SimplifyGraph(), FoldBatchnorm()
    )
    assert op_names(module) == ["matmul", "binary.add"]


def test_explicit_padding_goes_into_the_convolution():
    nodes = [node("Pad", "x p", "q"), node("Conv", "q w", "y", pads=[1, 0, 0, 0])]
    proto = model(nodes, (1, 2, 6, 6), {"p": np.array([0, 0, 1, 2, 0, 0, 0, 1], np.int64), "w": f(4, 2, 3, 3)})
    assert op_names(before_and_after(proto, SimplifyGraph())[0]) == ["conv"]


def test_movements_join_and_cancel():
    nodes = [
        node("Transpose", "x", "a", perm=[0, 2, 3, 1]),
        node("Transpose", "a", "b", perm=[0, 3, 1, 2]),
        node("Identity", "b", "c"),
        node("Reshape", "c s", "d"),
        node("Flatten", "d", "e"),
        node("Slice", "e st en ax", "h"),
        node("Slice", "h st en ax", "y"),
    ]
    constants = {
        "s": np.array([2, 2, -1], np.int64),
        "st": np.array([1], np.int64),
        "en": np.array([20], np.int64),
        "ax": np.array([1], np.int64),
    }
    module, _ = before_and_after(model(nodes, (2, 3, 4, 4), constants), SimplifyGraph())
    assert op_names(module) == ["reshape", "slice"]


def test_an_expand_before_an_addition_goes():
    nodes = [node("Expand", "k s", "a"), node("Add", "x a", "y")]
    constants = {"k": f(100, 1), "s": np.array([100, 100], np.int64)}
    module, _ = before_and_after(model(nodes, (100, 100), constants), SimplifyGraph())
    assert op_names(module) == ["binary.add"]


def test_neutral_arithmetic_goes_but_positive_zero_stays():
    nodes = [node("Mul", "x one", "a"), node("Sub", "a zero", "b"), node("Add", "b zero", "y")]
    module, _ = before_and_after(
        model(nodes, (2, 2), {"one": np.float32(1), "zero": np.zeros((1, 2), np.float32)}), SimplifyGraph()
    )
    assert op_names(module) == ["binary.add"]


def test_cse_merges_operations_that_name_different_values_and_keeps_all_names():
    nodes = [node("Relu", "x", "a"), node("Relu", "x", "b"), node("Add", "a b", "y")]
    module, _ = before_and_after(model(nodes, (2, 2), {}), CommonSubexpressions())
    assert op_names(module) == ["unary.relu", "binary.add"]
    relu = next(op for op in module.walk() if op.name == "graph.unary")
    assert value_names(relu.results[0]) == ("a", "b")
    assert node_names(relu) == ("n_a", "n_b")


def test_scalars_are_left_alone_by_batch_norm_folding():
    nodes = [node("ReduceSum", "x", "a", keepdims=0), node("Add", "a s", "b"), node("Mul", "b s", "y")]
    before_and_after(model(nodes, (2, 2), {"s": np.float32(3)}), FoldBatchnorm())
