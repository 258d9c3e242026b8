"""The check xDSL's verifier leaves out: every value is defined before it is used."""

from __future__ import annotations

from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Block, Operation, Region, SSAValue
from xdsl.irdl.dominance import DominanceInfo

from vcc.dialects.origin import node_names
from vcc.runtime.diagnostics import error


def check_dominance(module: ModuleOp) -> None:
    """E0107 if an operand in `module` is not defined before its use; a module's own body may be in any order."""
    _check_region(module.body, set())


def _check_region(region: Region, visible: set[SSAValue]) -> None:
    """Check `region` where the values of `visible` are defined; costs time linear in the number of ops."""
    blocks = tuple(region.blocks)
    defined: dict[Block, set[SSAValue]] = {}
    info = DominanceInfo(region) if len(blocks) > 1 else None
    for block in blocks:
        # Every dominator's values are visible, in whatever order the blocks are written.
        dominators = [] if info is None else [b for b in blocks if info.strictly_dominates(b, block)]
        defined[block] = {value for b in (*dominators, block) for value in b.args}
        defined[block].update(result for b in dominators for op in b.ops for result in op.results)
    for block in blocks:
        # One growing set for a single block: copying it for every op would be quadratic.
        scope = visible if info is None else visible | defined[block]
        added: list[SSAValue] = [value for value in defined[block] if value not in scope]
        scope.update(added)
        for op in block.ops:
            _check_operands(op, scope)
            for inner in op.regions:
                _check_region(inner, set() if isinstance(op, ModuleOp) else scope)
            scope.update(op.results)
            added.extend(op.results)
        scope.difference_update(added)


def _check_operands(op: Operation, visible: set[SSAValue]) -> None:
    for index, operand in enumerate(op.operands):
        if operand not in visible:
            names = node_names(op)
            what = f"operand {index} of {op.name} is used before it is defined, or where it cannot be seen"
            raise error("E0107", what, node=", ".join(names), op=op.name)
