"""Absorb elementwise and gather kernels into the kernels that read their result: what comes before becomes a part.

A kernel goes if every reader can compute the result that it reads itself, and all of them together take fewer cycles
than they and the kernel take apart (estimate.py). Each reader gets operations of its own; views between are moved
before them, so that they become views of what the operations load:

    conv(mul(x, s))             ->  one kernel, which multiplies each tile of x before it unfolds it
    matmul(transpose(sqrt(x)))  ->  matmul(sqrt(transpose(x))), one kernel that loads x transposed
    concat(gather(w, i), y)     ->  one kernel, a piece of which is loaded through the indices
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xdsl.dialects.builtin import TensorType
from xdsl.ir import Operation, SSAValue

from vcc.dialects import graph
from vcc.dialects.graph.attributes import Blocked
from vcc.dialects.graph.base import shape_of, tensor_of
from vcc.dialects.origin import VALUES
from vcc.dialects.weights import ConstantOp
from vcc.passes.fuse.choose_layouts import ELEMENTWISE
from vcc.passes.fuse.concatenations import may_alias
from vcc.passes.fuse.estimate import Estimator
from vcc.passes.fuse.groups import LONGEST, Forming, Group, escaping, is_number, takes_number
from vcc.passes.fuse.outline import build_kernel
from vcc.passes.fuse.views import MOVES, ROWS, WINDOWS
from vcc.passes.tile.window import is_pointwise
from vcc.runtime.diagnostics import VccError, plural

#: The views that can stand before an elementwise operation as well as after it. A border cannot: it is not computed.
MOVABLE = (graph.TransposeOp, graph.SliceOp, graph.ExpandOp, graph.ReshapeOp)
GATHERS = (graph.GatherOp, graph.GatherElementsOp)
#: More readers than this are not worth trying: each computes the value again.
MOST_READERS = 4


@dataclass(frozen=True)
class Site:
    """A reader of a kernel's result: an operand of an operation in another group, the views between, first to last,
    and what makes the result."""

    user: Operation
    index: int
    views: tuple[Operation, ...]
    made: tuple[Operation, ...]

    @property
    def moves(self) -> bool:
        """Whether the reader sees the value otherwise than it is computed: through views, or broadcast."""
        return bool(self.views) or self.shape != shape_of(self.user.operands[self.index])

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape in which the reader needs the value."""
        if isinstance(self.user, ELEMENTWISE):
            return shape_of(self.user.results[0])
        return shape_of(self.user.operands[self.index])


def absorb_kernels(forming: Forming, groups: list[Group], estimator: Estimator) -> None:
    """Absorb what pays, from the last kernel to the first; the remarks of all concerned say why or why not."""
    for group in sorted(groups, key=lambda g: forming.position[g.place], reverse=True):
        if group.kind not in ("elementwise", "gather"):
            continue
        made = [op for op in group.ops if isinstance(op, (*ELEMENTWISE, *GATHERS))]
        # What views of the last result store belongs to that; other results are computed as they leave.
        leaving = [op for op in escaping(group.ops) if op in made and op is not made[-1]] + made[-1:]
        found = [_sites(forming, group, op.results[0], made=_needed(op, made)) for op in leaving]
        if (
            found
            and all(found)
            and _Trial(forming, group, made, [site for sites in found for site in sites]).run(estimator)
        ):
            groups.remove(group)


def _needed(op: Operation, made: Sequence[Operation]) -> tuple[Operation, ...]:
    """The operations of a kernel, in order, that make one of its results."""
    needed = {op}
    for each in reversed(made):
        if each in needed:
            needed.update(owner for value in each.operands if isinstance(owner := value.owner, Operation))
    return tuple(each for each in made if each in needed)


def _sites(
    forming: Forming, group: Group, value: SSAValue, views: tuple[Operation, ...] = (), *, made: tuple[Operation, ...]
) -> list[Site]:
    """All readers of a value of a group; none if one of them cannot compute it."""
    found: list[Site] = []
    for use in list(value.uses):
        user = use.operation
        if forming.members.get(user) is group and not isinstance(user, MOVES):
            continue
        if isinstance(user, MOVES) and (user not in forming.members or forming.members[user] is group):
            more = _sites(forming, group, user.results[0], (*views, user), made=made) if _movable(user) else []
        elif user in forming.members and _may_compute(forming.members[user], user, use.index):
            more = [Site(user, use.index, views, made)]
        else:
            more = []
        if not more:
            return []
        found += more
    return found if len({forming.members[site.user].place for site in found}) <= MOST_READERS else []


def _movable(view: Operation) -> bool:
    return isinstance(view, MOVABLE) and not any(map(_is_blocked, (*view.operands, *view.results)))


def _may_compute(group: Group, user: Operation, index: int) -> bool:
    """Whether a kernel can compute an operand of one of its operations itself."""
    if isinstance(user, ELEMENTWISE):
        return True
    if isinstance(user, graph.ConcatOp):
        return not may_alias(user)
    if isinstance(user, GATHERS):
        return index == 1
    return group.kind == "matmul" or (group.kind in (*ROWS, *WINDOWS, "arg") and index == 0)


class _Trial:
    """Gives each reader copies of a group's operations, and takes them back if that does not pay."""

    def __init__(self, forming: Forming, group: Group, made: Sequence[Operation], sites: Sequence[Site]):
        self.forming, self.group, self.made, self.sites = forming, group, made, sites
        self.readers = list({id(g): g for g in (forming.members[site.user] for site in sites)}.values())
        self.before = [list(reader.ops) for reader in self.readers]
        self.operands = [site.user.operands[site.index] for site in sites]
        self.added: list[Operation] = []
        #: What reductions read now, by kernel, what they read before, and the views between.
        self.common: dict[tuple[int, SSAValue, tuple[Operation, ...]], SSAValue] = {}

    def run(self, estimator: Estimator) -> bool:
        """Whether the readers now compute the group's result, and the group is no more."""
        try:
            apart = [self._cycles(estimator, each) for each in (self.group, *self.readers)]
        except VccError:
            return False  # the tile phase reports what does not fit
        if any(site.moves and not self._plain() for site in self.sites):
            return self._stay("lies in blocks that a view between does not follow")
        for site in self.sites:
            self._copy_to(site)
        self.forming.enter(self.readers)
        reason = "" if all(map(self._reads_through, self.readers)) else "a view between cannot be moved before it"
        if not reason and max(len(reader.ops) for reader in self.readers) > LONGEST:
            reason = "the kernel would be too long"
        together = 0
        try:
            together = 0 if reason else sum(self._cycles(estimator, reader) for reader in self.readers)
        except VccError as problem:
            reason = problem.diagnostics[0].message
        if not reason and together >= sum(apart):
            reason = f"computing it there takes {together:,} cycles instead of {sum(apart):,}"
        if reason:
            self._take_back()
            return self._stay(reason)
        self._settle(sum(apart) - together)
        return True

    def _plain(self) -> bool:
        values = [value for op in self.made for value in (*op.operands, *op.results)]
        return not any(map(_is_blocked, values))

    def _cycles(self, estimator: Estimator, group: Group) -> int:
        kernel, _ = build_kernel(self.forming, group)
        try:
            return estimator.cycles(kernel)
        finally:
            kernel.drop_all_references()  # or it would stay a user of its operands

    def _copy_to(self, site: Site) -> None:
        """Make a reader's operand from copies of the operations, behind copies of the views.

        Reductions of one tensor in one kernel have them in common.
        """
        key = (id(self.forming.members[site.user]), site.user.operands[site.index], site.views)
        if isinstance(site.user, graph.ReduceOp) and key in self.common:
            site.user.operands[site.index] = self.common[key]
            return
        mapping: dict[SSAValue, SSAValue] = {}
        copies: list[Operation] = []
        moves, final = site.moves, site.shape
        for op in site.made:
            gathers, shape = isinstance(op, GATHERS), shape_of(op.results[0])
            for value in op.operands:
                if value not in mapping and moves and not gathers and not _stays(op, value):
                    mapping[value] = [value, *(view.results[0] for view in self._moved(site, value, shape))][-1]
            copy = op.create(
                operands=[mapping.get(value, value) for value in op.operands],
                result_types=[
                    TensorType(tensor_of(result).element_type, final) if moves and not gathers else result.type
                    for result in op.results
                ],
                properties=op.properties,
                attributes=dict(op.attributes),
            )
            copy.location = op.location
            copy.results[0].name_hint = op.results[0].name_hint
            if moves or len(self.sites) > 1 or not _sees_all(self.forming.members[site.user], site):
                copy.attributes.pop(VALUES, None)
            copies.append(self._insert(site, copy))
            # What is gathered is read through the views; they stay between.
            views = self._moved(site, copy.results[0], shape) if gathers and moves else []
            copies += views
            mapping.update(zip(op.results, (views or [copy])[-1].results, strict=True))
        reader = self.forming.members[site.user]
        at = 0 if reader.ops[0] is site.user or not isinstance(site.user, ELEMENTWISE) else reader.ops.index(site.user)
        reader.ops[at:at] = copies
        site.user.operands[site.index] = mapping[site.made[-1].results[0]]
        if isinstance(site.user, graph.ReduceOp):
            self.common[key] = site.user.operands[site.index]

    def _moved(self, site: Site, value: SSAValue, shape: Sequence[int]) -> list[Operation]:
        """Views that make of an operand, broadcast to the shape of its operation, what the views make of that."""
        added: list[Operation] = []
        if shape_of(value) != tuple(shape):
            added.append(self._insert(site, graph.ExpandOp(value, shape)))
        for view in site.views:
            source = added[-1].results[0] if added else value
            type = TensorType(tensor_of(value).element_type, shape_of(view.results[0]))
            copy = view.create(operands=[source], result_types=[type], properties=view.properties)
            copy.results[0].name_hint = view.results[0].name_hint
            copy.location = view.location
            added.append(self._insert(site, copy))
        if shape_of(added[-1].results[0] if added else value) != site.shape:
            source = added[-1].results[0] if added else value
            added.append(self._insert(site, graph.ExpandOp(source, site.shape)))
        return added

    def _insert(self, site: Site, op: Operation) -> Operation:
        self.forming.block.insert_op_before(op, site.user)
        self.forming.position[op] = self.forming.position[site.user]
        self.added.append(op)
        return op

    def _reads_through(self, reader: Group) -> bool:
        """Whether a reader's loads do all the views that were made for it."""
        return all(
            not isinstance(owner := value.owner, MOVES) or owner not in self.added or self._is_whole(op, value)
            for op in reader.ops
            for value in op.operands
            if value.owner not in reader.ops
        )

    def _is_whole(self, op: Operation, value: SSAValue) -> bool:
        chain, added = self.forming.chain(op, value), set[Operation]()
        while isinstance(view := value.owner, MOVES) and view in self.added:
            added.add(view)
            value = view.operands[0]
        return added <= set(chain) or all(isinstance(view, graph.ReshapeOp) for view in added - set(chain))

    def _take_back(self) -> None:
        for site, value in zip(self.sites, self.operands, strict=True):
            site.user.operands[site.index] = value
        for reader, ops in zip(self.readers, self.before, strict=True):
            reader.ops[:] = ops
        self._erase(self.added)
        self.forming.enter(self.readers)

    def _settle(self, saved: int) -> None:
        for reader in self.readers:
            note = f"computes {plural(len(self.made), 'operation')} before it, which saves {saved:,} cycles"
            reader.remark = f"{note}; {reader.remark}" if reader.remark else note
        views = [view for site in self.sites for view in reversed(site.views)]
        for op in self.group.ops:
            self.forming.members.pop(op)
        self._erase([*(op for op in self.group.ops if op not in views), *reversed(list(dict.fromkeys(views)))])

    def _stay(self, reason: str) -> bool:
        kinds = ", ".join(dict.fromkeys(reader.kind for reader in self.readers))
        self.group.remark = f"{self.group.remark}; not computed by its readers ({kinds}): {reason}"
        return False

    def _erase(self, ops: Sequence[Operation]) -> None:
        """Erase operations whose results are used no more, in whatever order they are given; others among them stay."""
        left = [op for op in reversed(ops) if op.parent is not None]
        while unused := [op for op in left if not any(result.first_use for result in op.results)]:
            for op in unused:
                op.detach()
                op.erase()
            left = [op for op in left if op not in unused]


def _is_blocked(value: SSAValue) -> bool:
    return isinstance(tensor_of(value).encoding, Blocked)


def _stays(op: Operation, value: SSAValue) -> bool:
    """Whether an operand needs no views: a number that goes into the instruction, or a table."""
    if isinstance(op, graph.LookupOp) and value is op.table:
        return True
    return isinstance(value.owner, ConstantOp) and is_number(value.owner) and takes_number(op, value)


def _sees_all(reader: Group, site: Site) -> bool:
    """Whether a reader computes every element of its operand, so that taps can show it."""
    if reader.kind not in WINDOWS or isinstance(site.user, ELEMENTWISE):
        return True
    return isinstance(site.user, graph.ConvOp | graph.PoolOp) and is_pointwise(site.user.window)
