"""How many contiguous pieces a tile has."""

from __future__ import annotations

import numpy as np
import pytest

from vcc.passes.tile.bursts import pieces
from vcc.passes.tile.search import cuts


@pytest.mark.parametrize(
    ("strides", "sizes", "count"),
    [
        ((36, 1), (4, 36), 1),
        ((36, 1), (4, 9), 4),
        ((1, 8), (8, 36), 1),
        ((1, 8), (2, 36), 36),
        ((288, 1, 8), (1, 1, 36), 36),
        ((0, 1), (5, 7), 1),
        ((), (), 1),
        ((2,), (6,), 6),
    ],
)
def test_pieces(strides: tuple[int, ...], sizes: tuple[int, ...], count: int) -> None:
    assert pieces(strides, sizes) == count


def test_pieces_of_many_candidates() -> None:
    np.testing.assert_array_equal(pieces((1, 8), (np.array([8, 4, 1]), np.array([3, 3, 1]))), [1, 3, 1])


def test_cuts_follow_every_order() -> None:
    plain, both = (cuts([4, 3], 2, orders).tolist() for orders in ((), ([1, 0],)))
    assert [4, 1] not in plain and [4, 1] in both and [1, 3] in both, "the first loop whole, the second step by step"
    assert len(both) == len({tuple(row) for row in both})
