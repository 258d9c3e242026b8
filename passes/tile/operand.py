"""An operand of a matrix product: loaded as it is, or computed in ub by elementwise operations and moved from there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from xdsl.ir import Operation, SSAValue

from vcc.passes.tile.access import IterAxis
from vcc.passes.tile.chain import TileAxis, dtype_of, tensor_type
from vcc.passes.tile.lowering import KernelLowering
from vcc.passes.tile.piece import Piece, along_batch, load_piece, make_piece
from vcc.passes.tile.prologue import Prologue
from vcc.runtime.isa.kernel import Memory
from vcc.runtime.machine.model import Machine


class ProductOperand:
    """An operand over the loops `axes`, one per axis of the product's operand with all batch axes, outer to inner."""

    def __init__(self, lower: KernelLowering, anchor: Operation, value: SSAValue, axes: Sequence[IterAxis]):
        self.lower, self.anchor, self.value = lower, anchor, value
        self.made = Prologue(lower, value, anchor)
        shape = tensor_type(value).get_shape()
        missing = len(axes) - len(shape)
        #: The operand's own loops; along the others it is broadcast.
        self.axes = [
            replace(axis, axis=number - missing)
            for number, axis in enumerate(axes)
            if number >= missing and (shape[number - missing] > 1 or axis.extent == 1)
        ]
        last = len(shape) - 3
        self.along_batch = last >= 0 and shape[last] > 1 if self.made.computes else along_batch(lower, value)
        self.plan = self.made.plan(self.axes) if self.made.computes else None

    @property
    def packable(self) -> int | None:
        """The kernel's operand number if it is a constant as it stands."""
        return None if self.plan else self.lower.is_packable(self.value)

    def nbytes(self, sizes: Mapping[str, Any], slots: int) -> Any:
        """Bytes of ub for computing a tile of these sizes by loop name; loops without one have one step."""
        return 0 if self.plan is None else self.plan.nbytes([sizes.get(axis.name, 1) for axis in self.axes], slots)

    def cycles(self, machine: Machine, elements: Any) -> Any:
        """Cycles of the vector unit for computing so many elements."""
        return self.made.cycles(machine, elements)

    def load(self, hint: str, memory: Memory, tile: Sequence[TileAxis]) -> Piece:
        """The tile in `memory`."""
        if self.plan is None:
            return load_piece(self.lower, hint, self.value, memory, tile)
        by_name = {t.axis.name: t for t in tile}
        own = [replace(by_name[axis.name], axis=axis) for axis in self.axes]
        _, made = self.made.emit(self.plan, own)
        piece = make_piece(self.lower, hint, memory, own, dtype_of(self.value))
        operands = {"dst": piece.view(own), "src": made.view()}
        self.lower.builder.emit("mov", [t.dim() for t in own], operands, sources=self.lower.source(self.anchor))
        return piece
