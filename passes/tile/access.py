"""How a tensor in global memory is reached from the iteration space of a kernel's output.

An `IterAxis` is one loop over the output: a logical axis, or the outer or inner part of one that is stored in blocks.
An `Access` says where a tensor's elements lie; transposes, slices, broadcasts and padding only change the access, so
that they cost no data movement of their own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from xdsl.dialects.builtin import TensorType
from xdsl.ir import Attribute

from vcc.dialects.graph.attributes import Blocked
from vcc.dialects.graph.layout import axis_terms

Terms = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class IterAxis:
    """One loop: `extent` steps of `step` along logical axis `axis` of the output."""

    name: str
    axis: int
    step: int
    extent: int


@dataclass(frozen=True)
class Access:
    """Addresses of a tensor by the logical axes of another one.

    `terms[a]` are the (extent, stride) loops, outer to inner, that axis a decomposes into; an axis along which the
    tensor is broadcast has stride 0. `base` is in elements. `valid[a]`, where not None, is the half-open interval of
    indices that exist; others read `fill`.
    """

    terms: tuple[Terms, ...]
    base: int = 0
    valid: tuple[tuple[int, int] | None, ...] = ()
    fill: float = 0.0

    @staticmethod
    def of(type: TensorType[Attribute]) -> Access:
        """The access of a whole tensor by its own axes."""
        terms = tuple(tuple(axis) for axis in axis_terms(type))
        return Access(terms, valid=(None,) * len(terms))

    @property
    def is_padded(self) -> bool:
        return any(interval is not None for interval in self.valid)

    def broadcast_to(self, shape: Sequence[int]) -> Access:
        """The access by the axes of `shape`, to which the tensor broadcasts by numpy's rule."""
        missing = len(shape) - len(self.terms)
        terms: list[Terms] = [((size, 0),) for size in shape[:missing]]
        for own, size in zip(self.terms, shape[missing:], strict=True):
            terms.append(((size, 0),) if extent_of(own) == 1 else own)
        return replace(self, terms=tuple(terms), valid=(None,) * missing + self.valid)

    def transpose(self, perm: Sequence[int]) -> Access:
        """The access of the transposed tensor."""
        return replace(self, terms=tuple(self.terms[p] for p in perm), valid=tuple(self.valid[p] for p in perm))

    def slice(self, starts: Sequence[int], sizes: Sequence[int], steps: Sequence[int]) -> Access | None:
        """The access of a slice; None where a blocked or padded axis is cut."""
        base, terms = self.base, list(self.terms)
        for axis, (start, size, step) in enumerate(zip(starts, sizes, steps, strict=True)):
            own = self.terms[axis]
            if start == 0 and step == 1 and size == extent_of(own):
                continue
            if len(own) != 1 or self.valid[axis] is not None:
                return None
            stride = own[0][1]
            base += start * stride
            terms[axis] = ((size, stride * step),)
        return replace(self, base=base, terms=tuple(terms))

    def pad(self, low: Sequence[int], high: Sequence[int], value: float) -> Access | None:
        """The access of the padded tensor; None where a blocked axis is padded, or one is padded twice."""
        if self.is_padded:
            return None
        base, terms, valid = self.base, list(self.terms), list(self.valid)
        for axis, (before, after) in enumerate(zip(low, high, strict=True)):
            if before == after == 0:
                continue
            if len(self.terms[axis]) != 1:
                return None
            extent, stride = self.terms[axis][0]
            base -= before * stride
            terms[axis] = ((extent + before + after, stride),)
            valid[axis] = (before, before + extent)
        return Access(tuple(terms), base, tuple(valid), value)

    def shifted(self, axis: int, low: int) -> Access:
        """The access by coordinates that begin `low` elements before an axis; what is outside reads `fill`."""
        own = self.terms[axis]
        begin, end = self.valid[axis] or (0, own[0][0])
        valid = tuple((begin + low, end + low) if i == axis else each for i, each in enumerate(self.valid))
        return replace(self, base=self.base - low * own[-1][1], valid=valid)

    def stride(self, axis: IterAxis) -> int | None:
        """Elements between neighbours along a loop; None where it does not fit the tensor's blocks or its border."""
        terms = self.terms[axis.axis]
        if self.valid[axis.axis] is not None and (axis.step != 1 or axis.extent != extent_of(terms)):
            return None  # what exists is told in elements along the whole axis
        if len(terms) == 1 or extent_of(terms) == 1:
            return axis.step * terms[-1][1]
        (_, outer), (block, inner) = terms
        if axis.step % block == 0:
            return axis.step // block * outer
        if axis.step == 1 and axis.extent <= block:
            return inner
        return None

    def row_stride(self, axis: int) -> int | None:
        """Elements between rows, where the axes from `axis` on are the dense elements of a row.

        None if they are not dense, or the rows (all indices of the axes before) are not equally far from each other.
        """
        if self.is_padded or any(len(terms) != 1 for terms in self.terms):
            return None
        loops = [terms[0] for terms in self.terms]
        expected = 1
        for extent, stride in reversed(loops[axis:]):
            if extent != 1 and stride != expected:
                return None
            expected *= extent
        rows = [(extent, stride) for extent, stride in loops[:axis] if extent != 1]
        if any(outer[1] != inner[0] * inner[1] for outer, inner in pairwise(rows)):
            return None
        return rows[-1][1] if rows else expected

    def strides(self, axes: Sequence[IterAxis]) -> list[int] | None:
        """The stride of every loop; None where one does not fit."""
        found = [self.stride(axis) for axis in axes]
        return None if None in found else [s for s in found if s is not None]


def extent_of(terms: Terms) -> int:
    """The logical size of an axis."""
    total = 1
    for extent, _ in terms:
        total *= extent
    return total


def block_of(type: TensorType[Attribute]) -> tuple[int, int] | None:
    """The (axis, block) of a blocked tensor."""
    encoding = type.encoding
    return (encoding.axis, encoding.block) if isinstance(encoding, Blocked) else None


def splits_of(accesses: Iterable[Access]) -> dict[int, int]:
    """The block by which each axis must be walked because some tensor is stored in blocks along it."""
    return {
        axis: terms[1][0]
        for access in accesses
        for axis, terms in enumerate(access.terms)
        if len(terms) == 2 and extent_of(terms) > 1
    }


def iteration_axes(
    type: TensorType[Attribute], names: Sequence[str] = (), splits: Mapping[int, int] | None = None
) -> list[IterAxis]:
    """The loops over a tensor in its memory order, outer to inner.

    `splits` gives blocks for axes along which other tensors are blocked although this one is row-major there.
    """
    shape = type.get_shape()
    labels = list(names) or [f"i{axis}" for axis in range(len(shape))]
    own = block_of(type)
    blocks = {axis: block for axis, block in (splits or {}).items() if shape[axis] % block == 0}
    if own is not None:
        blocks[own[0]] = own[1]
    axes: list[IterAxis] = []
    for axis, size in enumerate(shape):
        if axis not in blocks:
            axes.append(IterAxis(labels[axis], axis, 1, size))
            continue
        block = blocks[axis]
        axes.append(IterAxis(labels[axis] + "o", axis, block, size // block))
        if own is None or own[0] != axis:
            axes.append(IterAxis(labels[axis] + "i", axis, 1, block))
    if own is not None:
        axes.append(IterAxis(labels[own[0]] + "i", own[0], 1, own[1]))
    return axes
