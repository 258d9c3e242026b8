"""The plan phase as a whole, on random programs: every step finds in memory what the graph says it reads."""

from __future__ import annotations

import random

import numpy as np
from effort import at_most
from hypothesis import given, settings
from hypothesis import strategies as st
from xdsl.dialects.builtin import ModuleOp, StringAttr, TensorType, f32
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Block, BlockArgument, OpResult, Region, SSAValue
from xdsl.parser import Parser

from vcc.compiler.context import make_context
from vcc.dialects.dominance import check_dominance
from vcc.dialects.graph import ReshapeOp
from vcc.dialects.host import ArenaOp, InputOp, LaunchOp, ProgramOp, buffer_type, place_of
from vcc.dialects.visa import LaunchOp as Launch
from vcc.dialects.weights import ConstantOp, WeightAttr
from vcc.passes.plan.aliases import root_of
from vcc.passes.plan.liveness import analyse
from vcc.passes.plan.lower_to_host import LowerToHostPass
from vcc.passes.plan.main_body import read_main
from vcc.passes.plan.order_kernels import OrderKernelsPass, depth_first_order, frugal_order
from vcc.passes.plan.plan_arena import PlanArenaPass
from vcc.passes.plan.unfused import unfused_bound

SIZES = (16, 64, 256, 1024)

#: Source name of a launch, index of its result: the tensor's identity whatever the order.
Token = tuple[str, int]


def random_main(seed: int, count: int) -> ModuleOp:
    """A main of `count` launches with 1 to 3 operands, some reshaped, 1 or 2 results, some of them in place."""
    choose = random.Random(seed)
    block = Block(arg_types=[TensorType(f32, [16]), TensorType(f32, [64])])
    constant = ConstantOp(WeightAttr(StringAttr("00")), TensorType(f32, [64]))
    reshapes = [ReshapeOp(block.args[1], [8, 8]), ReshapeOp(constant.result, [16, 4])]
    block.add_ops([constant, *reshapes])
    values: list[SSAValue] = [*block.args, constant.result, *(op.result for op in reshapes)]
    for i in range(count):
        operands = [choose.choice(values[-8:]) for _ in range(choose.randint(1, 3))]
        sizes = [choose.choice(SIZES) for _ in range(choose.choice([1, 1, 1, 2]))]
        pairs: list[tuple[int, int]] = []
        for j, operand in enumerate(operands):
            if choose.random() < 0.6 and isinstance(operand.type, TensorType):
                sizes[0] = operand.type.element_count()
                pairs = [(0, j)]
        op = Launch(f"k{i}", operands, [TensorType(f32, [size]) for size in sizes], [[f"n{i}"]], [], pairs)
        block.add_op(op)
        for result, size in zip(op.results, sizes, strict=True):
            values.append(result)
            if choose.random() < 0.3:
                block.add_op(reshape := ReshapeOp(result, [4, size // 4]))
                values.append(reshape.result)
    results = [op.results[-1] for op in block.ops if isinstance(op, Launch) and choose.random() < 0.1]
    results.append(next(op.results[0] for op in reversed(list(block.ops)) if isinstance(op, Launch)))
    results = list(dict.fromkeys(results))
    block.add_op(ReturnOp(*results))
    types = ([arg.type for arg in block.args], [result.type for result in results])
    return ModuleOp([FuncOp("main", types, Region(block))])


def source_of(op: Launch | LaunchOp) -> str:
    return op.sources.data[0].data[0].data


def token_of(value: SSAValue) -> Token:
    value = root_of(value)
    if isinstance(value, OpResult) and isinstance(value.op, Launch):
        return source_of(value.op), value.index
    return ("argument", value.index) if isinstance(value, BlockArgument) else ("constant", 0)


def reads_and_writes(module: ModuleOp) -> tuple[dict[str, tuple[list[Token], list[Token]]], list[Token]]:
    """What every launch reads and writes, and what the function returns, by the graph."""
    function = next(op for op in module.ops if isinstance(op, FuncOp))
    steps = {
        source_of(op): (list(map(token_of, op.operands)), list(map(token_of, op.results)))
        for op in function.body.block.ops
        if isinstance(op, Launch)
    }
    last = function.body.block.last_op
    assert last is not None
    return steps, list(map(token_of, last.operands))


def execute(program: ProgramOp, steps: dict[str, tuple[list[Token], list[Token]]], results: list[Token]) -> None:
    """Run the program with tensors that hold their token's number in every element; compares all reads and results."""
    numbers: dict[Token, int] = {}
    arena = np.zeros(program.arena_bytes // 4, np.int32)
    fixed = (*program.inputs, *program.outputs, *program.constants)
    outside = {op: np.zeros(buffer_type(op.buffer).elements, np.int32) for op in fixed}
    for i, op in enumerate((*program.inputs, *program.constants)):
        kind = ("argument", i) if isinstance(op, InputOp) else ("constant", 0)
        outside[op][:] = numbers[kind] = i + 1

    def memory(buffer: SSAValue) -> np.ndarray:
        place = place_of(buffer)
        if isinstance(place, ArenaOp):
            return arena[place.offset // 4 : (place.offset + place.size) // 4]
        return outside[place]

    for step in program.steps:
        assert isinstance(step, LaunchOp)
        name = source_of(step)
        reads, writes = steps[name]
        for buffer, token in zip(step.inputs, reads, strict=True):
            assert (memory(buffer) == numbers[token]).all(), f"{name} reads {token} where something else lies"
        for buffer, token in zip(step.outputs, writes, strict=True):
            memory(buffer)[:] = numbers[token] = len(numbers) + 1
    for op, token in zip(program.outputs, results, strict=True):
        assert (outside[op] == numbers[token]).all(), f"the output is not {token}"


@given(st.integers(0, 2**32), st.integers(1, 25))
@settings(max_examples=60, deadline=None)
def test_every_step_finds_what_it_reads(seed: int, count: int):
    module = random_main(seed, count)
    steps, results = reads_and_writes(module)
    ctx = make_context()
    before = analyse(read_main(module))
    body = read_main(module)
    OrderKernelsPass().apply(ctx, module)
    module.verify()
    check_dominance(module)
    assert analyse(read_main(module)).arena_bound(read_main(module)) <= before.arena_bound(body)
    PlanArenaPass().apply(ctx, module)
    LowerToHostPass().apply(ctx, module)
    (program,) = module.ops
    assert isinstance(program, ProgramOp)
    program.detach()  # the kernels it launches are not there
    program.verify()
    assert len(program.steps) == len(steps)
    execute(program, steps, results)


@given(st.integers(0, 2**32), st.integers(1, 40))
@settings(max_examples=60, deadline=None)
def test_orders_are_topological(seed: int, count: int):
    body = read_main(random_main(seed, count))
    for order in (frugal_order(body), depth_first_order(body)):
        assert sorted(order) == list(range(count))
        position = {step: at for at, step in enumerate(order)}
        for tensor in body.tensors:
            assert all(position[tensor.step] < position[reader] for reader in tensor.readers)


def test_long_chains_do_not_recurse():
    block = Block(arg_types=[TensorType(f32, [16])])
    value: SSAValue = block.args[0]
    for i in range(3000):
        block.add_op(op := Launch(f"k{i}", [value], [TensorType(f32, [16])], [[f"n{i}"]], []))
        value = op.results[0]
    block.add_op(ReturnOp(value))
    types = ([block.args[0].type], [value.type])
    body = read_main(ModuleOp([FuncOp("main", types, Region(block))]))
    assert depth_first_order(body) == frugal_order(body) == list(range(3000))


def test_many_ready_steps_are_ordered_quickly():
    block = Block(arg_types=[TensorType(f32, [16])])
    parts: list[SSAValue] = []
    for i in range(2000):
        block.add_op(op := Launch(f"k{i}", [block.args[0]], [TensorType(f32, [16 + i])], [[f"n{i}"]], []))
        parts.append(op.results[0])
    total = parts[0]
    for i, part in enumerate(parts[1:]):
        block.add_op(op := Launch(f"a{i}", [total, part], [TensorType(f32, [16])], [[f"s{i}"]], []))
        total = op.results[0]
    block.add_op(ReturnOp(total))
    body = read_main(ModuleOp([FuncOp("main", ([block.args[0].type], [total.type]), Region(block))]))
    with at_most(2):  # about 0.05 s
        order = frugal_order(body)
    assert analyse(body, order).arena_bound(body) < analyse(body).arena_bound(body) / 100


def test_names_of_the_plan_are_those_of_the_model():
    text = """
    func.func @main(%x: tensor<16xf32>) -> tensor<16xf32> {
      %a = visa.launch @f(%x) {sources = [], taps = [], values = [["conv1", "c"]]} : (tensor<16xf32>) -> tensor<16xf32>
      %b = visa.launch @f(%a) {sources = [], taps = []} : (tensor<16xf32>) -> tensor<16xf32>
      %c = graph.reshape %b {values = [["flat"]]} : (tensor<16xf32>) -> tensor<4x4xf32>
      %d, %e = visa.launch @f(%c) {sources = [], taps = []} : (tensor<4x4xf32>) -> (tensor<16xf32>, tensor<16xf32>)
      %y = visa.launch @f(%e) {sources = [], taps = []} : (tensor<16xf32>) -> tensor<16xf32>
      func.return %y : tensor<16xf32>
    }"""
    body = read_main(Parser(make_context(), text).parse_module())
    assert [tensor.name for tensor in body.tensors] == ["conv1", "flat", "f.0", "f.1", "f.0"]
    assert analyse(body).arena_rows == [0, 1, 2, 3]


def test_the_unfused_bound_counts_what_lives_between_operations():
    text = """
    func.func @main(%x: tensor<16xf32>) -> tensor<16xf32> {
      %w = weights.constant dense<1.0> : tensor<16xf32>
      %a = graph.unary relu %x : (tensor<16xf32>) -> tensor<16xf32>
      %r = graph.reshape %a : (tensor<16xf32>) -> tensor<4x4xf32>
      %b = graph.binary add %a, %w : (tensor<16xf32>, tensor<16xf32>) -> tensor<16xf32>
      %c = graph.expand %b : (tensor<16xf32>) -> tensor<4x16xf32>
      %d = graph.unary neg %r : (tensor<4x4xf32>) -> tensor<4x4xf32>
      %e = graph.reshape %d : (tensor<4x4xf32>) -> tensor<16xf32>
      %f = graph.binary add %c, %e : (tensor<4x16xf32>, tensor<16xf32>) -> tensor<4x16xf32>
      %g = graph.reduce max %f {axes = array<i64: 0>, keepdims = false} : (tensor<4x16xf32>) -> tensor<16xf32>
      func.return %g : tensor<16xf32>
    }"""
    # The largest is the last addition: c (256), d (64) and f (256); a is dead, g a result, w a constant.
    assert unfused_bound(Parser(make_context(), text).parse_module()) == 576
