"""How wide the panels are in which the constant second operand of a matrix product is stored.

Columns that a panel has beyond the matrix are computed for nothing, which costs most. Apart from that a panel as wide
as the machine asks for is read least often for the rows it meets, unless one half as wide stays in the first cache from
block of rows to block of rows: that is 1 to 2 % faster (256 x 256 matrices, 32 columns instead of 64).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from vcc.runtime.machine.model import Machine

#: Widths in quarters of what the machine asks for, the better ones of equal cost first: micro-kernels of 4, 3, 5, 2, 7
#: and 1 vectors keep registers full of sums, the last ones with more loads for each multiply-add.
QUARTERS = (4, 3, 5, 2, 7, 1)
#: Bytes of a panel that stays in the first cache beside the rows, and what another one costs.
NEAR, FAR = 32 * 1024, 1.015
#: What a panel of one vector costs: each row's number is read for one multiply-add.
NARROW = 1.15
#: With fewer rows the matrix is read about once, and how far its panels are from the registers does not matter.
FEW_ROWS = 8
#: Vector registers, and cycles: of a multiply-add until the next one can go on, and of a load beyond two in a cycle.
REGISTERS, LATENCY, LOAD = 32, 4, 0.1


def panel_width(machine: Machine, columns: int, depth: int, size: int, rows: int) -> int:
    """Columns of a panel of a matrix [depth, columns] whose elements take `size` bytes; 0: those of a tile.

    `rows` are those of the first operand.
    """
    if not machine.panel:
        return 0
    granule = machine.fractal[1]
    needed = -(-columns // granule) * granule
    widths = [max(granule, quarter * machine.panel // 4 // granule * granule) for quarter in QUARTERS]

    def cost(width: int) -> float:
        near = rows < FEW_ROWS or width * depth * size <= NEAR
        return -(-columns // width) * width * (1 if near else FAR) * (1 if width > granule else NARROW)

    return min((width for width in widths if width <= needed), key=cost)


def whole_blocks(rows: Any, vectors: int) -> Any:
    """How many times as long as its multiply-adds a product of so many rows (also an array) takes.

    A block of sums in registers is some rows high and a panel of `vectors` vectors wide; the last one of a tile
    computes rows twice, and low ones load more for each multiply-add.
    """
    best: Any = np.inf
    for height in range(1, max(2, (REGISTERS - 1) // vectors)):
        step = max(height * vectors / 2, (height + vectors) / 2, LATENCY) + LOAD * (height + vectors)
        best = np.minimum(best, -(-rows // height) * step)
    return best / (rows * vectors / 2)
