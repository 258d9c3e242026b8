from __future__ import annotations

from io import StringIO

import numpy as np
import pytest
from xdsl.dialects.builtin import ModuleOp
from xdsl.printer import Printer
from xdsl.utils.exceptions import ParseError

from vcc.compiler.context import make_context
from vcc.dialects.origin import node_location, node_names, set_value_names, value_names
from vcc.dialects.text import parse_module
from vcc.dialects.weights import make_constant


@pytest.mark.parametrize("name", ["plain", "节点/输出:0", 'qu"ote', "back\\slash", "ü\n", "/a/b.1"])
def test_names_in_any_script_survive_the_text(name: str):
    ctx = make_context()
    op = make_constant(np.array(1.0), ctx, node_location(name))
    set_value_names(op, [[name]])
    text = StringIO()
    Printer(text, print_debuginfo=True).print_op(ModuleOp([op]))
    again = parse_module(ctx, text.getvalue()).body.block.first_op
    assert again is not None
    assert node_names(again) == (name,)
    assert value_names(again.results[0]) == (name,)


def test_a_text_cut_short_in_a_string_is_refused_at_once():
    with pytest.raises(ParseError, match="closing string literal"):
        parse_module(make_context(), 'builtin.module attributes {a = "' + "0123456789abcdef" * 64)


def test_errors_name_the_text():
    with pytest.raises(ParseError, match=r"some\.mlir:1"):
        parse_module(make_context(), "func.func", "some.mlir")
