"""Make the `graph.kernel` of a group of operations, with the views that its loads read through."""

from __future__ import annotations

from xdsl.dialects.builtin import StringAttr
from xdsl.ir import Block, Operation, Region, SSAValue

from vcc.dialects import graph
from vcc.dialects.graph.base import tensor_of
from vcc.dialects.graph.structure import REMARK
from vcc.dialects.origin import fuse_locations, set_value_names, value_names
from vcc.dialects.weights import ConstantOp
from vcc.passes.fuse.groups import Forming, Group, escaping, is_number, takes_number


def build_kernel(forming: Forming, group: Group) -> tuple[graph.KernelOp, list[SSAValue]]:
    """The kernel of copies of a group's operations, in no block, and the values that its results stand for."""
    inputs: list[SSAValue] = []
    body = Block()
    mapping: dict[SSAValue, SSAValue] = {}

    def bring(value: SSAValue, user: Operation) -> None:
        """Make a value available in the body: a copied constant or view, or an argument."""
        if value in mapping:
            return
        op = value.owner
        if isinstance(op, ConstantOp) and is_number(op) and takes_number(user, value):
            copy = op.clone()
            copy.location = op.location
            body.add_op(copy)
            mapping[value] = copy.result
            return
        if chain := forming.chain(user, value):
            source = chain[-1].operands[0]
            if source not in mapping:
                mapping[source] = body.insert_arg(source.type, len(body.args))
                inputs.append(source)
            for view in reversed(chain):
                if view.results[0] not in mapping:
                    _copy(view, body, mapping)
            return
        mapping[value] = body.insert_arg(value.type, len(body.args))
        inputs.append(value)

    made = {result for op in group.ops for result in op.results}
    for op in group.ops:
        for operand in op.operands:
            if operand not in made:
                bring(operand, op)
    for op in group.ops:
        _copy(op, body, mapping)
    last = group.ops[-1]
    leaving: list[SSAValue] = [last.results[0], *(op.results[0] for op in escaping(group.ops) if op is not last)]
    body.add_op(graph.YieldOp(*(mapping[value] for value in leaving)))
    notes = [note.data for op in group.ops if isinstance(note := op.attributes.get(REMARK), StringAttr)]
    remarks = [remark for remark in (*notes, group.remark) if remark]
    types = [tensor_of(value) for value in leaving]
    kernel = graph.KernelOp(inputs, types, Region(body), kind=group.kind, remarks=remarks)
    kernel.location = fuse_locations(*group.ops)
    set_value_names(kernel, [value_names(value) for value in leaving])
    return kernel, leaving


def outline(forming: Forming, group: Group) -> None:
    """Put a group's kernel in the place of its operations."""
    kernel, leaving = build_kernel(forming, group)
    forming.block.insert_op_before(kernel, group.place)
    _constants_before(kernel, forming, forming.position[group.place])
    for value, result in zip(leaving, kernel.results, strict=True):
        value.replace_all_uses_with(result)
    for op in reversed(group.ops):
        op.detach()
        op.erase()


def _constants_before(kernel: graph.KernelOp, forming: Forming, place: int) -> None:
    """Move constants that the kernel reads before it: joined operations may stand behind the place of the kernel."""
    for op in dict.fromkeys(value.owner for value in kernel.operands):
        if not isinstance(op, ConstantOp) or op.parent is not forming.block:
            continue
        # Walking to the end of the block for every constant takes long in large models.
        behind = forming.position[op] > place if op in forming.position else kernel.is_before_in_block(op)
        if behind:
            op.detach()
            forming.block.insert_op_before(op, kernel)
            forming.position[op] = place


def _copy(op: Operation, body: Block, mapping: dict[SSAValue, SSAValue]) -> None:
    copy = op.clone(mapping)
    copy.attributes.pop(REMARK, None)
    copy.location = op.location
    body.add_op(copy)
    for old, new in zip(op.results, copy.results, strict=True):
        mapping[old] = new
