"""The exact search, many times over: short searches on differently glued blocks and with different preferences.

How long one depth-first search takes varies by orders of magnitude with its first choices, so many short searches find
a placement sooner than a long one; their lengths follow Luby's sequence.
"""

from __future__ import annotations

from random import Random

import numpy as np

from vcc.runtime.plan.coalesce import Block, coalesce, single_blocks
from vcc.runtime.plan.problem import Problem
from vcc.runtime.plan.valleys import ValleySearch

#: Moves of the shortest search.
_UNIT = 1000
#: Restarts with the same length before the next one in Luby's sequence.
_SAME_LENGTH = 12
#: What a search gets before randomness is added to its preference.
_PLAIN_TURNS = 9
#: How often gluing refuses a pair, by turn; None stands for blocks that are not glued at all.
_REFUSALS = (0.0, 0.1, None)
#: The weights of size against lifetime in the order of preference, by turn.
_WEIGHTS = (0.5, 0.0, 1.0)


def fit_within(problem: Problem, capacity: int, effort: int) -> tuple[list[int] | None, bool]:
    """Offsets of all buffers below `capacity` bytes, found within about `effort` moves, or None.

    The second value is whether it is certain that there are none.
    """
    if capacity < problem.bound:
        return None, True
    singles = single_blocks(problem.sizes.tolist(), problem.first.tolist(), problem.last.tolist())
    profile = problem.profile.tolist()
    random, noise = Random(0), np.random.default_rng(0)
    spent = turn = 0
    while spent < effort:
        refuse = _REFUSALS[turn % len(_REFUSALS)]
        blocks = singles if refuse is None else coalesce(singles, random, refuse)
        order = _preference(blocks, turn, noise)
        search = ValleySearch(blocks, profile, capacity, order, both_sides=turn // len(_REFUSALS) % 2 == 0)
        found = search.run(min(_UNIT * _luby(turn // _SAME_LENGTH + 1), effort - spent))
        if found is not None:
            offsets = [0] * len(singles)
            for block, offset in zip(blocks, found, strict=True):
                block.spread(offset, offsets)
            return offsets, False
        if search.exhausted and refuse is None:
            return None, True
        spent += search.nodes + len(singles)
        turn += 1
    return None, False


def _preference(blocks: list[Block], turn: int, noise: np.random.Generator) -> list[int]:
    """An order of the blocks, large and long-lived ones first."""
    size = np.log([block.size for block in blocks])
    life = np.log([block.last - block.first + 1 for block in blocks])
    choice = turn // len(_REFUSALS) % (len(_WEIGHTS) + 1)
    weight = _WEIGHTS[choice] if choice < len(_WEIGHTS) else noise.random()
    spread = noise.choice([0.3, 1.0, 3.0]) if turn >= _PLAIN_TURNS else 0.0
    wanted = weight * size + (1 - weight) * life - spread * noise.random(len(blocks))
    return np.argsort(-wanted, kind="stable").tolist()


def _luby(index: int) -> int:
    """1, 2, 1, 4, 1, 2, 1, 8, ...: the largest power of two that divides `index`."""
    return index & -index
