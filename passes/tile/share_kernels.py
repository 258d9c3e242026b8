"""`share-kernels`: kernels that differ in numbers alone become one kernel, which reads these numbers.

    kernel { mul %x, 0.02 }, kernel { mul %x, 0.03 }  ->  kernel(%s) { mul %x, %s }, launched with 0.02 and with 0.03

The layers of a quantised model each have scales and zero points of their own, and would each be lowered, verified and
translated to machine code. Numbers that are the same in all such kernels stay in their instructions.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Attribute, Block, Operation, OpResult, SSAValue
from xdsl.passes import ModulePass

from vcc.dialects import graph
from vcc.dialects.origin import value_names
from vcc.dialects.weights import ConstantOp

#: A place where a kernel uses a number: the operation's position in the body, and the operand's.
Slot = tuple[int, int]


@dataclass(frozen=True)
class ShareKernels(ModulePass):
    """Make operands of the numbers in which at least `least` kernels that are otherwise equal differ."""

    name = "share-kernels"

    least: int = 2

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        alike: dict[Hashable, list[tuple[graph.KernelOp, dict[Slot, Attribute]]]] = {}
        for kernel in [each for each in op.walk() if isinstance(each, graph.KernelOp)]:
            numbers: dict[Slot, Attribute] = {}
            alike.setdefault(key_without_numbers(kernel, numbers), []).append((kernel, numbers))
        lifted: dict[tuple[Block, Attribute], ConstantOp] = {}
        for kernels in alike.values():
            slots = kernels[0][1]
            differing = [slot for slot in slots if any(numbers[slot] != slots[slot] for _, numbers in kernels)]
            if len({tuple(numbers.values()) for _, numbers in kernels}) < self.least:
                continue
            for kernel, _ in kernels:
                _lift(kernel, differing, lifted)


def key_without_numbers(kernel: graph.KernelOp, numbers: dict[Slot, Attribute]) -> Hashable:
    """Equal for kernels that do the same to other tensors and with other numbers, which are put into `numbers`.

    Constants among the operands must be constant in all of them, as tiling packs these.
    """
    known: dict[SSAValue, int] = {arg: i for i, arg in enumerate(kernel.body.block.args)}
    constant = tuple(isinstance(v, OpResult) and isinstance(v.op, ConstantOp) for v in kernel.inputs)
    parts: list[Hashable] = [kernel.kind, constant, tuple(arg.type for arg in kernel.body.block.args)]
    body = [op for op in kernel.body.block.ops if not isinstance(op, ConstantOp)]
    for position, op in enumerate(body):
        operands: list[Hashable] = []
        for index, operand in enumerate(op.operands):
            if isinstance(made := operand.owner, ConstantOp):
                numbers[position, index] = made.value
                operands.append(operand.type)
            else:
                operands.append(known[operand])
        properties = tuple(sorted(op.properties.items(), key=lambda item: item[0]))
        named = any(value_names(result) for result in op.results)
        parts.append((op.name, properties, tuple(operands), tuple(result.type for result in op.results), named))
        for result in op.results:
            known[result] = len(known)
    return tuple(parts)


def _lift(kernel: graph.KernelOp, slots: list[Slot], lifted: dict[tuple[Block, Attribute], ConstantOp]) -> None:
    """Make the numbers at some slots of a kernel operands, each one of its own."""
    block, outer = kernel.body.block, kernel.parent_block()
    assert outer is not None
    body = [op for op in block.ops if not isinstance(op, ConstantOp)]
    inputs = list(kernel.inputs)
    for position, index in slots:
        number = body[position].operands[index].owner
        assert isinstance(number, ConstantOp)
        if (outer, number.value) not in lifted:
            copy = lifted[outer, number.value] = number.clone()
            copy.location = number.location
            first = outer.first_op
            assert first is not None
            outer.insert_op_before(copy, first)
        inputs.append(lifted[outer, number.value].result)
        body[position].operands[index] = block.insert_arg(number.result.type, len(block.args))
    kernel.operands = inputs
    unused: list[Operation] = [op for op in block.ops if isinstance(op, ConstantOp) and not op.result.first_use]
    for op in unused:
        op.detach()
        op.erase()
