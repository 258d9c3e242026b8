"""Random chains of movements and arithmetic keep every bit through simplification."""

from __future__ import annotations

from math import prod

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from xdsl.dialects.builtin import FloatAttr, ModuleOp, TensorType, f32
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Block, Operation, Region, SSAValue

from vcc.compiler.context import make_context
from vcc.compiler.debug.evaluate import evaluate
from vcc.dialects import graph
from vcc.dialects.graph import shape_of
from vcc.passes.graph.cse import CommonSubexpressions
from vcc.passes.graph.simplify import SimplifyGraph


def transpose(x: SSAValue, data: st.DataObject) -> Operation:
    return graph.TransposeOp(x, data.draw(st.permutations(range(len(shape_of(x))))))


def reshape(x: SSAValue, data: st.DataObject) -> Operation:
    left, shape = prod(shape_of(x)), list[int]()
    while len(shape) < 3:
        shape.append(data.draw(st.sampled_from([d for d in range(1, left + 1) if left % d == 0])))
        left //= shape[-1]
    return graph.ReshapeOp(x, [*shape, left])


def cut(x: SSAValue, data: st.DataObject) -> Operation:
    parts = [(data.draw(st.integers(0, n - 1)), data.draw(st.integers(0, n - 1))) for n in shape_of(x)]
    steps = [data.draw(st.integers(1, 2)) * (1 if a <= b else -1) for a, b in parts]
    sizes = [abs(b - a) // abs(step) + 1 for (a, b), step in zip(parts, steps, strict=True)]
    return graph.SliceOp(x, [a for a, _ in parts], sizes, steps)


def pad(x: SSAValue, data: st.DataObject) -> Operation:
    low, high = ([data.draw(st.integers(0, 1)) for _ in shape_of(x)] for _ in range(2))
    return graph.PadOp(x, low, high, FloatAttr(-1.5, f32))


def double(x: SSAValue, data: st.DataObject) -> Operation:
    return graph.ConcatOp([x] * data.draw(st.integers(1, 2)), data.draw(st.integers(0, len(shape_of(x)) - 1)))


def unary(x: SSAValue, data: st.DataObject) -> Operation:
    return graph.UnaryOp(data.draw(st.sampled_from(["relu", "neg", "abs", "floor"])), x)


def widen(x: SSAValue, data: st.DataObject) -> Operation:
    return graph.ExpandOp(x, [data.draw(st.integers(1, 2)) if n == 1 else n for n in shape_of(x)])


def add_itself(x: SSAValue, data: st.DataObject) -> Operation:
    return graph.BinaryOp(data.draw(st.sampled_from(["add", "mul", "max"])), x, x)


STEPS = [transpose, reshape, cut, pad, double, unary, widen, add_itself]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_random_chains_keep_every_bit(data: st.DataObject):
    shape = [data.draw(st.integers(1, 4)) for _ in range(4)]
    block = Block(arg_types=[TensorType(f32, shape)])
    value: SSAValue = block.args[0]
    for _ in range(data.draw(st.integers(1, 7))):
        if prod(shape_of(value)) > 5000:
            break
        op = data.draw(st.sampled_from(STEPS))(value, data)
        block.add_op(op)
        value = op.results[0]
    block.add_op(ReturnOp(value))
    module = ModuleOp([FuncOp("main", (block.arg_types, [value.type]), Region(block))])
    module.verify()
    ctx = make_context()
    x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    before = evaluate(module, [x], ctx)
    SimplifyGraph().apply(ctx, module)
    CommonSubexpressions().apply(ctx, module)
    module.verify()
    after = evaluate(module, [x], ctx)
    assert before[0].shape == after[0].shape
    assert before[0].tobytes() == after[0].tobytes()
