"""Exact search for a placement within a given capacity: a depth-first search over the valleys of two skylines.

The free space is what lies between a skyline that grows from the bottom and one that grows from the top. Whatever is
still to be placed can be pushed towards either of them, so that in a valley (a stretch of steps whose neighbours are
higher) the search need only ask which buffer lies on its ground and begins (or ends) furthest to one side. Steps
beside it stay empty up to where something can next rest: that waste is taken from the slack of these steps, which is
the capacity less the bytes live there. Without slack at a valley's edge only the few buffers that begin or end just
there are possible, and the valley with the fewest possibilities is taken first.

The ideas of canonical (pushed) placements and of backtracking on the bytes that must still fit above a step are those
of Moffitt, "MiniMalloc: a lightweight memory allocator for hardware-accelerated machine learning" (ASPLOS 2023).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from vcc.runtime.plan.coalesce import Block

_WALL = 1 << 62


class _Skyline(NamedTuple):
    """Stretch i is the steps `starts[i]..starts[i+1]-1`, filled up to `heights[i]`; a settled stretch is a wall."""

    starts: list[int]
    heights: list[int]

    def divided(self, at: int, pieces: Sequence[tuple[int, int]]) -> _Skyline:
        """With stretch `at` divided into pieces (start, height); equally high neighbours become one."""
        starts, heights = self.starts[:at], self.heights[:at]
        for start, height in pieces:
            if not heights or heights[-1] != height:
                starts.append(start)
                heights.append(height)
        rest = at + 1
        if rest < len(self.heights) and heights[-1] == self.heights[rest]:
            rest += 1
        return _Skyline(starts + self.starts[rest:], heights + self.heights[rest:])

    def sealed(self, steps: Sequence[int]) -> _Skyline:
        """With walls at `steps` (ascending), where nothing is left to place."""
        result, at = self, 0
        for step in steps:
            starts, heights = result
            at = next(i for i in range(max(at - 1, 0), len(heights)) if step < starts[i + 1])
            start, end, height = starts[at], starts[at + 1], heights[at]
            pieces = [(start, height)] if start < step else []
            pieces.append((step, _WALL))
            if step + 1 < end:
                pieces.append((step + 1, height))
            result = result.divided(at, pieces)
        return result


class _Move(NamedTuple):
    """Put `block` (-1: none) on a valley's ground and raise the steps `start..stop-1` beside it to `height`."""

    block: int
    start: int
    stop: int
    height: int


class _State(NamedTuple):
    """Both skylines (from the bottom, from the top), the slack of each step, and the valley that is filled next."""

    skylines: tuple[_Skyline, _Skyline]
    slack: list[int]
    side: int
    at: int
    moves: list[_Move]


class ValleySearch:
    """One search for a placement of `blocks` below `capacity`; `profile[t]` are the bytes live at step t.

    Earlier blocks of `preference` (all indices, in order) are tried first. With `both_sides` the space is filled from
    the bottom and the top, else from the bottom alone.
    """

    def __init__(
        self,
        blocks: Sequence[Block],
        profile: Sequence[int],
        capacity: int,
        preference: Sequence[int],
        *,
        both_sides: bool = True,
    ):
        self._sizes = [block.size for block in blocks]
        self._first = [block.first for block in blocks]
        self._last = [block.last for block in blocks]
        self._capacity = capacity
        self._sides = (0, 1) if both_sides else (0,)
        steps = len(profile)
        self._slack = [capacity - live for live in profile]
        self._starting: list[list[int]] = [[] for _ in range(steps)]
        self._ending: list[list[int]] = [[] for _ in range(steps)]
        self._left_at = [0] * steps
        for i in preference:
            self._starting[self._first[i]].append(i)
            self._ending[self._last[i]].append(i)
            for step in range(self._first[i], self._last[i] + 1):
                self._left_at[step] += 1
        self._waiting = bytearray(b"\1") * len(blocks)
        #: Moves tried so far.
        self.nodes = 0
        #: Whether the search ended because no placement exists.
        self.exhausted = False

    def run(self, limit: int) -> list[int] | None:
        """The blocks' offsets in bytes; None when there is no placement, or none within `limit` moves."""
        left = len(self._sizes)
        offsets = [0] * left
        if left == 0:
            return offsets
        ground = _Skyline([0, len(self._slack)], [0])
        state = self._next_valley((ground, ground), self._slack)
        path: list[tuple[_State, int]] = []
        turn = 0
        while self.nodes < limit:
            if turn < len(state.moves):
                move = state.moves[turn]
                self.nodes += 1
                path.append((state, turn))
                if move.block >= 0:
                    offsets[move.block] = self._offset(state, move.block)
                    left -= 1
                    if left == 0:
                        return offsets
                state, turn = self._made(state, move), 0
            elif path:
                state, turn = path.pop()
                left += self._take_back(state.moves[turn].block)
                turn += 1
            else:
                self.exhausted = True
                return None
        return None

    def _offset(self, state: _State, block: int) -> int:
        ground = state.skylines[state.side].heights[state.at]
        return self._capacity - ground - self._sizes[block] if state.side else ground

    def _take_back(self, block: int) -> int:
        if block < 0:
            return 0
        self._waiting[block] = 1
        for step in range(self._first[block], self._last[block] + 1):
            self._left_at[step] += 1
        return 1

    def _made(self, state: _State, move: _Move) -> _State:
        """The state after a move."""
        skylines, slack, side, at, _ = state
        starts, heights = skylines[side]
        ground, end = heights[at], starts[at + 1]
        tops: list[tuple[int, int, int]] = []
        if move.block >= 0:
            first, stop = self._first[move.block], self._last[move.block] + 1
            tops.append((first, stop, ground + self._sizes[move.block]))
        if move.start < move.stop and move.height > ground:
            slack = slack[:]
            for step in range(move.start, move.stop):
                slack[step] -= move.height - ground
            tops.append((move.start, move.stop, move.height))
        pieces: list[tuple[int, int]] = []
        reached = starts[at]
        for first, stop, top in sorted(tops):
            if first > reached:
                pieces.append((reached, ground))
            pieces.append((first, top))
            reached = stop
        if reached < end:
            pieces.append((reached, ground))
        filled, other = skylines[side].divided(at, pieces), skylines[1 - side]
        if move.block >= 0 and (done := self._settle(move.block)):
            filled, other = filled.sealed(done), other.sealed(done)
        return self._next_valley((other, filled) if side else (filled, other), slack)

    def _settle(self, block: int) -> list[int]:
        """Count a block as placed; the steps at which nothing is left to place."""
        self._waiting[block] = 0
        done: list[int] = []
        left_at = self._left_at
        for step in range(self._first[block], self._last[block] + 1):
            left_at[step] -= 1
            if not left_at[step]:
                done.append(step)
        return done

    def _next_valley(self, skylines: tuple[_Skyline, _Skyline], slack: list[int]) -> _State:
        """The valley with the fewest moves, the lowest of equals; one without moves as soon as it is found."""
        best = _State(skylines, slack, 0, 0, [])
        fewest = lowest = _WALL
        for side in self._sides:
            starts, heights = skylines[side]
            last = len(heights) - 1
            left_wall = _WALL
            for at, ground in enumerate(heights):
                right_wall = heights[at + 1] if at < last else _WALL
                if ground < left_wall and ground < right_wall:
                    start, end = starts[at], starts[at + 1] - 1
                    for from_left in (True, False):
                        bound = fewest + 1 if ground < lowest else fewest
                        moves = self._moves(slack, start, end, ground, left_wall, right_wall, bound, from_left)
                        if len(moves) < bound:
                            fewest, lowest = len(moves), ground
                            best = _State(skylines, slack, side, at, moves)
                            if fewest == 0:
                                return best
                elif ground < left_wall and slack[starts[at]] == 0:
                    if not self._fits_right(skylines[side], at):
                        return _State(skylines, slack, side, at, [])
                elif ground < right_wall and slack[starts[at + 1] - 1] == 0 and not self._fits_left(skylines[side], at):
                    return _State(skylines, slack, side, at, [])
                left_wall = ground
        return best

    def _moves(
        self, slack: list[int], start: int, end: int, ground: int, left: int, right: int, bound: int, from_left: bool
    ) -> list[_Move]:
        """The moves in the valley `start..end`, whose walls are `left` and `right` high; not all if `bound` or more."""
        waiting, sizes, first, last = self._waiting, self._sizes, self._first, self._last
        moves: list[_Move] = []
        room = _WALL
        wall = left if from_left else right
        for step in range(start, end + 1) if from_left else range(end, start - 1, -1):
            for block in self._starting[step] if from_left else self._ending[step]:
                if waiting[block] and last[block] <= end and first[block] >= start:
                    height = min(wall, ground + sizes[block])
                    if from_left and (step == start or height - ground <= room):
                        moves.append(_Move(block, start, step, height))
                    elif not from_left and (step == end or height - ground <= room):
                        moves.append(_Move(block, step + 1, end + 1, height))
            if len(moves) >= bound:
                return moves
            room = min(room, slack[step])
            if room == 0:
                return moves
        lower = min(left, right)
        if lower - ground <= room:
            moves.append(_Move(-1, start, end + 1, lower))
        return moves

    def _fits_right(self, skyline: _Skyline, at: int) -> bool:
        """Whether any block beginning with stretch `at`, whose first step has no slack, can lie on its ground."""
        starts, heights = skyline
        ground = heights[at]
        for block in self._starting[starts[at]]:
            if self._waiting[block]:
                stop, reached = self._last[block], at
                while stop >= starts[reached + 1] and heights[reached + 1] <= ground:
                    reached += 1
                if stop < starts[reached + 1]:
                    return True
        return False

    def _fits_left(self, skyline: _Skyline, at: int) -> bool:
        """Whether any block ending with stretch `at`, whose last step has no slack, can lie on its ground."""
        starts, heights = skyline
        ground = heights[at]
        for block in self._ending[starts[at + 1] - 1]:
            if self._waiting[block]:
                begin, reached = self._first[block], at
                while begin < starts[reached] and heights[reached - 1] <= ground:
                    reached -= 1
                if begin >= starts[reached]:
                    return True
        return False
