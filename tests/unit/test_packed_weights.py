"""Constant operands in an order of the kernel's own: where they lie, and how wide their panels are."""

from __future__ import annotations

import numpy as np
import pytest

from vcc.compiler.targets import load_target
from vcc.passes.tile.lowering import LINE, Pack
from vcc.passes.tile.panel_width import panel_width, whole_blocks


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.int8])
def test_packed_weights_begin_a_cache_line(dtype: type) -> None:
    """Programs that were never a file read them as fast as those that were."""
    array = np.arange(60).astype(dtype)
    for start in range(4):
        pack = Pack(56 - start, lambda a, start=start: a[start:56][::-1], "reversed")
        found = pack.apply(array)
        assert found.ctypes.data % LINE == 0
        np.testing.assert_array_equal(found, array[start:56][::-1])


@pytest.mark.parametrize(
    ("columns", "depth", "rows", "width"),
    [
        (512, 512, 512, 64),
        (80, 512, 100, 80),  # one panel, nothing to spare
        (112, 512, 100, 112),
        (96, 64, 100, 48),
        (256, 256, 256, 32),  # stays in the first cache
        (256, 256, 4, 64),  # which few rows do not need
        (1000, 768, 128, 48),  # 8 columns to spare instead of 24
        (10, 256, 256, 16),
    ],
)
def test_panels_leave_little_to_spare(columns: int, depth: int, rows: int, width: int) -> None:
    """A machine with vectors of 16 and panels of 64."""
    machine = load_target("host-avx512")
    assert panel_width(machine, columns, depth, 4, rows) == width
    assert panel_width(load_target("vn1"), columns, depth, 4, rows) == 0


def test_blocks_that_do_not_fit_take_longer() -> None:
    """Six rows of four vectors fill the registers; a seventh begins another block."""
    six, seven, twelve = (float(whole_blocks(np.array(rows), 4)) for rows in (6, 7, 12))
    assert 1 < six == twelve < seven < 2 * six
    assert float(whole_blocks(np.array(1), 4)) > six
