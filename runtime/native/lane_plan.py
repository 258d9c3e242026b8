"""Which elements of a chain's domain one vector holds.

A vector runs along the *lane* dimension. Where that is shorter than a register (channels in blocks of 8, registers of
16), `outer` names a second dimension whose neighbours fill the rest, each with the whole lane dimension. Where views
lie across each other (a transpose), vectors along `block` are loaded and turned in registers. What is best is what an
estimate of cycles says; only the order of the candidates matters, so the figures are round.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from vcc.runtime.isa.expr import ONE, ZERO, Poly
from vcc.runtime.isa.kernel import Instr, Role, View
from vcc.runtime.isa.table import OPS, Cost

#: Cycles of a polynomial; of a vector out of so many numbers of memory, each; of joining the lanes of a sum.
TRANSCENDENTAL, SCATTERED, ACROSS = 12.0, 1.5, 10.0


@dataclass(frozen=True)
class LanePlan:
    """`width` lanes along `lane` (None: one element at a time), `part` of them for one step of `outer`.

    `cycles` is the estimate for an element of the domain.
    """

    lane: int | None
    width: int
    cycles: float
    outer: int | None = None
    part: int = 0
    block: int | None = None

    @property
    def steps(self) -> int:
        """How many steps of `outer` a vector holds."""
        return self.width // self.part if self.outer is not None else 1

    def narrow(self) -> LanePlan:
        """The plan for what `outer` has left: its steps one by one."""
        return LanePlan(self.lane, self.part, self.cycles)


def spread(view: View, lane: int | None) -> int:
    """The step between lanes that are near enough to be picked out of whole vectors, else 0."""
    step = (view.strides[lane].constant or 0) if lane is not None else 0
    return step if step in (2, 3, 4) else 0


def instruction_cycles(instrs: Sequence[Instr]) -> float:
    """Cycles of one vector of every instruction, memory aside."""
    return sum(TRANSCENDENTAL if OPS[i.op].cost is Cost.TRANSCENDENTAL else 1.0 for i in instrs)


class LanePlanner:
    """Candidates for instructions over one domain whose dimensions `inner` are reduced; `full` lanes fill a register.

    `after` come once for each result of a reduction. `views` are those that reach memory, each with whether it is
    written.
    """

    def __init__(
        self,
        instrs: Sequence[Instr],
        after: Sequence[Instr],
        inner: Sequence[int],
        full: int,
        views: Sequence[tuple[View, bool]],
    ):
        self.instrs, self.inner, self.full = (*instrs, *after), inner, full
        self.dims = instrs[0].domain
        terms = prod(self.dims[i].max for i in inner)
        late = {view for instr in after for _, view in instr.views()}
        results = {view for instr in instrs if inner for role, view in instr.views() if role == "dst"}
        late |= {view for view in results if all(view.strides[i] == ZERO for i in inner)}  # others are of each element
        self.work = instruction_cycles(instrs) + instruction_cycles(after) / terms
        #: How often a vector of a view is touched for each vector of the domain.
        self.views = [(view, written, 1 / terms if view in late else 1.0) for view, written in views]
        self.bounded = any(d.valid for i in instrs for d in i.domain)
        self.ordered = any(d.role is Role.SCAN for i in instrs for d in i.domain)

    def best(self) -> LanePlan:
        """The plan of fewest cycles."""
        plans = [LanePlan(None, 1, self.work + 0.7 * sum(often for *_, often in self.views))]
        for lane, dim in enumerate(self.dims):
            if dim.size != ONE:
                plans += self.along(lane)
        return min(plans, key=lambda plan: plan.cycles)

    def along(self, lane: int) -> list[LanePlan]:
        most, width = self.dims[lane].max, self.full
        while width // 2 >= most > 0:  # a narrower vector rather than one that is mostly masked
            width //= 2
        plans: list[LanePlan] = []
        across = [v for v, *_ in self.views if v.strides[lane] not in (ZERO, ONE)]
        reads_one = any(v.strides[lane] == ZERO and w and lane not in self.inner for v, w, _ in self.views)
        if reads_one or width == 1 or (across and (self.bounded or lane in self.inner)):
            return []
        share = most / (-(-most // width) * width)
        cycles = self.work
        for v, written, often in self.views:
            pace = 0 if written else spread(v, lane)
            cycles += often * (2.0 * pace - 1.0 if pace else SCATTERED * width if v in across else 1.0)
        if lane in self.inner:
            cycles += ACROSS * width / prod(self.dims[i].max for i in self.inner)
        plans.append(LanePlan(lane, width, cycles / (width * share)))
        if across and not self.inner and not self.ordered:
            plans += self.turned(lane, across)
        if not across and not self.bounded and not self.ordered and lane not in self.inner:
            plans += self.compound(lane)
        return plans

    def compound(self, lane: int) -> list[LanePlan]:
        """Plans in which a short lane dimension is repeated along another."""
        part = self.dims[lane].size.constant or 0
        if part not in (2, 4, 8, 16) or part >= self.full:
            return []
        plans: list[LanePlan] = []
        for outer, dim in enumerate(self.dims):
            steps = self.full // part
            while steps > dim.max:
                steps //= 2
            whole = outer not in self.inner or (dim.size.constant or 1) % steps == 0
            if outer == lane or steps < 2 or not whole:
                continue
            if any(w and v.strides[outer] == ZERO and outer not in self.inner for v, w, _ in self.views):
                continue
            cycles = self.work
            for v, written, often in self.views:
                pair = v.strides[outer], v.strides[lane]
                dense = pair in ((Poly.of(part), ONE), (ZERO, ZERO)) or (written and outer in self.inner)
                cycles += often * (1.0 if dense else 1.2 if pair[0] == ZERO else 1.0 + 0.6 * steps)
            width, most = steps * part, dim.max
            ragged = most // steps + (most % steps)
            plans.append(LanePlan(lane, width, cycles * ragged / (most * part), outer, part))
        return plans

    def turned(self, lane: int, across: Sequence[View]) -> list[LanePlan]:
        """Plans that turn blocks of vectors along another dimension."""
        plans: list[LanePlan] = []
        for block in range(len(self.dims)):
            sizes = [self.dims[i].max for i in (lane, block)]
            if block == lane or min(sizes) < 4 or any(v.strides[block] != ONE for v in across):
                continue
            width = self.full
            while width > 4 and width // 2 >= min(sizes):
                width //= 2
            if any(w and v.strides[block] == ZERO for v, w, _ in self.views):
                continue
            turn = 1.0 + width.bit_length()
            cycles = self.work + sum(turn if v in across else 1.0 for v, *_ in self.views)
            share = 1.0
            for size in sizes:
                share *= size / (-(-size // width) * width)
            plans.append(LanePlan(lane, width, cycles / (width * share), block=block))
        return plans
