"""The rewrite rules of the fuse phase: list or show them, explain where they nearly match in a model, check them."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from vcc.runtime.diagnostics import Exit, error
from vcc.tools.arguments import compile_options, options_of

if TYPE_CHECKING:
    from vcc.passes.fuse.rules.compiled import Rule

#: Nodes that `explain` shows of a rule.
SHOWN_NODES = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    parser.add_argument("action", choices=tuple(ACTIONS), help="what to do; explain needs a rule and a model")
    parser.add_argument("rule", metavar="RULE", nargs="?", help="the name of a rule (list, check: default all)")
    parser.add_argument("model", metavar="MODEL.onnx", nargs="?", help="explain: the model to look for the rule in")
    parser.add_argument(
        "--rules", metavar="FILE.rules", action="append", help="a rule file, or one of vcc's by name (default: all)"
    )
    parser.add_argument("--seed", metavar="SEED", default="0", help="check: the seed of the inputs (default: 0)")
    compile_options(parser)


def run(args: argparse.Namespace) -> int:
    """Do it."""
    from vcc.passes.fuse.rules.engine import load_rules

    if args.model is not None and args.action != "explain":
        raise error("E0202", f"vcc rules {args.action} takes no model", help="vcc rules explain RULE MODEL.onnx")
    return ACTIONS[args.action](args, _chosen(load_rules(args.rules), args.rule))


def _chosen(rules: Sequence[Rule], name: str | None) -> list[Rule]:
    """The rule of that name, or all; E0202 if there is none."""
    if name is None:
        return list(rules)
    found = [rule for rule in rules if rule.name == name]
    if not found:
        names = [rule.name for rule in rules]
        close = get_close_matches(name, names, 1) or [each for each in names if name in each]
        hint = f"did you mean {' or '.join(map(repr, close))}?" if close else "vcc rules list names them all"
        raise error("E0202", f"there is no rule '{name}'", help=hint)
    return found


def _one(args: argparse.Namespace, rules: Sequence[Rule]) -> Rule:
    if args.rule is None:
        raise error("E0202", f"vcc rules {args.action} needs the name of a rule", help="vcc rules list names them all")
    return rules[0]


def _facts(rule: Rule) -> dict[str, Any]:
    return {
        "rule": rule.name,
        "file": rule.text.file.stem,
        "stage": rule.text.stage,
        "forms": len(rule.variants),
        "about": " ".join(rule.doc.split()),
    }


def _list(args: argparse.Namespace, rules: list[Rule]) -> int:
    from vcc.tools.output import print_json, table

    found = [_facts(rule) for rule in rules]
    if args.format == "json":
        print_json("rules", {"rules": found})
    else:
        table(("rule", "file", "stage", "forms", "about"), [list(each.values()) for each in found], indent="")
    return 0


def _show(args: argparse.Namespace, rules: list[Rule]) -> int:
    from vcc.tools.output import print_json

    rule = _one(args, rules)
    place = f"{rule.text.file}:{rule.text.place[0]}"
    if args.format == "json":
        print_json("rules", {**_facts(rule), "place": place, "source": rule.text.source})
    else:
        print(f"# {place}, stage {rule.text.stage}\n{rule.text.source.rstrip()}")
    return 0


def _explain(args: argparse.Namespace, rules: list[Rule]) -> int:
    """Where the rule would match, or nearly, in the model as it is before the fuse phase."""
    from vcc.compiler.compilation import Compilation
    from vcc.dialects.origin import node_names
    from vcc.passes.fuse.rules.engine import load_rules
    from vcc.passes.fuse.rules.explain import near_misses
    from vcc.runtime.diagnostics import plural
    from vcc.tools.files import model_argument
    from vcc.tools.output import name_text, print_json
    from vcc.tools.rule_matches import apply_stages_before, matches

    rule = _one(args, rules)
    if args.model is None:
        raise error("E0202", "vcc rules explain needs a model", help=f"vcc rules explain {rule.name} MODEL.onnx")
    compilation = Compilation.from_model(model_argument(args.model), options_of(args))
    compilation.advance("graph")
    # A rule sees what the stages before its own have made of the model.
    apply_stages_before(compilation.module, compilation.ctx, load_rules(args.rules), rule.text.stage)
    hits = [node_names(op) for op in matches(rule, compilation.module, compilation.ctx)]
    near = near_misses(rule, compilation.module, compilation.ctx, SHOWN_NODES)
    missed = [(node_names(op), reason) for op, reason in near]
    if args.format == "json":
        rows = [{"nodes": nodes, "reason": str(reason), "matched": reason.progress} for nodes, reason in missed]
        print_json("rules", {"rule": rule.name, "matches": hits, "near_misses": rows})
        return 0
    print(f"{rule.name} matches at {plural(len(hits), 'operation')} of {args.model}")
    for nodes in hits:
        print(f"  {', '.join(map(name_text, nodes))}")
    if missed:
        print("nearly, the nearest first:")
    for nodes, reason in missed:
        print(f"  {', '.join(map(name_text, nodes)) or 'an operation of no node'}\n    {reason}")
    return 0


def _check(args: argparse.Namespace, rules: list[Rule]) -> int:
    from vcc.passes.fuse.rules.check import check_rule
    from vcc.tools.feeds import parse_seed
    from vcc.tools.output import note, print_json, table

    seed = parse_seed("--seed", args.seed)
    found = [check_rule(rule, seed) for rule in rules]
    status = int(Exit.OK if all(each.ok for each in found) else Exit.DIFFERS)
    if args.format == "json":
        rows = [
            {"rule": each.rule.name, "ok": each.ok, "difference": each.difference, "problems": each.problems}
            for each in found
        ]
        print_json("rules", {"checked": rows}, status)
        return status
    table(
        ("", "rule", "forms", "difference"),
        [("" if each.ok else "WRONG", each.rule.name, len(each.rule.variants), each.difference) for each in found],
        indent="",
    )
    for each in found:
        for problem in each.problems:
            note(f"{each.rule.name}: {problem}")
    return status


ACTIONS: dict[str, Callable[[argparse.Namespace, list[Rule]], int]] = {
    "list": _list,
    "show": _show,
    "explain": _explain,
    "check": _check,
}
