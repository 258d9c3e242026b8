"""The ways to do a convolution, of which the one of fewest cycles is taken."""

from __future__ import annotations

from vcc.dialects import graph
from vcc.passes.tile.conv import ConvTiling
from vcc.passes.tile.conv_taps import tap_by_tap
from vcc.passes.tile.lowering import KernelLowering
from vcc.passes.tile.winograd import fastest_winograd


def tile_conv(lower: KernelLowering) -> None:
    """Tile a kernel whose anchor is a `graph.conv`: directly, tap after tap or by minimal filtering."""
    anchor = next(op for op in lower.ops if isinstance(op, graph.ConvOp))
    forms = [ConvTiling(lower, anchor), tap_by_tap(lower, anchor), fastest_winograd(lower, anchor)]
    min((form for form in forms if form is not None), key=lambda form: form.cycles).emit()
