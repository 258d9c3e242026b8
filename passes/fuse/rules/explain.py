"""Explain why a rule does not match: how far it got, and at which value of which ONNX node it stopped."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation, OpResult, SSAValue

from vcc.dialects.origin import node_names, value_names
from vcc.passes.fuse.rules.build import Builder, CannotBuildError
from vcc.passes.fuse.rules.compiled import Rule, Variant
from vcc.passes.fuse.rules.facts import Facts
from vcc.passes.fuse.rules.match import Matcher, Miss, Trail


@dataclass(frozen=True)
class Reason:
    """Why a plain form of a rule does not match: what is wrong, and with which value of which ONNX nodes."""

    message: str
    value: str
    nodes: tuple[str, ...]
    progress: int
    operations: int

    def __str__(self) -> str:
        place = self.value or "an unnamed value"
        nodes = f" (node {', '.join(self.nodes)})" if self.nodes else ""
        return f"at {place}{nodes}: {self.message}; {self.progress} of {self.operations} matched"


def explain(rule: Rule, op: Operation, ctx: Context) -> list[Reason]:
    """Why a rule does not match at an operation, the nearest misses first; empty if it does match."""
    facts = Facts(ctx)
    reasons: list[Reason] = []
    for variant in rule.variants:
        trail = Trail()
        found = Matcher(variant, facts, trail).match(op)
        if found is not None:
            builder = Builder(facts, found.environment, op)
            try:
                builder.build(variant.replacement)
                builder.discard()
                return []
            except CannotBuildError as failure:
                trail.add(Miss(variant.size + 2, str(failure), op.results[0]))
        reasons += [_reason(miss, variant) for miss in trail.misses]
    unique = {(reason.message, reason.value): reason for reason in reversed(reasons)}
    return sorted(unique.values(), key=lambda reason: (-reason.progress, reason.operations - reason.progress))


def near_misses(rule: Rule, module: ModuleOp, ctx: Context, limit: int = 10) -> list[tuple[Operation, Reason]]:
    """The operations of a module that a rule comes nearest to matching at, with what is in its way there.

    Only those where at least two operations match (one, for rules of one operation); the nearest come first.
    """
    found: list[tuple[Operation, Reason]] = []
    least = min(2, max(variant.size for variant in rule.variants))
    kinds = {variant.root.op for variant in rule.variants}
    for op in module.walk():
        reasons = explain(rule, op, ctx) if any(kind.describes(op) for kind in kinds) else []
        if reasons and reasons[0].progress >= least:
            found.append((op, reasons[0]))
    return sorted(found, key=lambda each: -each[1].progress / each[1].operations)[:limit]


def _reason(miss: Miss, variant: Variant) -> Reason:
    nodes = node_names(miss.value.op) if isinstance(miss.value, OpResult) else ()
    progress = min(miss.progress, variant.size)
    return Reason(miss.reason, _name_of(miss.value), nodes, progress, variant.size)


def _name_of(value: SSAValue | None) -> str:
    if value is None:
        return ""
    names = value_names(value)
    return f"'{names[0]}'" if names else f"%{value.name_hint}" if value.name_hint else ""
