"""The input tile of a sliding window: which input positions a tile of the output needs, and their load.

Shared by convolution, depthwise convolution and pooling. The tile lies on chip as [blocks, spatial..., channels] with
the channels of a block innermost, as the window's views want it. Elementwise operations of the kernel that make the
input are computed in ub on its way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from xdsl.ir import Operation, SSAValue

from vcc.dialects.graph import Window
from vcc.passes.tile.access import Access, IterAxis
from vcc.passes.tile.border import fill_for
from vcc.passes.tile.builder import Tile, dim
from vcc.passes.tile.chain import Indirect, TileAxis, dtype_of, tensor_type
from vcc.passes.tile.lowering import KernelLowering
from vcc.passes.tile.prologue import Prologue
from vcc.passes.tile.search import padded
from vcc.runtime.diagnostics import error
from vcc.runtime.isa.expr import ONE, Poly
from vcc.runtime.isa.kernel import Dim, Memory, View
from vcc.runtime.machine.model import Machine


class WindowInput:
    """The input of a window operation whose value is `value` and whose channels come in blocks of `block`.

    `gathers` says that channels which lie apart in memory are to be neighbours on chip; the block may then be larger
    than the number of channels, and what is not there is the border's.
    Raises `VccError` E0107 if elementwise operations make it that cannot make the border of `fill` around it.
    """

    def __init__(
        self, lower: KernelLowering, anchor: Operation, value: SSAValue, window: Window, block: int, fill: float, *,
        gathers: bool = False,
    ):  # fmt: skip
        self.lower, self.value, self.window, self.block = lower, value, window, block
        self.shape = tensor_type(value).get_shape()
        self.rank = len(window.kernel)
        self.fill, self.border, self.gathers = fill, False, gathers
        self.dtype = dtype_of(value)
        self.block_axis = IterAxis("c", 1, block, max(1, self.shape[1] // block))
        self.inner_axis = IterAxis("ci", 1, 1, block)
        self.made = Prologue(lower, value, anchor)
        if self.made.computes:
            spatial = [IterAxis(f"x{i}", 2 + i, 1, extent) for i, extent in enumerate(self.shape[2:])]
            self.axes = [IterAxis("n", 0, 1, self.shape[0]), self.block_axis, *spatial, self.inner_axis]
            self.plan = self.made.plan(self.axes)
            self._check_border(tensor_type(anchor.results[0]).get_shape()[2:])
        else:
            self.access, self.arg = self.made.accesses[value], self.made.args[value]

    def _check_border(self, outputs: Sequence[int]) -> None:
        """Find what to load outside the input so that the border comes out right."""
        outside = [
            2 + i for i, size in enumerate(outputs)
            if self.window.pads_of(i)[0] or self._reach(i, size) > self.shape[2 + i]
        ]  # fmt: skip
        if not outside:
            return
        if any(isinstance(access, Indirect) for access in self.made.accesses.values()):
            raise error("E0107", "gathered elements have no border", node=self.lower.node)
        fill = fill_for(self.made.ops, self.made.accesses, outside, self.fill)
        if fill is None or any(access.is_padded and access.fill != fill for access in self.made.accesses.values()):
            raise error("E0107", f"the border of {self.fill:g} would not stay {self.fill:g}", node=self.lower.node)
        self.fill, self.border = fill, True

    def _reach(self, spatial: int, size: int) -> int:
        """One more than the last input position along a spatial axis that `size` outputs need."""
        return (
            (size - 1) * self.window.strides[spatial] + self.window.extents[spatial] - self.window.pads_of(spatial)[0]
        )

    def nbytes(self, memory: Memory, blocks: Any, spans: Sequence[Any], slots: int) -> dict[Memory, Any]:
        """Bytes for the input of so many channel blocks and positions: of `memory`, or of ub where it is computed."""
        if self.made.computes:
            return {Memory.UB: self.plan.nbytes([1, blocks, *spans, self.block], slots)}
        count: Any = blocks * self.block * self.dtype.size
        for span in spans:
            count = count * span
        return {memory: slots * padded(count)}

    def prologue_cycles(self, machine: Machine, elements: Any) -> Any:
        """Cycles of the vector unit for computing so many elements of the input."""
        return self.made.cycles(machine, elements)

    def span(self, spatial: int, size: Any) -> Any:
        """Input positions along a spatial axis that `size` neighbouring outputs need."""
        return (size - 1) * self.window.strides[spatial] + self.window.extents[spatial]

    @property
    def is_padded(self) -> bool:
        """Whether the input that is loaded is itself seen through a border."""
        return not self.made.computes and self.access.is_padded

    def inside(self, image: Poly, block: Poly, starts: Sequence[Poly]) -> View:
        """The input in memory, from a channel block and positions on: [spatial..., blocks, channels of a block]."""
        axes = [IterAxis(f"x{i}", 2 + i, 1, extent) for i, extent in enumerate(self.shape[2:])]
        strides = [self._stride(axis) for axis in (*axes, self.block_axis, self.inner_axis)]
        base = image * self._stride(IterAxis("n", 0, 1, self.shape[0])) + self.access.base
        for start, stride in zip((*starts, block), strides, strict=False):
            base = base + start * stride
        return View(self.lower.params[self.arg], tuple(map(Poly.of, strides)), base)

    @property
    def lies_across(self) -> bool:
        """Whether channels that are to be neighbours on chip lie apart in memory."""
        accesses = self.made.accesses.values() if self.made.computes else [self.access]
        return self.block > 1 and any(
            not isinstance(access, Indirect) and access.stride(self.inner_axis) not in (0, 1) for access in accesses
        )

    def is_copied(self, axes: Sequence[IterAxis], sizes: Mapping[str, Any]) -> Any:
        """Whether tiles of the spatial `axes` of these sizes (arrays by axis name) need more than a view of the input:
        they reach outside it, or the input has to be computed."""
        if self.made.computes or self.gathers:
            return True
        valid = [self.access.valid[2 + i] or (0, self.shape[2 + i]) for i in range(len(axes))]
        inside = [self._inside(i, axis.extent, sizes[axis.name], valid[i]) for i, axis in enumerate(axes)]
        return np.logical_not(np.logical_and.reduce(inside))

    def _inside(self, spatial: int, extent: int, size: Any, valid: tuple[int, int]) -> Any:
        """Whether all windows along a spatial axis of `extent` outputs, in tiles of `size`, are inside the input."""
        whole = (0, self.shape[2 + spatial])
        fits = self.window.pads_of(spatial)[0] == 0 and self._reach(spatial, extent) <= whole[1] and valid == whole
        return np.logical_and(fits, extent % size == 0)

    def load(
        self, memory: Memory, tile: Sequence[TileAxis], image: Poly, block: Poly, blocks: Poly, most: int,
        sources: Sequence[int],
    ) -> Tile:  # fmt: skip
        """Load the positions that the spatial `tile` needs, of `blocks` (at most `most`) channel blocks from `block`.

        The buffer is [blocks, spatial..., channels of a block]. It is in ub if elementwise operations make the input.
        """
        spans = [self.span(i, t.max) for i, t in enumerate(tile)]
        if self.made.computes:
            return self._compute(tile, spans, image, TileAxis(self.block_axis, block, blocks, most))
        buffer = self.lower.builder.alloc("x", memory, [most, *spans, self.block], self.dtype)
        strides, base, dims = self._spatial(tile, spans)
        base = base + image * self._stride(IterAxis("n", 0, 1, self.shape[0]))
        base = base + block * self._stride(self.block_axis)
        self.lower.builder.emit(
            "load",
            # With an interval, though all is inside, the load is a copy to every engine: neighbours on chip.
            [
                dim("c", blocks, most),
                *dims,
                dim("ci", self.block, valid=(0, min(self.block, self.shape[1])) if self.gathers else None),
            ],
            {
                "dst": buffer.view(),
                "src": View(
                    self.lower.params[self.arg],
                    (
                        Poly.of(self._stride(self.block_axis)),
                        *map(Poly.of, strides),
                        Poly.of(self._stride(self.inner_axis)),
                    ),
                    base,
                ),
            },
            sources=[*self.lower.view_sources(self.value), *sources],
            fill=self.fill,
        )
        return buffer

    def _compute(self, tile: Sequence[TileAxis], spans: Sequence[int], image: Poly, channels: TileAxis) -> Tile:
        """Load what makes the input, in coordinates that begin at the border, and compute it."""
        accesses, window = dict(self.made.accesses), self.window
        axes: list[TileAxis] = []
        for i, (t, span) in enumerate(zip(tile, spans, strict=True)):
            axis = self.axes[2 + i]
            low = window.pads_of(i)[0]
            if is_pointwise(window):
                axes.append(TileAxis(axis, t.start, t.size, span))
                continue
            if low or t.axis.extent % t.max or self._reach(i, t.axis.extent) > axis.extent:
                accesses = {value: self._around(access, axis.axis, low) for value, access in accesses.items()}
            if self.border:
                accesses = {value: replace(access, fill=self.fill) for value, access in accesses.items()}
            axes.append(TileAxis(axis, t.start * window.strides[i], Poly.of(span), span))
        inner = TileAxis(self.inner_axis, Poly.of(0), Poly.of(self.block), self.block)
        whole = [TileAxis(self.axes[0], image, ONE, 1), channels, *axes, inner]
        # Other windows leave positions out or load borders, so that nothing could show these values whole.
        _, made = self.made.emit(self.plan, whole, accesses, observed=is_pointwise(window))
        return Tile(made.name, made.shape[1:], made.dtype)

    def _around(self, access: Access, axis: int, low: int) -> Access:
        """An access by coordinates that begin `low` elements before those of an axis, which loads may go beyond."""
        if not isinstance(access, Indirect):
            return access.shifted(axis, low)
        found = access.within(axis)
        if found is None:
            raise error("E0107", "a tile would go beyond what is gathered", node=self.lower.node)
        return found

    def _stride(self, axis: IterAxis) -> int:
        stride = self.access.stride(axis)
        assert stride is not None, "the channel block was chosen to fit the input"
        return stride

    def _spatial(self, tile: Sequence[TileAxis], spans: Sequence[int]) -> tuple[list[int], Poly, list[Dim]]:
        """Strides, base and dimensions along the spatial axes; positions outside the input are not valid."""
        base, strides, dims = Poly.of(self.access.base), list[int](), list[Dim]()
        for i, (t, span) in enumerate(zip(tile, spans, strict=True)):
            extent = self.shape[2 + i]
            stride = self._stride(IterAxis(t.axis.name, 2 + i, 1, extent))
            start = t.start * self.window.strides[i] - self.window.pads_of(i)[0]
            low, high = self.access.valid[2 + i] or (0, extent)
            inside = bool(self._inside(i, t.axis.extent, t.max, (low, high)))
            dims.append(dim(t.axis.name, span, valid=None if inside else (low - start, high - start)))
            strides.append(stride)
            base = base + start * stride
        return strides, base, dims


def is_pointwise(window: Window) -> bool:
    """Whether input positions are output positions: a window of one, without border or steps."""
    return not any(window.pads) and set(window.kernel) == {1} and set(window.strides) == {1}


def channel_block(lower: KernelLowering, anchor: Operation, value: SSAValue, channels: int) -> int:
    """The number of channels to walk together: the block of a blocked input, or the largest divisor of `channels` in
    it. `channels` are those that may be walked at once (one group's). The channels of a row-major input are walked one
    at a time, so that the positions of a row are neighbours on chip as they are in memory; if its channels are
    neighbours, up to 16 at a time.
    """
    accesses = Prologue(lower, value, anchor).accesses.values()
    blocks = [access.terms[1][1][0] for access in accesses if len(access.terms[1]) == 2]
    if not blocks:
        return largest_divisor(channels, 16) if all(access.terms[1][-1][1] == 1 for access in accesses) else 1
    return blocks[0] if channels % blocks[0] == 0 else largest_divisor(channels, min(blocks))


def largest_divisor(number: int, limit: int) -> int:
    """The largest divisor of a number that is not above the limit."""
    return next(d for d in range(min(number, limit), 0, -1) if number % d == 0)
