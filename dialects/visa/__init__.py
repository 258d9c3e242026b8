"""The `visa` dialect: kernels of the virtual instruction set before they are encoded.

Each instruction of the table is an operation; `scf` and `arith` stand for the scalar group.
"""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialect_interfaces import DialectInterface
from xdsl.ir import Dialect

from vcc.dialects.visa.instruction import INSTRUCTION_OPS, InstrAttr, InstrOp
from vcc.dialects.visa.structure import AllocOp, EventOp, ForallOp, KernelOp, LaunchOp, SignalOp, WaitOp
from vcc.dialects.visa.types import BufferType, EventType, GlobalType
from vcc.runtime.diagnostics import error
from vcc.runtime.machine.model import Machine


@dataclass
class TargetMachine(DialectInterface):
    """The machine that a context compiles for; passes that need one ask `machine_of`."""

    machine: Machine | None = None


def make_visa_dialect(target: TargetMachine) -> Dialect:
    """The dialect of one context."""
    return Dialect(
        "visa",
        [*INSTRUCTION_OPS.values(), KernelOp, ForallOp, AllocOp, EventOp, SignalOp, WaitOp, LaunchOp],
        [BufferType, GlobalType, EventType, InstrAttr],
        [target],
    )


def register_visa(ctx: Context, machine: Machine | None = None) -> TargetMachine:
    """Register the dialect in `ctx`, compiling for `machine`; the returned object may be given another later."""
    target = TargetMachine(machine)
    ctx.register_dialect("visa", lambda: make_visa_dialect(target))
    return target


def machine_of(ctx: Context) -> Machine:
    """The machine that `ctx` compiles for; E0201 when none was chosen."""
    target = ctx.get_dialect("visa").get_interface(TargetMachine)
    if target is None or target.machine is None:
        raise error("E0201", "no target machine was chosen", help="give one with --target")
    return target.machine


__all__ = [
    "AllocOp",
    "BufferType",
    "EventOp",
    "EventType",
    "ForallOp",
    "GlobalType",
    "InstrAttr",
    "InstrOp",
    "KernelOp",
    "LaunchOp",
    "SignalOp",
    "TargetMachine",
    "WaitOp",
    "machine_of",
    "make_visa_dialect",
    "register_visa",
]
