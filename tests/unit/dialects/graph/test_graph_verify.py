"""Each rule of the `graph` dialect names what is wrong."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from xdsl.dialects.builtin import DYNAMIC_INDEX, FloatAttr, IntegerType, Signedness, TensorType, f16, f32, i1, i32, i64
from xdsl.dialects.test import TestOp
from xdsl.ir import Attribute, Block, Operation, Region, SSAValue
from xdsl.traits import is_side_effect_free
from xdsl.transforms.dead_code_elimination import is_trivially_dead
from xdsl.utils.exceptions import VerifyException

from vcc.dialects import graph as g
from vcc.dialects.graph import window_of


def value(*shape: int, element: Attribute = f32) -> SSAValue:
    return TestOp(result_types=[TensorType(element, shape)]).results[0]


def test_inferred_types_carry_the_layout_through_elementwise_ops():
    blocked = TensorType(f32, [1, 32, 4, 4], g.Blocked(1, 16))
    x = TestOp(result_types=[blocked]).results[0]
    assert g.BinaryOp("add", value(1, 32, 1, 1), g.UnaryOp("relu", x)).result.type == blocked


def test_eight_bit_products_of_any_sign_give_i32():
    u8 = IntegerType(8, Signedness.UNSIGNED)
    product = g.MatmulOp(value(2, 3, element=IntegerType(8)), value(3, 4, element=u8))
    assert product.result.type == TensorType(i32, [2, 4])


CASES: dict[str, Callable[[], object]] = {
    "conv: weight has 3 input channels per group, input has 64/1": lambda: g.ConvOp(
        value(1, 64, 8, 8), value(8, 3, 3, 3)
    ),
    "conv: bias is 7, weight has 8 output channels": lambda: g.ConvOp(value(1, 3, 8, 8), value(8, 3, 3, 3), value(7)),
    "conv: pads has 2 numbers, 2 axes need 4": lambda: g.ConvOp(value(1, 3, 8, 8), value(8, 3, 3, 3), pads=[1, 1]),
    "a window of 9 does not fit the padded axis 1 of size 8": lambda: g.ConvOp(value(1, 3, 9, 8), value(8, 3, 9, 9)),
    "4 output channels do not divide into 3 groups": lambda: g.ConvOp(value(1, 3, 8, 8), value(4, 1, 3, 3), group=3),
    "matmul: first operand has 3 columns, second has 4 rows": lambda: g.MatmulOp(value(2, 3), value(4, 5)),
    "operands 3 and 3x2 need two axes": lambda: g.MatmulOp(value(3), value(3, 2)),
    "operands have different dtypes: f32, f16": lambda: g.BinaryOp("add", value(2), value(2, element=f16)),
    "shapes 2x3 and 4 do not broadcast": lambda: g.BinaryOp("add", value(2, 3), value(4)),
    "binary: and takes integers or i1, not f32": lambda: g.BinaryOp("and", value(2), value(2)),
    "unary: exp takes floats, not i64": lambda: g.UnaryOp("exp", value(2, element=i64)),
    "compare: lt does not order i1": lambda: g.CompareOp("lt", value(2, element=i1), value(2, element=i1)),
    "select: condition is f32, not i1": lambda: g.SelectOp(value(2), value(2), value(2)),
    "reduce: axes [1, 1] must ascend": lambda: g.ReduceOp("add", value(2, 3), [1, 1]),
    "softmax: axis 2 is out of range for 2x3": lambda: g.SoftmaxOp(value(2, 3), 2),
    "layer_norm: scale is 2, the axes have 3": lambda: g.LayerNormOp(value(2, 3), value(2), None, axis=1, epsilon=0.1),
    "pool: average does not take i32": lambda: g.PoolOp("average", value(1, 1, 4, element=i32), window_of([2])),
    "transpose: [0, 0] does not permute the axes of 2x3": lambda: g.TransposeOp(value(2, 3), [0, 0]),
    "reshape: 2x3 has 6 elements, 4 4": lambda: g.ReshapeOp(value(2, 3), [4]),
    "slice: elements 2 to 3 of axis 0 lie outside its size 3": lambda: g.SliceOp(value(3), [2], [2], [1]),
    "concat: operand 1 is 3x3, operand 0 is 2x3; axis is 1": lambda: g.ConcatOp([value(2, 3), value(3, 3)], 1),
    "pad: value 0.000000e+00 : f16 is not of dtype f32": lambda: g.PadOp(value(2), [0], [1], FloatAttr(0.0, f16)),
    "gather: indices are of f32, not of i32 or i64": lambda: g.GatherOp(value(2, 3), value(2), 0),
    "gather: axis 2 is out of range for 2x3": lambda: g.GatherOp(value(2, 3), value(2, element=i64), 2),
    "gather: axis 1 of 2x0 has no element to index": lambda: g.GatherOp(value(2, 0), value(2, element=i64), 1),
    "gather_elements: indices are 3x3, which reaches over 2x3; axis is 1": lambda: g.GatherElementsOp(
        value(2, 3), value(3, 3, element=i64), 1
    ),
    "scatter: updates are 4x3, 5x3 follows from the indices": lambda: g.ScatterOp(
        value(9, 3), value(5, element=i64), value(4, 3), 0
    ),
    "scatter: indices are 5x1; they must have rank 1": lambda: g.ScatterOp(
        value(9, 3), value(5, 1, element=i64), value(5, 3), 0
    ),
    "scatter_elements: updates are 2x2, indices are 2x3": lambda: g.ScatterElementsOp(
        value(9, 3), value(2, 3, element=i64), value(2, 2), 0
    ),
    "arg: takes numbers, not i1": lambda: g.ArgOp("max", value(2, 3, element=i1), 0),
    "arg: axis 1 of 2x0 is empty": lambda: g.ArgOp("max", value(2, 0), 1),
    "topk: axis 1 of 2x3 does not have 4 elements": lambda: g.TopKOp(value(2, 3), 1, 4),
    "cumsum: axis 2 is out of range for 2x3": lambda: g.CumSumOp(value(2, 3), 2),
    "expand: 2 does not broadcast to 3": lambda: g.ExpandOp(value(2), [3]),
}


@pytest.mark.parametrize("message", CASES)
def test_operands_that_do_not_fit_are_refused(message: str):
    with pytest.raises(VerifyException) as caught:
        CASES[message]()
    assert message in str(caught.value)


def test_a_wrong_result_type_is_refused():
    op = g.UnaryOp.create(
        operands=[value(2)], result_types=[TensorType(f32, [3])], properties={"fn": g.UnaryOp("abs", value(2)).fn}
    )
    with pytest.raises(VerifyException, match="result is tensor<3xf32>, but tensor<2xf32> follows"):
        op.verify()


def test_dynamic_sizes_are_refused():
    op = TestOp(result_types=[TensorType(f32, [DYNAMIC_INDEX, 2])])
    with pytest.raises(VerifyException, match="every size must be static"):
        g.UnaryOp("relu", op).verify()


def kernel(*, inner: Callable[[SSAValue], Operation], yielded: int | None = None) -> g.KernelOp:
    x = value(2)
    block = Block(arg_types=[x.type])
    op = inner(block.args[0])
    block.add_ops([op, g.YieldOp(*op.results[:yielded])])
    return g.KernelOp([x], [TensorType(f32, [2])], Region(block))


def test_a_kernel_holds_graph_ops_alone():
    kernel(inner=lambda x: g.UnaryOp("relu", x)).verify()
    with pytest.raises(VerifyException, match=r"test.op is not allowed in a kernel"):
        kernel(inner=lambda x: TestOp(operands=[x], result_types=[x.type])).verify()


def test_a_kernel_yields_its_results():
    with pytest.raises(VerifyException, match=r"yielded values are none, results are tensor<2xf32>"):
        kernel(inner=lambda x: g.UnaryOp("relu", x), yielded=0).verify()


def test_only_random_host_calls_have_an_effect_and_unused_ones_may_go():
    plain, random = (g.HostOp(name, "", 13, [value(2)], [value(2).type]) for name in ("Unique", "Bernoulli"))
    assert is_side_effect_free(plain) and not is_side_effect_free(random)
    assert is_trivially_dead(random)
