"""A memory planning problem: how large each buffer is and when it is live."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Ints: TypeAlias = NDArray[np.int64]
IntsLike: TypeAlias = Ints | Sequence[int]


@dataclass(frozen=True)
class Problem:
    """Buffers of `sizes` bytes (all above 0), live in the steps `first..last` inclusive; int64 arrays of one length.

    `profile[t]` is the sum of the sizes that are live at step t. Steps are numbered without gaps from 0: only steps at
    which some buffer starts to live are kept, since the live bytes are the largest there.
    """

    sizes: Ints
    first: Ints
    last: Ints
    profile: Ints

    @property
    def bound(self) -> int:
        """The largest sum of live bytes at any step: no arena can be smaller."""
        return int(self.profile.max(initial=0))

    @property
    def lifetimes(self) -> Ints:
        """The number of kept steps during which each buffer is live."""
        return self.last - self.first + 1

    def breadth(self) -> Ints:
        """For each buffer the largest sum of live bytes at any step of its life."""
        profile = self.profile
        peaks = [int(profile[a : b + 1].max()) for a, b in zip(self.first, self.last, strict=True)]
        return np.array(peaks, np.int64)


def make_problem(sizes: Ints, first: Ints, last: Ints) -> Problem:
    """The problem with its steps renumbered and its live bytes summed up."""
    steps = np.unique(first)
    first = np.searchsorted(steps, first).astype(np.int64)
    last = (np.searchsorted(steps, last, side="right") - 1).astype(np.int64)
    change = np.zeros(len(steps) + 1, np.int64)
    np.add.at(change, first, sizes)
    np.subtract.at(change, last + 1, sizes)
    return Problem(sizes, first, last, change.cumsum()[:-1])
