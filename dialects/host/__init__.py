"""The `host` dialect: what the controlling CPU does between kernels, ready to be encoded as the host program."""

from __future__ import annotations

from xdsl.ir import Dialect

from vcc.dialects.host.places import ArenaOp, ConstantOp, InputOp, OutputOp, Place, ViewOp, located, place_of
from vcc.dialects.host.program import ProgramOp
from vcc.dialects.host.steps import CallOp, LaunchOp, StepOp
from vcc.dialects.host.types import BufferType, buffer_type, tensor_bytes

__all__ = [
    "ArenaOp",
    "BufferType",
    "CallOp",
    "ConstantOp",
    "Host",
    "InputOp",
    "LaunchOp",
    "OutputOp",
    "Place",
    "ProgramOp",
    "StepOp",
    "ViewOp",
    "buffer_type",
    "located",
    "place_of",
    "tensor_bytes",
]

Host = Dialect(
    "host",
    [ProgramOp, InputOp, OutputOp, ConstantOp, ArenaOp, ViewOp, LaunchOp, CallOp],
    [BufferType],
)
