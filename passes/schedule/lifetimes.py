"""Where in their memory the buffers of a kernel lie, and which of them share bytes because they are never both alive.

Two buffers may share bytes if every instruction that touches either runs on one pipe, and in program order the one is
dead whenever the other is alive. Proof: a pipe carries out its instructions in program order, so nothing that touches
the second begins before the last access of the first has ended, in every legal order of the pipes and without any
event. A buffer is alive from its first to its last access within one run of the block that it stands in, where an
access in a nested loop counts as the whole loop; what it held is gone when the block begins anew, so the next
iteration finds nothing that sharing could have spoilt. Where two such spans of the text are apart, no access to the one
buffer comes between two to the other of one run: loops around both repeat them one after the other.

Buffers that several pipes touch, of which one pipe may already be an iteration ahead, have their bytes to themselves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from xdsl.ir import Operation, SSAValue

from vcc.dialects.visa import AllocOp, InstrOp, KernelOp
from vcc.runtime.isa.kernel import Memory, Pipe
from vcc.runtime.plan.first_fit import first_fit
from vcc.runtime.plan.problem import Ints, make_problem

#: The first and the last operation of a span, counted in the order of the text.
Span = tuple[int, int]


@dataclass(frozen=True)
class Placement:
    """The address of each buffer in its memory, and the bytes of each memory that are in use."""

    addresses: Mapping[AllocOp, int]
    ends: Mapping[Memory, int]


def pipes_of(buffer: SSAValue) -> set[Pipe]:
    """The pipes of all instructions that touch a buffer."""
    return {use.operation.row.pipe for use in buffer.uses if isinstance(use.operation, InstrOp)}


def place(kernel: KernelOp) -> Placement:
    """Buffers with bytes of their own in the order of the text, behind them for each pipe those that share."""
    addresses, ends = dict[AllocOp, int](), dict[Memory, int]()
    sharing: dict[tuple[Memory, Pipe], list[AllocOp]] = {}
    for alloc in [op for op in kernel.walk() if isinstance(op, AllocOp)]:
        memory, pipes = alloc.type.memory, pipes_of(alloc.buffer)
        if len(pipes) == 1:
            sharing.setdefault((memory, pipes.pop()), []).append(alloc)
            continue
        addresses[alloc] = ends.get(memory, 0)
        ends[memory] = addresses[alloc] + alloc.type.slot_bytes * alloc.type.slots
    spans = text_spans(kernel) if sharing else {}
    for (memory, _), allocs in sharing.items():
        base = ends.get(memory, 0)
        offsets, size = _pack(allocs, [life(alloc, spans) for alloc in allocs])
        addresses |= {alloc: base + int(offset) for alloc, offset in zip(allocs, offsets, strict=True)}
        ends[memory] = base + size
    return Placement(addresses, ends)


def text_spans(kernel: KernelOp) -> dict[Operation, Span]:
    """The numbers of each operation and of the last operation nested in it, in the order of the text."""
    spans: dict[Operation, Span] = {}
    for number, op in enumerate(kernel.walk()):
        spans[op] = number, number
    for op in reversed(list(spans)):
        parent = op.parent_op()
        if parent is not None and parent in spans:
            spans[parent] = spans[parent][0], max(spans[parent][1], spans[op][1])
    return spans


def life(alloc: AllocOp, spans: Mapping[Operation, Span]) -> Span:
    """The part of the text during which a buffer that something touches is alive."""
    block = alloc.parent_block()
    assert block is not None
    users = [block.find_ancestor_op_in_block(use.operation) for use in alloc.buffer.uses]
    lives = [spans[user] for user in users if user is not None]
    assert len(lives) == len(users), "buffers are used in the block they stand in"
    return min(first for first, _ in lives), max(last for _, last in lives)


def _pack(allocs: Sequence[AllocOp], lives: Sequence[Span]) -> tuple[Ints, int]:
    """Offsets of buffers alive at these times and the bytes they take: the best first fit of a few orders."""
    sizes = np.array([alloc.type.slot_bytes * alloc.type.slots for alloc in allocs], np.int64)
    first, last = np.array(lives, np.int64).T
    problem = make_problem(sizes, first, last)
    found = [
        first_fit(problem, order, tightest=tightest)
        for order in (np.lexsort((-sizes, first)), np.lexsort((first, -sizes)))
        for tightest in (False, True)
    ]
    return min(((offsets, int((offsets + sizes).max())) for offsets in found), key=lambda each: each[1])
