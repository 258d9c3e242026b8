"""Where a rewrite rule matches in a model, seen as the rule sees it."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation

from vcc.passes.fuse.rules.compiled import Rule
from vcc.passes.fuse.rules.engine import ApplyRules, by_stage
from vcc.passes.fuse.rules.explain import explain
from vcc.passes.fuse.rules.syntax import STAGES
from vcc.passes.graph.patterns.movement import MOVEMENT_PATTERNS
from vcc.passes.rewriting import rewrite


def apply_stages_before(module: ModuleOp, ctx: Context, rules: Sequence[Rule], stage: str) -> None:
    """Apply the rules of the stages before `stage`: a rule sees what they have made of the model."""
    for earlier, of_stage in by_stage(rules):
        if STAGES.index(earlier) < STAGES.index(stage):
            patterns = [*MOVEMENT_PATTERNS, ApplyRules(of_stage, ctx)]
            rewrite(module, patterns, pass_name=f"apply-rules ({earlier})", reverse=True)


def matches(rule: Rule, module: ModuleOp, ctx: Context) -> list[Operation]:
    """The operations of a module at which a rule matches, in their order."""
    kinds = {variant.root.op for variant in rule.variants}
    return [op for op in module.walk() if any(kind.describes(op) for kind in kinds) and not explain(rule, op, ctx)]
