"""The operations that become one kernel, and what all steps of forming kernels know of a block."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass, field
from math import prod

from xdsl.dialects.builtin import DenseIntOrFPElementsAttr
from xdsl.ir import Block, Operation, SSAValue

from vcc.dialects import graph
from vcc.dialects.graph.attributes import Blocked
from vcc.dialects.graph.base import shape_of, tensor_of
from vcc.dialects.weights import ConstantOp
from vcc.passes.fuse.choose_layouts import ELEMENTWISE
from vcc.passes.fuse.views import MOVES, VIEWS, chain_access, chain_splits, view_chain

#: A kernel longer than this gains nothing more from fusion, and its live values would crowd the vector memory.
LONGEST = 32


@dataclass
class Group:
    """Operations of one kernel in order, the last of which makes its result, and why it ends there."""

    kind: str
    ops: list[Operation]
    remark: str
    #: The blocks in which the axes of the result are walked.
    splits: dict[int, int] = field(default_factory=dict[int, int])

    @property
    def place(self) -> Operation:
        """Where the kernel stands: at the last operation that computes.

        Views after it need nothing else, and other results of the kernel may be used before them.
        """
        return next((op for op in reversed(self.ops) if not isinstance(op, MOVES)), self.ops[-1])


class Forming:
    """The kernels being formed of one block: which group each operation is in, and what their loads read through."""

    def __init__(self, block: Block):
        self.block = block
        self.position = {op: i for i, op in enumerate(block.ops)}
        self.taken: set[Operation] = set()
        self.members: dict[Operation, Group] = {}
        self.chains: dict[tuple[Operation, SSAValue], list[Operation]] = {}

    def joins(self, op: Operation, shape: tuple[int, ...]) -> bool:
        """Whether an operation may join a kernel over a shape."""
        return isinstance(op, ELEMENTWISE) and op not in self.taken and shape_of(op.results[0]) == shape

    def feeders(self, op: Operation, shape: tuple[int, ...], inside: Container[SSAValue]) -> list[Operation]:
        """The operations, in order, whose results only serve `op`: other branches of an expression that meet in it.

        None depends on the group, or it would have joined it, or `op` could not.
        """
        found: list[Operation] = []
        for value in dict.fromkeys(op.operands):
            feeder = value.owner
            if value in inside or not isinstance(feeder, Operation) or not self.joins(feeder, shape):
                continue
            if feeder.parent is self.block and all(use.operation is op for use in value.uses):
                found += [*self.feeders(feeder, shape, inside), feeder]
        return found

    def after(self, made: Sequence[Operation], inside: Container[Operation], position: int) -> bool:
        """Whether all that uses some results, but for `inside`, stands after a position."""
        users = [use.operation for op in made for use in op.results[0].uses]
        return all(user in inside or self.position[user] > position for user in users)

    def enter(self, groups: Sequence[Group]) -> None:
        """Make groups those of their operations, and decide their loads anew."""
        for group in groups:
            self.members.update(dict.fromkeys(group.ops, group))
        for group in groups:
            for op in group.ops:
                for value in op.operands:
                    self.chains.pop((op, value), None)
            group.splits.clear()
            self._note_blocks(group)

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
                if isinstance(encoding := tensor_of(value).encoding, Blocked):
                    group.splits.setdefault(encoding.axis + missing, encoding.block)
                elif isinstance(view := value.owner, VIEWS) and (access := chain_access([view])) is not None:
                    for axis, block in chain_splits(op, value, access).items():
                        group.splits.setdefault(axis, block)

    def chain(self, user: Operation, value: SSAValue) -> list[Operation]:
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

    def folds(self, view: Operation) -> bool:
        """Whether all users read through a view, so that the view needs no kernel of its own."""
        return all(self._passes(use.operation, view.results[0], view) for use in view.results[0].uses)

    def _passes(self, user: Operation, value: SSAValue, view: Operation) -> bool:
        """Whether a user of a value, which is the view's or a view of that, reads it through the view."""
        if user in self.members:
            return view in self.chain(user, value) and self._passes_beyond(user, user, view)
        if not isinstance(user, MOVES):
            return False
        return all(self._passes(use.operation, user.results[0], view) for use in user.results[0].uses)

    def _passes_beyond(self, kept: Operation, last: Operation, view: Operation) -> bool:
        """Whether those who read through `kept`, a view with a kernel of its own, and through views of it up to
        `last`, read through the view as well: what they read must not be what that kernel does without."""
        if not isinstance(kept, MOVES):
            return True
        for use in last.results[0].uses:
            user = use.operation
            if user in self.members:
                chain = self.chain(user, last.results[0])
                if kept in chain and view not in chain:
                    return False
            elif isinstance(user, MOVES) and not self._passes_beyond(kept, user, view):
                return False
        return True


def escaping(ops: Sequence[Operation]) -> list[Operation]:
    """The operations of a kernel whose results are used outside it."""
    inside = set(ops)
    return [op for op in ops if any(use.operation not in inside for result in op.results for use in result.uses)]


def same_blocks(op: Operation, anchor: Operation) -> bool:
    """Whether an operation after an anchor has no operand in blocks in which the anchor's kernel does not walk."""
    own = tensor_of(anchor.results[0]).encoding
    encodings = [tensor_of(value).encoding for value in (*op.operands, op.results[0])]
    return all(encoding == own for encoding in encodings if isinstance(encoding, Blocked))


def takes_number(user: Operation, value: SSAValue) -> bool:
    """Whether an operation's instruction can have a number in the place of an operand."""
    if isinstance(user, graph.SelectOp):
        return value is not user.condition
    return isinstance(user, graph.BinaryOp | graph.CompareOp)


def is_number(op: ConstantOp) -> bool:
    """Whether a constant has one element, and says it."""
    return prod(shape_of(op.result)) == 1 and isinstance(op.value, DenseIntOrFPElementsAttr)
