"""`simplify-graph`: movements that cancel, arithmetic that does nothing, operations of constants alone.

    %1 = graph.transpose %0 {perm = [0, 2, 3, 1]}
    %2 = graph.transpose %1 {perm = [0, 3, 1, 2]}   ->  %0

No rewrite changes a bit of any result.
"""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

from vcc.passes.graph.patterns.arithmetic import arithmetic_patterns
from vcc.passes.graph.patterns.constants import FoldConstants
from vcc.passes.graph.patterns.movement import MOVEMENT_PATTERNS
from vcc.passes.rewriting import rewrite


@dataclass(frozen=True)
class SimplifyGraph(ModulePass):
    """Apply every pattern of `passes/graph/patterns` until none matches; dead operations go on the way."""

    name = "simplify-graph"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        patterns = [FoldConstants(ctx), *MOVEMENT_PATTERNS, *arithmetic_patterns(ctx)]
        rewrite(op, patterns, pass_name=self.name)
