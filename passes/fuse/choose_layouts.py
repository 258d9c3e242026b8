"""Choose how tensors lie in memory: the activations of convolutional parts in blocks of channels, the rest row-major.

A blocked [N, C, H, W] lies as [N, C/b, H, W, b], which is how the matrix and vector units want to read it. Every kernel
can load or store either order through its views, so no operation is inserted.

The choice is made for the whole graph: at first every tensor that a convolutional part could block is a candidate;
candidates whose producer or a user cannot take blocks are dropped until none is left to drop. Tensors that meet in
one elementwise operation, pooling, depthwise convolution or concatenation form a class, which has one block size: that
of least cost (layout_cost.py), or none, among those that divide all its channels. Since a class's choice changes no
other one's cost, the least of each is the least of all.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import IntegerType, ModuleOp, Signedness, TensorType
from xdsl.ir import Operation, SSAValue
from xdsl.passes import ModulePass
from xdsl.rewriter import Rewriter

from vcc.dialects import graph
from vcc.dialects.graph.attributes import Blocked
from vcc.dialects.graph.base import shape_of, tensor_of
from vcc.dialects.visa import TargetMachine
from vcc.passes.fuse.layout_cost import layout_cycles
from vcc.runtime.machine.model import Machine

CHANNELS = 1
ELEMENTWISE = (graph.UnaryOp, graph.BinaryOp, graph.CompareOp, graph.SelectOp, graph.CastOp, graph.GeluOp,
               graph.LookupOp)  # fmt: skip
#: Estimates that are nearer to each other than this say nothing.
TELLING = 1.05
#: Blocks smaller than this are not worth the second loop over channels.
SMALLEST = 4
#: CPUs multiply so many neighbouring bytes at once.
FOUR = 4


@dataclass(frozen=True)
class ChooseLayouts(ModulePass):
    """Block the channels of what convolutions and poolings produce; of sizes that cost the same, and without a target
    of all, the first is taken of `block`, its half, and those below."""

    name = "choose-layouts"

    block: int = 16

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        target = ctx.get_dialect("visa").get_interface(TargetMachine)
        choice = _Choice(op, self.block, None if target is None else target.machine)
        choice.settle()
        for value, size in choice.blocks.items():
            type = tensor_of(value)
            Rewriter.replace_value_with_new_type(
                value, TensorType(type.element_type, type.get_shape(), Blocked(CHANNELS, size))
            )


class _Choice:
    """The candidates, their classes, and the block of each."""

    def __init__(self, module: ModuleOp, preferred: int, machine: Machine | None):
        self.machine = machine
        self.sizes = [preferred, preferred // 2, *range(preferred - 1, SMALLEST - 1, -1)]
        self.parent: dict[SSAValue, SSAValue] = {}
        self.candidates: dict[SSAValue, None] = {
            op.results[0]: None for op in module.walk() if len(op.results) == 1 and _may_block(op)
        }
        self.blocks: dict[SSAValue, int] = {}
        # What does not change while candidates go, of which there are thousands in a model of quantised layers.
        self.tied = {value: tied_operands(op) for value in self.candidates if isinstance(op := value.owner, Operation)}
        self.counts = {value: frozenset(channel_counts(value)) for value in self.candidates}
        self.of_bytes = {value for value in self.candidates if _multiplied_as_bytes(value)}
        self.meetings = [
            tied for op in module.walk() if isinstance(op, ELEMENTWISE) and len(tied := tied_operands(op)) > 1
        ]
        self.cycles: dict[tuple[SSAValue, int], int] = {}

    def settle(self) -> None:
        """Drop candidates until all that are left can be blocked."""
        while True:
            self.parent = {value: value for value in self.candidates}
            for value in self.candidates:
                self._join(value, self.tied[value])
            for tied in self.meetings:  # also in an operation whose own result cannot be blocked
                if met := [value for value in tied if value in self.candidates]:
                    self._join(met[0], met[1:])
            self.blocks = self._choose_blocks()
            bad = [value for value in self.candidates if not self._works(value)]
            if not bad:
                return
            for value in bad:
                del self.candidates[value]

    def root(self, value: SSAValue) -> SSAValue:
        """The class of a candidate."""
        while self.parent[value] is not value:
            self.parent[value] = self.parent[self.parent[value]]
            value = self.parent[value]
        return value

    def _join(self, value: SSAValue, tied: Iterable[SSAValue]) -> None:
        """Put a candidate and those of `tied` that are candidates into one class."""
        for operand in tied:
            if operand in self.parent:
                self.parent[self.root(operand)] = self.root(value)

    def _choose_blocks(self) -> dict[SSAValue, int]:
        members: dict[SSAValue, list[SSAValue]] = {}
        for value in self.candidates:
            members.setdefault(self.root(value), []).append(value)
        blocks: dict[SSAValue, int] = {}
        for group in members.values():
            channels = frozenset[int]().union(*(self.counts[value] for value in group))
            sizes = [s for s in self.sizes if s > 1 and all(count % s == 0 for count in channels)]
            if self.machine is not None and self.machine.panel and not self.of_bytes.isdisjoint(group):
                sizes = [s for s in sizes if s % FOUR == 0]
            if sizes and (size := self._cheapest(group, [*sizes, 1])) > 1:
                blocks |= dict.fromkeys(group, size)
        return blocks

    def _cheapest(self, group: Sequence[SSAValue], sizes: Sequence[int]) -> int:
        """The first block that costs no more than the least by what estimates can tell; 1 is none."""
        if self.machine is None:
            return sizes[0]
        cycles = {size: sum(self._cycles(self.machine, value, size) for value in group) for size in sizes}
        return next(size for size in sizes if cycles[size] <= TELLING * min(cycles.values()))

    def _cycles(self, machine: Machine, value: SSAValue, size: int) -> int:
        if (value, size) not in self.cycles:
            self.cycles[value, size] = layout_cycles(machine, [value], size)
        return self.cycles[value, size]

    def _works(self, value: SSAValue) -> bool:
        if value not in self.blocks:
            return False
        op = value.owner
        assert isinstance(op, Operation)
        if isinstance(op, (graph.ReduceOp, *ELEMENTWISE)) and not any(v in self.candidates for v in self.tied[value]):
            return False
        if isinstance(op, graph.ConcatOp) and not all(operand in self.candidates for operand in op.operands):
            return False
        return all(self._takes(use.operation, use.index, value) for use in value.uses)

    def _takes(self, user: Operation, index: int, value: SSAValue) -> bool:
        """Whether a user can read a candidate in blocks."""
        if isinstance(user, graph.ConvOp):
            return index == 0 and (is_depthwise(user) or shape_of(user.w)[1] % self.blocks[value] == 0)
        if isinstance(user, graph.ConcatOp):
            return user.results[0] in self.candidates
        return isinstance(user, (graph.PoolOp, graph.ReduceOp, graph.TransposeOp, *ELEMENTWISE))


def _may_block(op: Operation) -> bool:
    """Whether an operation's result could be blocked, as far as the operation itself tells."""
    if not isinstance(op, (graph.ConvOp, graph.PoolOp, graph.ReduceOp, graph.ConcatOp, *ELEMENTWISE)):
        return False
    if not 3 <= len(shape_of(op.results[0])) <= 5:
        return False
    if isinstance(op, graph.ReduceOp):
        return bool(op.keepdims.value.data) and CHANNELS not in op.axes.get_values()
    if isinstance(op, graph.ConcatOp):
        return op.axis.value.data % len(shape_of(op.results[0])) == CHANNELS
    return True


def tied_operands(op: Operation) -> list[SSAValue]:
    """The operands that lie in the same blocks as the operation's result, if they are blocked at all."""
    if isinstance(op, graph.ConcatOp):
        return list(op.operands)
    if isinstance(op, graph.PoolOp | graph.ReduceOp) or (isinstance(op, graph.ConvOp) and is_depthwise(op)):
        return [op.operands[0]]
    if isinstance(op, ELEMENTWISE):
        shape = shape_of(op.results[0])
        if len(shape) <= CHANNELS:
            return []
        return [v for v in op.operands if len(shape_of(v)) == len(shape) and shape_of(v)[CHANNELS] == shape[CHANNELS]]
    return []


def channel_counts(value: SSAValue) -> Iterable[int]:
    """Numbers that the block of a value must divide: its channels, and those of one group of a convolution."""
    yield shape_of(value)[CHANNELS]
    op = value.owner
    if isinstance(op, graph.ConvOp) and not is_depthwise(op):
        yield shape_of(op.w)[0] // op.group.value.data


def _multiplied_as_bytes(value: SSAValue) -> bool:
    """Whether a convolution multiplies the bytes of a value."""
    users = [use.operation for use in value.uses]
    of_bytes = tensor_of(value).element_type in (IntegerType(8), IntegerType(8, Signedness.UNSIGNED))
    return of_bytes and any(isinstance(user, graph.ConvOp) for user in users)


def is_depthwise(op: graph.ConvOp) -> bool:
    """Whether every channel of a convolution is a group of its own, with one output channel."""
    weight = shape_of(op.w)
    return weight[1] == 1 and weight[0] == op.group.value.data and op.group.value.data > 1
