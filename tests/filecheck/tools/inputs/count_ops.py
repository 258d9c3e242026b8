"""A pass in a file of its own, for vcc-opt --load."""

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import IntegerAttr, ModuleOp, i64
from xdsl.passes import ModulePass


@dataclass(frozen=True)
class CountOps(ModulePass):
    """Writes the number of ops in the module, plus `more`, on the module."""

    name = "count-ops"
    more: int = 0

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        op.attributes["ops"] = IntegerAttr(sum(1 for _ in op.walk()) + self.more, i64)
