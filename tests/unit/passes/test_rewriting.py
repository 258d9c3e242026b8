from __future__ import annotations

import pytest
from xdsl.dialects.builtin import ModuleOp, StringAttr, i32
from xdsl.dialects.test import TestOp, TestPureOp
from xdsl.ir import Operation
from xdsl.pattern_rewriter import PatternRewriter, RewritePattern

from vcc.dialects.origin import node_location, node_names, set_value_names, value_names
from vcc.passes.rewriting import UnsettledPatternsError, rewrite
from vcc.runtime.diagnostics import VccError, error


def make(kind: str, node: str, *operands: Operation, value: str = "") -> Operation:
    op = TestOp([o.results[0] for o in operands], result_types=[i32], attributes={"kind": StringAttr(kind)})
    op.location = node_location(node)
    set_value_names(op, [[value] if value else []])
    return op


def kind_of(op: Operation) -> str:
    kind = op.attributes.get("kind")
    return kind.data if isinstance(kind, StringAttr) else ""


class Fuse(RewritePattern):
    """relu(conv(x)) -> one op, and another beside it."""

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter, /) -> None:
        if kind_of(op) == "relu" and isinstance(conv := op.operands[0].owner, TestOp) and kind_of(conv) == "conv":
            inner = TestOp()
            fused = TestOp(conv.operands, result_types=[i32])
            rewriter.insert(inner)
            rewriter.replace(op, fused)
            rewriter.erase(conv)


class Flip(RewritePattern):
    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter, /) -> None:
        if (kind := kind_of(op)) in ("a", "b"):
            op.attributes["kind"] = StringAttr("b" if kind == "a" else "a")
            rewriter.notify_op_modified(op)


class ReplaceByOperand(RewritePattern):
    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter, /) -> None:
        if kind_of(op) == "identity":
            rewriter.replace(op, [], op.operands)


class Refuse(RewritePattern):
    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter, /) -> None:
        raise error("E0121", "not supported", node="n")


def test_new_ops_get_the_nodes_of_all_they_replace():
    conv = make("conv", "Conv_0", value="c")
    relu = make("relu", "Relu_1", conv, value="r")
    use = make("use", "Use", relu)
    module = ModuleOp([conv, relu, use])
    assert rewrite(module, [Fuse()], pass_name="fuse")
    inner, fused, _ = module.body.block.ops
    assert node_names(fused) == node_names(inner) == ("Conv_0", "Relu_1")
    # The convolution's own value is gone: only what the result is equal to is kept.
    assert value_names(fused.results[0]) == ("r",)


def test_a_replaced_value_keeps_its_names():
    source = make("source", "S", value="s")
    identity = make("identity", "I", source, value="out")
    module = ModuleOp([source, identity, make("use", "U", identity)])
    rewrite(module, [ReplaceByOperand()], pass_name="simplify")
    assert value_names(source.results[0]) == ("s", "out")
    assert node_names(source) == ("S",)


def test_patterns_that_undo_each_other_are_stopped_and_named():
    module = ModuleOp([make("a", "Node_7")])
    with pytest.raises(UnsettledPatternsError, match=r"'flip'.*100 times|Node_7.*Flip"):
        rewrite(module, [Flip()], pass_name="flip", limit=100)


def test_an_error_in_a_pattern_comes_out_as_it_is():
    with pytest.raises(VccError, match=r"E0121.*not supported"):
        rewrite(ModuleOp([make("a", "n")]), [Refuse()], pass_name="refuse")


def test_dead_pure_ops_go_unless_told_otherwise():
    module = ModuleOp([TestPureOp(result_types=[i32])])
    assert not rewrite(module, [], pass_name="none", dce=False)
    assert rewrite(module, [], pass_name="none")
    assert module.body.block.is_empty
