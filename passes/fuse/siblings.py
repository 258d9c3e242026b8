"""Join kernels that read the same tensor and do not need each other's result: elementwise ones of one shape, and
reductions along the same axes, such as the least and the greatest number of what is quantised by its range."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.ir import Attribute, Operation, SSAValue

from vcc.dialects import graph
from vcc.dialects.graph.base import shape_of
from vcc.dialects.weights import ConstantOp
from vcc.passes.fuse.groups import LONGEST, Forming, Group, escaping


def join_siblings(forming: Forming, groups: list[Group]) -> None:
    """Join what can be joined; the second kernel of a pair takes the first one's operations."""
    found: dict[SSAValue, Group] = {}
    for group in [g for g in groups if g.kind == "elementwise"]:
        shape = shape_of(group.ops[-1].results[0])
        inside = set(group.ops)
        operands = [v for op in group.ops for v in op.operands if v.owner not in inside]
        shared = [v for v in operands if shape_of(v) == shape and not isinstance(v.owner, ConstantOp)]
        first = next((found[v] for v in shared if v in found), None)
        if first is not None and first is not group and _are_siblings(forming, first, group, operands):
            group.ops[:0] = first.ops
            group.remark = f"joined with another kernel that reads the same tensor; {group.remark}"
            groups.remove(first)
        found.update(dict.fromkeys(shared, group))


def join_reductions(forming: Forming, groups: list[Group]) -> None:
    """Join reductions of one tensor with nothing after them; the second kernel of a pair takes the first one's."""
    found: dict[tuple[SSAValue, Attribute, Attribute], Group] = {}
    for group in [g for g in groups if g.kind == "reduce" and len(g.ops) == 1]:
        op = group.ops[0]
        assert isinstance(op, graph.ReduceOp)
        key = (op.x, op.axes, op.keepdims)
        first = found.get(key)
        # Readers of the first one must stand behind the kernel, which is in the place of the last.
        if first is not None and forming.after(first.ops, set(first.ops), forming.position[op]):
            group.ops[:0] = first.ops
            group.remark = f"joined with another reduction of the same tensor; {group.remark}"
            groups.remove(first)
        found[key] = group


def _are_siblings(forming: Forming, first: Group, second: Group, operands: Sequence[SSAValue]) -> bool:
    """Whether two groups, the first of which stands before, can be one where the second one stands."""
    position = forming.position
    end, ends = position[first.ops[-1]], position[second.ops[-1]]
    lasts = [first.ops[-1], second.ops[-1]]
    ready = all(not isinstance(v.owner, Operation) or position.get(v.owner, -1) < end for v in operands)
    same = lasts[0].results[0].type == lasts[1].results[0].type
    leaving = [*escaping(first.ops), *escaping(second.ops)]
    return (
        ready and same and end < ends and leaving == lasts
        and len(first.ops) + len(second.ops) <= LONGEST
        and forming.after([first.ops[-1]], set(first.ops), ends)
    )  # fmt: skip
