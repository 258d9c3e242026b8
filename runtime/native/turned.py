"""Chains whose views lie across each other, as in a transpose: blocks of vectors are turned in registers.

Along `lane` the chain computes. A view that is dense along `block` instead is loaded as vectors along that, a square of
them, and turned: as often as the width can be halved, pairs of vectors exchange half of their lanes.
"""

from __future__ import annotations

from vcc.runtime.isa.kernel import View
from vcc.runtime.native.chain_loops import ChainLoops, Index, Values, destination
from vcc.runtime.native.emit import Val
from vcc.runtime.native.frame import Frame
from vcc.runtime.native.lane_views import shuffled


def turned(frame: Frame, kind: str, rows: list[str]) -> list[str]:
    """The columns of a square of vectors."""
    width, rows = len(rows), list(rows)
    step = 1
    while step < width:
        lanes = range(width)
        low = [i if not i & step else width + i - step for i in lanes]
        high = [i + step if not i & step else width + i for i in lanes]
        for i in range(width):
            if not i & step:
                a, b = rows[i], rows[i | step]
                rows[i], rows[i | step] = shuffled(frame, kind, a, b, low), shuffled(frame, kind, a, b, high)
        step *= 2
    return rows


class TurnedLoops(ChainLoops):
    """A chain without reductions, by squares of `lane` times `block`."""

    def emit(self) -> None:
        """Appends the loops."""
        self.lane, self.block = self.plan.lane, self.plan.block
        assert self.lane is not None and self.block is not None
        outer = [i for i in range(len(self.sizes)) if i not in (self.lane, self.block)]
        self.over(outer, {}, self.squares)

    def squares(self, index: Index) -> None:
        """All squares at one index of the other dimensions, with incomplete ones at both ends."""
        lane, block, width = self.lane, self.block, self.plan.width
        assert lane is not None and block is not None
        for down, _, below in self.e.blocks(self.sizes[block], [width]):
            for along, _, left in self.e.blocks(self.sizes[lane], [width]):
                counts = [width if rest == 0 else rest for rest in (below, left)]
                self.square({**index, block: down, lane: along}, counts[0], counts[1])

    def square(self, index: Index, down: Val, along: Val) -> None:
        """One square, of which `down` columns and `along` rows exist."""
        lane, block, width = self.lane, self.block, self.plan.width
        assert lane is not None and block is not None and isinstance(down, int) and isinstance(along, int)
        columns, made = dict[View, list[str]](), set[View]()
        below = self.f.mask(width, 0, down) if down < width else ""
        for instr in self.instrs:
            for role, view in instr.views():
                if role != "dst" and self.views.is_far(view) and view not in made | columns.keys():
                    columns[view] = self.load(view, index, below, along)
            made.add(destination(instr))
        far: dict[View, list[str]] = {}
        self.mask = self.f.mask(width, 0, along) if along < width else ""
        for i in range(down):
            values: Values = {view: found[i] for view, found in columns.items()}
            self.body(self.instrs, index | {block: self.e.add(index[block], i)}, values)
            for instr in self.instrs:
                dst = destination(instr)
                if self.views.is_far(dst) and dst.buffer not in self.dead:
                    far.setdefault(dst, [])[i:] = [values[dst]]
        self.mask = ""
        for view, found in far.items():
            self.store(view, index, found, below, along)

    def load(self, view: View, index: Index, below: str, along: int) -> list[str]:
        """The vectors along `lane` of a view that is dense along `block`."""
        lane, block, width = self.lane, self.block, self.plan.width
        assert lane is not None
        rows = [
            self.f.read(view, index | {lane: self.e.add(index[lane], i)}, block, width, below) for i in range(along)
        ]
        lanes = self.f.lanes(view, width)
        return turned(self.f, lanes.type, rows + ["poison"] * (width - along))

    def store(self, view: View, index: Index, found: list[str], below: str, along: int) -> None:
        lane, width = self.lane, self.plan.width
        assert lane is not None
        lanes = self.f.lanes(view, width)
        rows = turned(self.f, lanes.type, found + ["poison"] * (width - len(found)))
        for i in range(along):
            self.f.write(view, index | {lane: self.e.add(index[lane], i)}, width, rows[i], below)

    def put(self, view: View, index: Index, value: str, mask: str) -> None:
        """Far views are stored a square at a time."""
        if not self.views.is_far(view):
            super().put(view, index, value, mask)
