"""Applying rules: what a match becomes, why there is none, and how fast it goes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from effort import at_most
from xdsl.context import Context
from xdsl.dialects.builtin import FunctionType, ModuleOp, TensorType, f32
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Block, Operation, Region, SSAValue

from vcc.compiler.context import make_context
from vcc.compiler.debug.evaluate import evaluate
from vcc.compiler.pipeline import make_pass
from vcc.dialects import graph
from vcc.dialects.graph.base import shape_of
from vcc.dialects.origin import node_location, node_names, set_value_names, value_names
from vcc.dialects.weights import make_constant
from vcc.passes.fuse.apply_rules import ApplyRulesPass
from vcc.passes.fuse.rules.compiled import Rule
from vcc.passes.fuse.rules.engine import load_rules
from vcc.passes.fuse.rules.explain import explain, near_misses

GELU = next(rule for rule in load_rules(("activations",)) if rule.name == "gelu_erf")


class Built:
    """A function of one input, built operation by operation; each is the ONNX node of its number."""

    def __init__(self, *shape: int):
        self.ctx: Context = make_context()
        self.type = TensorType(f32, shape)
        self.block = Block(arg_types=[self.type])
        self.x: SSAValue = self.block.args[0]

    def add(self, op: Operation, name: str = "") -> SSAValue:
        op.location = node_location(name or f"n{len(self.block.ops)}")
        self.block.add_op(op)
        if name:
            set_value_names(op, [(f"{name}_out",)])
        return op.results[0]

    def number(self, value: float) -> SSAValue:
        return self.add(make_constant(np.asarray(value, np.float32), self.ctx))

    def binary(self, fn: str, a: SSAValue, b: SSAValue | float, name: str = "") -> SSAValue:
        return self.add(graph.BinaryOp(fn, a, b if isinstance(b, SSAValue) else self.number(b)), name)

    def unary(self, fn: str, a: SSAValue, name: str = "") -> SSAValue:
        return self.add(graph.UnaryOp(fn, a), name)

    def gelu(self, x: SSAValue, root: float = 0.70710678) -> SSAValue:
        curve = self.binary("add", self.unary("erf", self.binary("mul", x, root, "scale"), "erf"), 1, "plus")
        return self.binary("mul", self.binary("mul", x, curve, "product"), 0.5, "half")

    def module(self, *results: SSAValue) -> ModuleOp:
        self.block.add_op(ReturnOp(*results))
        types = [result.type for result in results]
        return ModuleOp([FuncOp("main", FunctionType.from_lists([self.type], types), Region(self.block))])


def only(module: ModuleOp, kind: type[Operation]) -> Operation:
    (op,) = [op for op in module.walk() if isinstance(op, kind)]
    return op


def test_nodes_and_value_names_are_kept():
    built = Built(2, 8)
    module = built.module(built.gelu(built.x))
    ApplyRulesPass().apply(built.ctx, module)
    op = only(module, graph.GeluOp)
    assert node_names(op) == ("scale", "erf", "plus", "product", "half")
    assert value_names(op.results[0]) == ("half_out",)


def test_what_else_is_used_stays():
    built = Built(2, 8)
    result = built.gelu(built.x)
    inner = next(op for op in built.block.ops if node_names(op) == ("erf",)).results[0]
    module = built.module(result, inner)
    feeds = [np.random.default_rng(0).normal(size=(2, 8)).astype(np.float32)]
    before = evaluate(module, feeds, built.ctx)
    ApplyRulesPass().apply(built.ctx, module)
    module.verify()
    assert only(module, graph.GeluOp) and only(module, graph.UnaryOp)
    for a, b in zip(before, evaluate(module, feeds, built.ctx), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def explained(rule: Rule, built: Built, result: SSAValue) -> str:
    op = result.owner
    assert isinstance(op, Operation)
    return "\n".join(map(str, explain(rule, op, built.ctx)))


def test_explain_names_the_value_and_node_in_the_way():
    built = Built(2, 8)
    text = explained(GELU, built, built.gelu(built.x, root=0.7))
    assert "the constant 0.707107 is wanted, this is 0.7; 5 of 5 matched" in text.splitlines()[0]


def test_explain_names_the_operation_in_the_way():
    built = Built(2, 8)
    curve = built.binary("add", built.unary("tanh", built.binary("mul", built.x, 0.70710678), "curve"), 1)
    result = built.binary("mul", built.binary("mul", built.x, curve), 0.5)
    first = explained(GELU, built, result).splitlines()[0]
    assert first == "at 'curve_out' (node curve): erf is wanted, this is tanh; 3 of 5 matched"


def test_explain_is_empty_for_a_match():
    built = Built(2, 8)
    assert explained(GELU, built, built.gelu(built.x)) == ""


def test_near_misses_of_a_module():
    built = Built(2, 8)
    module = built.module(built.gelu(built.gelu(built.x, root=0.7)))
    ((op, reason),) = near_misses(GELU, module, built.ctx, limit=1)
    assert (node_names(op), reason.progress, reason.operations) == (("half",), 5, 5)


def test_own_rules_are_applied(tmp_path: Path):
    own = tmp_path / "own.rules"
    own.write_text("rule twice: add(x, x) => mul(x, 2)\n")
    built = Built(2, 8)
    module = built.module(built.binary("add", built.x, built.x))
    ApplyRulesPass(files=(str(own),)).apply(built.ctx, module)
    op = only(module, graph.BinaryOp)
    assert isinstance(op, graph.BinaryOp) and str(op.fn.data) == "mul"


@pytest.mark.parametrize("dtype_tolerance", [0.0, 4e-6])
def test_constants_match_up_to_a_tolerance(dtype_tolerance: float):
    built = Built(2, 8)
    module = built.module(built.gelu(built.x, root=0.70710678 * (1 + dtype_tolerance)))
    ApplyRulesPass(files=("activations",)).apply(built.ctx, module)
    assert only(module, graph.GeluOp)


@pytest.mark.parametrize(("bound", "left"), [(-np.inf, 0), (np.inf, 1), (-3e38, 1), (0.5, 1)])
def test_only_the_least_number_is_no_lower_bound(bound: float, left: int):
    built = Built(2, 8)
    module = built.module(built.binary("max", built.unary("exp", built.x), bound))
    ApplyRulesPass().apply(built.ctx, module)
    assert sum(isinstance(op, graph.BinaryOp) for op in module.walk()) == left


def transformer(blocks: int) -> tuple[ModuleOp, Context]:
    """Layer norm, a product, gelu, a product, silu and a residual addition, and more elementwise operations."""
    built = Built(1, 4, 16)
    x, weights = built.x, built.add(make_constant(np.ones((16, 16), np.float32), built.ctx))
    scale = built.add(make_constant(np.full(16, 1.5, np.float32), built.ctx))
    for _ in range(blocks):
        mean = built.binary("mul", built.add(graph.ReduceOp("add", x, [2])), 1 / 16)
        d = built.binary("sub", x, mean)
        variance = built.binary("mul", built.add(graph.ReduceOp("add", built.binary("mul", d, d), [2])), 1 / 16)
        root = built.unary("sqrt", built.binary("add", variance, 1e-5))
        normal = built.binary("add", built.binary("mul", built.binary("div", d, root), scale), scale)
        y = built.gelu(built.binary("add", built.add(graph.MatmulOp(normal, weights)), scale))
        y = built.add(graph.MatmulOp(y, weights))
        x = built.binary("add", built.binary("mul", y, built.unary("sigmoid", y)), x)
        for _ in range(3):
            x = built.binary("add", built.binary("mul", x, y), built.unary("tanh", x))
    return built.module(x), built.ctx


def test_six_thousand_operations_take_seconds_at_most():
    module, ctx = transformer(164)
    assert sum(1 for _ in module.walk()) > 6000
    with at_most(12):
        make_pass("apply-rules").apply(ctx, module)
    found = [op for op in module.walk() if isinstance(op, graph.GeluOp | graph.LayerNormOp)]
    assert len(found) == 328
    assert all(shape_of(op.results[0]) == (1, 4, 16) for op in found)
