"""What it costs to move a tile, by how it lies in global memory: every contiguous piece takes whole bursts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from vcc.runtime.isa.kernel import Pipe
from vcc.runtime.machine.cost import transfer_cycles
from vcc.runtime.machine.model import Machine


def pieces(strides: Sequence[int], sizes: Sequence[Any]) -> Any:
    """How many contiguous pieces a tile has: `strides` in elements, `sizes` numbers or arrays of candidates.

    A loop of stride 0 reads the same piece again.
    """
    run: Any = np.asarray(1)
    count: Any = np.asarray(1)
    dense: Any = np.asarray(True)
    for stride, size in sorted(((abs(t), i) for i, t in enumerate(strides) if t), key=lambda pair: pair[0]):
        extent = np.asarray(sizes[size])
        joins = dense & ((run == stride) | (extent == 1))
        dense = joins
        run = np.where(joins, run * extent, run)
        count = np.where(joins, count, count * extent)
    return count


def tile_cycles(machine: Machine, pipe: Pipe, strides: Sequence[int] | None, sizes: Sequence[Any], nbytes: Any) -> Any:
    """Cycles of loading or storing `nbytes` as a tile of `sizes`; in one piece if no strides are known."""
    return transfer_cycles(machine, pipe, nbytes, 1 if strides is None else pieces(strides, sizes))
