"""Slices and concatenations that are aliases, on random programs: every step finds in memory what the graph says."""

from __future__ import annotations

import random
from math import prod

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from xdsl.dialects.builtin import ModuleOp, TensorType, f32
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Block, OpResult, Region, SSAValue
from xdsl.parser import Parser

from vcc.compiler.context import make_context
from vcc.dialects.dominance import check_dominance
from vcc.dialects.graph import ConcatOp, ReshapeOp, SliceOp, ints
from vcc.dialects.host import ArenaOp, LaunchOp, Place, ProgramOp, buffer_type, located
from vcc.dialects.visa import LaunchOp as Launch
from vcc.passes.plan.aliases import concat_offsets, root_of, slice_offset
from vcc.passes.plan.lower_to_host import LowerToHostPass
from vcc.passes.plan.main_body import read_main
from vcc.passes.plan.order_kernels import OrderKernelsPass
from vcc.passes.plan.plan_arena import PlanArenaPass
from vcc.runtime.diagnostics import VccError

WIDTH = 16


def rows_of(value: SSAValue) -> int:
    assert isinstance(value.type, TensorType)
    return value.type.get_shape()[0]


def random_main(seed: int, count: int) -> ModuleOp:
    """Launches on tensors [rows, 16], between them slices of rows and concatenations, one in the other at times."""
    choose = random.Random(seed)
    block = Block(arg_types=[TensorType(f32, [4, WIDTH])])
    values: list[SSAValue] = [block.args[0]]
    whole: list[SSAValue] = []  # results that are in no concatenation yet
    for i in range(count):
        operands = [choose.choice(values[-8:]) for _ in range(choose.randint(1, 3))]
        rows = choose.randint(1, 5)
        pairs = [(0, j) for j, operand in enumerate(operands) if rows_of(operand) == rows][:1]
        block.add_op(op := Launch(f"k{i}", operands, [TensorType(f32, [rows, WIDTH])], [[f"n{i}"]], [], pairs))
        values.append(op.results[0])
        whole.append(op.results[0])
        if choose.random() < 0.3:
            source = choose.choice(values)
            start = choose.randrange(rows_of(source))
            sizes = [choose.randint(1, rows_of(source) - start), WIDTH]
            block.add_op(part := SliceOp(source, [start, 0], sizes, [1, 1]))
            values.append(part.result)
        if choose.random() < 0.3 and len(whole) > 2:
            inside = choose.sample(whole, choose.randint(2, 3))
            whole = [value for value in whole if value not in inside]
            block.add_op(joined := ConcatOp(inside, 0))
            values.append(joined.result)
            whole.append(joined.result)
    results = [value for value in whole if choose.random() < 0.3] or whole[-1:]
    block.add_op(ReturnOp(*results))
    return ModuleOp(
        [FuncOp("main", ([arg.type for arg in block.args], [result.type for result in results]), Region(block))]
    )


def meaning(module: ModuleOp) -> tuple[dict[str, tuple[list[np.ndarray], list[np.ndarray]]], list[np.ndarray]]:
    """What launches read and write, and what the function returns; each element written is a number of its own."""
    (function,) = module.ops
    assert isinstance(function, FuncOp)
    counter = iter(range(10**9))
    fresh = lambda value: np.array([next(counter) for _ in range(prod(value.type.get_shape()))]).reshape(  # noqa: E731
        value.type.get_shape()
    )
    arrays: dict[SSAValue, np.ndarray] = {argument: fresh(argument) for argument in function.body.block.args}
    steps: dict[str, tuple[list[np.ndarray], list[np.ndarray]]] = {}
    for op in function.body.block.ops:
        match op:
            case Launch():
                arrays.update({result: fresh(result) for result in op.results})
                name = op.sources.data[0].data[0].data
                steps[name] = [arrays[v] for v in op.operands], [arrays[v] for v in op.results]
            case SliceOp():
                start, size = ints(op.starts)[0], ints(op.sizes)[0]
                arrays[op.result] = arrays[op.x][start : start + size]
            case ConcatOp():
                arrays[op.result] = np.concatenate([arrays[x] for x in op.xs])
            case _:
                pass
    last = function.body.block.last_op
    assert last is not None
    return steps, [arrays[value] for value in last.operands]


@given(st.integers(0, 2**32), st.integers(1, 25))
@settings(max_examples=80, deadline=None)
def test_every_step_finds_what_it_reads(seed: int, count: int):
    module = random_main(seed, count)
    steps, results = meaning(module)
    ctx = make_context()
    OrderKernelsPass().apply(ctx, module)
    module.verify()
    check_dominance(module)
    PlanArenaPass(effort=500).apply(ctx, module)
    LowerToHostPass().apply(ctx, module)
    (program,) = module.ops
    assert isinstance(program, ProgramOp)
    program.detach()  # the kernels it launches are not there
    program.verify()
    arena = np.zeros(program.arena_bytes // 4, np.int64)
    outside: dict[Place, np.ndarray] = {
        op: np.zeros(buffer_type(op.buffer).elements, np.int64) for op in (*program.inputs, *program.outputs)
    }
    outside[program.inputs[0]][:] = range(4 * WIDTH)

    def memory(buffer: SSAValue) -> np.ndarray:
        place, offset = located(buffer)
        start = (offset + (place.offset if isinstance(place, ArenaOp) else 0)) // 4
        data = arena if isinstance(place, ArenaOp) else outside[place]
        return data[start : start + buffer_type(buffer).elements]

    for step in program.steps:
        assert isinstance(step, LaunchOp)
        reads, writes = steps[step.sources.data[0].data[0].data]
        for buffer, expected in zip(step.inputs, reads, strict=True):
            assert (memory(buffer) == expected.reshape(-1)).all()
        for buffer, written in zip(step.outputs, writes, strict=True):
            memory(buffer)[:] = written.reshape(-1)
    for op, expected in zip(program.outputs, results, strict=True):
        assert (outside[op] == expected.reshape(-1)).all()


def parsed(text: str) -> ModuleOp:
    module = Parser(make_context(), text).parse_module()
    assert isinstance(module, ModuleOp)
    return module


def refusal(text: str) -> str:
    with pytest.raises(VccError) as caught:
        read_main(parsed(text))
    return caught.value.diagnostics[0].message


T = "tensor<{}x16xf32>"


def test_what_cannot_be_an_alias_is_refused():
    a, b = T.format(4), T.format(8)
    launch = f"%a = visa.launch @f(%x) {{sources = [], taps = []}} : ({a}) -> {a}"
    head = f"func.func @main(%x: {a}) -> {b} {{ {launch}\n"
    for other in ("%a", "%x"):
        join = f"%y = graph.concat %a, {other} {{axis = 0 : i64}} : ({a}, {a}) -> {b}"
        assert "cannot lie in its result" in refusal(f"{head} {join}\n func.return %y : {b} }}")
    part = (
        "%s = graph.slice %a {starts = array<i64: 1, 0>, sizes = array<i64: 2, 16>, steps = array<i64: 1, 1>} : "
        f"({a}) -> {T.format(2)}"
    )
    assert "part of another tensor" in refusal(
        f"func.func @main(%x: {a}) -> {T.format(2)} {{ {launch}\n {part}\n func.return %s : {T.format(2)} }}"
    )


def tensor(shape: list[int]) -> SSAValue:
    return Launch("f", [], [TensorType(f32, shape)], [], []).results[0]


def test_consecutive_elements_are_recognised():
    x = tensor([1, 4, 6])
    assert slice_offset(SliceOp(x, [0, 1, 0], [1, 2, 6], [1, 1, 1])) == 24
    assert slice_offset(SliceOp(x, [0, 0, 0], [1, 4, 6], [1, 1, 1])) == 0
    assert slice_offset(SliceOp(x, [0, 0, 1], [1, 4, 2], [1, 1, 1])) is None
    assert slice_offset(SliceOp(x, [0, 3, 0], [1, 4, 6], [1, -1, 1])) is None
    assert concat_offsets(ConcatOp([x, x], 1)) == [0, 96]
    assert concat_offsets(ConcatOp([x, x], 2)) is None
    part = SliceOp(x, [0, 2, 0], [1, 1, 6], [1, 1, 1])
    assert root_of(ReshapeOp(part.result, [6]).result) is x
    assert isinstance(x, OpResult)
