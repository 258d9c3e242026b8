"""Load rules and apply them: find those whose root an operation can be, match, replace."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

from xdsl.context import Context
from xdsl.ir import Operation, OpResult
from xdsl.pattern_rewriter import PatternRewriter, RewritePattern

from vcc.dialects.origin import fuse_locations
from vcc.passes.fuse.rules.build import Builder, CannotBuildError
from vcc.passes.fuse.rules.compile import compile_rules
from vcc.passes.fuse.rules.compiled import Rule, Variant
from vcc.passes.fuse.rules.facts import Facts
from vcc.passes.fuse.rules.match import Found, Matcher
from vcc.passes.fuse.rules.parse import parse_file
from vcc.passes.fuse.rules.syntax import STAGES
from vcc.passes.fuse.rules.vocabulary import Key, keys_of
from vcc.runtime.diagnostics import error

#: The rule files that come with the compiler.
DIRECTORY = Path(__file__).parent
#: Those that are not applied unless they are asked for.
OPTIONAL_FILES: frozenset[str] = frozenset()


def rule_files() -> dict[str, Path]:
    """The rule files that come with the compiler, by name without suffix."""
    return {path.stem: path for path in sorted(DIRECTORY.glob("*.rules"))}


def load_file(file: Path) -> tuple[Rule, ...]:
    """The rules of a file; E0204 if it cannot be read, E0205 with line and column if it is wrong."""
    return _load_own(file) if file.parent == DIRECTORY else tuple(compile_rules(parse_file(file), file))


@cache
def _load_own(file: Path) -> tuple[Rule, ...]:
    """The rules of a file of the compiler's, which does not change while it runs."""
    return tuple(compile_rules(parse_file(file), file))


def load_rules(files: Sequence[str] | None = None) -> tuple[Rule, ...]:
    """The rules of files, each the name of one that comes with the compiler or a path; by default the usual ones.

    Raises E0204, E0205, and E0205 for two rules of one name.
    """
    known = rule_files()
    names = [name for name in known if name not in OPTIONAL_FILES] if files is None else files
    rules: dict[str, Rule] = {}
    for name in names:
        path = known.get(name, Path(name))
        if name not in known and not path.is_file():
            raise error("E0204", f"there are no rules '{name}'", help=f"known: {', '.join(known)}, or a path")
        for rule in load_file(path):
            if (other := rules.setdefault(rule.name, rule)) is not rule:
                places = f"{other.text.file}:{other.text.place[0]} and {path}:{rule.text.place[0]}"
                raise error("E0205", f"there are two rules '{rule.name}': {places}")
    return tuple(rules.values())


def by_stage(rules: Sequence[Rule]) -> list[tuple[str, tuple[Rule, ...]]]:
    """The rules to apply in each stage, in order: its own and those before it; stages without rules are left out."""
    stages: list[tuple[str, tuple[Rule, ...]]] = []
    for number, stage in enumerate(STAGES):
        if any(rule.text.stage == stage for rule in rules):
            applied = STAGES[: number + 1]
            stages.append((stage, tuple(rule for rule in rules if rule.text.stage in applied)))
    return stages


class RuleIndex:
    """Plain forms by the operation they start at, those with the most operations first."""

    def __init__(self, rules: Iterable[Rule]):
        self._by_key: dict[Key, list[Variant]] = {}
        for rule in rules:
            for variant in rule.variants:
                self._by_key.setdefault(variant.root.op.key, []).append(variant)
        for variants in self._by_key.values():
            variants.sort(key=lambda variant: -variant.size)

    def candidates(self, op: Operation) -> list[Variant]:
        """The plain forms that the operation and those of its operands do not rule out."""
        found: list[Variant] = []
        around: set[Key] | None = None
        for key in keys_of(op):
            for variant in self._by_key.get(key, ()):
                if around is None:
                    around = {
                        k for operand in op.operands if isinstance(operand, OpResult) for k in keys_of(operand.op)
                    }
                if variant.needs <= around:
                    found.append(variant)
        return found


class ApplyRules(RewritePattern):
    """All rules as one pattern. `counts` says how often each was applied."""

    def __init__(self, rules: Iterable[Rule], ctx: Context):
        self.index = RuleIndex(rules)
        self.facts = Facts(ctx)
        self.counts: Counter[str] = Counter()

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter, /) -> None:
        for variant in self.index.candidates(op):
            found = Matcher(variant, self.facts).match(op)
            if found is not None and self._replace(variant, found, op, rewriter):
                self.counts[variant.rule.name] += 1
                return

    def _replace(self, variant: Variant, found: Found, op: Operation, rewriter: PatternRewriter) -> bool:
        builder = Builder(self.facts, found.environment, op)
        try:
            value = builder.build(variant.replacement)
        except CannotBuildError:
            return False
        location = fuse_locations(*reversed(found.ops))
        for new in builder.ops:
            new.location = location
        rewriter.replace(op, builder.ops, [value])
        return True
