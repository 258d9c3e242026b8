"""Gather kernels: elements of global memory that an index tensor names, and the elementwise operations after them.

The index tile is loaded, its negative indices are moved to the end of the axis, and `load.gather` fetches the tile of
the result, whose loops are those of the operand but for the indexed axis, and those of the indices.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from xdsl.ir import Operation, SSAValue

from vcc.dialects import graph
from vcc.passes.tile.access import Access, Terms, extent_of, iteration_axes, splits_of
from vcc.passes.tile.builder import Tile, dim
from vcc.passes.tile.chain import (
    ChainEmitter,
    ChainPlan,
    TileAxis,
    dtype_of,
    gm_dims,
    gm_view,
    plan_chain,
    tap_of,
    tensor_type,
)
from vcc.passes.tile.elementwise import choose_sizes
from vcc.passes.tile.lowering import KernelLowering, Pack, tile_counts
from vcc.runtime.diagnostics import error
from vcc.runtime.isa.dtypes import BY_NAME
from vcc.runtime.isa.expr import ZERO, Poly
from vcc.runtime.isa.kernel import Dim, Immediate, Memory, View


class Indexed:
    """A tensor reached through indices, by the axes over which the indexed instruction walks.

    `tensor` is the access of the tensor, which does not move along the indexed axis, `index` that of the indices;
    `limit` is the size of the axis, `pitch` the distance of its elements.
    """

    def __init__(self, lower: KernelLowering, tensor: Access, indices: SSAValue, axis: int, *, elements: bool):
        self.lower, self.indices = lower, indices
        own = tensor.terms[axis]
        if len(own) != 1 or tensor.is_padded:
            raise error("E0107", "an axis in blocks or with a border cannot be indexed", node=lower.node)
        self.limit, self.pitch = own[0]
        self.arg, index = lower.access(indices)
        places = [extent_of(terms) for terms in index.terms]
        before, behind = tensor.terms[:axis], tensor.terms[axis + 1 :]
        if elements:
            self.index = index
            terms = (*before, _still(places[axis]), *behind)
        else:
            still = [_still(extent_of(terms)) for terms in (*before, *behind)]
            around = (*still[:axis], *index.terms, *still[axis:])
            self.index = replace(index, terms=around, valid=(None,) * len(around))
            terms = (*before, *map(_still, places), *behind)
        self.tensor = replace(tensor, terms=terms, valid=(None,) * len(terms))
        self.constant = lower.is_packable(indices)

    @property
    def packs(self) -> dict[int, Pack]:
        """Constant indices are made positive beforehand."""
        if self.constant is None:
            return {}
        shape = tensor_type(self.indices).get_shape()
        limit = self.limit
        note = f"indices below {limit}"
        extent = int(np.prod(shape))
        return {self.constant: Pack(extent, lambda a: np.where(a < 0, a + limit, a).astype(a.dtype).reshape(-1), note)}

    def plan(self, plan: ChainPlan, strides: Sequence[int]) -> int:
        """Add the buffers of the index tile, which moves with these strides; returns the number of the tile."""
        spans = [stride != 0 for stride in strides]
        number = plan.add(dtype_of(self.indices), spans, True)
        if self.constant is None:
            plan.add(dtype_of(self.indices), spans)
            plan.add(BY_NAME["bool"], spans)
        return number

    def load(self, tile: Sequence[TileAxis], sources: Sequence[int]) -> IndexTile:
        """Load the indices of a tile and make them positive."""
        builder = self.lower.builder
        source = gm_view(self.lower.params[self.arg], self.index, tile)
        kept = [t for t, stride in zip(tile, source.strides, strict=True) if stride != ZERO]
        dims = gm_dims(self.index, kept) or [dim("i", 1)]
        strides = tuple(stride for stride in source.strides if stride != ZERO) or (ZERO,)
        shape, dtype = [t.max for t in kept] or [1], dtype_of(self.indices)
        index = builder.alloc("index", Memory.UB, shape, dtype)
        operands = {"dst": index.view(), "src": View(source.buffer, strides, source.base)}
        builder.emit("load", dims, operands, sources=sources)
        if self.constant is None:
            moved, below = builder.alloc("moved", Memory.UB, shape, dtype), builder.alloc(
                "below", Memory.UB, shape, BY_NAME["bool"]
            )  # fmt: skip
            operands = {"dst": below.view(), "a": index.view(), "b": Immediate(0)}
            builder.emit("cmp.lt", dims, operands, sources=sources)
            operands = {"dst": moved.view(), "a": index.view(), "b": Immediate(self.limit)}
            builder.emit("add", dims, operands, sources=sources)
            operands = {"dst": index.view(), "cond": below.view(), "a": moved.view(), "b": index.view()}
            builder.emit("select", dims, operands, sources=sources)
        return IndexTile(index, tuple(dims), tuple(stride != ZERO for stride in source.strides))


@dataclass(frozen=True)
class IndexTile:
    """Indices on chip, the dimensions that walk over them, and which loops of the indexed instruction these are."""

    tile: Tile
    dims: tuple[Dim, ...]
    spans: tuple[bool, ...]

    def view(self) -> View:
        """The indices over the loops of the indexed instruction."""
        return spread(self.tile, self.spans)


def spread(tile: Tile, spans: Sequence[bool]) -> View:
    """The view of a tile over loops of which it has only some."""
    strides = iter(tile.strides)
    return tile.view([next(strides) if has else 0 for has in spans])


def _still(extent: int) -> Terms:
    return ((extent, 0),)


def tile_gather(lower: KernelLowering) -> None:
    """Tile a kernel whose anchor is a `graph.gather` or `graph.gather_elements`."""
    anchor = next(op for op in lower.ops if isinstance(op, graph.GatherOp | graph.GatherElementsOp))
    arg, access = lower.access(anchor.x)
    elements = isinstance(anchor, graph.GatherElementsOp)
    indexed = Indexed(lower, access, anchor.indices, anchor.axis.value.data, elements=elements)
    ops, shape = lower.elementwise, tensor_type(anchor.result).get_shape()
    accesses, args = lower.operand_accesses(ops, anchor.results, shape)
    axes = iteration_axes(tensor_type(lower.result), splits=splits_of(accesses.values()))
    plan = plan_chain(ops, accesses, axes, {anchor.result: (dtype_of(anchor.result), True)}, [lower.result])
    home = plan.home[anchor.result]
    plan.buffers[home].crosses = True
    strides = indexed.index.strides(axes)
    assert strides is not None, "nothing of a gather is stored in blocks"
    number = indexed.plan(plan, strides)
    transfers = [*plan.loads, (anchor.result, home), (anchor.indices, number)]
    sizes = choose_sizes(lower.machine, replace(plan, loads=transfers), axes, accesses, lower.node)
    lower.open(indexed.packs)
    with lower.builder.forall(tile_counts(axes, sizes)) as variables:
        tile = lower.cut(axes, sizes, variables)
        emitter = ChainEmitter(lower.builder, plan, tile)
        sources = lower.view_sources(anchor.x) + lower.source(anchor)
        index = indexed.load(tile, sources)
        lower.builder.emit(
            "load.gather",
            [t.dim() for t in tile],
            {"dst": emitter.view(home), "src": gm_view(lower.params[arg], indexed.tensor, tile), "index": index.view()},
            sources=sources,
            tap=tap_of(anchor.result, lower.taps.get(anchor), tile),
            limit=Poly.of(indexed.limit),
            pitch=Poly.of(indexed.pitch),
        )
        for value, loaded in plan.loads:
            users: list[Operation] = [op for op in ops if value in op.operands]
            origins = lower.view_sources(value) + lower.source(*users)
            emitter.load_one(value, loaded, lower.params[args[value]], accesses[value], origins)
        emitter.compute(lower.sources, lower.taps)
        last = lower.source(ops[-1]) if ops else sources
        emitter.store(lower.result, lower.output, Access.of(tensor_type(lower.result)), last)
