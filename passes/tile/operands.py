"""Where what elementwise chains load lies: in a tensor in global memory, seen through views, or at indices in one."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from xdsl.ir import BlockArgument, Operation, SSAValue

from vcc.dialects import graph
from vcc.dialects.weights import ConstantOp
from vcc.passes.tile.access import Access
from vcc.passes.tile.chain import Table
from vcc.passes.tile.lowering import KernelLowering, is_view, view_through
from vcc.runtime.diagnostics import error


def operand(lower: KernelLowering, value: SSAValue) -> tuple[BlockArgument, Access]:
    """The kernel's operand that a value is loaded from, and where its elements lie there.

    Raises `VccError` E0107 for a value that no load can make.
    """
    views, source = list[Operation](), value
    while isinstance(op := source.owner, Operation) and is_view(op):
        views.append(op)
        source = op.operands[0]
    if not isinstance(op := source.owner, graph.GatherOp | graph.GatherElementsOp):
        return lower.access(value)
    from vcc.passes.tile.indexed import gathered  # its indices are operands in turn

    arg, access = gathered(lower, op)
    for view in reversed(views):
        found = access.viewed(partial(view_through, view))
        if found is None:
            raise error("E0107", f"{view.name} cannot be folded into a gather", node=lower.node)
        access = found
    return arg, access


def operand_accesses(
    lower: KernelLowering, ops: Sequence[Operation], inside: Sequence[SSAValue], shape: Sequence[int]
) -> tuple[dict[SSAValue, Access], dict[SSAValue, BlockArgument]]:
    """Where the external operands of elementwise `ops` lie, by the axes of `shape`."""
    made = {result for op in ops for result in op.results} | set(inside)
    accesses: dict[SSAValue, Access] = {}
    args: dict[SSAValue, BlockArgument] = {}
    for op in ops:
        for value in op.operands:
            if value in made or value in accesses or isinstance(value.owner, ConstantOp):
                continue
            arg, access = operand(lower, value)
            if isinstance(op, graph.LookupOp) and value is op.table:
                access = Table(terms=(), valid=())
            accesses[value], args[value] = access.broadcast_to(shape), arg
    return accesses, args
