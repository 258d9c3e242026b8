"""The loops of a chain: over the domain, along the lanes in whole vectors and a masked rest, and the instructions."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager

from vcc.runtime.isa.dtypes import BY_NAME
from vcc.runtime.isa.expr import ONE, ZERO, Poly
from vcc.runtime.isa.kernel import Instr, Role, View
from vcc.runtime.isa.semantics import REDUCE
from vcc.runtime.isa.table import OPS, Cost
from vcc.runtime.native import mathlib
from vcc.runtime.native.convert import convert
from vcc.runtime.native.emit import Val
from vcc.runtime.native.frame import Frame
from vcc.runtime.native.lane_plan import LanePlan, spread
from vcc.runtime.native.lane_views import LaneViews
from vcc.runtime.native.lanes import Lanes

Index = dict[int, Val]
Values = dict[View, str]
#: Instructions that reduce, and how they join two values.
REDUCTIONS = {"mac": "add"} | {f"reduce.{fn}": fn for fn in REDUCE}
#: Vectors per iteration of a lane loop, so that running values do not wait for each other.
UNROLL = 4
#: At most how many elements ahead global memory is asked for: hardware's own looking ahead stops at pages.
AHEAD = 4096


def destination(instr: Instr) -> View:
    view = instr.operands["dst"]
    assert isinstance(view, View)
    return view


class ChainLoops:
    """Instructions over one domain, `dead` the buffers whose values need not reach memory."""

    #: What runs once for each vector of results of a reduction.
    after: tuple[Instr, ...] = ()

    def __init__(self, frame: Frame, instrs: Sequence[Instr], plan: LanePlan, dead: set[str]):
        self.f, self.e = frame, frame.e
        self.instrs, self.dead = tuple(instrs), dead
        self.sizes = [self.e.poly(dim.size, frame.env) for dim in instrs[0].domain]
        self.mask = ""
        self.unroll = UNROLL
        self.slow = any(OPS[i.op].cost is Cost.TRANSCENDENTAL for i in instrs)
        self.use(plan)

    def use(self, plan: LanePlan) -> None:
        """Lays vectors over the domain as a plan says, from here on."""
        self.plan, self.views = plan, LaneViews(self.f, plan)
        every = (*self.instrs, *self.after)
        self.far = any(self.unmasked(role, view) for i in every for role, view in i.views())

    def unmasked(self, role: str, view: View) -> bool:
        """Whether a view's vectors must be complete, because their lanes are touched one by one."""
        lane = self.plan.lane
        picked = role != "dst" and lane is not None and spread(view, lane) and isinstance(self.sizes[lane], int)
        return self.views.is_far(view) and not picked

    @contextmanager
    def using(self, plan: LanePlan) -> Generator[None]:
        before = self.plan
        self.use(plan)
        yield
        self.use(before)

    def emit(self) -> None:
        """Appends the loops."""
        dims = [i for i in range(len(self.sizes)) if i not in (self.plan.lane, self.plan.outer)]
        dims += [i for i in (self.plan.outer, self.plan.lane) if i is not None]
        self.over(dims, {}, lambda index: self.body(self.instrs, index, {}))

    def over(self, dims: Sequence[int], index: Index, then: Callable[[Index], None]) -> None:
        """Runs `then` for every index of the dimensions, a vector at a time."""
        if not dims:
            then(index)
        elif dims[0] == self.plan.outer:
            self.along_outer(dims, index, then)
        elif dims[0] == self.plan.lane:
            self.along_lane(dims, index, then)
        else:
            with self.e.loop(0, self.sizes[dims[0]]) as at:
                self.over(dims[1:], {**index, dims[0]: at}, then)

    def along_outer(self, dims: Sequence[int], index: Index, then: Callable[[Index], None]) -> None:
        """Whole vectors of several steps of `outer`, each with the whole lane dimension; then single steps."""
        outer, lane, plan = dims[0], self.plan.lane, self.plan
        assert lane is not None
        rest = [i for i in dims[1:] if i != lane]
        steps = sorted({plan.steps * (1 if self.unroll == 1 else 2), plan.steps, 1}, reverse=True)
        for start, step, _ in self.e.blocks(self.sizes[outer], steps):
            for part in range(max(1, step // plan.steps)):
                at = {**index, outer: self.e.add(start, part * plan.steps), lane: 0}
                if step == 1:
                    with self.using(plan.narrow()):
                        self.over(rest, at, then)
                else:
                    self.over(rest, at, then)

    def along_lane(self, dims: Sequence[int], index: Index, then: Callable[[Index], None]) -> None:
        lane, rest, width = dims[0], dims[1:], self.plan.width
        counts = sorted({width * self.unroll, width} | ({1} if self.far else set()), reverse=True)
        for start, step, left in self.e.blocks(self.sizes[lane], counts):
            if step < width:  # lanes that lie apart have no masks
                with self.using(LanePlan(None, 1, self.plan.cycles)):
                    self.over(rest, {**index, lane: start}, then)
                continue
            self.mask = self.f.mask(width, 0, left) if left != 0 else ""
            self.views.left = left if isinstance(left, int) and left else width
            for copy in range(step // width):
                with self.copying(copy):
                    self.over(rest, {**index, lane: self.e.add(start, copy * width)}, then)
            self.mask, self.views.left = "", width

    @contextmanager
    def copying(self, copy: int) -> Generator[None]:
        """Around each of several vectors in one iteration."""
        del copy
        yield

    def body(self, instrs: Sequence[Instr], index: Index, values: Values) -> None:
        """One vector of every instruction; `values` are those in registers."""
        for n, instr in enumerate(instrs):
            dst, inputs, mask = destination(instr), dict[str, str](), self.valid(instr, index)
            lanes = self.f.lanes(dst, self.plan.width)
            for role, operand in instr.operands.items():
                if not isinstance(operand, View):
                    inputs[role] = self.f.operand(instr, operand, self.plan.width)
                elif role == OPS[instr.op].indexed:
                    inputs[role] = self.f.pointer(operand, {})
                elif role != "dst":
                    if operand not in values:
                        self.prefetch(operand, index, 0)
                        values[operand] = self.views.read(operand, index, mask)
                    inputs[role] = values[operand]
            if instr.op in REDUCTIONS:
                self.accumulate(n, instr, lanes, inputs)
                continue
            if instr.op == "iota":
                values[dst] = self.ramp(instr, lanes, index)
            elif instr.op == "store.add":
                old = self.views.read(dst, index, mask)
                values[dst] = mathlib.binary(lanes, "add", old, inputs["src"])
            else:
                values[dst] = self.f.compute(instr, inputs, self.plan.width, self.mask)
            again = any(destination(later) == dst for later in instrs[n + 1 :])
            if dst.buffer not in self.dead and not again:
                self.prefetch(dst, index, 1)
                self.put(dst, index, values[dst], mask)

    def put(self, view: View, index: Index, value: str, mask: str) -> None:
        """Stores a vector."""
        self.views.write(view, index, value, mask)

    def accumulate(self, n: int, instr: Instr, lanes: Lanes, inputs: dict[str, str]) -> None:
        raise NotImplementedError

    def ramp(self, instr: Instr, lanes: Lanes, index: Index) -> str:
        """iota: computed in 64 bits, then converted."""
        start, step = instr.attrs.get("start", ZERO), instr.attrs.get("step", ONE)
        assert isinstance(start, Poly) and isinstance(step, Poly)
        width, e = self.plan.width, self.e
        whole = Lanes(self.e, BY_NAME["i64"], width)
        # A dimension of one element may have been dropped from the domain.
        axis = next((i for i, dim in enumerate(instr.domain) if dim.role is Role.SCAN), None)
        if axis is None:
            return convert(whole, lanes, whole.splat(str(e.poly(start, self.f.env))))
        pace = e.poly(step, self.f.env)
        value = whole.splat(str(e.add(e.poly(start, self.f.env), e.mul(pace, index[axis]))))
        if axis == self.plan.lane and width > 1:
            numbers = f"<{', '.join(f'i64 {i}' for i in range(width))}>"
            value = whole.two("add", value, whole.two("mul", numbers, whole.splat(str(pace))))
        return convert(whole, lanes, value)

    def prefetch(self, view: View, index: Index, write: int) -> None:
        """Asks for what lies one row ahead in global memory, if the chain takes long enough for that to arrive."""
        lane = self.plan.lane
        if self.slow and view.buffer not in self.f.buffers and lane is not None and view.strides[lane] == ONE:
            ahead = self.e.mul(self.e.scalar("min", AHEAD, self.sizes[lane]), self.f.dtypes[view.buffer].size)
            where = self.e.op(f"getelementptr i8, ptr {self.f.pointer(view, index)}, i64 {ahead}")
            self.e.call("prefetch.p0", "void", f"ptr {where}", f"i32 {write}", "i32 3", "i32 1")

    def valid(self, instr: Instr, index: Index) -> str:
        """The mask of valid intervals and of the loop's rest; empty where all lanes take part."""
        e, width, mask = self.e, self.plan.width, self.mask
        kind = f"<{width} x i1>"
        for i, dim in enumerate(instr.domain):
            if dim.valid:
                low, high = (e.add(e.poly(bound, self.f.env), e.mul(index[i], -1)) for bound in dim.valid)
                if i != self.plan.lane:
                    inside = e.op(f"and i1 {e.op(f'icmp sle i64 {low}, 0')}, {e.op(f'icmp sgt i64 {high}, 0')}")
                    here = self.f.lanes(destination(instr), width).splat(inside, "i1")
                else:
                    here = self.f.mask(width, low, high)
                mask = e.op(f"and {kind} {mask}, {here}") if mask else here
        return mask
