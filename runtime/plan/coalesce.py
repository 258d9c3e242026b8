"""Gluing buffers together before a search: fewer, larger buffers with the same live bytes at every step.

Two buffers of one size, the second of which begins when the first ends, can take one place; two buffers with the same
life can lie next to each other. Neither changes the sum of live bytes, so a placement of what is left that reaches
the bound is one of the original buffers. It is a guess, not an inference: a wrong one leaves no such placement.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import TypeAlias


@dataclass(frozen=True)
class Block:
    """A buffer (`parts` is its index) or two blocks glued: `stacked` in memory, else one after the other in time."""

    size: int
    first: int
    last: int
    parts: int | tuple[Block, Block]
    stacked: bool = False

    def spread(self, offset: int, offsets: list[int]) -> None:
        """Write the offsets of all buffers of this block, which lies at `offset`."""
        if isinstance(self.parts, int):
            offsets[self.parts] = offset
            return
        one, other = self.parts
        one.spread(offset, offsets)
        other.spread(offset + one.size if self.stacked else offset, offsets)


_Pair: TypeAlias = tuple[int, int]


def single_blocks(sizes: Sequence[int], first: Sequence[int], last: Sequence[int]) -> list[Block]:
    """A block for each buffer."""
    return [Block(*row, i) for i, row in enumerate(zip(sizes, first, last, strict=True))]


def coalesce(blocks: Sequence[Block], random: Random, refuse: float) -> list[Block]:
    """Glue blocks until no two fit; each pair that comes up is refused for good with the probability `refuse`."""
    left = dict(enumerate(blocks))
    refused: set[_Pair] = set()
    count = len(left)
    while (pair := _successors(left, refused, random) or _neighbours(left, refused, random)) is not None:
        if random.random() < refuse:
            refused.add(pair)
            continue
        one, other = left.pop(pair[0]), left.pop(pair[1])
        stacked = one.first == other.first
        size = one.size + other.size if stacked else one.size
        left[count] = Block(size, one.first, other.last, (one, other), stacked)
        count += 1
    return list(left.values())


def _successors(left: dict[int, Block], refused: set[_Pair], random: Random) -> _Pair | None:
    """Two blocks of one size, one after the other in time; a pair without alternatives comes first."""
    starts: dict[_Pair, list[int]] = defaultdict(list)
    for i, block in left.items():
        starts[block.size, block.first].append(i)
    pairs = [(i, j) for i, b in left.items() for j in starts.get((b.size, b.last + 1), ()) if (i, j) not in refused]
    if not pairs:
        return None
    uses: dict[tuple[int, bool], int] = defaultdict(int)
    for i, j in pairs:
        uses[i, False] += 1
        uses[j, True] += 1
    sure = [(i, j) for i, j in pairs if uses[i, False] == uses[j, True] == 1]
    return random.choice(sure or pairs)


def _neighbours(left: dict[int, Block], refused: set[_Pair], random: Random) -> _Pair | None:
    """Two blocks with the same life; best a pair that could then be glued in time, else one without alternatives."""
    lives: dict[_Pair, list[int]] = defaultdict(list)
    begins: set[_Pair] = set()
    ends: set[_Pair] = set()
    for i, block in left.items():
        lives[block.first, block.last].append(i)
        begins.add((block.size, block.first))
        ends.add((block.size, block.last))
    pairs = [(i, j) for same in lives.values() for at, i in enumerate(same) for j in same[:at] if (i, j) not in refused]
    if not pairs:
        return None

    def continues(i: int, j: int) -> bool:
        size = left[i].size + left[j].size
        return (size, left[i].last + 1) in begins or (size, left[i].first - 1) in ends

    good = [pair for pair in pairs if continues(*pair)]
    alone = [(i, j) for i, j in pairs if len(lives[left[i].first, left[i].last]) == 2]
    return random.choice(good or alone or pairs)
