"""Take movements that need no copy out of their kernels: the plan phase makes them views of memory.

A slice of consecutive elements is a part of its operand. A concatenation whose operands lie in it one behind the
other needs none of its own if the steps that compute them can write there: then each must be the whole result of a
step, in no other concatenation, and no result of the model. The concatenation's memory is kept from its first operand
on; where that would make the arena larger than copying does, it stays a kernel.
"""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp, TensorType
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Block, Operation, OpResult, SSAValue
from xdsl.passes import ModulePass

from vcc.dialects import graph
from vcc.dialects.host import tensor_bytes
from vcc.dialects.origin import set_value_names, value_names
from vcc.dialects.weights import ConstantOp
from vcc.passes.plan.aliases import concat_offsets, root_of, slice_offset
from vcc.runtime.plan.arena import lower_bound

_Life = tuple[int, int, int]


@dataclass(frozen=True)
class AliasMovements(ModulePass):
    """Replace kernels that only concatenate or slice by the bare operation where it can be an alias of memory."""

    name = "alias-movements"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for function in [o for o in op.ops if isinstance(o, FuncOp)]:
            if len(function.body.blocks) == 1:
                _Aliases(function.body.block).run()


class _Aliases:
    """The kernels of one block that become aliases."""

    def __init__(self, block: Block):
        self.block = block
        self.returned: set[SSAValue] = set()
        if isinstance(last := block.last_op, ReturnOp):
            self.returned = {root_of(value) for value in last.operands}
        self.contained: set[SSAValue] = set()
        self.lives = _lives(block, self.returned)

    def run(self) -> None:
        """Replace what can be replaced, in order."""
        for kernel in [op for op in self.block.ops if isinstance(op, graph.KernelOp)]:
            match _only_op(kernel):
                case graph.SliceOp() as inner if self._is_part(kernel, inner):
                    self._replace(kernel, inner)
                case graph.ConcatOp() as inner if self._is_container(kernel, inner):
                    self._merge_lives(kernel)
                    self.contained.update(root_of(operand) for operand in kernel.inputs)
                    self._replace(kernel, inner)
                case _:
                    pass

    def _is_part(self, kernel: graph.KernelOp, inner: graph.SliceOp) -> bool:
        root = root_of(kernel.inputs[0])
        if isinstance(root, OpResult) and isinstance(root.op, ConstantOp):
            return False
        # A part of another tensor can neither be a result of the model nor be written into a concatenation.
        return slice_offset(inner) is not None and not any(
            isinstance(user, ReturnOp | graph.ConcatOp) or _only(user, graph.ConcatOp) for user in _users(kernel)
        )

    def _is_container(self, kernel: graph.KernelOp, inner: graph.ConcatOp) -> bool:
        roots = [root_of(operand) for operand in kernel.inputs]
        if concat_offsets(inner) is None or len(kernel.inputs) != len(inner.xs) or len(set(roots)) != len(roots):
            return False
        if any(a is not b for a, b in zip(inner.xs, kernel.body.block.args, strict=True)):
            return False
        for operand, root in zip(kernel.inputs, roots, strict=True):
            if not isinstance(root, OpResult) or isinstance(root.op, ConstantOp) or root.op.parent is not self.block:
                return False
            if root in self.returned or root in self.contained or _bytes(root) != _bytes(operand):
                return False
        return self._bound(self._merged(kernel)) <= self._bound(self.lives)

    def _merged(self, kernel: graph.KernelOp) -> dict[SSAValue, _Life]:
        """The lives of all tensors if the operands of `kernel` lay in its result."""
        result = kernel.results[0]
        inside = {root_of(operand) for operand in kernel.inputs}
        merged = {value: life for value, life in self.lives.items() if value not in inside}
        if result in merged:
            size, _, last = self.lives[result]
            lasts = [self.lives[value][2] for value in inside if value in self.lives]
            firsts = [self.lives[value][1] for value in inside if value in self.lives]
            merged[result] = size, min(firsts, default=last), max([last, *lasts])
        return merged

    def _merge_lives(self, kernel: graph.KernelOp) -> None:
        self.lives = self._merged(kernel)

    def _bound(self, lives: dict[SSAValue, _Life]) -> int:
        sizes, first, last = ([life[i] for life in lives.values()] for i in range(3))
        return lower_bound(sizes, first, last)

    def _replace(self, kernel: graph.KernelOp, inner: Operation) -> None:
        mapping: dict[SSAValue, SSAValue] = dict(zip(kernel.body.block.args, kernel.inputs, strict=True))
        alias = inner.clone(mapping)
        alias.location = kernel.location
        set_value_names(alias, [value_names(kernel.results[0]) or value_names(inner.results[0])])
        self.block.insert_op_before(alias, kernel)
        kernel.results[0].replace_all_uses_with(alias.results[0])
        if kernel.results[0] in self.lives:
            self.lives[alias.results[0]] = self.lives.pop(kernel.results[0])
        self.returned = {alias.results[0] if value is kernel.results[0] else value for value in self.returned}
        kernel.detach()
        kernel.erase()


def _only_op(kernel: graph.KernelOp) -> Operation | None:
    """The operation of a kernel that has just one."""
    ops = [op for op in kernel.body.block.ops if not isinstance(op, graph.YieldOp)]
    return ops[0] if len(ops) == 1 and len(kernel.results) == 1 else None


def _only(user: Operation, kind: type[Operation]) -> bool:
    return isinstance(user, graph.KernelOp) and isinstance(_only_op(user), kind)


def _users(op: Operation) -> list[Operation]:
    """The operations that read the results of `op`, seen through reshapes and slices."""
    users: list[Operation] = []
    for use in op.results[0].uses:
        alias = isinstance(use.operation, graph.ReshapeOp | graph.SliceOp)
        users += _users(use.operation) if alias else [use.operation]
    return users


def _bytes(value: SSAValue) -> int:
    assert isinstance(value.type, TensorType)
    return tensor_bytes(value.type)


def _lives(block: Block, returned: set[SSAValue]) -> dict[SSAValue, _Life]:
    """Bytes, first and last position of what the operations of a block compute and do not return."""
    first: dict[SSAValue, int] = {}
    last: dict[SSAValue, int] = {}
    for position, op in enumerate(block.ops):
        for operand in op.operands:
            if root_of(operand) in first:
                last[root_of(operand)] = position
        if not isinstance(op, ConstantOp | graph.ReshapeOp | graph.SliceOp):
            for result in op.results:
                first[result] = last[result] = position
    return {value: (_bytes(value), at, last[value]) for value, at in first.items() if value not in returned}
