"""Recurrent cells: all steps of a sequence in one kernel.

Either a core takes some sequences of one direction, and their state stays on the chip from each step to the next; or
each step is a forall over blocks of hidden units, and the state goes through global memory: there the state of the step
before is a row of the result. The latter divides a single sequence, and the weights of a block may stay in the cache of
the core that has it in every step.

In a step the state goes through l0a into a product with the recurrent weights of all gates, panel by panel; what the
inputs give to the gates is loaded, and vector instructions make the new state, which is stored. The weights stay in l0b
where all of a direction's fit, and are read anew in every step otherwise.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from vcc.dialects import graph
from vcc.dialects.graph import Cell
from vcc.passes.tile.builder import Tile
from vcc.passes.tile.chain import TileAxis
from vcc.passes.tile.lowering import KernelLowering
from vcc.passes.tile.recurrence_bytes import SUMS
from vcc.passes.tile.recurrence_products import RecurrenceProducts
from vcc.passes.tile.recurrence_sizes import choose_sizes
from vcc.runtime.diagnostics import error
from vcc.runtime.isa.expr import ZERO, Poly
from vcc.runtime.isa.kernel import Memory


class RecurrenceTiling(RecurrenceProducts):
    """The code of one `graph.recurrence`."""

    def emit(self) -> None:
        """Build the kernel."""
        number = self.lower.is_packable(self.anchor.r)
        if number is None:
            raise error("E0121", "a recurrence needs constant recurrent weights", node=self.lower.node)
        self.lower.open({number: self._pack()})
        if not self.sizes.divided:
            self._at_once()
            return
        with self.builder.loop("d", self.directions) as d, self.builder.loop("t", self.steps) as t:
            row, before = self._row(t, d), self._row(self.builder.maximum(t - 1, 0), d)
            first = self.builder.equals(t, 0)
            if self.cell is Cell.GRU:
                self._in_halves(d, row, before, first)
            else:
                self._in_one(d, row, before, first)

    def _at_once(self) -> None:
        """Each tile of sequences does all its steps; its state stays on the chip."""
        with self.builder.forall({"d": self.directions, "b": -(-self.batch // self.sizes.b)}) as variables:
            self._begin_tile(variables["d"], variables["b"], ZERO)
            h = self._first_state("h", self.anchor.h)
            c = self._first_state("c", self.anchor.c) if self.cell is Cell.LSTM else None
            if self.sizes.resident:
                self.resident = self._load_panels(ZERO, self.panels)
            with self.builder.loop("t", self.steps) as t:
                row = self._row(t, self.d)
                if self.bytes is not None:
                    self.bytes.begin_range()
                    self.bytes.extend_range(h, self.b.dim())
                reset = self._step(row, self._to_matrix(h) if self.bytes is None else self.bytes.quantise(h), h, c)
                self._store_state(h, row)
                if reset is not None:
                    self._store(reset, Poly.of(self.steps), self.builder.equals(t, self.steps - 1))
            if c is not None:
                self._store(c, Poly.of(self.steps))

    @contextmanager
    def _tiles(self, d: Poly) -> Generator[None]:
        """A forall over the tiles of a direction."""
        counts = {"b": -(-self.batch // self.sizes.b), "p": -(-self.hidden // self.sizes.w)}
        with self.builder.forall(counts) as variables:
            self._begin_tile(d, variables["b"], variables["p"])
            yield

    def _in_one(self, d: Poly, row: Poly, before: Poly, first: Poly) -> None:
        """A step is a forall over tiles, which load the state of the step before."""
        with self._tiles(d):
            state = self._whole_state(before, first)
            h, c = self._alloc("h"), None
            if self.cell is Cell.LSTM:
                c = self._state("c", Memory.UB, self.anchor.c, self.n, Poly.of(self.steps), first)
            elif self.cell is Cell.GRU_LINEAR:
                h = self._state("h", Memory.UB, self.anchor.h, self.n, before, first)
            self._step(row, state, h, c)
            self._store_state(h, row)
            if c is not None:
                self._store(c, Poly.of(self.steps))

    def _in_halves(self, d: Poly, row: Poly, before: Poly, first: Poly) -> None:
        """A GRU's step that resets its state first: the product of the last gate needs what all tiles have reset.

        That goes through the row behind the last step's.
        """
        reset = Poly.of(self.steps)
        with self._tiles(d):
            state = self._whole_state(before, first)
            h = self._state("h", Memory.UB, self.anchor.h, self.n, before, first)
            gates = self._gates(self.dtype)
            self._multiply(state, gates, 1, 1)
            self.code.gru_gates([self._gate(gates, 1)], [self._load_inputs(row, 1).view()])
            self.code.emit("mul", h.view(), h.view(), self._gate(gates, 1))
            self._store(h, reset)
        with self._tiles(d):
            state = self._whole_state(before, first)
            h = self._state("h", Memory.UB, self.anchor.h, self.n, before, first)
            again = self._alloc("hr", Memory.L0A, self.hidden)
            every = self._every_unit()
            operands = {"dst": again.view(), "src": self._result(reset, every)}
            self.builder.emit("load", [self.b.dim(), every.dim()], operands, sources=self.sources)
            update, new = (self._load_inputs(row, gate).view() for gate in (0, 2))
            gates = self._gates(self.dtype)
            self._multiply(state, gates, 0, 1)
            self._multiply(again, gates, 2, 1)
            self.code.gru_gates([self._gate(gates, 0)], [update])
            self.code.gru_state(self._gate(gates, 2), self._gate(gates, 0), new, h.view())
            self._store_state(h, row)

    def _whole_state(self, before: Poly, first: Poly) -> Tile:
        """The state of the tile's sequences before a step, all units of it, as the product reads it."""
        every = self._every_unit()
        if self.bytes is None:
            return self._state("ha", Memory.L0A, self.anchor.h, every, before, first)
        self.bytes.begin_range()
        count = -(-self.batch // self.sizes.b)
        if count > 1:  # the range is that of all sequences
            with self.builder.loop("all", count) as part, self._sequences(part):
                state = self._state("hs", Memory.UB, self.anchor.h, every, before, first)
                self.bytes.extend_range(state, self.b.dim())
        state = self._state("hs", Memory.UB, self.anchor.h, every, before, first)
        if count == 1:
            self.bytes.extend_range(state, self.b.dim())
        return self.bytes.quantise(state)

    @contextmanager
    def _sequences(self, tile: Poly) -> Generator[None]:
        """The sequences of a tile as those of the tile being built."""
        own, size = self.b, self.sizes.b
        left = self.builder.minimum(size, self.batch - tile * size) if self.batch % size else Poly.of(size)
        self.b = TileAxis(own.axis, tile * size, left, size)
        yield
        self.b = own

    def _step(self, row: Poly, state: Tile, h: Tile, c: Tile | None) -> Tile | None:
        """One step of the tile: the new state in `h` (and `c`). Returns a GRU's state as it was reset first."""
        inputs = [self._load_inputs(row, gate).view() for gate in range(self.cell.gates)]
        tile = self._gates(self.dtype if self.bytes is None else SUMS)
        self._multiply(state, tile, 0, self.cell.gates - (self.cell is Cell.GRU))
        if self.bytes is not None:
            tile = self.bytes.scaled(tile)
        gates = [self._gate(tile, gate) for gate in range(self.cell.gates)]
        code, own = self.code, h.view()
        if self.cell is Cell.LSTM:
            assert c is not None
            code.lstm(gates, inputs, own, c.view())
        elif self.cell is Cell.GRU:
            code.gru_gates(gates[:2], inputs[:2])
            reset = self._alloc("hr")
            code.emit("mul", reset.view(), gates[1], own)
            self._multiply(self._to_matrix(reset), tile, 2, 1)
            code.gru_state(gates[2], gates[0], inputs[2], own)
            return reset
        elif self.cell is Cell.GRU_LINEAR:
            code.gru_gates(gates[:2], inputs[:2])
            code.gru_candidate(gates[2], gates[1])
            code.gru_state(gates[2], gates[0], inputs[2], own)
        else:
            code.rnn(self.cell, gates[0], inputs[0], own)
        return None


def tile_recurrence(lower: KernelLowering) -> None:
    """Tile a kernel whose anchor is a `graph.recurrence`."""
    anchor = next(op for op in lower.ops if isinstance(op, graph.RecurrenceOp))
    RecurrenceTiling(lower, anchor, choose_sizes(lower.machine, anchor, lower.node)).emit()
