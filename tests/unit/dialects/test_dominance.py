from __future__ import annotations

import pytest
from xdsl.context import Context
from xdsl.dialects.builtin import Builtin, ModuleOp, i32
from xdsl.dialects.cf import Cf
from xdsl.dialects.func import Func
from xdsl.dialects.test import Test, TestOp
from xdsl.ir import Block, Region
from xdsl.parser import Parser

from vcc.dialects.dominance import check_dominance
from vcc.runtime.diagnostics import VccError


def check(text: str) -> None:
    ctx = Context()
    for dialect in (Builtin, Func, Cf, Test):
        ctx.load_dialect(dialect)
    check_dominance(Parser(ctx, text).parse_module())


def test_values_of_outer_regions_are_visible_inside():
    check("""func.func @f(%a: i32) {
      %0 = "test.op"(%a) : (i32) -> i32
      "test.op"() ({ "test.op"(%0, %a) : (i32, i32) -> () }) : () -> ()
      func.return
    }""")


def test_a_use_before_the_definition_is_refused():
    with pytest.raises(VccError, match=r"E0107.*operand 0 of test\.op(.|\n)*node 'late'"):
        check("""func.func @f() {
          "test.op"(%0) : (i32) -> () loc("late")
          %0 = "test.op"() : () -> i32
          func.return
        }""")


def test_values_of_a_region_are_not_visible_after_it():
    inner = TestOp(result_types=[i32])
    outer = TestOp(regions=[Region(Block([inner]))])
    with pytest.raises(VccError, match="E0107"):
        check_dominance(ModuleOp([outer, TestOp([inner.results[0]])]))


def test_dominating_blocks_are_visible_in_any_written_order():
    check("""func.func @f() {
      %0 = "test.op"() : () -> i32
      cf.br ^last
    ^user:
      "test.op"(%1) : (i32) -> ()
      func.return
    ^last:
      %1 = "test.op"(%0) : (i32) -> i32
      cf.br ^user
    }""")


def test_a_block_that_may_be_jumped_over_does_not_dominate():
    with pytest.raises(VccError, match="E0107"):
        check("""func.func @f(%c: i1) {
          cf.cond_br %c, ^a, ^b
        ^a:
          %0 = "test.op"() : () -> i32
          cf.br ^b
        ^b:
          "test.op"(%0) : (i32) -> ()
          func.return
        }""")
