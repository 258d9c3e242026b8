"""Scatter kernels: a copy of a tensor, over which updates are then written where an index tensor says.

One core does it all, because the updates may go anywhere: the copy and the updates are stores of one pipe, in order.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from math import prod

from vcc.dialects import graph
from vcc.passes.tile.access import Access, iteration_axes
from vcc.passes.tile.builder import dim
from vcc.passes.tile.chain import ChainPlan, dtype_of, gm_view, tensor_type
from vcc.passes.tile.elementwise import choose_sizes
from vcc.passes.tile.gather import Indexed, spread
from vcc.passes.tile.lowering import KernelLowering, tile_counts
from vcc.runtime.isa.expr import ONE, Poly
from vcc.runtime.isa.kernel import Memory, View


def tile_scatter(lower: KernelLowering) -> None:
    """Tile a kernel whose anchor is a `graph.scatter` or `graph.scatter_elements`."""
    anchor = next(op for op in lower.ops if isinstance(op, graph.ScatterOp | graph.ScatterElementsOp))
    elements = isinstance(anchor, graph.ScatterElementsOp)
    result = Access.of(tensor_type(anchor.result))
    indexed = Indexed(lower, result, anchor.indices, anchor.axis.value.data, elements=elements)
    arg, access = lower.access(anchor.updates)
    axes = iteration_axes(tensor_type(anchor.updates))
    strides = indexed.index.strides(axes)
    assert strides is not None, "nothing of a scatter is stored in blocks"
    plan = ChainPlan()
    moved = plan.add(dtype_of(anchor.updates), (True,) * len(axes), True)
    plan.home[anchor.updates] = moved
    plan.loads += [(anchor.updates, moved), (anchor.indices, indexed.plan(plan, strides))]
    machine = lower.machine
    half = {**machine.memories, Memory.UB: machine.memories[Memory.UB] // 2}
    sizes = choose_sizes(replace(machine, cores=1, memories=half), plan, axes, {}, lower.node)
    lower.open(indexed.packs)
    builder, sources = lower.builder, lower.source(anchor)
    with builder.forall({"one": 1}):
        _copy(lower, anchor)
        with ExitStack() as loops:
            counts = tile_counts(axes, sizes)
            tile = lower.cut(axes, sizes, {n: loops.enter_context(builder.loop(n, c)) for n, c in counts.items()})
            dims = [t.dim() for t in tile]
            updates = builder.alloc("u", Memory.UB, [t.max for t in tile] or [1], dtype_of(anchor.updates))
            own = spread(updates, [True] * len(tile))
            builder.emit("load", dims, {"dst": own, "src": gm_view(lower.params[arg], access, tile)}, sources=sources)
            index = indexed.load(tile, sources)
            target = gm_view(lower.output, indexed.tensor, tile)
            builder.emit(
                "store.scatter",
                dims,
                {"dst": target, "src": own, "index": index},
                sources=sources,
                limit=Poly.of(indexed.limit),
                pitch=Poly.of(indexed.pitch),
            )


def _copy(lower: KernelLowering, anchor: graph.ScatterOp | graph.ScatterElementsOp) -> None:
    """The whole operand to the result, in pieces of an eighth of ub, which leaves half to the updates."""
    arg, _ = lower.access(anchor.x)
    builder, dtype = lower.builder, dtype_of(anchor.x)
    total = prod(tensor_type(anchor.x).get_shape())
    piece = min(total, max(1, lower.machine.memories[Memory.UB] // 8 // dtype.size))
    with builder.loop("c", -(-total // piece)) as step:
        start = step * piece
        size = builder.minimum(piece, total - start) if total % piece else Poly.of(piece)
        tile = builder.alloc("t", Memory.UB, [piece], dtype)
        dims = [dim("c", size, piece)]
        source = View(lower.params[arg], (ONE,), start)
        builder.emit("load", dims, {"dst": tile.view(), "src": source}, sources=lower.source(anchor))
        target = View(lower.output, (ONE,), start)
        builder.emit("store", dims, {"dst": target, "src": tile.view()}, sources=lower.source(anchor))
