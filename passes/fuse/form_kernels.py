"""Form kernels: an anchor with the elementwise operations around it, or a chain of elementwise operations alone.

Anchors (convolution, matrix product, pooling, row operation, concatenation) are taken first, so that a residual
addition goes with the product that it follows. Row operations and concatenations also take what makes their operands.
Views become part of loads and stores (views.py). A value that later kernels need, too, is a further result. What
stays outside is constants, reshapes, which cost nothing, and host operators.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass, field
from math import prod

from xdsl.context import Context
from xdsl.dialects.builtin import DenseIntOrFPElementsAttr, LocationAttr, ModuleOp, StringAttr
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Block, BlockArgument, Operation, OpResult, Region, SSAValue
from xdsl.passes import ModulePass

from vcc.dialects import graph
from vcc.dialects.graph.attributes import Blocked
from vcc.dialects.graph.base import shape_of, tensor_of
from vcc.dialects.host import tensor_bytes
from vcc.dialects.origin import fuse_locations, set_value_names, value_names
from vcc.dialects.weights import ConstantOp
from vcc.passes.fuse.choose_layouts import ELEMENTWISE
from vcc.passes.fuse.concatenations import joined_by, may_alias, outermost, pieces
from vcc.passes.fuse.views import MOVES, ROWS, VIEWS, anchor_kind, chain_access, chain_splits, stored_views, view_chain

#: A kernel longer than this gains nothing more from fusion, and its live values would crowd the vector memory.
LONGEST = 32
#: The kinds of kernels whose stores can permute the axes of their result.
STORE_TRANSPOSED = frozenset(
    {"attention", "conv", "depthwise", "elementwise", "layer_norm", "matmul", "pool", "reduce", "rms_norm", "softmax"}
)
#: The kinds of kernels that can have several results, and how many.
MANY_RESULTS = frozenset({"conv", "depthwise", "elementwise", "matmul", "pool", "reduce"})
MOST_RESULTS = 3
#: The discardable attribute by which a pass before this one says something about the kernel that an operation gets.
REMARK = "remark"
#: Kernels that nothing is fused with: they store parts of their result as they get them.
ALONE = frozenset({"scatter", "topk", "cumsum"})


@dataclass(frozen=True)
class FormKernels(ModulePass):
    """Put every tensor operation into a `graph.kernel`."""

    name = "form-kernels"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for function in [o for o in op.walk() if isinstance(o, FuncOp)]:
            if function.body.blocks:
                Fusion(function.body.block).run()


@dataclass
class Group:
    """Operations of one kernel in order, the last of which makes its result, and why it ends there."""

    kind: str
    ops: list[Operation]
    remark: str
    #: The blocks in which the axes of the result are walked.
    splits: dict[int, int] = field(default_factory=dict[int, int])


class Fusion:
    """Forms the kernels of one block."""

    def __init__(self, block: Block):
        self.block = block
        self.taken: set[Operation] = set()
        self.members: dict[Operation, Group] = {}
        self.chains: dict[tuple[Operation, SSAValue], list[Operation]] = {}

    def run(self) -> None:
        """Form all kernels; see the module's text for the order."""
        self._copy_bare_results()
        ops = list(self.block.ops)
        self.position = {op: i for i, op in enumerate(ops)}
        groups = [
            self._gather_pieces(op) if isinstance(op, graph.ConcatOp) else self._grow(op, kind, ops)
            for op in ops
            if (kind := anchor_kind(op)) is not None and not self._is_inner(op)
        ]
        groups += [
            self._grow(op, "elementwise", ops) for op in ops if isinstance(op, ELEMENTWISE) and op not in self.taken
        ]
        self._join_siblings(groups)
        self.members = {op: group for group in groups for op in group.ops}
        for group in groups:
            self._note_blocks(group)
        for op in reversed(ops):
            # From the last view on, since it may read through those before it.
            if isinstance(op, VIEWS) and op not in self.members and not self._folds(op):
                groups.append(Group("elementwise", [op], self._why_alone(op)))
                self.members[op] = groups[-1]
                self._note_blocks(groups[-1])
        for group in groups:
            self._outline(group)
        self._drop_dead_views()

    def _copy_bare_results(self) -> None:
        """A result that is an argument, a constant or another result once more gets a copy of its own."""
        last = self.block.last_op
        if not isinstance(last, ReturnOp):
            return
        seen: set[SSAValue] = set()
        for i, value in enumerate(last.operands):
            root = value
            while isinstance(root, OpResult) and isinstance(root.op, graph.ReshapeOp):
                root = root.op.x
            bare = isinstance(root, BlockArgument) or isinstance(root.owner, ConstantOp) or root in seen
            seen.add(root)
            if bare:
                copy = graph.RelayoutOp(value, None)
                copy.location = last.location if isinstance(root, BlockArgument) else _owner_location(root)
                self.block.insert_op_before(copy, last)
                last.operands[i] = copy.results[0]

    def _grow(self, anchor: Operation, kind: str, ops: Sequence[Operation]) -> Group:
        """The anchor and as many elementwise operations after it as leave one result."""
        self.taken.add(anchor)
        if kind in ALONE:
            return Group(kind, [anchor], "")
        shape = shape_of(anchor.results[0])
        group, inside, tainted = [anchor], set(anchor.results), set[SSAValue]()
        waiting = sum(1 for _ in anchor.results[0].uses)
        stop = ""
        for op in ops[self.position[anchor] + 1 :]:
            if waiting == 0 or len(group) >= LONGEST:
                break
            uses = sum(1 for operand in op.operands if operand in inside)
            waiting -= uses
            is_tainted = any(operand in tainted for operand in op.operands)
            if not uses and not is_tainted:
                continue
            if (
                uses
                and not is_tainted
                and self._joins(op, shape)
                and (kind == "elementwise" or _same_blocks(op, anchor))
            ):
                if kind == "elementwise":
                    feeders = self._feeders(op, shape, inside)
                    if len(group) + len(feeders) < LONGEST:
                        group += feeders
                        inside.update(result for feeder in feeders for result in feeder.results)
                group.append(op)
                inside.update(op.results)
                waiting += sum(1 for result in op.results for _ in result.uses)
            else:
                tainted.update(op.results)
                stop = stop or self._reason(op, shape)
        whole = len(group)
        while len(group) > 1 and not self._may_leave(group, kind):
            group.pop()
        if len(group) < whole and not stop:
            stop = "a value in between is used elsewhere"
        fused = "fused nothing"
        if len(group) > 1:
            saved = 2 * sum(tensor_bytes(tensor_of(op.results[0])) for op in group[:-1])
            fused = f"fused {len(group) - 1} elementwise operations, which saves {saved} bytes of traffic"
        if (leaving := len(_escaping(group))) > 1:
            fused = f"{fused}; has {leaving} results"
        if kind in ROWS and (before := self._before(anchor)):
            group = [*before, *group]
            fused = f"fused {len(before)} elementwise operations before it; {fused}"
        if kind in STORE_TRANSPOSED and (views := stored_views(group[-1])):
            group += views
            fused, stop = f"{fused}; stores the result transposed", ""
        self.taken.update(group)
        return Group(kind, group, fused + (f"; stopped: {stop}" if stop else ""))

    def _may_leave(self, group: Sequence[Operation], kind: str) -> bool:
        """Whether a kernel can have all results of a group that are used outside, where the last one stands."""
        *others, last = _escaping(group) or [group[0]]
        if last is not group[-1] or not others:
            return last is group[-1]
        encodings = {tensor_of(op.results[0]).encoding for op in (*others, last)}
        return (
            kind in MANY_RESULTS
            and len(others) < MOST_RESULTS
            and len(encodings) == 1
            and self._after(others, set(group), self.position[last])
        )

    def _after(self, made: Sequence[Operation], inside: Container[Operation], position: int) -> bool:
        """Whether all that uses some results, but for `inside`, stands after a position."""
        users = [use.operation for op in made for use in op.results[0].uses]
        return all(user in inside or self.position[user] > position for user in users)

    def _join_siblings(self, groups: list[Group]) -> None:
        """Join elementwise kernels of one shape that read the same tensor and do not need each other's result."""
        found: dict[SSAValue, Group] = {}
        for group in [g for g in groups if g.kind == "elementwise"]:
            shape = shape_of(group.ops[-1].results[0])
            inside = set(group.ops)
            operands = [v for op in group.ops for v in op.operands if v.owner not in inside]
            shared = [v for v in operands if shape_of(v) == shape and not isinstance(v.owner, ConstantOp)]
            first = next((found[v] for v in shared if v in found), None)
            if first is not None and first is not group and self._are_siblings(first, group, operands):
                group.ops[:0] = first.ops
                group.remark = f"joined with another kernel that reads the same tensor; {group.remark}"
                groups.remove(first)
            found.update(dict.fromkeys(shared, group))

    def _are_siblings(self, first: Group, second: Group, operands: Sequence[SSAValue]) -> bool:
        """Whether two groups, the first of which stands before, can be one where the second one stands."""
        end, ends = self.position[first.ops[-1]], self.position[second.ops[-1]]
        lasts = [first.ops[-1], second.ops[-1]]
        ready = all(not isinstance(v.owner, Operation) or self.position.get(v.owner, -1) < end for v in operands)
        same = lasts[0].results[0].type == lasts[1].results[0].type
        escaping = [*_escaping(first.ops), *_escaping(second.ops)]
        return (
            ready and same and end < ends and escaping == lasts
            and len(first.ops) + len(second.ops) <= LONGEST
            and self._after([first.ops[-1]], set(first.ops), ends)
        )  # fmt: skip

    def _before(self, anchor: Operation) -> list[Operation]:
        """The elementwise operations that only make the operand of a row operation."""
        value = anchor.operands[0]
        owner = value.owner
        if not isinstance(owner, Operation) or owner.parent is not self.block or not value.has_one_use():
            return []
        if not self._joins(owner, shape_of(value)):
            return []
        found = [*self._feeders(owner, shape_of(value), ()), owner]
        return found if len(found) < LONGEST and all(_same_blocks(op, owner) for op in found) else []

    def _is_inner(self, op: Operation) -> bool:
        """Whether an operation is a concatenation in another one, which so has room for its pieces."""
        return joined_by(op) is not None and pieces(outermost(op)) <= LONGEST

    def _gather_pieces(self, anchor: graph.ConcatOp) -> Group:
        """A concatenation with those in it, and with the elementwise operations that make its pieces."""
        found: list[Operation] = []
        alone = may_alias(anchor)

        def collect(op: Operation) -> None:
            for value in dict.fromkeys(op.operands):
                owner = value.owner
                if not isinstance(owner, Operation) or not value.has_one_use():
                    continue
                if isinstance(owner, graph.ConcatOp) and self._is_inner(owner):
                    collect(owner)
                    found.append(owner)
                elif not alone and self._joins(owner, shape_of(value)) and _same_blocks(owner, anchor):
                    feeders = [f for f in self._feeders(owner, shape_of(value), ()) if _same_blocks(f, anchor)]
                    found.extend([*feeders, owner])

        collect(anchor)
        if len(found) >= LONGEST:
            found = [op for op in found if isinstance(op, graph.ConcatOp)]
        group = [*sorted(found, key=self.position.__getitem__), anchor]
        self.taken.update(group)
        inner = sum(isinstance(op, graph.ConcatOp) for op in found)
        made = len(found) - inner
        if alone:
            return Group("concat", group, "left its pieces to kernels that may store them in place")
        return Group("concat", group, f"joined {inner} concatenations and fused {made} elementwise operations")

    def _joins(self, op: Operation, shape: tuple[int, ...]) -> bool:
        return isinstance(op, ELEMENTWISE) and op not in self.taken and shape_of(op.results[0]) == shape

    def _feeders(self, op: Operation, shape: tuple[int, ...], inside: Container[SSAValue]) -> list[Operation]:
        """The operations, in order, whose results only serve `op`: other branches of an expression that meet in it.

        None depends on the group, or it would have joined it, or `op` could not.
        """
        found: list[Operation] = []
        for value in dict.fromkeys(op.operands):
            feeder = value.owner
            if value in inside or not isinstance(feeder, Operation) or not self._joins(feeder, shape):
                continue
            if feeder.parent is self.block and all(use.operation is op for use in value.uses):
                found += [*self._feeders(feeder, shape, inside), feeder]
        return found

    def _reason(self, op: Operation, shape: tuple[int, ...]) -> str:
        if isinstance(op, ReturnOp):
            return "it is a result of the model"
        if not isinstance(op, ELEMENTWISE):
            return f"{op.name} is not elementwise"
        if op in self.taken:
            return f"{op.name} is in another kernel"
        if shape_of(op.results[0]) != shape:
            return f"{op.name} has another shape"
        return f"{op.name} needs a value that is computed from this one elsewhere"

    def _note_blocks(self, group: Group) -> None:
        """Note the blocks in which an elementwise kernel must walk axes because tensors lie so."""
        if group.kind != "elementwise":
            return
        result = group.ops[-1].results[0]
        if isinstance(encoding := tensor_of(result).encoding, Blocked):
            group.splits[encoding.axis] = encoding.block
        for op in group.ops:
            for value in op.operands:
                missing = len(shape_of(result)) - len(shape_of(value))
                if isinstance(encoding := tensor_of(value).encoding, Blocked) and op in self.members:
                    group.splits.setdefault(encoding.axis + missing, encoding.block)
                elif isinstance(view := value.owner, VIEWS) and (access := chain_access([view])) is not None:
                    for axis, block in chain_splits(op, value, access).items():
                        group.splits.setdefault(axis, block)

    def _chain(self, user: Operation, value: SSAValue) -> list[Operation]:
        """The views through which a member of a kernel reads a value; decided once."""
        key = (user, value)
        if key not in self.chains:
            group = self.members[user]
            splits = group.splits if group.kind == "elementwise" else None
            self.chains[key] = chain = view_chain(user, value, splits)
            if splits is not None and chain and (access := chain_access(chain)) is not None:
                for axis, block in chain_splits(user, value, access).items():
                    splits.setdefault(axis, block)
        return self.chains[key]

    def _folds(self, view: Operation) -> bool:
        """Whether all users read through a view, so that the view needs no kernel of its own."""
        return all(self._passes(use.operation, view.results[0], view) for use in view.results[0].uses)

    def _passes(self, user: Operation, value: SSAValue, view: Operation) -> bool:
        """Whether a user of a value, which is the view's or a view of that, reads it through the view."""
        if user in self.members:
            return view in self._chain(user, value)
        if not isinstance(user, MOVES):
            return False
        return all(self._passes(use.operation, user.results[0], view) for use in user.results[0].uses)

    def _why_alone(self, view: Operation) -> str:
        """Why a view has a kernel of its own."""
        if isinstance(view, graph.RelayoutOp):
            return "copies a value that is a result of the model and lies elsewhere"
        pending, users = [view.results[0]], list[str]()
        while pending:
            for use in pending.pop().uses:
                if isinstance(use.operation, graph.ReshapeOp):
                    pending.append(use.operation.result)
                else:
                    users.append("a result of the model" if isinstance(use.operation, ReturnOp) else use.operation.name)
        return f"{view.name} moves data by itself: {', '.join(dict.fromkeys(users))} cannot read through it"

    def _outline(self, group: Group) -> None:
        """Move a group's operations into a `graph.kernel`, which stands at `_place`."""
        inputs: list[SSAValue] = []
        body = Block()
        mapping: dict[SSAValue, SSAValue] = {}

        def bring(value: SSAValue, user: Operation) -> None:
            """Make a value available in the body: a copied constant or view, or an argument."""
            if value in mapping:
                return
            op = value.owner
            if isinstance(op, ConstantOp) and _is_number(op) and takes_number(user, value):
                copy = op.clone()
                copy.location = op.location
                body.add_op(copy)
                mapping[value] = copy.result
                return
            if chain := self._chain(user, value):
                source = chain[-1].operands[0]
                if source not in mapping:
                    mapping[source] = body.insert_arg(source.type, len(body.args))
                    inputs.append(source)
                for view in reversed(chain):
                    if view.results[0] not in mapping:
                        _copy(view, body, mapping)
                return
            mapping[value] = body.insert_arg(value.type, len(body.args))
            inputs.append(value)

        made = {result for op in group.ops for result in op.results}
        for op in group.ops:
            for operand in op.operands:
                if operand not in made:
                    bring(operand, op)
        for op in group.ops:
            _copy(op, body, mapping)
        last = group.ops[-1]
        leaving = [last.results[0], *(op.results[0] for op in _escaping(group.ops) if op is not last)]
        body.add_op(graph.YieldOp(*(mapping[value] for value in leaving)))
        notes = [note.data for op in group.ops if isinstance(note := op.attributes.get(REMARK), StringAttr)]
        remarks = [remark for remark in (*notes, group.remark) if remark]
        types = [tensor_of(value) for value in leaving]
        kernel = graph.KernelOp(inputs, types, Region(body), kind=group.kind, remarks=remarks)
        kernel.location = fuse_locations(*group.ops)
        set_value_names(kernel, [value_names(value) for value in leaving])
        self.block.insert_op_before(kernel, _place(group.ops))
        for value, result in zip(leaving, kernel.results, strict=True):
            value.replace_all_uses_with(result)
        for op in reversed(group.ops):
            op.detach()
            op.erase()

    def _drop_dead_views(self) -> None:
        for op in reversed(list(self.block.ops)):
            if isinstance(op, MOVES) and not list(op.results[0].uses):
                op.detach()
                op.erase()


def _copy(op: Operation, body: Block, mapping: dict[SSAValue, SSAValue]) -> None:
    copy = op.clone(mapping)
    copy.attributes.pop(REMARK, None)
    copy.location = op.location
    body.add_op(copy)
    for old, new in zip(op.results, copy.results, strict=True):
        mapping[old] = new


def _place(group: Sequence[Operation]) -> Operation:
    """Where a kernel stands: at the last operation that computes. Views after it need nothing else, and other results
    of the kernel may be used before them."""
    return next((op for op in reversed(group) if not isinstance(op, MOVES)), group[-1])


def _escaping(group: Sequence[Operation]) -> list[Operation]:
    """The operations of a group whose results are used outside it."""
    inside = set(group)
    return [op for op in group if any(use.operation not in inside for result in op.results for use in result.uses)]


def _same_blocks(op: Operation, anchor: Operation) -> bool:
    """Whether an operation after an anchor has no operand in blocks in which the anchor's kernel does not walk."""
    own = tensor_of(anchor.results[0]).encoding
    encodings = [tensor_of(value).encoding for value in (*op.operands, op.results[0])]
    return all(encoding == own for encoding in encodings if isinstance(encoding, Blocked))


def takes_number(user: Operation, value: SSAValue) -> bool:
    """Whether an operation's instruction can have a number in the place of an operand."""
    if isinstance(user, graph.SelectOp):
        return value is not user.condition
    return isinstance(user, graph.BinaryOp | graph.CompareOp)


def _is_number(op: ConstantOp) -> bool:
    return prod(shape_of(op.result)) == 1 and isinstance(op.value, DenseIntOrFPElementsAttr)


def _owner_location(value: SSAValue) -> LocationAttr:
    owner = value.owner
    assert isinstance(owner, Operation)
    return owner.location
