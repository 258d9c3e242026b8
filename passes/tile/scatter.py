"""Scatter kernels: a copy of a tensor, over which updates are then written where an index tensor says.

The cores divide the indexed axis. Each copies its part and goes through all updates, of which it stores those that
belong there: the copy and the updates are stores of one pipe, in order.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from math import prod
from typing import Any

from vcc.dialects import graph
from vcc.passes.tile.access import Access, extent_of, iteration_axes
from vcc.passes.tile.builder import dim
from vcc.passes.tile.chain import ChainPlan, dtype_of, gm_view, tensor_type
from vcc.passes.tile.elementwise import choose_sizes
from vcc.passes.tile.indexed import IndexTile, indexed, spread
from vcc.passes.tile.lowering import KernelLowering, tile_counts
from vcc.passes.tile.search import Sizes, choose_tile, divisors, padded, tile_candidates
from vcc.runtime.isa.expr import ONE, ZERO, Poly
from vcc.runtime.isa.kernel import Memory, Pipe, Scalar, View
from vcc.runtime.machine.cost import transfer_cycles
from vcc.runtime.machine.model import Machine

#: A core that has fewer bytes to copy costs more than it saves.
LEAST_BYTES = 1 << 14


def tile_scatter(lower: KernelLowering) -> None:
    """Tile a kernel whose anchor is a `graph.scatter` or `graph.scatter_elements`."""
    anchor = next(op for op in lower.ops if isinstance(op, graph.ScatterOp | graph.ScatterElementsOp))
    elements = isinstance(anchor, graph.ScatterElementsOp)
    result = Access.of(tensor_type(anchor.result))
    whole, indices = indexed(lower, anchor, result, anchor.indices, anchor.axis.value.data, elements=elements)
    arg, access = lower.access(anchor.updates)
    axes = iteration_axes(tensor_type(anchor.updates))
    spans = indices.spans(axes)
    assert spans is not None, "nothing of a scatter is stored in blocks"
    parts = _parts(lower, indices.limit)
    part = indices.limit // parts
    plan = ChainPlan()
    moved = plan.add(dtype_of(anchor.updates), (True,) * len(axes), True)
    plan.home[anchor.updates] = moved
    plan.loads += [(anchor.updates, moved), (anchor.indices, indices.plan(plan, axes))]
    if parts > 1:
        plan.add(dtype_of(anchor.indices), spans)
    # One core works through all updates, with half of ub; the copy has the other.
    half = {**lower.machine.memories, Memory.UB: lower.machine.memories[Memory.UB] // 2}
    machine = replace(lower.machine, cores=1, memories=half)
    sizes = choose_sizes(machine, plan, axes, {}, lower.node)
    lower.open(indices.packs)
    builder, sources = lower.builder, lower.source(anchor)
    with builder.forall({"part": parts}) as variables:
        first = variables["part"] * part if parts > 1 else ZERO
        _copy(lower, anchor, machine, first, part)
        with ExitStack() as loops:
            counts = tile_counts(axes, sizes)
            tile = lower.cut(axes, sizes, {n: loops.enter_context(builder.loop(n, c)) for n, c in counts.items()})
            dims = [t.dim() for t in tile]
            updates = builder.alloc("u", Memory.UB, [t.max for t in tile] or [1], dtype_of(anchor.updates))
            own = spread(updates, [True] * len(tile))
            builder.emit("load", dims, {"dst": own, "src": gm_view(lower.params[arg], access, tile)}, sources=sources)
            index = indices.load(tile, sources)
            if parts > 1:
                _within_part(lower, index, first, indices.limit, sources)
            target = gm_view(lower.output, whole, tile)
            builder.emit(
                "store.scatter" if anchor.reduction is None else f"store.scatter.{anchor.reduction.data}",
                dims,
                {"dst": replace(target, base=target.base + first * indices.pitch), "src": own, "index": index.view()},
                sources=sources,
                mode="fill" if parts > 1 else "trap",
                limit=Poly.of(part),
                pitch=Poly.of(indices.pitch),
            )


def _parts(lower: KernelLowering, limit: int) -> int:
    """Among how many cores the indexed axis is divided, without a rest."""
    type = tensor_type(lower.result)
    most = prod(type.get_shape()) * dtype_of(lower.result).size // LEAST_BYTES
    return max(n for n in divisors(limit) if n <= max(1, min(lower.machine.cores, most)))


def _within_part(lower: KernelLowering, index: IndexTile, first: Poly, limit: int, sources: list[int]) -> None:
    """Count the indices from the part's first element; trap for one that belongs to no part."""
    builder, own = lower.builder, index.tile.view()
    checked = builder.alloc("checked", Memory.UB, index.tile.shape, index.tile.dtype)
    # A gather that does not move: it copies the indices, and traps if one is not below the limit.
    operands = {"dst": checked.view(), "src": own, "index": own}
    builder.emit("gather", index.dims, operands, sources=sources, limit=Poly.of(limit), pitch=Poly.of(0))
    operands = {"dst": own, "a": checked.view(), "b": Scalar(first)}
    builder.emit("sub", index.dims, operands, sources=sources)


def _copy(
    lower: KernelLowering,
    anchor: graph.ScatterOp | graph.ScatterElementsOp,
    machine: Machine,
    first: Poly,
    part: int,
) -> None:
    """Copy a part of the indexed axis to the result: rows of its elements and all behind, one for each before."""
    arg, access = lower.access(anchor.x)
    builder, dtype, axis = lower.builder, dtype_of(anchor.x), anchor.axis.value.data
    extents = [extent_of(terms) for terms in access.terms]
    rows, behind = prod(extents[:axis]), prod(extents[axis + 1 :])
    pitch, width = extents[axis] * behind, part * behind

    def footprint(s: Sizes, slots: int) -> dict[Memory, Any]:
        return {Memory.UB: slots * padded(s["rows"] * s["width"] * dtype.size)}

    def cost(s: Sizes) -> Any:
        moved: Any = transfer_cycles(machine, Pipe.IN, s["rows"] * s["width"] * dtype.size, s["rows"])
        return -(-rows // s["rows"]) * -(-width // s["width"]) * moved

    candidates = {"rows": tile_candidates(rows), "width": tile_candidates(width)}
    sizes = choose_tile(machine, candidates, footprint, cost, node=lower.node, what="the copy of a scatter")
    height, length = sizes["rows"], sizes["width"]
    with builder.loop("b", -(-rows // height)) as b, builder.loop("c", -(-width // length)) as c:
        row, column = b * height, c * length
        down = builder.minimum(height, rows - row) if rows % height else Poly.of(height)
        across = builder.minimum(length, width - column) if width % length else Poly.of(length)
        dims = [dim("b", down, height), dim("c", across, length)]
        tile = builder.alloc("t", Memory.UB, [height, length], dtype)
        strides, base = (Poly.of(pitch), ONE), row * pitch + column + first * behind
        sources = lower.source(anchor)
        source = View(lower.params[arg], strides, base)
        builder.emit("load", dims, {"dst": tile.view(), "src": source}, sources=sources)
        target = View(lower.output, strides, base)
        builder.emit("store", dims, {"dst": target, "src": tile.view()}, sources=sources)
