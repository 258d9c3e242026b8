from __future__ import annotations

from xdsl.dialects.builtin import UNKNOWN_LOC, ModuleOp, NameLoc, StringAttr, i32
from xdsl.dialects.test import TestOp
from xdsl.ir import Operation

from vcc.dialects.origin import add_value_names, fuse_locations, node_location, node_names, set_value_names, value_names


def op(*names: str, results: int = 1) -> Operation:
    made = TestOp(result_types=[i32] * results)
    made.location = node_location(*names)
    return made


def test_a_location_names_its_nodes_once_and_in_order():
    assert node_location() == UNKNOWN_LOC
    assert isinstance(node_location("a"), NameLoc)
    assert node_names(op("b", "a", "b")) == ("b", "a")


def test_nested_locations_are_flattened():
    inner = node_location("x", "y")
    outer = NameLoc(StringAttr("outer"), inner)
    assert node_names(outer) == ("outer", "x", "y")


def test_fusing_drops_unknown_and_repeated_nodes():
    assert fuse_locations(op("a"), op(), op("b", "a")) == node_location("a", "b")
    assert fuse_locations(op(), op()) == UNKNOWN_LOC


def test_value_names_are_kept_per_result():
    two = op(results=2)
    assert value_names(two.results[0]) == ()
    add_value_names(two.results[1], ["y"])
    add_value_names(two.results[1], ["z", "y"])
    assert value_names(two.results[0]) == ()
    assert value_names(two.results[1]) == ("y", "z")
    set_value_names(two, [[], []])
    assert "values" not in two.attributes


def test_malformed_value_names_are_ignored():
    one = op()
    one.attributes["values"] = StringAttr("y")
    assert value_names(one.results[0]) == ()
    assert node_names(ModuleOp([])) == ()
