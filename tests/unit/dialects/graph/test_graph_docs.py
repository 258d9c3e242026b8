"""The manual's page names every operation and function of the dialect."""

from __future__ import annotations

from pathlib import Path

from vcc.dialects.graph import ArgFn, BinaryFn, CompareFn, Graph, PoolFn, ReduceFn, UnaryFn

PAGE = Path(__file__).parents[4] / "docs" / "dialects" / "graph.md"


def test_every_operation_and_function_is_documented():
    text = PAGE.read_text()
    words = set(text.replace("`", " ").replace(",", " ").split())
    assert [op.name for op in Graph.operations if op.name not in text] == []
    for fn in (*UnaryFn, *BinaryFn, *CompareFn, *ReduceFn, *PoolFn, *ArgFn):
        assert str(fn) in words
