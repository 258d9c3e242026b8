"""Form kernels: an anchor with the elementwise operations around it, or a chain of elementwise operations alone.

Anchors (convolution, matrix product, pooling, row operation, concatenation) are taken first, so that a residual
addition goes with the product that it follows (grow.py). What is left is elementwise kernels; those that read one
tensor become one (siblings.py), and those that others had better compute themselves go into these (absorb.py). Views
become part of loads and stores (views.py). What stays outside is constants, reshapes, which cost nothing, and host
operators.
"""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import LocationAttr, ModuleOp
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Block, BlockArgument, Operation, OpResult, SSAValue
from xdsl.passes import ModulePass

from vcc.dialects import graph
from vcc.dialects.visa import TargetMachine, machine_of
from vcc.dialects.weights import ConstantOp
from vcc.passes.fuse.absorb import absorb_kernels
from vcc.passes.fuse.choose_layouts import ELEMENTWISE
from vcc.passes.fuse.dequantised import repeat_for_rows
from vcc.passes.fuse.estimate import Estimator
from vcc.passes.fuse.groups import Forming, Group
from vcc.passes.fuse.grow import Growth
from vcc.passes.fuse.outline import outline
from vcc.passes.fuse.siblings import join_reductions, join_siblings
from vcc.passes.fuse.views import MOVES, VIEWS, anchor_kind


@dataclass(frozen=True)
class FormKernels(ModulePass):
    """Put every tensor operation into a `graph.kernel`. Without a target no kernel is absorbed: that is a matter of
    cost."""

    name = "form-kernels"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        estimator = Estimator(machine_of(ctx)) if _has_machine(ctx) else None
        for function in [o for o in op.walk() if isinstance(o, FuncOp)]:
            if function.body.blocks:
                form_kernels(function.body.block, estimator)


def form_kernels(block: Block, estimator: Estimator | None) -> None:
    """Form the kernels of one block; see the module's text for the order."""
    copy_bare_results(block)
    repeat_for_rows(block)
    forming = Forming(block)
    ops = list(block.ops)
    growth = Growth(forming, None if estimator is None else estimator.machine)
    groups = [
        growth.gather_pieces(op) if isinstance(op, graph.ConcatOp) else growth.grow(op, kind)
        for op in ops
        if (kind := anchor_kind(op)) is not None and not growth.is_inner(op)
    ]
    groups += [growth.grow(op, "elementwise") for op in ops if isinstance(op, ELEMENTWISE) and op not in forming.taken]
    join_siblings(forming, groups)
    join_reductions(forming, groups)
    forming.enter(groups)
    if estimator is not None:
        absorb_kernels(forming, groups, estimator)
    for op in reversed(list(block.ops)):
        # From the last view on, since it may read through those before it.
        if isinstance(op, VIEWS) and op not in forming.members and not forming.folds(op):
            groups.append(Group("elementwise", [op], why_alone(op)))
            forming.enter(groups[-1:])
    for group in groups:
        outline(forming, group)
    for op in reversed(list(block.ops)):
        if isinstance(op, MOVES) and not list(op.results[0].uses):
            op.detach()
            op.erase()


def copy_bare_results(block: Block) -> None:
    """Give a result that is an argument, a constant or another result once more a copy of its own."""
    last = block.last_op
    if not isinstance(last, ReturnOp):
        return
    seen: set[SSAValue] = set()
    for i, value in enumerate(last.operands):
        root = value
        while isinstance(root, OpResult) and isinstance(root.op, graph.ReshapeOp):
            root = root.op.x
        bare = isinstance(root, BlockArgument) or isinstance(root.owner, ConstantOp) or root in seen
        seen.add(root)
        if bare:
            copy = graph.RelayoutOp(value, None)
            copy.location = last.location if isinstance(root, BlockArgument) else _owner_location(root)
            block.insert_op_before(copy, last)
            last.operands[i] = copy.results[0]


def why_alone(view: Operation) -> str:
    """Why a view has a kernel of its own."""
    if isinstance(view, graph.RelayoutOp):
        return "copies a value that is a result of the model and lies elsewhere"
    pending, users = [view.results[0]], list[str]()
    while pending:
        for use in pending.pop().uses:
            if isinstance(use.operation, graph.ReshapeOp):
                pending.append(use.operation.result)
            else:
                users.append("a result of the model" if isinstance(use.operation, ReturnOp) else use.operation.name)
    return f"{view.name} moves data by itself: {', '.join(dict.fromkeys(users))} cannot read through it"


def _owner_location(value: SSAValue) -> LocationAttr:
    owner = value.owner
    assert isinstance(owner, Operation)
    return owner.location


def _has_machine(ctx: Context) -> bool:
    target = ctx.get_dialect("visa").get_interface(TargetMachine)
    return target is not None and target.machine is not None
