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
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xdsl.ir import SSAValue

from vcc.dialects import graph
from vcc.dialects.graph import Cell
from vcc.dialects.graph.recurrence import QUANTISED
from vcc.passes.tile.access import Access, IterAxis
from vcc.passes.tile.builder import Tile, dim
from vcc.passes.tile.chain import TileAxis, dtype_of, gm_view, tap_of, tensor_type
from vcc.passes.tile.lowering import KernelLowering, Pack
from vcc.passes.tile.recurrence_bytes import QUAD, SUMS, ByteProducts, whole_quads
from vcc.passes.tile.recurrence_cell import CellCode
from vcc.passes.tile.recurrence_sizes import choose_sizes, panel_width
from vcc.runtime.diagnostics import error
from vcc.runtime.isa.expr import ONE, ZERO, Poly
from vcc.runtime.isa.kernel import Immediate, Memory, Role, View


class RecurrenceTiling:
    """The tile and the code of one `graph.recurrence`: sequences `b` of direction `d`, hidden units `n`."""

    def __init__(self, lower: KernelLowering, anchor: graph.RecurrenceOp):
        self.lower, self.builder, self.anchor = lower, lower.builder, anchor
        self.cell, self.dtype = anchor.cell.data, dtype_of(anchor.x)
        #: Weights are f32 or f64, as the state is, or bytes.
        self.factor = dtype_of(anchor.r)
        self.quad = QUAD if anchor.quantised else 1
        lower.check_product(self.factor)
        self.steps, self.batch, _ = tensor_type(anchor.x).get_shape()
        self.directions, self.hidden, _ = tensor_type(anchor.r).get_shape()
        #: The rows of weights, with those of zeros.
        self.depth = whole_quads(self.hidden) if anchor.quantised else self.hidden
        self.bytes: ByteProducts | None = None
        self.sources = lower.source(anchor)
        self.width = panel_width(self.cell.gates, self.hidden)
        self.resident: Tile | None = None

    def emit(self) -> None:
        """Choose tile sizes and build the kernel."""
        self.sizes = choose_sizes(self.lower.machine, self.anchor, self.lower.node)
        number = self.lower.is_packable(self.anchor.r)
        if number is None:
            raise error("E0121", "a recurrence needs constant recurrent weights", node=self.lower.node)
        self.lower.open({number: self._pack()})
        if self.sizes.divided:
            self._in_steps()
        else:
            self._at_once()

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
                self._step(row, self._to_matrix(h) if self.bytes is None else self.bytes.quantise(h), h, c)
                self._store_state(h, row)
            if c is not None:
                self._store(c, Poly.of(self.steps))

    def _in_steps(self) -> None:
        """Each step is a forall over tiles, which load the state of the step before."""
        counts = {"b": -(-self.batch // self.sizes.b), "p": -(-self.hidden // self.sizes.w)}
        with self.builder.loop("d", self.directions) as d, self.builder.loop("t", self.steps) as t:
            row, before = self._row(t, d), self._row(self.builder.maximum(t - 1, 0), d)
            first = self.builder.equals(t, 0)
            with self.builder.forall(counts) as variables:
                self._begin_tile(d, variables["b"], variables["p"])
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

    def _whole_state(self, before: Poly, first: Poly) -> Tile:
        """The state of the tile's sequences before a step, all units of it, as the product reads it."""
        every = TileAxis(IterAxis("n", 3, 1, self.hidden), ZERO, Poly.of(self.hidden), self.hidden)
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

    def _begin_tile(self, d: Poly, b: Poly, tile: Poly) -> None:
        """The tile of a direction at the `b`-th sequences and the `tile`-th units, with the constants that it needs."""
        least = self.builder.minimum
        batch, units = self.sizes.b, self.sizes.w
        size = least(batch, self.batch - b * batch) if self.batch % batch else Poly.of(batch)
        self.b = TileAxis(IterAxis("b", 2, 1, self.batch), b * batch, size, batch)
        start = tile * units
        size = least(units, self.hidden - start) if self.hidden % units else Poly.of(units)
        self.n = TileAxis(IterAxis("n", 3, 1, self.hidden), start, size, units)
        self.first_panel = tile * self.panels
        self.d, self.dims = d, [self.b.dim(), self.n.dim()]
        if self.anchor.quantised:
            self.bytes = ByteProducts(self.builder, self.sources, self.dtype, self.b.dim(), self.n.dim(), self.hidden)
            constants = {name: self.anchor.others[name] for name in QUANTISED}
            params = {name: self._param(value) for name, value in constants.items() if isinstance(value, SSAValue)}
            self.bytes.constants(params, d, start, self.cell.gates)
        bias, peepholes = (self._constant(name) for name in ("bias", "peepholes"))
        self.code = CellCode(
            self.builder, self.dims, self.dtype, self.sources,
            bias.view([0, 1]) if bias is not None else None,
            [peepholes.view([0, 1], row * units) for row in range(3)] if peepholes is not None else (),
        )  # fmt: skip

    @property
    def panels(self) -> int:
        """Panels of a tile."""
        return -(-self.sizes.w // self.width)

    def _row(self, t: Poly, d: Poly) -> Poly:
        """The row of the result for step `t` of a direction."""
        if not self.anchor.reverse:
            return t
        # The last direction is reversed; of two, the first runs forwards.
        return t + (self.steps - 1 - t * 2) * (d if self.directions == 2 else ONE)

    def _step(self, row: Poly, state: Tile, h: Tile, c: Tile | None) -> None:
        """One step of the tile: the new state in `h` (and `c`)."""
        inputs = [self._load_inputs(row, gate).view() for gate in range(self.cell.gates)]
        padded = self.panels * self.width
        sums = self.dtype if self.bytes is None else SUMS
        tile = self.builder.alloc("gates", Memory.UB, [self.b.max, self.cell.gates, padded], sums)
        self._multiply(state, tile, 0, self.cell.gates - (self.cell is Cell.GRU))
        if self.bytes is not None:
            tile = self.bytes.scaled(tile)
        gates = [tile.view([self.cell.gates * padded, 1], gate * padded) for gate in range(self.cell.gates)]
        code, own = self.code, h.view()
        if self.cell is Cell.LSTM:
            assert c is not None
            code.lstm(gates, inputs, own, c.view())
        elif self.cell is Cell.GRU:
            code.gru_gates(gates[:2], inputs[:2])
            code.emit("mul", gates[1], gates[1], own)
            again = self._to_matrix(tile, padded)
            self._multiply(again, tile, 2, 1)
            code.gru_state(gates[2], gates[0], inputs[2], own)
        elif self.cell is Cell.GRU_LINEAR:
            code.gru_gates(gates[:2], inputs[:2])
            code.gru_candidate(gates[2], gates[1])
            code.gru_state(gates[2], gates[0], inputs[2], own)
        else:
            code.rnn(self.cell, gates[0], inputs[0], own)

    def _multiply(self, state: Tile, result: Tile, first: int, gates: int) -> None:
        """The products of all units' state with the weights of `gates` gates from `first` on, into `result`."""
        builder, width, rows = self.builder, self.width, self.sizes.k
        pitch, padded = gates * width, self.panels * width
        g, n = dim("g", gates), dim("n", width)
        left = -(-self.hidden // width) - self.first_panel
        whole = self.hidden % self.sizes.w == 0
        with builder.loop("s", self.panels if whole else builder.minimum(self.panels, left), "parallel") as s:
            acc = builder.alloc("acc", Memory.L0C, [self.b.max, gates, width], result.dtype)
            with builder.loop("k", -(-self.depth // rows), "reduce") as step:
                start, quad = step * rows, self.quad
                size = builder.minimum(rows, self.depth - start) if self.depth % rows else Poly.of(rows)
                base = ZERO
                weights = self.resident
                if weights is not None:
                    base = (s * self.cell.gates + first) * (self.depth * width)
                else:
                    weights = self._load_panels(s, 1, start, size, first, gates)
                operands = {
                    "dst": acc.view([gates * width, 1, 0]), "a": state.view([self.depth, 0, 1], start),
                    "b": weights.view([0, 1, pitch], base),
                }  # fmt: skip
                dims = [self.b.dim(Role.M), dim("n", gates * width, role=Role.N), dim("k", size, rows, Role.K)]
                if quad > 1:
                    dims[2:] = [dim("k", rows // quad, role=Role.K), dim("q", quad, role=Role.K)]
                    operands = {
                        "dst": acc.view([gates * width, 1, 0, 0]), "a": state.view([self.depth, 0, quad, 1], start),
                        "b": weights.view([0, quad, quad * pitch, 1], base),
                    }  # fmt: skip
                builder.emit("mmad", dims, operands, sources=self.sources, zero=builder.equals(step, 0))
            part = result.view([self.cell.gates * padded, padded, 1], s * width + first * padded)
            builder.emit("drain", [self.b.dim(), g, n], {"dst": part, "src": acc.view()}, sources=self.sources)

    def _load_panels(
        self, first: Poly, panels: int, part: Poly = ZERO, size: Poly | None = None, gate: int = 0, gates: int = 0
    ) -> Tile:
        """Panels of the tile from panel `first` on: `size` rows from row `part` on, of some gates; by default all."""
        rows, width = self.sizes.k, (gates or self.cell.gates) * self.width
        tile = self.builder.alloc("rt", Memory.L0B, [panels, rows, width], self.factor)
        all_rows = self.depth * self.cell.gates * self.width
        first = self.d * -(-self.hidden // self.width) + self.first_panel + first
        base = first * all_rows + gate * (self.depth * self.width) + part * width
        source = View(self._param(self.anchor.r), (Poly.of(all_rows), Poly.of(width), ONE), base)
        dims = [dim("p", panels), dim("k", rows if size is None else size, rows), dim("n", width)]
        self.builder.emit("load", dims, {"dst": tile.view(), "src": source}, sources=self.sources)
        return tile

    def _param(self, value: SSAValue) -> str:
        return self.lower.params[self.lower.access(value)[0]]

    def _alloc(self, hint: str, memory: Memory = Memory.UB, units: int = 0) -> Tile:
        return self.builder.alloc(hint, memory, [self.b.max, units or self.n.max], self.dtype)

    def _direction(self, axis: int = 1) -> TileAxis:
        return TileAxis(IterAxis("d", axis, 1, self.directions), self.d, ONE, 1)

    def _given(self, value: SSAValue, units: TileAxis) -> View:
        """The operand that holds a state before the first step."""
        arg, access = self.lower.access(value)
        axes = [TileAxis(IterAxis(t.axis.name, i + 1, 1, t.axis.extent), t.start, t.size, t.max)
                for i, t in enumerate((self.b, units))]  # fmt: skip
        source = gm_view(self.lower.params[arg], access, [self._direction(0), *axes])
        return View(source.buffer, source.strides[1:], source.base)

    def _first_state(self, hint: str, given: SSAValue | None) -> Tile:
        """A state before the first step."""
        tile = self._alloc(hint)
        if given is None:
            self.builder.emit("copy", self.dims, {"dst": tile.view(), "src": Immediate(0.0)}, sources=self.sources)
        else:
            operands = {"dst": tile.view(), "src": self._given(given, self.n)}
            self.builder.emit("load", self.dims, operands, sources=self.lower.view_sources(given) + self.sources)
        return tile

    def _state(
        self, hint: str, memory: Memory, given: SSAValue | None, units: TileAxis, row: Poly, first: Poly
    ) -> Tile:
        """The state of some units as the step before left it in a row of the result; what was given if `first` is 1."""
        tile, rest = self._alloc(hint, memory, units.max), ONE - first
        result = self._result(row, units)
        n = units.dim() if given is not None else dim("n", units.size, units.max, valid=(0, units.size * rest))
        if given is not None:
            operands = {"dst": tile.view(), "src": self._given(given, units)}
            sources = self.lower.view_sources(given) + self.sources
            self.builder.emit("load", [self.b.dim(), n], operands, sources=sources, when=first)
        if given is None or rest != ZERO:
            operands = {"dst": tile.view(), "src": result}
            when = None if given is None else rest
            self.builder.emit("load", [self.b.dim(), n], operands, sources=self.sources, when=when)
        return tile

    def _constant(self, name: str) -> Tile | None:
        """The bias or the peephole weights of the direction, those of the tile's units."""
        value = self.anchor.others[name]
        if value is None:
            return None
        assert isinstance(value, SSAValue)
        arg, access = self.lower.access(value)
        size = access.terms[0][0][1]  # a direction's numbers lie one after the other
        rows = size // self.hidden
        tile = self.builder.alloc(name, Memory.UB, [rows, self.n.max], self.dtype)
        source = View(self.lower.params[arg], (Poly.of(self.hidden), ONE), self.d * size + self.n.start)
        operands = {"dst": tile.view(), "src": source}
        self.builder.emit("load", [dim("r", rows), self.n.dim()], operands, sources=self.sources)
        return tile

    def _load_inputs(self, row: Poly, gate: int) -> Tile:
        """What the inputs of a step give to a gate."""
        arg, access = self.lower.access(self.anchor.x)
        first = self.d * (self.cell.gates * self.hidden) + gate * self.hidden + self.n.start
        tile = self._alloc("x")
        axes = [
            TileAxis(IterAxis("t", 0, 1, self.steps), row, ONE, 1),
            TileAxis(IterAxis("b", 1, 1, self.batch), self.b.start, self.b.size, self.b.max),
            TileAxis(IterAxis("n", 2, 1, self.hidden), first, self.n.size, self.n.max),
        ]
        source = gm_view(self.lower.params[arg], access, axes)
        operands = {"dst": tile.view(), "src": View(source.buffer, source.strides[1:], source.base)}
        sources = self.lower.view_sources(self.anchor.x) + self.sources
        self.builder.emit("load", self.dims, operands, sources=sources)
        return tile

    def _to_matrix(self, state: Tile, base: int = 0) -> Tile:
        """A tile's first units of each sequence, from element `base` on, in l0a."""
        tile = self._alloc("ha", Memory.L0A)
        source = state.view([state.strides[0], 1], base)
        self.builder.emit("mov", self.dims, {"dst": tile.view(), "src": source}, sources=self.sources)
        return tile

    def _store_state(self, h: Tile, row: Poly) -> None:
        """Store the new state; the operation's value is observed here."""
        out, result = self._alloc("y"), self.anchor.result
        step = TileAxis(IterAxis("t", 0, 1, self.steps), row, ONE, 1)
        tap = tap_of(result, self.lower.taps.get(self.anchor), [step, self._direction(), self.b, self.n])
        operands = {"dst": out.view(), "src": h.view()}
        self.builder.emit("copy", [dim("t", 1), dim("d", 1), *self.dims], {
            role: View(view.buffer, (ZERO, ZERO, *view.strides)) for role, view in operands.items()
        }, sources=self.sources, tap=tap)  # fmt: skip
        self._store(out, row)

    def _store(self, tile: Tile, row: Poly) -> None:
        """Store a state as a row of the result."""
        operands = {"dst": self._result(row, self.n), "src": tile.view()}
        self.builder.emit("store", self.dims, operands, sources=self.sources)

    def _result(self, row: Poly, units: TileAxis) -> View:
        """A row of the result, over sequences and units."""
        rows = tensor_type(self.anchor.result).get_shape()[0]
        axes = [TileAxis(IterAxis("t", 0, 1, rows), row, ONE, 1), self._direction(), self.b, units]
        target = gm_view(self.lower.output, Access.of(tensor_type(self.anchor.result)), axes)
        return View(target.buffer, target.strides[2:], target.base)

    def _pack(self) -> Pack:
        """The weights of each direction in panels of columns, the last padded with zeros.

        In a panel the gates of one product lie side by side, and those of the next product after all of their rows.
        """
        width, gates, hidden, depth, quad = self.width, self.cell.gates, self.hidden, self.depth, self.quad
        panels = -(-hidden // width)
        shape = (self.directions, hidden, gates, hidden)

        def apply(array: NDArray[Any]) -> NDArray[Any]:
            padding = ((0, 0), (0, depth - hidden), (0, 0), (0, panels * width - hidden))
            split = np.pad(array.reshape(shape), padding).reshape(self.directions, depth, gates, panels, width)
            products = np.split(split.transpose(0, 3, 1, 2, 4), [2] if self.cell is Cell.GRU else [], axis=3)
            rows = [product.reshape(self.directions, panels, depth // quad, quad, -1) for product in products]
            flat = [np.swapaxes(each, 3, 4).reshape(self.directions, panels, -1) for each in rows]
            return np.ascontiguousarray(np.concatenate(flat, axis=2)).reshape(-1)

        note = f"panels of {width} columns of {gates} gates"
        return Pack(self.directions * gates * panels * depth * width, apply, note)


def tile_recurrence(lower: KernelLowering) -> None:
    """Tile a kernel whose anchor is a `graph.recurrence`."""
    anchor = next(op for op in lower.ops if isinstance(op, graph.RecurrenceOp))
    RecurrenceTiling(lower, anchor).emit()
