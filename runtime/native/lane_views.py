"""Vectors of a chain in memory: dense, the same number in every lane, from several places, or of lanes far apart."""

from __future__ import annotations

from vcc.runtime.isa.expr import ONE, ZERO, Poly
from vcc.runtime.isa.kernel import View
from vcc.runtime.native.emit import Val
from vcc.runtime.native.frame import Frame
from vcc.runtime.native.lane_plan import LanePlan, spread

Index = dict[int, Val]


def shuffled(frame: Frame, kind: str, a: str, b: str, order: list[int]) -> str:
    """Lanes of two vectors, numbered through, in a new order."""
    lanes = ", ".join(f"i32 {i}" for i in order)
    return frame.e.op(f"shufflevector {kind} {a}, {kind} {b or 'poison'}, <{len(order)} x i32> <{lanes}>")


def joined(frame: Frame, element: str, parts: list[str], width: int) -> str:
    """Vectors of `width` lanes one after the other; their number is a power of two."""
    while len(parts) > 1:
        kind, order = f"<{width} x {element}>", list(range(2 * width))
        parts = [shuffled(frame, kind, *parts[i : i + 2], order) for i in range(0, len(parts), 2)]
        width *= 2
    return parts[0]


class LaneViews:
    """Reads and writes vectors as a plan lays them over the domain."""

    def __init__(self, frame: Frame, plan: LanePlan):
        self.f, self.e, self.plan = frame, frame.e, plan
        self.left = plan.width  # lanes that count

    def is_far(self, view: View) -> bool:
        """Whether the lanes are neither neighbours nor one element."""
        return self.plan.lane is not None and view.strides[self.plan.lane] not in (ZERO, ONE)

    def read(self, view: View, index: Index, mask: str = "") -> str:
        """The plan's vector at an index of the domain."""
        plan = self.plan
        if self.is_far(view):
            pace = spread(view, plan.lane)
            return self.picked(view, index, pace) if pace else self.gathered(view, index, plan.width)
        if plan.outer is None or plan.lane is None:
            return self.f.read(view, index, plan.lane, plan.width, mask)
        pair = view.strides[plan.outer], view.strides[plan.lane]
        if pair == (ZERO, ZERO) or pair == (Poly.of(plan.part), ONE):
            return self.f.read(view, index, plan.lane, plan.width)
        lanes = self.f.lanes(view, plan.part)
        if pair[1] == ZERO:
            steps = self.f.lanes(view, plan.steps)
            few = self.read_steps(view, index)
            return shuffled(self.f, steps.type, few, "", [i // plan.part for i in range(plan.width)])
        if pair[0] == ZERO:
            one = self.f.read(view, index, plan.lane, plan.part)
            return shuffled(self.f, lanes.type, one, "", [i % plan.part for i in range(plan.width)])
        parts = [self.f.read(view, self.moved(index, i), plan.lane, plan.part) for i in range(plan.steps)]
        return joined(self.f, lanes.kind, parts, plan.part)

    def read_steps(self, view: View, index: Index) -> str:
        """One element for each step of `outer`."""
        assert self.plan.outer is not None
        if view.strides[self.plan.outer] == ONE:
            return self.f.read(view, index, self.plan.outer, self.plan.steps)
        one = self.f.lanes(view, 1)
        parts = [self.f.read(view, self.moved(index, i), None, 1) for i in range(self.plan.steps)]
        return joined(self.f, one.kind, parts, 1)

    def moved(self, index: Index, by: int) -> Index:
        """The index some steps of `outer` on."""
        assert self.plan.outer is not None
        return index | {self.plan.outer: self.e.add(index[self.plan.outer], by)}

    def picked(self, view: View, index: Index, pace: int) -> str:
        """Every second, third or fourth element: all that lie between are read, none beyond the last."""
        width, last = self.plan.width, (self.left - 1) * pace
        kind, result = self.f.lanes(view, width).type, ""
        for number in range(pace):
            count = last + 1 - number * width
            if count > 0:
                mask = self.f.mask(width, 0, count) if count < width else ""
                part = self.f.read(view, index, self.plan.lane, width, mask, moved=number * width)
                here = [i * pace - number * width for i in range(width)]
                order = [width + at if 0 <= at < width else i for i, at in enumerate(here)]
                result = shuffled(self.f, kind, result or part, part, order)
        return result

    def gathered(self, view: View, index: Index, width: int) -> str:
        """Elements that lie apart."""
        lane, lanes = self.plan.lane, self.f.lanes(view, width)
        assert lane is not None
        element = lanes.stored[lanes.stored.index("x ") + 2 : -1]
        raw = "poison"
        for i in range(width):
            where = self.f.pointer(view, index | {lane: self.e.add(index[lane], i)})
            one = self.e.op(f"load {element}, ptr {where}, align {lanes.dtype.size}")
            raw = self.e.op(f"insertelement {lanes.stored} {raw}, {element} {one}, i64 {i}")
        return lanes.widened(raw)

    def write(self, view: View, index: Index, value: str, mask: str = "") -> None:
        """Stores the plan's vector."""
        plan = self.plan
        if self.is_far(view):
            self.scattered(view, index, value)
            return
        dense = plan.outer is None or view.strides[plan.outer] == Poly.of(plan.part)
        if dense:
            self.f.write(view, index, plan.width, value, mask)
            return
        kind = self.f.lanes(view, plan.width).type
        for i in range(plan.steps):
            part = shuffled(self.f, kind, value, "", list(range(i * plan.part, (i + 1) * plan.part)))
            self.f.write(view, self.moved(index, i), plan.part, part)

    def scattered(self, view: View, index: Index, value: str) -> None:
        lane, lanes = self.plan.lane, self.f.lanes(view, self.plan.width)
        assert lane is not None
        element, raw = lanes.stored[lanes.stored.index("x ") + 2 : -1], lanes.narrowed(value)
        for i in range(self.plan.width):
            one = self.e.op(f"extractelement {lanes.stored} {raw}, i64 {i}")
            where = self.f.pointer(view, index | {lane: self.e.add(index[lane], i)})
            self.e.do(f"store {element} {one}, ptr {where}, align {lanes.dtype.size}")
