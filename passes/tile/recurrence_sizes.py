"""How a recurrence is cut: into sequences or into hidden units, by what a step then costs the busiest core."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from vcc.dialects import graph
from vcc.dialects.graph import Cell
from vcc.passes.tile.chain import dtype_of, tensor_type
from vcc.passes.tile.recurrence_bytes import QUAD, whole_quads
from vcc.passes.tile.search import Sizes, choose_tile, padded, tile_candidates, whole_candidates
from vcc.runtime.isa.kernel import Memory, Pipe
from vcc.runtime.machine.cost import matrix_cycles, transfer_cycles, vector_cycles
from vcc.runtime.machine.model import Machine

#: Columns of a gate in a panel of recurrent weights, of which the widest is taken that is no wider than `PANEL` with
#: all gates side by side.
WIDTHS = (64, 32, 16)
PANEL = 64


@dataclass(frozen=True)
class RecurrenceSizes:
    """`b` sequences and `w` hidden units in a tile, `k` rows of weights at a time, all in l0b for good if `resident`.

    If `divided`, each step is a forall over tiles of units; else tiles have all units, and all steps.
    """

    b: int
    w: int
    k: int
    resident: bool
    divided: bool


def panel_width(gates: int, hidden: int) -> int:
    """Columns of each gate in a panel."""
    return next((width for width in WIDTHS if gates * width <= PANEL and width < 2 * hidden), WIDTHS[-1])


def choose_sizes(machine: Machine, op: graph.RecurrenceOp, node: str) -> RecurrenceSizes:
    """The cheapest that fit. Raises `VccError` E0140 if none does."""
    chosen = _Search(machine, op).run(node)
    return RecurrenceSizes(
        chosen["b"], chosen["w"], chosen["k"], bool(chosen["resident"]), divided=bool(chosen["divided"])
    )


class _Search:
    def __init__(self, machine: Machine, op: graph.RecurrenceOp):
        self.machine, self.cell, self.peepholes = machine, op.cell.data, op.peepholes is not None
        self.dtype, self.factor, self.quantised = dtype_of(op.x), dtype_of(op.r), op.quantised
        self.steps, self.batch, _ = tensor_type(op.x).get_shape()
        self.directions, self.hidden, _ = tensor_type(op.r).get_shape()
        #: The rows of weights, with those of zeros that fill quads.
        self.depth = whole_quads(self.hidden) if self.quantised else self.hidden
        self.gates = self.cell.gates
        self.width = panel_width(self.gates, self.hidden)
        #: The products of a step; of a GRU that resets the state first, the last gate's is one of its own. Where
        #: steps are divided, cores then meet after each of two halves, both of which read the state.
        self.products = 2 if self.cell is Cell.GRU else 1

    def run(self, node: str) -> dict[str, int]:
        candidates = {
            "b": tile_candidates(self.batch),
            "w": tile_candidates(self.hidden, self.width),
            "k": self.depths(),
            "resident": [0, 1],
            "divided": [0, 1],
        }
        return choose_tile(self.machine, candidates, self.footprint, self.cost, node=node, what="a recurrence")

    def depths(self) -> list[int]:
        """Rows of weights: of bytes, quads without a rest."""
        granule = self.machine.fractal[2]
        return whole_candidates(self.depth, granule, QUAD) if self.quantised else tile_candidates(self.depth, granule)

    def columns(self, s: Sizes) -> Any:
        """Columns of a gate in a tile, padded to whole panels."""
        return -(-s["w"] // self.width) * self.width

    def footprint(self, s: Sizes, slots: int) -> dict[Memory, Any]:
        size, gates = self.dtype.size, self.gates
        state: Any = padded(s["b"] * s["w"] * size)
        panel: Any = padded(s["k"] * gates * self.width * self.factor.size)
        ub: Any = (2 + self.products + slots * (gates + 1)) * state + padded(s["b"] * gates * self.columns(s) * size)
        if self.quantised:  # floats and bytes of the whole state, sums, and two constants of each column
            whole, columns = padded(s["b"] * self.hidden * size), padded(gates * s["w"] * size)
            ub = ub + (2 + slots) * whole + padded(s["b"] * self.depth) + padded(s["b"] * 4)
            ub = ub + padded(s["b"] * gates * self.columns(s) * size) + 4 * columns + 16 * padded(size)
        return {
            Memory.UB: ub + 4 * padded(s["w"] * size) + (2 * state if self.peepholes else 0),
            Memory.L0A: 2 * slots * padded(s["b"] * self.depth * self.factor.size),
            Memory.L0B: np.where(s["resident"], gates * self.columns(s) * self.depth * self.factor.size, slots * panel),
            Memory.L0C: self.products * slots * padded(s["b"] * gates * self.width * size),
        }

    def cost(self, s: Sizes) -> Any:
        """Cycles of the busiest core, added up over the numbers of cores that a run may have."""
        whole = (s["divided"] == 0) & (s["w"] == self.hidden)
        legal = whole & ((s["resident"] == 0) | (s["k"] == self.depth)) | (s["divided"] == 1) & (s["resident"] == 0)
        if self.quantised:  # its range is that of all sequences
            legal &= (s["divided"] == 1) | (s["b"] == self.batch)
        # A CPU's cores are as many as a run has threads.
        crews = {self.machine.cores} if self.machine.overlap else {min(2, self.machine.cores), self.machine.cores}
        total = sum(np.where(s["divided"], self.in_steps(s, cores), self.at_once(s, cores)) for cores in crews)
        return np.where(legal, total, np.inf)

    def parts(self, s: Sizes) -> tuple[Any, Any, Any]:
        """Cycles of a step of one tile: its products, loading their weights, its vector instructions."""
        machine, name, size = self.machine, self.dtype.name, self.factor.size
        columns, panels = self.gates * self.width, self.columns(s) // self.width * -(-self.depth // s["k"])
        product: Any = matrix_cycles(machine, self.factor.name, s["b"], columns, s["k"])
        if not machine.overlap:  # l0b is the second cache, which sets the pace where sequences are few
            product = np.maximum(product, transfer_cycles(machine, Pipe.MOV, s["k"] * columns * size, 1))
        product = panels * product
        load: Any = panels * transfer_cycles(machine, Pipe.IN, s["k"] * columns * size, 1)
        vector: Any = (4 * self.gates) * vector_cycles(machine, name, s["b"] * s["w"])
        if self.quantised:
            bytes = 5 * vector_cycles(machine, name, s["b"] * self.hidden)
            vector = vector + bytes + 5 * self.gates * vector_cycles(machine, name, s["b"] * s["w"])
        return product, load, vector

    def at_once(self, s: Sizes, cores: int) -> Any:
        """All steps of tiles of sequences: the state stays on the chip."""
        product, load, vector = self.parts(s)
        move: Any = transfer_cycles(self.machine, Pipe.MOV, s["b"] * self.hidden * self.dtype.size, s["b"])
        step = move + vector + np.where(s["resident"], product, np.maximum(product, load))
        tiles = self.directions * -(-self.batch // s["b"])
        return -(-tiles // cores) * self.steps * step + s["resident"] * load

    def in_steps(self, s: Sizes, cores: int) -> Any:
        """A forall for each step: the state goes through global memory, and the cores meet.

        A core does the same tiles in every step. A CPU finds their weights in its cache again, as large as l0b.
        """
        product, load, vector = self.parts(s)
        tiles = -(-self.hidden // s["w"]) * -(-self.batch // s["b"])
        ends = [np.minimum(tiles * core // cores * s["w"], self.hidden * -(-self.batch // s["b"]))
                for core in range(cores + 1)]  # fmt: skip
        units: Any = np.max(np.diff(ends, axis=0), axis=0)  # the last tile may have fewer
        rounds, share = units / s["w"], units * (self.gates * self.hidden * self.factor.size)
        stays = (share <= self.machine.memories[Memory.L0B]) & (not self.machine.overlap)
        fetch: Any = transfer_cycles(self.machine, Pipe.IN, s["b"] * self.hidden * self.dtype.size, s["b"])
        fetch, meetings = (2 * self.products - 1) * fetch, self.products * self.machine.meeting
        tile = fetch + vector + np.where(stays, product, np.maximum(product, load))
        return self.directions * (self.steps * (rounds * tile + meetings) + stays * rounds * load)
