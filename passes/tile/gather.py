"""Gather kernels: a `graph.gather` or `graph.gather_elements` and the elementwise operations after it.

They are elementwise kernels with an operand whose load goes through indices (indexed.py). The loops are those of the
operand but for the indexed axis, and those of the indices.
"""

from __future__ import annotations

from vcc.passes.tile.elementwise import tile_elementwise
from vcc.passes.tile.lowering import KernelLowering


def tile_gather(lower: KernelLowering) -> None:
    """Tile a kernel whose anchor is a `graph.gather` or `graph.gather_elements`."""
    tile_elementwise(lower)
