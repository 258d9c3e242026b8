"""Give every buffer an address (see lifetimes.py for which may share bytes) and move it to the kernel's top.

In a memory with banks, buffers are spread over them where there is room (spread.py); what conflicts remain are a remark
of the kernel's launches.

A kernel that needs more than a memory has is an error that names its nodes, the memory and the bytes.
"""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ArrayAttr, IntegerAttr, ModuleOp, StringAttr, i64
from xdsl.passes import ModulePass

from vcc.dialects.origin import node_names
from vcc.dialects.visa import AllocOp, KernelOp, LaunchOp, machine_of
from vcc.passes.schedule.lifetimes import place
from vcc.passes.schedule.spread import spread
from vcc.runtime.diagnostics import Diagnostic, VccError, merged
from vcc.runtime.machine.model import Machine


@dataclass(frozen=True)
class AllocateBuffers(ModulePass):
    """Addresses for the tile buffers of every kernel."""

    name = "allocate-buffers"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        machine = machine_of(ctx)
        problems: list[Diagnostic] = []
        lost: dict[str, int] = {}
        for kernel in [each for each in op.walk() if isinstance(each, KernelOp)]:
            problems += allocate(kernel, machine, lost)
        if problems:
            raise VccError(merged(problems))
        for launch in [each for each in op.walk() if isinstance(each, LaunchOp)]:
            if cycles := lost.get(launch.kernel.string_value()):
                remark = StringAttr(f"operands in one bank cost each core about {cycles} cycles")
                launch.remarks = ArrayAttr([*(launch.remarks or ()), remark])


def allocate(kernel: KernelOp, machine: Machine, lost: dict[str, int]) -> list[Diagnostic]:
    """Place the buffers of one kernel; what does not fit comes back as diagnostics.

    `lost` takes the cycles that bank conflicts cost, by the kernel's name.
    """
    placement, lost[kernel.sym_name.data] = spread(kernel, machine, place(kernel))
    top = kernel.body.block
    first = top.first_op
    assert first is not None
    for alloc in [o for o in kernel.walk() if isinstance(o, AllocOp)]:
        alloc.address = IntegerAttr(placement.addresses[alloc], i64)
        if alloc is not first:
            alloc.detach()
            top.insert_op_before(alloc, first)
    return [
        Diagnostic(
            "E0140",
            f"kernel {kernel.sym_name.data} needs {end} bytes of {memory.value}, "
            f"which has {machine.memories[memory]} on {machine.name}",
            node=", ".join(node_names(kernel)),
            help=f"choose a target with more {memory.value}",
        )
        for memory, end in placement.ends.items()
        if end > machine.memories[memory]
    ]
