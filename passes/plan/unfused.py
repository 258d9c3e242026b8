"""The memory that a graph would need if nothing were fused or reordered: what fusion and ordering are measured by."""

from __future__ import annotations

from xdsl.dialects.builtin import ModuleOp, TensorType
from xdsl.ir import OpResult, SSAValue

from vcc.dialects.graph import ReshapeOp
from vcc.dialects.host import tensor_bytes
from vcc.dialects.weights import ConstantOp
from vcc.passes.plan.main_body import main_of, result_values
from vcc.runtime.plan.arena import lower_bound


def unfused_bound(module: ModuleOp) -> int:
    """The largest sum of live bytes when each operation of `main`, in its order, writes its results to memory.

    For a module in the graph dialect as the graph phase leaves it. As in the arena, arguments, constants and the
    function's results do not count, and a reshape is the same memory as its operand.
    """
    function = main_of(module)
    steps = [op for op in function.body.block.ops if not isinstance(op, ConstantOp | ReshapeOp)]
    last = {_reshaped(operand): step for step, op in enumerate(steps) for operand in op.operands}
    outside = set(map(_reshaped, result_values(function)))
    rows = [
        (tensor_bytes(type), step, last.get(result, step))
        for step, op in enumerate(steps)
        for result in op.results
        if result not in outside and isinstance(type := result.type, TensorType)
    ]
    return lower_bound([size for size, _, _ in rows], [first for _, first, _ in rows], [end for _, _, end in rows])


def _reshaped(value: SSAValue) -> SSAValue:
    """What `value` is a reshape of; itself if of nothing."""
    while isinstance(value, OpResult) and isinstance(value.op, ReshapeOp):
        value = value.op.x
    return value
