"""Chains: consecutive vector instructions over one domain become one loop whose values stay in registers.

After a reduction, instructions over what it keeps join too: they take its results from registers.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

from vcc.runtime.isa.expr import Poly
from vcc.runtime.isa.kernel import Instr, Role, View
from vcc.runtime.isa.semantics import BINARY, COMPARE, UNARY
from vcc.runtime.isa.table import OPS
from vcc.runtime.native.chain_loops import REDUCTIONS, ChainLoops, destination
from vcc.runtime.native.folds import FoldLoops
from vcc.runtime.native.frame import Frame
from vcc.runtime.native.iteration import Pieces, common, merged, never_meet, recut, thin, widened
from vcc.runtime.native.lane_plan import LanePlan, LanePlanner
from vcc.runtime.native.lookup import is_lookup
from vcc.runtime.native.padded import PaddedLoad
from vcc.runtime.native.turned import TurnedLoops

MOVES = {"load", "store", "mov", "copy", "drain", "cast", "store.add", "iota"}
VECTOR = {*UNARY, *BINARY, *REDUCTIONS, *MOVES, *(f"cmp.{fn}" for fn in COMPARE), "select", "fma"}


@dataclass(frozen=True)
class Body:
    """What a chain does: `main` over the whole domain, `after` once for each result of the reductions in `main`.

    All are over the same dimensions; those that `after` lacks have stride 0 there.
    """

    main: tuple[Instr, ...]
    after: tuple[Instr, ...] = ()

    @property
    def every(self) -> tuple[Instr, ...]:
        return (*self.main, *self.after)

    @property
    def inner(self) -> tuple[int, ...]:
        """The dimensions that are reduced."""
        folds = [i for i in self.main if i.op in REDUCTIONS]
        return tuple(i for i, d in enumerate(folds[0].domain) if d.role is Role.REDUCE) if folds else ()

    def recut(self, pieces: Pieces) -> Body:
        return Body(tuple(recut(i, pieces) for i in self.main), tuple(recut(i, pieces) for i in self.after))


class Chain:
    """Instructions that run together, element by element; `take` says whether one more can."""

    def __init__(self, frame: Frame):
        self.f = frame
        self.taken: list[Instr] = []  # as they were
        self.body = Body(())
        self.plan: LanePlan | None = None

    def take(self, instr: Instr, total: bool = True) -> bool:
        """Adds the instruction if each element of it needs only the same element of those before.

        `total` says that no size of a reduction in the chain may be 0, so that what follows it may run with it.
        """
        known = instr.op in VECTOR or is_lookup(instr, self.f.dtypes)
        if not known or (self.taken and any(i.when is not None for i in (*self.taken, instr))):
            return False
        thinned = thin(instr)
        if not self.taken:
            self.adopt(instr, Body((thinned,)))
            return True
        if any(d.valid for i in (*self.body.every, thinned) for d in i.domain if i.op == "load"):
            return False
        beside, behind = self.beside(thinned), self.behind(thinned) if total else None
        return any(body is not None and self.adopt(instr, body) for body in (beside, behind))

    def adopt(self, instr: Instr, body: Body) -> bool:
        """Makes the instruction part of the chain as `body` says, unless that takes longer than two loops."""
        plan = self.choose(body)
        if self.plan is not None:
            own = self.choose(Body((thin(instr),)))
            handed = 2 / max(own.width, 1)  # what the instruction reads is stored and loaded
            apart = self.plan.cycles * _elements(self.body) + (own.cycles + handed) * _count(instr)
            if plan.cycles * _elements(body) > apart or (body.after and plan.lane in body.inner):
                return False
        self.taken.append(instr)
        self.body, self.plan = body, plan
        return True

    def beside(self, instr: Instr) -> Body | None:
        """The chain with the instruction over the whole domain."""
        if self.body.after:
            return None
        cuts = common(self.body.main[0].domain, instr.domain)
        if cuts is None:
            return None
        body, fine = self.body.recut(cuts[0]), recut(instr, cuts[1])
        folds = {Body((i,)).inner for i in (*body.main, fine) if i.op in REDUCTIONS}
        clash = len(folds) > 1 or any(conflict(self.f, earlier, fine) for earlier in body.main)
        return None if clash else Body((*body.main, fine))

    def behind(self, instr: Instr) -> Body | None:
        """The chain with the instruction after its reductions."""
        inner, rank = self.body.inner, len(self.body.main[0].domain)
        outer = [i for i in range(rank) if i not in inner]
        if not inner or not outer or instr.op in REDUCTIONS or instr.op == "iota":
            return None
        fold = next(i for i in self.body.main if i.op in REDUCTIONS)
        cuts = common([fold.domain[i] for i in outer], instr.domain)
        if cuts is None:
            return None
        pieces = [[d] for d in fold.domain]
        for i, piece in zip(outer, cuts[0], strict=True):
            pieces[i] = piece
        body, fine = self.body.recut(pieces), recut(instr, cuts[1])
        kept = [i for i in range(len(body.main[0].domain)) if i not in body.inner]
        views = {role: widened(view, kept, len(body.main[0].domain)) for role, view in fine.views()}
        domain = next(i for i in body.main if i.op in REDUCTIONS).domain
        fine = replace(fine, domain=domain, operands={**fine.operands, **views}, tap=None)
        clash = any(conflict(self.f, earlier, fine, complete=True) for earlier in body.every)
        return None if clash else Body(body.main, (*body.after, fine))

    def choose(self, body: Body) -> LanePlan:
        """The best vectors for a body."""
        every = merged(body.every)
        main, after = every[: len(body.main)], every[len(body.main) :]
        whole = Body(tuple(main), tuple(after))
        full = self.f.width([v for i in every for _, v in i.views()])
        return LanePlanner(whole.main, whole.after, whole.inner, full, self.accesses(whole)).best()

    def accesses(self, body: Body) -> list[tuple[View, bool]]:
        """The views that reach memory, with whether they are written."""
        dead, written = self.unread(body), set[View]()
        found: dict[tuple[View, bool], None] = {}
        for instr in body.every:
            for role, view in instr.views():
                if role != "dst" and view not in written:
                    found[view, False] = None
            if destination(instr).buffer not in dead:
                found[destination(instr), True] = None
            written.add(destination(instr))
        return list(found)

    def unread(self, body: Body) -> set[str]:
        """Buffers of which every read takes a value that this chain has in a register."""
        written: set[View] = set()
        forwarded: Counter[str] = Counter()
        for instr in body.every:
            forwarded.update(v.buffer for role, v in instr.views() if role != "dst" and v in written)
            if instr.op not in REDUCTIONS or body.after:
                written.add(destination(instr))
        return {
            v.buffer for v in written if v.buffer in self.f.buffers and self.f.reads[v.buffer] == forwarded[v.buffer]
        }

    def emit(self) -> None:
        """Appends the loops."""
        (first, *others) = self.taken
        if not others and first.op == "load" and any(d.valid for d in first.domain):
            PaddedLoad(self.f, thin(first)).emit()
            return
        every = merged(self.body.every)
        count = len(self.body.main)
        body = Body(tuple(every[:count]), tuple(every[count:]))
        plan = self.choose(self.body)
        dead = self.unread(body)
        if any(i.op in REDUCTIONS for i in body.main):
            body, plan = _side_by_side(body, plan)
            FoldLoops(self.f, body.main, body.after, body.inner, plan, dead).emit()
        elif plan.block is not None:
            TurnedLoops(self.f, body.main, plan, dead).emit()
        else:
            ChainLoops(self.f, body.main, plan, dead).emit()


def _side_by_side(body: Body, plan: LanePlan) -> tuple[Body, LanePlan]:
    """The lane dimension as several vectors, if it is not reduced, so that some may be reduced together."""
    lane, domain = plan.lane, body.main[0].domain
    if lane is None or lane in body.inner or plan.outer is not None or plan.block is not None:
        return body, plan
    size = domain[lane].size.constant
    if size is None or size <= plan.width or size % plan.width:
        return body, plan
    parts = [replace(domain[lane], size=Poly.of(n), max=n) for n in (size // plan.width, plan.width)]
    return body.recut([parts if i == lane else [d] for i, d in enumerate(domain)]), replace(plan, lane=lane + 1)


def _count(instr: Instr) -> int:
    total = 1
    for dim in instr.domain:
        total *= dim.max
    return total


def _elements(body: Body) -> int:
    return _count(body.main[0])


def conflict(frame: Frame, earlier: Instr, later: Instr, complete: bool = False) -> bool:
    """Whether the later instruction may meet elements of the earlier one that are not of the same place in the domain.

    `complete` says that the earlier one's reduction is complete when the later one runs.
    """
    whole = [
        (i.op not in REDUCTIONS or (complete and i is earlier))
        and i.op != "store.add"
        and not any(d.valid for d in i.domain)
        for i in (earlier, later)
    ]
    for role, named in earlier.views():
        for other_role, other_named in later.views():
            view, other = frame.place(named), frame.place(other_named)
            ends = (role == "dst" and not whole[0]) or (other_role == "dst" and not whole[1])
            if view.buffer != other.buffer or "dst" not in (role, other_role):
                continue
            if OPS[earlier.op].indexed == role or OPS[later.op].indexed == other_role:
                return True  # a table is read wherever its indices say
            if ends or (view != other and not never_meet(view, other, earlier.domain)):
                return True
    return False
