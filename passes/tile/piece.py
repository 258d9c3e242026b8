"""Tiles whose dimensions have names: loads of any view of a tensor, and views of them over any domain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from xdsl.ir import SSAValue

from vcc.passes.tile.access import Access, IterAxis
from vcc.passes.tile.builder import Tile, dim
from vcc.passes.tile.chain import TileAxis, dtype_of
from vcc.passes.tile.lowering import KernelLowering
from vcc.runtime.isa.dtypes import DType
from vcc.runtime.isa.expr import ZERO, Poly
from vcc.runtime.isa.kernel import Dim, Memory, View


@dataclass(frozen=True)
class Piece:
    """A tile on chip and the stride of each loop that it has, by the loop's name; along others it is broadcast."""

    tile: Tile
    strides: Mapping[str, int]

    def view(self, axes: Sequence[TileAxis], base: int = 0) -> View:
        """The view over a domain of these loops, from element `base` on."""
        return self.tile.view([self.strides.get(t.axis.name, 0) for t in axes], base)


def make_piece(lower: KernelLowering, name: str, memory: Memory, axes: Sequence[TileAxis], dtype: DType) -> Piece:
    """An empty tile with the loops `axes`, outer to inner; loops of one step take no dimension."""
    kept = [t for t in axes if t.max > 1]
    tile = lower.builder.alloc(name, memory, [t.max for t in kept] or [1], dtype)
    return Piece(tile, {t.axis.name: stride for t, stride in zip(kept, tile.strides, strict=False)})


def load_piece(
    lower: KernelLowering,
    name: str,
    value: SSAValue,
    memory: Memory,
    axes: Sequence[TileAxis],
    perm: Sequence[int] | None = None,
) -> Piece:
    """Load the part of a tensor that the loops `axes` cut out: one loop per axis of the (permuted) tensor.

    A tensor with fewer axes broadcasts by numpy's rule; along loops on which its address does not depend, the tile
    has one step alone. The buffer has the loops in the order of `axes`.
    """
    arg, access = lower.access(value)
    if perm is not None:
        access = access.transpose(perm)
    access = access.broadcast_to([t.axis.extent for t in axes])
    strides = [_stride(access, position, t) for position, t in enumerate(axes)]
    base = Poly.of(access.base)
    for t, stride in zip(axes, strides, strict=True):
        base = base + t.start * stride
    kept = [(t, stride) for t, stride in zip(axes, strides, strict=True) if stride]
    piece = make_piece(lower, name, memory, [t for t, _ in kept], dtype_of(value))
    users = [op for op in lower.ops if value in op.operands]
    dims: list[Dim] = [_load_dim(t) for t, _ in kept] or [dim("i", 1)]
    source = View(lower.params[arg], tuple(Poly.of(stride) for _, stride in kept) or (ZERO,), base)
    target = piece.view([t for t, _ in kept]) if kept else piece.tile.view()
    lower.builder.emit(
        "load", dims, {"dst": target, "src": source}, sources=lower.view_sources(value) + lower.source(*users)
    )
    return piece


def _load_dim(t: TileAxis) -> Dim:
    valid = (ZERO - t.start, Poly.of(t.axis.extent) - t.start) if t.beyond else None
    return dim(t.axis.name, t.size, t.max, valid=valid)


def along_batch(lower: KernelLowering, value: SSAValue) -> bool:
    """Whether an operand has a matrix of its own for every entry of the last batch axis, the third from the end."""
    _, access = lower.access(value)
    axis = len(access.terms) - 3
    return axis >= 0 and any(extent > 1 and stride != 0 for extent, stride in access.terms[axis])


def _stride(access: Access, position: int, t: TileAxis) -> int:
    stride = access.stride(IterAxis(t.axis.name, position, t.axis.step, t.axis.extent))
    assert stride is not None and access.valid[position] is None, "operands are row-major and not padded"
    return stride
