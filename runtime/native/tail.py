"""What follows a drain, element by element, and can take its results from registers: scaling, rounding, a cast.

All of it is cut into the same dimensions as the drain, so that whatever vectors of sums a product has, the rest of the
kernel follows in registers. What only that reads never reaches memory.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from vcc.runtime.isa.kernel import Instr, Role, Statement, View
from vcc.runtime.isa.semantics import BINARY, COMPARE, UNARY
from vcc.runtime.isa.table import OPS, Cost
from vcc.runtime.native.frame import Frame
from vcc.runtime.native.iteration import common, recut, thin
from vcc.runtime.native.lookup import is_lookup
from vcc.runtime.native.vector import conflict

#: What may follow: one element of the result for one of each operand.
FOLLOWING = {*UNARY, *BINARY, *(f"cmp.{fn}" for fn in COMPARE), "select", "fma", "cast", "copy", "mov", "store"}
#: Operations of a polynomial; the most that may follow, which are written out for every vector of a block of sums.
POLYNOMIAL, MOST = 25, 40


@dataclass(frozen=True)
class Tail:
    """The drain and what follows it, over the same dimensions; `taken` are the following instructions as they were.

    `dead` are buffers whose values only these instructions read.
    """

    drain: Instr
    instrs: tuple[Instr, ...] = ()
    taken: tuple[Instr, ...] = ()
    dead: frozenset[str] = frozenset()

    @property
    def last(self) -> View:
        """Where the last result goes."""
        return _result((self.drain, *self.instrs)[-1])

    def each(self, change: Callable[[Instr], Instr]) -> Tail:
        """The tail with every instruction changed alike."""
        return replace(self, drain=change(self.drain), instrs=tuple(map(change, self.instrs)))

    def memory(self) -> Iterator[tuple[View, bool]]:
        """The views that reach memory, sums apart, with whether they are written."""
        made = set[View]()
        for instr in (self.drain, *self.instrs):
            for role, view in instr.views():
                if role == "dst":
                    if view.buffer not in self.dead:
                        yield view, True
                elif view not in made and not (instr is self.drain and role == "src"):
                    yield view, False
            made.add(_result(instr))


def tail_of(frame: Frame, product: Instr, drain: Instr, following: Sequence[Statement]) -> Tail:
    """As much of what follows as can be taken."""
    group, taken, weight = [thin(drain)], list[Instr](), 0
    sources = {frame.place(view).buffer for role, view in product.views() if role != "dst"}
    for instr in following:
        if not isinstance(instr, Instr) or not _follows(frame, instr):
            break
        weight += POLYNOMIAL if OPS[instr.op].cost is Cost.TRANSCENDENTAL else 1
        fine = thin(instr)
        cuts = common(group[0].domain, fine.domain)
        if cuts is None or weight > MOST or frame.place(_result(instr)).buffer in sources:
            break
        again, fine = [recut(i, cuts[0]) for i in group], recut(fine, cuts[1])
        if any(conflict(frame, earlier, fine) for earlier in again):
            break
        group, taken = [*again, fine], [*taken, instr]
    return Tail(group[0], tuple(group[1:]), tuple(taken), _dead(frame, group))


def _result(instr: Instr) -> View:
    view = instr.operands["dst"]
    assert isinstance(view, View)
    return view


def _follows(frame: Frame, instr: Instr) -> bool:
    plain = all(d.valid is None and d.role is Role.PARALLEL for d in instr.domain)
    return (instr.op in FOLLOWING or is_lookup(instr, frame.dtypes)) and instr.when is None and plain


def _dead(frame: Frame, group: Sequence[Instr]) -> frozenset[str]:
    """Buffers of which every read takes a value that is in a register."""
    written, forwarded = set[View](), Counter[str]()
    for instr in group:
        forwarded.update(view.buffer for role, view in instr.views() if role != "dst" and view in written)
        written.add(_result(instr))
    found = {view.buffer for view in written}
    return frozenset(b for b in found if b in frame.buffers and frame.reads[b] == forwarded[b])
