"""The rules that docs/rules.md shows are rules, hold, and do what it says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from vcc.passes.fuse.rules.check import check_rule
from vcc.passes.fuse.rules.compile import compile_rules
from vcc.passes.fuse.rules.engine import load_rules, rule_files
from vcc.passes.fuse.rules.functions import function
from vcc.passes.fuse.rules.parse import parse_text
from vcc.passes.fuse.rules.predicates import predicate

MANUAL = Path(__file__).resolve().parents[3] / "docs" / "rules.md"
TEXT = MANUAL.read_text(encoding="utf-8")
BLOCKS = re.findall(r"```rules\n(.*?)```", TEXT, re.DOTALL)


@pytest.mark.parametrize("block", BLOCKS)
def test_rules_of_the_manual_hold(block: str):
    rules = compile_rules(parse_text(block, MANUAL), MANUAL)
    assert rules
    for rule in rules:
        result = check_rule(rule)
        assert result.ok, "\n".join(result.problems)


def test_the_manual_lists_every_file_with_its_stage():
    rows = dict(re.findall(r"^\| `(\w+)` \| (\w+) \|", TEXT, re.MULTILINE))
    assert rows == {name: load_rules((name,))[0].text.stage for name in rule_files()}


def test_the_manual_names_functions_that_there_are():
    (most_used,) = re.findall(r"The most used ones:\n(.*?)\n\n", TEXT, re.DOTALL)
    named = re.findall(r"`(\w+)\(", most_used)
    assert named and set(named) <= {*predicate.functions, *function.functions}
