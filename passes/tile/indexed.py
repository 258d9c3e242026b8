"""Elements of global memory that an index tensor names: the indices of a tile, and loads that go through them.

The index tile is loaded, or computed where elementwise operations of the kernel make it, and its negative indices are
moved to the end of the axis.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import prod

import numpy as np
from xdsl.ir import BlockArgument, Operation, SSAValue

from vcc.dialects import graph
from vcc.passes.tile.access import Access, IterAxis, Terms, extent_of
from vcc.passes.tile.builder import Tile, dim
from vcc.passes.tile.chain import (
    ChainEmitter,
    ChainPlan,
    Indirect,
    TileAxis,
    dtype_of,
    gm_dims,
    gm_view,
    plan_chain,
    tap_of,
    tensor_type,
)
from vcc.passes.tile.lowering import KernelLowering, Pack
from vcc.passes.tile.prologue import Prologue
from vcc.runtime.diagnostics import error
from vcc.runtime.isa.dtypes import BY_NAME
from vcc.runtime.isa.expr import ZERO, Poly
from vcc.runtime.isa.kernel import Dim, Immediate, Memory, View


@dataclass(frozen=True)
class Indices:
    """The indices of an indexed instruction, by the axes over which it walks.

    `accesses` say where what they are made from lies; `limit` is the size of the indexed axis, `pitch` the distance of
    its elements.
    """

    lower: KernelLowering
    value: SSAValue
    made: Prologue
    accesses: Mapping[SSAValue, Access]
    limit: int
    pitch: int

    @property
    def constant(self) -> int | None:
        """The number of the kernel's operand that they are, if that is a constant."""
        return None if self.made.ops else self.lower.is_packable(self.value)

    @property
    def packs(self) -> dict[int, Pack]:
        """Constant indices are made positive beforehand."""
        if self.constant is None:
            return {}
        extent, limit = prod(tensor_type(self.value).get_shape()), self.limit
        note = f"indices below {limit}"
        return {self.constant: Pack(extent, lambda a: np.where(a < 0, a + limit, a).astype(a.dtype).reshape(-1), note)}

    def through(self, view: Callable[[Access], Access | None]) -> Indices | None:
        """The same indices by the axes of a view; None if there is none."""
        accesses = {value: view(access) for value, access in self.accesses.items()}
        known = {value: access for value, access in accesses.items() if access is not None}
        return replace(self, accesses=known) if len(known) == len(accesses) else None

    def spans(self, axes: Sequence[IterAxis]) -> list[bool] | None:
        """Along which loops the indices move; None if they do not fit one."""
        found = [access.strides(axes) for access in self.accesses.values()]
        known = [strides for strides in found if strides is not None]
        return [any(strides) for strides in zip(*known, strict=True)] if len(known) == len(found) else None

    def plan(self, plan: ChainPlan, axes: Sequence[IterAxis]) -> int:
        """Add the buffers of the index tile; returns the number of the tile."""
        spans = self.spans(axes)
        assert spans is not None, "the loops were checked against the indices"
        if self.made.ops:
            made = self._chain([axis for axis, has in zip(axes, spans, strict=True) if has])
            numbers = [plan.add(b.dtype, _among(spans, b.spans), b.crosses) for b in made.buffers]
            number = numbers[made.home[self.value]]
        else:
            number = plan.add(dtype_of(self.value), spans, True)
        if self.constant is None:
            plan.add(dtype_of(self.value), spans)
            plan.add(BY_NAME["bool"], spans)
        return number

    def _chain(self, axes: Sequence[IterAxis]) -> ChainPlan:
        """The chain that computes the indices."""
        return plan_chain(self.made.ops, self.accesses, axes, {}, [self.value])

    def load(self, tile: Sequence[TileAxis], sources: Sequence[int]) -> IndexTile:
        """Load or compute the indices of a tile and make them positive."""
        builder = self.lower.builder
        spans = self.spans([t.axis for t in tile])
        assert spans is not None, "the loops were checked against the indices"
        kept = [t for t, has in zip(tile, spans, strict=True) if has]
        dims = [t.dim() for t in kept] or [dim("i", 1)]
        if self.made.ops:
            emitter, index = self.made.emit(self._chain([t.axis for t in kept]), kept, self.accesses, observed=False)
            dims = [t.dim() for t in emitter.tile] or dims
        else:
            ((value, access),) = self.accesses.items()
            source = gm_view(self.lower.params[self.made.args[value]], access, tile)
            strides = tuple(s for s, has in zip(source.strides, spans, strict=True) if has) or (ZERO,)
            index = builder.alloc("index", Memory.UB, [t.max for t in kept] or [1], dtype_of(self.value))
            operands = {"dst": index.view(), "src": View(source.buffer, strides, source.base)}
            builder.emit("load", gm_dims(access, kept) or dims, operands, sources=sources)
        if self.constant is None:
            self._make_positive(index, dims, sources)
        return IndexTile(index, tuple(dims), tuple(spans))

    def _make_positive(self, index: Tile, dims: Sequence[Dim], sources: Sequence[int]) -> None:
        builder, limit = self.lower.builder, Immediate(self.limit)
        moved = builder.alloc("moved", Memory.UB, index.shape, index.dtype)
        below = builder.alloc("below", Memory.UB, index.shape, BY_NAME["bool"])
        emit = partial(builder.emit, dims=dims, sources=sources)
        emit("cmp.lt", operands={"dst": below.view(), "a": index.view(), "b": Immediate(0)})
        emit("add", operands={"dst": moved.view(), "a": index.view(), "b": limit})
        emit("select", operands={"dst": index.view(), "cond": below.view(), "a": moved.view(), "b": index.view()})


def indexed(
    lower: KernelLowering, op: Operation, tensor: Access, value: SSAValue, axis: int, *, elements: bool
) -> tuple[Access, Indices]:
    """A tensor without movement along its indexed axis, and the indices, by the axes of the indexed elements.

    These are the axes of the tensor but for the indexed one, in whose place are those of the indices; if single
    `elements` are indexed, all axes of the indices. Raises `VccError` E0107 for an axis in blocks or with a border.
    """
    own = tensor.terms[axis]
    if len(own) != 1 or tensor.is_padded:
        raise error("E0107", "an axis in blocks or with a border cannot be indexed", node=lower.node)
    made = Prologue(lower, value, op)
    shape = tensor_type(value).get_shape()
    before, behind = tensor.terms[:axis], tensor.terms[axis + 1 :]
    if elements:
        accesses = dict(made.accesses)
        terms = (*before, _still(shape[axis]), *behind)
    else:
        still = [_still(extent_of(each)) for each in (*before, *behind)]
        accesses = {each: _around(access, still, axis) for each, access in made.accesses.items()}
        terms = (*before, *map(_still, shape), *behind)
    tensor = replace(tensor, terms=terms, valid=(None,) * len(terms))
    return tensor, Indices(lower, value, made, accesses, *own[0])


def _around(index: Access, still: Sequence[Terms], axis: int) -> Access:
    """An access of indices with axes around them along which they do not move."""
    terms = (*still[:axis], *index.terms, *still[axis:])
    return replace(index, terms=terms, valid=(None,) * len(terms))


def _among(outer: Sequence[bool], inner: Sequence[bool]) -> list[bool]:
    """Flags of some loops as flags of all loops, of which `outer` says which they are."""
    flags = iter(inner)
    return [has and next(flags) for has in outer]


@dataclass(frozen=True, kw_only=True)
class Gathered(Indirect):
    """The result of a `graph.gather` or `graph.gather_elements` in a kernel, or a view of it, as a load reaches it."""

    indices: Indices
    op: Operation

    def _tensor(self) -> Access:
        return Access(self.terms, self.base, self.valid, self.fill)

    def viewed(self, view: Callable[[Access], Access | None]) -> Gathered | None:
        tensor, indices = view(self._tensor()), self.indices.through(view)
        if tensor is None or indices is None or tensor.is_padded:
            return None
        return replace(self, terms=tensor.terms, base=tensor.base, valid=tensor.valid, indices=indices)

    def within(self, axis: int) -> Gathered | None:
        """Indices beyond the end are zeros. A tensor that moves along the axis itself has no such end."""
        moves = any(extent > 1 and stride for extent, stride in self.terms[axis])
        indices = self.indices.through(lambda access: access.shifted(axis, 0))
        return None if moves or indices is None else replace(self, indices=indices)

    def strides(self, axes: Sequence[IterAxis]) -> list[int] | None:
        """Not zero along the loops along which the tensor or the indices move; these take it anywhere."""
        own, spans = self._tensor().strides(axes), self.indices.spans(axes)
        if own is None or spans is None:
            return None
        far = self.indices.limit * max(1, self.indices.pitch)
        return [stride or far * moves for stride, moves in zip(own, spans, strict=True)]

    def plan(self, plan: ChainPlan, axes: Sequence[IterAxis]) -> None:
        self.indices.plan(plan, axes)

    def load(self, emitter: ChainEmitter, value: SSAValue, number: int, param: str, sources: Sequence[int]) -> None:
        lower, planned = self.indices.lower, emitter.plan.buffers[number]
        sources = sorted(lower.view_sources(value))
        tile = emitter.buffer(number)
        index = self.indices.load(emitter.tile, sources)
        source = gm_view(param, self._tensor(), emitter.tile)
        kept = [i for i, spans in enumerate(planned.spans) if spans]
        whole, at = index.view(), [source.strides[i] for i in kept]
        lower.builder.emit(
            "load.gather",
            [emitter.tile[i].dim() for i in kept] or [dim("i", 1)],
            {
                "dst": tile.view(),
                "src": View(source.buffer, tuple(at) or (ZERO,), source.base),
                "index": View(whole.buffer, tuple(whole.strides[i] for i in kept) or (ZERO,), whole.base),
            },
            sources=sources,
            tap=tap_of(value, lower.taps.get(self.op), emitter.tile) if value is self.op.results[0] else None,
            limit=Poly.of(self.indices.limit),
            pitch=Poly.of(self.indices.pitch),
        )


def gathered(lower: KernelLowering, op: graph.GatherOp | graph.GatherElementsOp) -> tuple[BlockArgument, Gathered]:
    """The operand that an operation gathers from, and the access of its result."""
    arg, access = lower.access(op.x)
    elements = isinstance(op, graph.GatherElementsOp)
    tensor, indices = indexed(lower, op, access, op.indices, op.axis.value.data, elements=elements)
    lower.wanted.update(indices.packs)
    return arg, Gathered(tensor.terms, tensor.base, tensor.valid, tensor.fill, indices=indices, op=op)


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
