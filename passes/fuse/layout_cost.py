"""What it costs to store and load tensors, and to slide windows over them, by the block in which their channels lie.

Every kernel reads one order and writes another at no cost of its own, so what a tensor's layout costs is a sum over
those who touch it, and no choice for one class of tensors changes what another class costs.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import prod
from typing import Any

from xdsl.ir import Operation, SSAValue

from vcc.dialects import graph
from vcc.dialects.graph.base import shape_of, tensor_of
from vcc.dialects.host import tensor_bytes
from vcc.dialects.visa.types import isa_dtype
from vcc.runtime.isa.kernel import Pipe
from vcc.runtime.machine.cost import transfer_cycles
from vcc.runtime.machine.model import Machine


def layout_cycles(machine: Machine, values: Iterable[SSAValue], block: int) -> int:
    """Cycles of one core for all that touches tensors in blocks of channels; row-major ones have the block 1."""
    total = 0
    for value in values:
        users = [use.operation for use in value.uses]
        total += _transfer(machine, Pipe.OUT, value, block)
        total += len(users) * _transfer(machine, Pipe.IN, value, block)
        total += sum(_window(machine, user, block) for user in users if isinstance(user, graph.PoolOp | graph.ConvOp))
    return total


def _transfer(machine: Machine, pipe: Pipe, value: SSAValue, block: int) -> int:
    """A store or a load of a whole tensor by tiles of whole rows of the last axis."""
    shape = shape_of(value)
    run = shape[-1] * block if prod(shape[2:]) > 1 else shape[1]
    return int(transfer_cycles(machine, pipe, tensor_bytes(tensor_of(value)), max(1, prod(shape) // run)))


def _window(machine: Machine, user: Operation, block: int) -> int:
    """The vectors of a window that keeps channels apart: as long as what lies side by side for all its steps."""
    assert isinstance(user, graph.PoolOp | graph.ConvOp)
    out, window = shape_of(user.results[0]), user.window
    if isinstance(user, graph.ConvOp) and user.group.value.data != out[1]:
        return 0
    lanes = machine.lanes_of(isa_dtype(tensor_of(user.results[0]).element_type).name)
    dense: Any = window.strides[-1] == 1
    run = out[-1] * block if dense or block == 1 else block
    return prod(window.kernel) * (prod(out) // run) * -(-run // lanes)
