"""Dequantisations before row operations belong to their kernels, so that what lies between two kernels is bytes.

A dequantisation is a cast of bytes to floats and what adds, subtracts or multiplies by a number after it. Elementwise
readers were tried, too: those that end in another kernel compute it there only where that pays, and a kernel of its own
costs more than floats in between (yolo8: 4 % slower).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from xdsl.dialects.builtin import IntegerType
from xdsl.ir import Attribute, Block, Operation, SSAValue

from vcc.dialects import graph
from vcc.dialects.graph.attributes import BinaryFn
from vcc.dialects.graph.base import is_float, shape_of, tensor_of
from vcc.dialects.origin import VALUES
from vcc.dialects.weights import ConstantOp

#: A zero point is taken off with an addition or a subtraction, then comes the scale.
LONGEST_DEQUANTISATION = 3


def dequantisation(last: Operation) -> list[Operation]:
    """The operations, in order, that make a result of bytes with casts and numbers alone; none if others do."""
    found, op = [last], last
    while len(found) <= LONGEST_DEQUANTISATION and isinstance(op, graph.BinaryOp):
        made = [value.owner for value in op.operands if not _is_number(value)]
        if op.fn.data not in (BinaryFn.ADD, BinaryFn.SUB, BinaryFn.MUL) or len(made) != 1:
            return []
        if not isinstance(op := made[0], Operation):
            return []
        found.insert(0, op)
    return found if isinstance(op, graph.CastOp) and _is_bytes(op.x) and is_float(_element(op.result)) else []


def dequantising_tail(group: Sequence[Operation]) -> int:
    """How many operations at the end of a kernel dequantise bytes that it makes, for a row operation alone."""
    tail = dequantisation(group[-1])
    if not tail or list(group[-len(tail) :]) != tail or tail[0].operands[0].owner not in group[: -len(tail)]:
        return 0
    alone = all(op.results[0].has_one_use() for op in tail[:-1])
    users = [use.operation for use in tail[-1].results[0].uses]
    return len(tail) if alone and len(users) == 1 and _is_row(users[0]) else 0


def repeat_for_rows(block: Block) -> None:
    """Give each row operation that shares a dequantised operand with others a dequantisation of its own."""
    for op in list(block.ops):
        if not _is_row(op) or op.operands[0].has_one_use() or not isinstance(last := op.operands[0].owner, Operation):
            continue
        mapping: dict[SSAValue, SSAValue] = {}
        for each in dequantisation(last):
            copy = each.clone(mapping)
            copy.attributes.pop(VALUES, None)
            copy.location = each.location
            block.insert_op_before(copy, op)
            mapping[each.results[0]] = copy.results[0]
        op.operands[0] = mapping.get(op.operands[0], op.operands[0])


def _is_row(op: Operation) -> bool:
    """Whether an operation normalises rows that lie in one piece: bytes a row apart are slower than floats."""
    if isinstance(op, graph.SoftmaxOp):
        return op.axis.value.data % len(shape_of(op.result)) == len(shape_of(op.result)) - 1
    return isinstance(op, graph.LayerNormOp | graph.RmsNormOp)


def _is_number(value: SSAValue) -> bool:
    return isinstance(value.owner, ConstantOp) and prod(shape_of(value)) == 1


def _element(value: SSAValue) -> Attribute:
    return tensor_of(value).element_type


def _is_bytes(value: SSAValue) -> bool:
    element = _element(value)
    return isinstance(element, IntegerType) and element.width.data == 8
