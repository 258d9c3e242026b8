"""From which step to which a tensor must be kept, and which tensors share their memory, for a given order of steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from xdsl.dialects.builtin import NoneAttr
from xdsl.ir import SSAValue

from vcc.dialects.visa import LaunchOp
from vcc.passes.plan.aliases import root_of
from vcc.passes.plan.main_body import MainBody
from vcc.runtime.plan.arena import lower_bound


@dataclass(frozen=True)
class Liveness:
    """For each tensor of a `MainBody`: first and last step (inclusive), group, the function result it lies in, offset.

    Tensors of one group lie in the same bytes, one after the other: each begins at the step that turns the one before
    into it, and that one's life ends the step before. A group with a function result lies in that output, all others
    (`output` is None) in the arena. So do the tensors of one concatenation, each from the byte `offset` on.
    """

    first: list[int]
    last: list[int]
    group: list[int]
    output: list[int | None]
    offset: list[int]

    @property
    def arena_rows(self) -> list[int]:
        """The tensors that lie in the arena."""
        return [i for i, output in enumerate(self.output) if output is None]

    def arena_bound(self, body: MainBody) -> int:
        """The largest sum of bytes live in the arena at any step; all of a concatenation lives from its first operand
        on.
        """
        groups: dict[int, tuple[int, int, int]] = {}
        for i in self.arena_rows:
            size, first, last = groups.get(self.group[i], (0, self.first[i], self.last[i]))
            end = self.offset[i] + body.tensors[i].nbytes
            groups[self.group[i]] = max(size, end), min(first, self.first[i]), max(last, self.last[i])
        columns = [list(column) for column in zip(*groups.values(), strict=True)] or [[], [], []]
        return lower_bound(*columns)


def analyse(body: MainBody, order: Sequence[int] | None = None) -> Liveness:
    """The lives of all tensors when the steps run in `order` (indices into `body.steps`; by default as they stand)."""
    steps = range(len(body.steps)) if order is None else order
    position = {step: at for at, step in enumerate(steps)}
    first = [position[tensor.step] for tensor in body.tensors]
    last = [max((position[r] for r in tensor.readers), default=position[tensor.step]) for tensor in body.tensors]
    group, offset = _concatenated(body)
    for at, step in enumerate(steps):
        taken: set[int] = set()
        for result, operand in replaceable(body, step):
            # `last` is the step itself only if nobody reads the operand later or has taken its place already.
            if last[operand] == at and operand not in taken and group[result] == result:
                taken.add(operand)
                group[result] = group[operand]
                last[operand] = at - 1
    outputs = {group[i]: tensor.result for i, tensor in enumerate(body.tensors) if tensor.result is not None}
    return Liveness(first, last, group, [outputs.get(each) for each in group], offset)


def _concatenated(body: MainBody) -> tuple[list[int], list[int]]:
    """The group of each tensor as far as concatenations make one, and its first byte in it."""
    leader: dict[SSAValue, int] = {}
    group: list[int] = []
    offsets: list[int] = []
    for i, tensor in enumerate(body.tensors):
        container, offset = body.container(tensor.value)
        group.append(leader.setdefault(container, i))
        offsets.append(offset)
    return group, offsets


def replaceable(body: MainBody, step: int) -> list[tuple[int, int]]:
    """Pairs of tensors (result, operand) of a step that may share memory if the operand is not read later."""
    op = body.steps[step]
    if not isinstance(op, LaunchOp):
        return []
    roots = [root_of(operand) for operand in op.inputs]
    pairs: list[tuple[int, int]] = []
    for result, operand in op.inplace_pairs:
        target, source = body.index[op.outputs[result]], body.index.get(roots[operand])
        if source is None or body.tensors[source].result is not None or _reads(body, op, source) > 1:
            continue
        if any(body.tensors[i].value in body.containers for i in (source, target)):
            continue
        if _interchangeable(body.tensors[target].value.type, body.tensors[source].value.type):
            pairs.append((target, source))
    return pairs


def _reads(body: MainBody, op: LaunchOp, tensor: int) -> int:
    """How many operands of a launch lie in the memory of a tensor."""
    return sum(tensor in body.sources(operand) for operand in op.inputs)


def _interchangeable(one: Any, other: Any) -> bool:
    """Whether one place can be seen as either type: equal, or both row-major with the same elements."""
    if one == other:
        return True
    row_major = isinstance(one.encoding, NoneAttr) and isinstance(other.encoding, NoneAttr)
    elements = one.element_count() == other.element_count()
    return row_major and elements and one.element_type == other.element_type
