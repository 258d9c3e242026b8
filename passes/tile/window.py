"""The input tile of a sliding window: which input positions a tile of the output needs, and their load.

Shared by convolution, depthwise convolution and pooling. The tile lies on chip as [blocks, spatial..., channels] with
the channels of a block innermost, as the window's views want it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from xdsl.ir import SSAValue

from vcc.dialects.graph import Window
from vcc.passes.tile.access import IterAxis
from vcc.passes.tile.builder import Tile, dim
from vcc.passes.tile.chain import TileAxis, dtype_of, tensor_type
from vcc.passes.tile.lowering import KernelLowering
from vcc.runtime.isa.expr import Poly
from vcc.runtime.isa.kernel import Dim, Memory, View


class WindowInput:
    """The input of a window operation whose value is `value` and whose channels come in blocks of `block`."""

    def __init__(self, lower: KernelLowering, value: SSAValue, window: Window, block: int, fill: float):
        self.lower, self.value, self.window, self.block = lower, value, window, block
        self.arg, self.access = lower.access(value)
        self.shape = tensor_type(value).get_shape()
        self.rank = len(window.kernel)
        self.fill = fill
        self.dtype = dtype_of(value)
        self.block_axis = IterAxis("c", 1, block, self.shape[1] // block)
        self.inner_axis = IterAxis("ci", 1, 1, block)

    def span(self, spatial: int, size: Any) -> Any:
        """Input positions along a spatial axis that `size` neighbouring outputs need."""
        return (size - 1) * self.window.strides[spatial] + self.window.extents[spatial]

    def load(
        self, memory: Memory, tile: Sequence[TileAxis], image: Poly, block: Poly, blocks: Poly, most: int,
        sources: Sequence[int],
    ) -> Tile:  # fmt: skip
        """Load the positions that the spatial `tile` needs, of `blocks` (at most `most`) channel blocks from `block`.

        The buffer is [blocks, spatial..., channels of a block].
        """
        spans = [self.span(i, t.max) for i, t in enumerate(tile)]
        buffer = self.lower.builder.alloc("x", memory, [most, *spans, self.block], self.dtype)
        strides, base, dims = self._spatial(tile, spans)
        base = base + image * self._stride(IterAxis("n", 0, 1, self.shape[0]))
        base = base + block * self._stride(self.block_axis)
        self.lower.builder.emit(
            "load",
            [dim("c", blocks, most), *dims, dim("ci", self.block)],
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
            reach = (t.axis.extent - 1) * self.window.strides[i] + self.window.extents[i] - self.window.pads_of(i)[0]
            ragged = t.axis.extent % t.max != 0
            inside = self.window.pads_of(i)[0] == 0 and reach <= extent and low == 0 and high == extent and not ragged
            dims.append(dim(t.axis.name, span, valid=None if inside else (low - start, high - start)))
            strides.append(stride)
            base = base + start * stride
        return strides, base, dims


def channel_block(lower: KernelLowering, value: SSAValue, channels: int) -> int:
    """The number of channels to walk together: the block of a blocked input, else the largest divisor up to 16.

    `channels` are those that may be walked at once (one group's).
    """
    _, access = lower.access(value)
    terms = access.terms[1]
    if len(terms) == 2 and channels % terms[1][0] == 0:
        return terms[1][0]
    limit = terms[1][0] if len(terms) == 2 else 16
    return largest_divisor(channels, limit)


def largest_divisor(number: int, limit: int) -> int:
    """The largest divisor of a number that is not above the limit."""
    return next(d for d in range(min(number, limit), 0, -1) if number % d == 0)
