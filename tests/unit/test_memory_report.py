"""The report of a memory plan, and the page that shows one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from conformance import compile_model, make_model, node, random

from vcc.runtime.plan.report import MemoryReport, MemoryRow, letters_of, memory_map, memory_report

PAGE = Path(__file__).parents[2] / "docs" / "memory.md"


def test_the_page_shows_what_its_example_prints(capsys: pytest.CaptureFixture[str]):
    text = PAGE.read_text()
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    (shown,) = re.findall(r"```text\n(.*?)```", text, re.DOTALL)
    exec(code, {})
    assert capsys.readouterr().out == shown


def test_rows_tell_the_node_that_makes_a_tensor_and_add_up_to_the_bound():
    nodes = [
        node("Exp", "x", "a"),
        node("Softmax", "x", "b"),
        node("Concat", "a b", "c", axis=0),
        node("Softmax", "c", "d"),
        node("Softmax", "d"),
    ]
    report = memory_report(compile_model(make_model(nodes, {"x": random(3, 7)}, {}, ["y"]), "vn1"))
    by_name = {row.name: row for row in report.rows}
    assert by_name["c"].node in ("Exp_a", "Softmax_b")
    assert by_name["d"].node == "Softmax_d"
    assert (by_name["c"].size, by_name["c"].padding) == (168, 24)
    assert max(report.live) == report.bound <= report.arena
    assert report.overhead == report.arena / report.bound - 1


def rows(*boxes: tuple[int, int, int, int]) -> tuple[MemoryRow, ...]:
    return tuple(MemoryRow(f"t{i}", "", size, at, a, b, 0, True) for i, (at, size, a, b) in enumerate(boxes))


def test_the_map_shows_each_tensor_where_it_lies():
    report = MemoryReport(rows((0, 128, 0, 3), (128, 64, 0, 1), (128, 64, 3, 3)), 192, 192, (192, 192, 128, 192))
    assert memory_map(report, height=3) == [
        "         128 |BB.C|",
        "          64 |AAAA|",
        "           0 |AAAA|",
        "        step  0  3",
    ]


def test_the_map_has_letters_for_the_largest_only():
    many = rows(*((64 * i, 64, 0, 0) for i in range(60)))
    report = MemoryReport(many, 3840, 3840, (3840,))
    assert len(letters_of(report)) == 52
    assert memory_map(report, height=60)[0].endswith("|#|")


def test_an_empty_arena_has_no_map():
    assert memory_map(MemoryReport((), 0, 0, (0,))) == []
