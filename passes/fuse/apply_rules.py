"""`apply-rules`: small patterns of operations become others, as the rule files say.

    mul(mul(x, 0.5), add(erf(mul(x, 0.70710678)), 1))  ->  gelu(x)

docs/rules.md describes the files.
"""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

from vcc.passes.fuse.rules.engine import ApplyRules, by_stage, load_rules
from vcc.passes.graph.patterns.movement import MOVEMENT_PATTERNS
from vcc.passes.rewriting import rewrite


@dataclass(frozen=True)
class ApplyRulesPass(ModulePass):
    """Apply rules until none matches.

    `files` are names of rule files that come with the compiler, or paths; by default all but the optional ones.
    `with_optional` names files to add to those.
    """

    name = "apply-rules"

    files: tuple[str, ...] | None = None
    with_optional: tuple[str, ...] = ()

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        rules = load_rules(self.files)
        if self.with_optional:
            rules += load_rules(self.with_optional)
        for stage, of_stage in by_stage(rules):
            # From the results on, so that a pattern is found whole before a part of it is replaced.
            patterns = [*MOVEMENT_PATTERNS, ApplyRules(of_stage, ctx)]
            rewrite(op, patterns, pass_name=f"{self.name} ({stage})", reverse=True)
