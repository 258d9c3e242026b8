"""Elementwise kernels: chains of operations over one shape, and pure data movement, which is a chain of none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from xdsl.ir import SSAValue

from vcc.passes.tile.access import Access, IterAxis, iteration_axes, splits_of
from vcc.passes.tile.bursts import tile_cycles
from vcc.passes.tile.chain import ChainEmitter, ChainPlan, plan_chain, tensor_type
from vcc.passes.tile.lowering import KernelLowering, tile_counts
from vcc.passes.tile.operands import operand, operand_accesses
from vcc.passes.tile.search import choose_tile, cuts, waves
from vcc.runtime.isa.kernel import MAX_DIMS, Memory, Pipe
from vcc.runtime.machine.cost import vector_cycles
from vcc.runtime.machine.model import Machine


def tile_elementwise(lower: KernelLowering) -> None:
    """Tile a kernel of elementwise operations and views."""
    result, ops = lower.result, lower.elementwise
    shape = tensor_type(result).get_shape()
    accesses, args = operand_accesses(lower, ops, (), shape)
    if not ops:
        arg, access = operand(lower, result)
        accesses, args = {result: access}, {result: arg}
    axes = iteration_axes(tensor_type(result), splits=splits_of(accesses.values()))
    plan = plan_chain(ops, accesses, axes, {}, [result, *lower.others] if ops else [])
    if not ops:
        plan.add_load(result, accesses[result], axes, (True,) * len(axes))
    sizes = choose_sizes(lower.machine, plan, axes, accesses, lower.node, lower.destination())
    lower.open()
    with lower.builder.forall(tile_counts(axes, sizes)) as variables:
        tile = lower.cut(axes, sizes, variables)
        emitter = ChainEmitter(lower.builder, plan, tile)
        params = {value: lower.params[arg] for value, arg in args.items()}
        for value, number in plan.loads:
            users = [op for op in ops if value in op.operands]
            sources = lower.view_sources(value) + lower.source(*users)
            emitter.load_one(value, number, params[value], accesses[value], sources)
        emitter.compute(lower.sources, lower.taps)
        last = lower.source(ops[-1]) if ops else lower.view_sources(result)
        emitter.store(result, lower.output, lower.destination(), last + lower.stored_sources())
        lower.store_others(emitter)


def choose_sizes(
    machine: Machine,
    plan: ChainPlan,
    axes: Sequence[IterAxis],
    accesses: Mapping[SSAValue, Access],
    node: str,
    stored: Access | None = None,
) -> list[int]:
    """Tile sizes: inner loops whole, one loop cut, outer loops one step at a time.

    Loops are nested as the result lies in memory, or as an operand does, whichever is cheaper. `stored` says where the
    result goes.
    """
    strides = {value: access.strides(axes) for value, access in accesses.items()}
    table = cuts([axis.extent for axis in axes], MAX_DIMS, [_nesting(s) for s in strides.values() if s])
    extents = np.array([axis.extent for axis in axes], dtype=np.int64)
    tiles = np.prod(-(-extents // table), axis=1)
    sizes = [table[:, i] for i in range(len(axes))]
    elements = np.prod(table, axis=1)

    def cost(candidate: Any) -> Any:
        rows = candidate["row"]
        place = None if stored is None else stored.strides(axes)
        stages = [plan_cycles(machine, plan, [s[rows] for s in sizes], elements[rows], strides, place)]
        slowest = np.maximum.reduce(list(stages[0]))
        return waves(machine, tiles[rows]) * slowest + sum(stages[0])

    chosen = choose_tile(
        machine,
        {"row": range(len(table))},
        lambda candidate, slots: {Memory.UB: plan.nbytes([s[candidate["row"]] for s in sizes], slots)},
        cost,
        node=node,
        what="an elementwise kernel",
    )
    return [int(size) for size in table[chosen["row"]]]


def _nesting(strides: Sequence[int]) -> list[int]:
    """The loops from the longest steps to the innermost; those that do not move an operand stay outside."""
    return sorted(range(len(strides)), key=lambda i: -abs(strides[i]) if strides[i] else float("-inf"))


def plan_cycles(
    machine: Machine,
    plan: ChainPlan,
    sizes: Sequence[Any],
    elements: Any,
    strides: Mapping[SSAValue, Sequence[int] | None] | None = None,
    stored: Sequence[int] | None = None,
) -> tuple[Any, Any, Any]:
    """Cycles of DMA-in, vector and DMA-out for one tile; `strides` and `stored` say how what moves lies in memory."""
    loaded: Any = 0
    for value, number in plan.loads:
        buffer = plan.buffers[number]
        count: Any = buffer.nbytes
        for size, spans in zip(sizes, buffer.spans, strict=True):
            count = count * size if spans else count
        place = (strides or {}).get(value)
        loaded = loaded + tile_cycles(machine, Pipe.IN, place, sizes, count + 0 * elements)
    computed: Any = 0 * elements
    for step in plan.steps:
        computed = computed + vector_cycles(machine, plan.buffers[step.dst].dtype.name, elements)
    out: Any = 0 * elements
    if plan.home:
        final = plan.buffers[list(plan.home.values())[-1]]
        out = tile_cycles(machine, Pipe.OUT, stored, sizes, elements * final.dtype.size)
    return loaded, computed, out
