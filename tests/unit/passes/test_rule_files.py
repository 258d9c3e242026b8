"""The rules that come with the compiler hold, and what is wrong in a rule file is named with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from vcc.passes.fuse.rules.check import check_rule
from vcc.passes.fuse.rules.compile import arity_of, compile_rules
from vcc.passes.fuse.rules.compiled import Rule
from vcc.passes.fuse.rules.engine import OPTIONAL_FILES, load_rules, rule_files
from vcc.passes.fuse.rules.functions import function
from vcc.passes.fuse.rules.parse import parse_text
from vcc.passes.fuse.rules.predicates import predicate
from vcc.runtime.diagnostics import VccError

RULES = load_rules(tuple(rule_files()))


def rules_of(text: str) -> list[Rule]:
    """The rules of a text."""
    return compile_rules(parse_text(text, Path("own.rules")), Path("own.rules"))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule.text.file.stem}-{rule.name}")
@pytest.mark.parametrize("seed", [0, 1])
def test_both_sides_agree(rule: Rule, seed: int):
    result = check_rule(rule, seed)
    assert result.ok, "\n".join(result.problems)
    assert len(result.checks) >= len(rule.variants)


def test_every_file_has_rules_and_optional_ones_exist():
    files = {rule.text.file.stem for rule in RULES}
    assert files == set(rule_files()) >= OPTIONAL_FILES
    assert len({rule.name for rule in RULES}) == len(RULES)


def test_registered_functions_are_used_and_take_the_facts():
    text = "\n".join(path.read_text() for path in rule_files().values())
    for registry in (predicate, function):
        for name, found in registry.functions.items():
            assert found.__doc__ is not None and (arity_of(found) or 0) >= 0
            if registry is predicate and name not in ("absent", "same_shape", "same_type", "private", "last_axis"):
                assert f"{name}(" in text, f"no rule asks for {name}"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("rule double: add(x, x) => mul(x, 2.5)", "differ by"),
        ("rule root: sqrt(x) => x where constant(x)\n given x: [2]", "the condition constant(x) does not hold"),
        ("rule turn: transpose[perm](x) => x", "no `given` speaks of the attribute 'perm'"),
        ("rule turn: transpose[perm](x) => x\n given x: [2, 2], perm: [1, 0]", "differ by"),
        (
            "rule flat: transpose[perm](x) => x\n given x: [2, 3], perm: [1, 0]",
            "the replacement would be tensor<2x3xf64>",
        ),
        ("rule scale: mul(x, s?) => x", "differ by"),
    ],
)
def test_the_check_finds_what_is_wrong(text: str, problem: str):
    try:
        (rule,) = rules_of(text)
    except VccError as failure:
        assert "the pattern must be an operation" in str(failure)
        return
    result = check_rule(rule)
    assert not result.ok
    assert problem in "\n".join(result.problems)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rule a: mul(x, =>", "own.rules:1:16: '=>' cannot stand here; expected "),
        ("rule a: mul(x", "own.rules:1:13: the file ends in the middle of a rule"),
        ("rule a: mul(x, y)\n  => x $", "own.rules:2:8: '$' cannot stand here"),
        ("stage third", "own.rules:1:1: there is no stage 'third'; stages: canonicalise, recognise, optimise"),
        ("rule a:\n  foo(x) => x", "own.rules:2:3: there is no operation or definition 'foo'"),
        ("rule a: mul(x) => x", "own.rules:1:9: 'mul' has 2 operands, not 1"),
        ("rule a: relu(x) => y", "own.rules:1:20: rule 'a': nothing is called 'y'"),
        ("rule a: relu(x) => x where rank(y) == 2", "own.rules:1:33: rule 'a': nothing is called 'y'"),
        ("rule a: relu(x) => x where bad(x)", "rule 'a': there is no predicate or function 'bad'"),
        ("rule a: relu(x) => x where rank(x, x) == 1", "rule 'a': 'rank' takes 1 arguments, not 2"),
        ("rule a: relu[axis](x) => x", "'relu' has no attribute 'axis'; it has: none"),
        ("rule a: softmax[axis=rank(x)](x) => x", "an attribute of a pattern is a name or a literal; use `where`"),
        ("rule a: x => x", "rule 'a': the pattern must be an operation"),
        ("rule a: add(x, y?) => x", "rule 'a': the pattern must be an operation"),
        ("rule a: relu(add(x, y?)) => mul(x, y)", "an operand of 'mul' may be absent; mark it with '?'"),
        ("rule a: add(x?, y?) => x", "only one operand of 'add' can be optional"),
        ("rule a: relu(x) => x\nrule a: neg(x) => x", "own.rules:2:1: there are two rules 'a'"),
        ("rule a: relu(x) => x given z: [2]", "`given` speaks of 'z', which the pattern does not have"),
        ("define mul(x) = relu(x)", "own.rules:1:1: 'mul' is an operation already"),
        ("define f(x) = f(x) rule a: f(x) => x", "'f' is defined by itself"),
        ("define f(x) = relu(x) rule a: f(x, x) => x", "'f' takes (x)"),
    ],
)
def test_mistakes_are_named_with_their_place(text: str, message: str):
    with pytest.raises(VccError) as failure:
        rules_of(text)
    assert failure.value.diagnostics[0].code == "E0205"
    assert message in failure.value.diagnostics[0].message


def test_files_that_are_not_there(tmp_path: Path):
    with pytest.raises(VccError, match="there are no rules 'nothing'"):
        load_rules(("nothing",))
    own = tmp_path / "own.rules"
    own.write_text("rule gelu_erf: relu(x) => relu(x)\n")
    with pytest.raises(VccError, match="there are two rules 'gelu_erf'"):
        load_rules(("activations", str(own)))
    own.write_bytes(b"\xff\xfe")
    with pytest.raises(VccError, match="E0204"):
        load_rules((str(tmp_path / "own.rules"),))


def test_alternatives_options_and_definitions_multiply():
    (rule,) = rules_of("define half(x) = mul(x, 0.5) | div(x, 2)\nrule a: relu(add(half(x), b?)) => relu(x)")
    assert [variant.size for variant in rule.variants] == [3, 3, 2, 2]
    assert [sorted(variant.absent) for variant in rule.variants] == [[], [], ["b"], ["b"]]


def test_a_let_stands_for_one_value_however_often_it_is_named():
    (rule,) = rules_of("rule a: let d = (exp(x) | neg(x)) in mul(d, add(d, d)) => x")
    assert len(rule.variants) == 2


def test_a_rule_knows_its_text():
    rule = next(rule for rule in RULES if rule.name == "gelu_erf")
    assert rule.text.source.startswith("## GELU")
    assert rule.doc.startswith("GELU with the error function")
    assert rule.text.stage == "recognise"
