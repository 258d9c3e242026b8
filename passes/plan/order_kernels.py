"""Order the steps of the main function so that fewer bytes are live at once."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.dialects.func import ReturnOp
from xdsl.ir import Operation, OpResult, SSAValue
from xdsl.passes import ModulePass

from vcc.passes.plan.aliases import AliasOp
from vcc.passes.plan.liveness import analyse
from vcc.passes.plan.main_body import MainBody, StepOp, read_main, result_values


@dataclass(frozen=True)
class OrderKernelsPass(ModulePass):
    """Reorder the steps if that lowers the largest sum of live bytes; else leave them as they stand.

    Compared are the order in the IR, the one that always takes the ready step after which the fewest bytes are live,
    and the one that finishes each branch before it begins the next. The earlier of these wins a tie.
    """

    name = "order-kernels"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        body = read_main(op)
        original = list(range(len(body.steps)))
        orders = [original, frugal_order(body), depth_first_order(body)]
        best = min(orders, key=lambda order: analyse(body, order).arena_bound(body))
        if best != original:
            _reorder(body, best)


def frugal_order(body: MainBody) -> list[int]:
    """The order that always takes the ready step after which the fewest bytes are live; ties go to the earlier one."""
    waiting_for, read, written = _dependences(body)
    consumers: dict[int, list[int]] = defaultdict(list)
    for step, tensors in enumerate(read):
        for tensor in tensors:
            consumers[tensor].append(step)
    left = [len(tensor.readers) for tensor in body.tensors]
    kept = [tensor.result is not None for tensor in body.tensors]

    def growth(step: int) -> int:
        grown = sum(body.tensors[t].nbytes for t in written[step] if not kept[t] and body.tensors[t].readers)
        freed = sum(body.tensors[t].nbytes for t in read[step] if left[t] == 1 and not kept[t])
        return grown - freed

    ready = [(growth(step), step) for step, count in enumerate(waiting_for) if count == 0]
    heapq.heapify(ready)
    order: list[int] = []
    done: set[int] = set()

    def offer(step: int) -> None:
        # A step's growth only ever falls, so an older entry of it comes out of the heap later and is passed over.
        if waiting_for[step] == 0 and step not in done:
            heapq.heappush(ready, (growth(step), step))

    while ready:
        _, step = heapq.heappop(ready)
        if step in done:
            continue
        done.add(step)
        order.append(step)
        for tensor in written[step]:
            for consumer in consumers[tensor]:
                waiting_for[consumer] -= 1
                offer(consumer)
        for tensor in read[step]:
            left[tensor] -= 1
            if left[tensor] == 1:
                offer(next(consumer for consumer in consumers[tensor] if consumer not in done))
    return order


def depth_first_order(body: MainBody) -> list[int]:
    """Each function result with all it needs before the next one, operands that are large before small ones."""
    _, read, _ = _dependences(body)
    order: list[int] = []
    done: set[int] = set()

    def producers(step: int) -> Iterator[int]:
        for tensor in sorted(read[step], key=lambda t: -body.tensors[t].nbytes):
            yield body.tensors[tensor].step

    results = [index for value in result_values(body.function) for index in body.sources(value)]
    for root in [*(body.tensors[i].step for i in results), *range(len(body.steps))]:
        stack = [(root, producers(root))] if root not in done else []
        while stack:
            step, needs = stack[-1]
            missing = next((need for need in needs if need not in done), None)
            if missing is not None:
                stack.append((missing, producers(missing)))
                continue
            stack.pop()
            if step not in done:
                done.add(step)
                order.append(step)
    return order


def _dependences(body: MainBody) -> tuple[list[int], list[list[int]], list[list[int]]]:
    """For each step how many tensors it waits for, which those are, and which it writes."""
    read: list[list[int]] = [[] for _ in body.steps]
    written: list[list[int]] = [[] for _ in body.steps]
    for index, tensor in enumerate(body.tensors):
        written[tensor.step].append(index)
        for reader in tensor.readers:
            read[reader].append(index)
    return [len(tensors) for tensors in read], read, written


def _reorder(body: MainBody, order: Sequence[int]) -> None:
    """Rebuild the block: what needs no step first, then the steps, each followed by what its results alias."""
    block = body.function.body.block
    ops = list(block.ops)
    moved: list[Operation] = []
    placed: set[Operation] = set()

    def place(op: Operation) -> None:
        moved.append(op)
        placed.add(op)
        for result in op.results:
            place_aliases(result)

    def place_aliases(value: SSAValue) -> None:
        for alias in sorted({use.operation for use in value.uses}, key=position.__getitem__):
            # A concatenation waits for the last of its operands, several of which one kernel may make.
            ready = isinstance(alias, AliasOp) and all(_is_placed(operand, placed) for operand in alias.operands)
            if ready and alias not in placed:
                place(alias)

    position = {op: i for i, op in enumerate(ops)}
    for argument in block.args:
        place_aliases(argument)
    for op in ops:
        if not isinstance(op, StepOp | AliasOp | ReturnOp):
            place(op)
    for step in order:
        place(body.steps[step])
    for op in ops:
        op.detach()
    block.add_ops([*moved, ops[-1]])


def _is_placed(value: SSAValue, placed: set[Operation]) -> bool:
    return not isinstance(value, OpResult) or value.op in placed
