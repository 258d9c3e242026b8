"""Four bytes along K side by side: what CPUs multiply and add at once in a convolution of bytes.

The four are neighbouring channels where the input has these side by side, or can be loaded so; otherwise neighbouring
positions of a row, for which the window is made wider by taps of zero until its length is a multiple of four. Where
fewer zeros make the number of channels a multiple of four, all channels are loaded side by side with room for those.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

from xdsl.ir import SSAValue

from vcc.dialects import graph
from vcc.dialects.graph import Window, shape_of
from vcc.passes.tile.chain import dtype_of
from vcc.passes.tile.lowering import KernelLowering
from vcc.passes.tile.prologue import Prologue
from vcc.passes.tile.window import channel_block, largest_divisor

QUAD = 4
#: The most channels that are walked together.
MOST = 16


class Along(Enum):
    """What the four bytes are: channels, positions of a row, or nothing: K is walked one by one."""

    CHANNELS = "channels"
    ROW = "row"
    NOTHING = "nothing"


@dataclass(frozen=True)
class Quads:
    """How a convolution walks K: `block` channels together, `window` with its taps of zero; `gathers` says that
    channels which lie apart are brought together when they are loaded. The block may have more channels than there
    are, whose weights are zeros."""

    along: Along
    block: int
    window: Window
    gathers: bool = False


def find_quads(lower: KernelLowering, anchor: graph.ConvOp) -> Quads:
    """How to walk K."""
    channels, window = shape_of(anchor.w)[1], anchor.window
    block = channel_block(lower, anchor, anchor.x, channels)
    plain = Quads(Along.NOTHING, block, window)
    if not _are_bytes(anchor.x, anchor.w) or lower.is_packable(anchor.w) is None or not lower.machine.panel:
        return plain
    if block > 1 and (whole := block if block % QUAD == 0 else largest_quads(block)):
        return replace(plain, along=Along.CHANNELS, block=whole)
    if block == 1 and (whole := largest_quads(channels)):
        return Quads(Along.CHANNELS, whole, window, gathers=True)
    filled, wide = channels + -channels % QUAD, widened(window)
    rows = block == 1 and window.kernel[-1] > 1 and window.dilations[-1] == 1
    if _has_room(lower, anchor) and not (rows and wide.kernel[-1] * channels <= window.kernel[-1] * filled):
        return Quads(Along.CHANNELS, filled, window, gathers=True)
    return Quads(Along.ROW, 1, wide) if rows else plain


def _has_room(lower: KernelLowering, anchor: graph.ConvOp) -> bool:
    """Whether the load of all channels may leave room behind them: they are one group's, in no blocks, and loaded."""
    made = Prologue(lower, anchor.x, anchor)
    plain = all(len(access.terms[1]) == 1 for access in made.accesses.values())
    return anchor.group.value.data == 1 and plain and not made.computes


def _are_bytes(*values: SSAValue) -> bool:
    return all(dtype_of(value).size == 1 for value in values)


def largest_quads(channels: int) -> int:
    """The largest divisor of a number of channels, at most `MOST`, that is a multiple of four; 0 if there is none."""
    return 0 if channels % QUAD else QUAD * largest_divisor(channels // QUAD, MOST // QUAD)


def widened(window: Window, axis: int = -1) -> Window:
    """The window with so many taps more along an axis that four divides them, and the border that they need."""
    kernel, pads = list(window.kernel), list(window.pads)
    more, at = -kernel[axis] % QUAD, axis % len(kernel)
    kernel[at] += more
    pads[len(kernel) + at] += more * window.dilations[at]
    return replace(window, kernel=tuple(kernel), pads=tuple(pads))
