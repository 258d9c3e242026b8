"""Recurrent cells: all steps of a sequence in one kernel, the state on the chip from each step to the next.

A core takes some sequences of one direction. In a step the state goes through l0a into a product with each gate's
recurrent weights, panel by panel; what the inputs give to the gates is loaded, and vector instructions make the new
state, which is stored. The weights stay in l0b where they fit, and are read anew in every step otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xdsl.ir import SSAValue

from vcc.dialects import graph
from vcc.dialects.graph import Cell
from vcc.passes.tile.access import Access, IterAxis
from vcc.passes.tile.builder import Tile, dim
from vcc.passes.tile.chain import TileAxis, dtype_of, gm_view, tap_of, tensor_type
from vcc.passes.tile.lowering import KernelLowering, Pack
from vcc.passes.tile.search import Sizes, choose_tile, padded, tile_candidates, waves
from vcc.runtime.diagnostics import error
from vcc.runtime.isa.expr import ONE, ZERO, Poly
from vcc.runtime.isa.kernel import Immediate, Memory, Operand, Pipe, Role, View
from vcc.runtime.machine.cost import matrix_cycles, transfer_cycles, vector_cycles

#: Columns of a panel of recurrent weights, of which the search takes one.
PANELS = (16, 32, 64)


class RecurrenceTiling:
    """The tile and the code of one `graph.recurrence`."""

    def __init__(self, lower: KernelLowering, anchor: graph.RecurrenceOp):
        self.lower, self.builder, self.anchor = lower, lower.builder, anchor
        self.cell, self.dtype = anchor.cell.data, dtype_of(anchor.x)
        lower.check_product(self.dtype)
        self.steps, self.batch, _ = tensor_type(anchor.x).get_shape()
        self.directions, self.hidden, _ = tensor_type(anchor.r).get_shape()
        self.sources = lower.source(anchor)

    def emit(self) -> None:
        """Choose tile sizes and build the kernel."""
        self.sizes = self._choose()
        number = self.lower.is_packable(self.anchor.r)
        if number is None:
            raise error("E0121", "a recurrence needs constant recurrent weights", node=self.lower.node)
        self.lower.open({number: self._pack()})
        batch = self.sizes["b"]
        counts = {"d": self.directions, "b": -(-self.batch // batch)}
        with self.builder.forall(counts) as variables:
            self.d = variables["d"]
            start = variables["b"] * batch
            left = self.builder.minimum(batch, self.batch - start) if self.batch % batch else Poly.of(batch)
            self.b = TileAxis(IterAxis("b", 2, 1, self.batch), start, left, batch)
            self.n = TileAxis(IterAxis("n", 3, 1, self.hidden), ZERO, Poly.of(self.hidden), self.hidden)
            self.dims = [self.b.dim(), self.n.dim()]
            self.h = self._begin("h", self.anchor.h)
            self.c = self._begin("c", self.anchor.c) if self.cell is Cell.LSTM else None
            self.constants = {name: self._constant(name) for name in ("bias", "peepholes")}
            self.weights = self._load_weights(ZERO, self.cell.gates) if self.sizes["resident"] else None
            with self.builder.loop("t", self.steps) as t:
                self._step(t)
            if self.c is not None:
                self._store(self.c, Poly.of(self.steps))

    def _step(self, t: Poly) -> None:
        """One step of the sequence: the new state in `h` (and `c`), and stored."""
        if self.anchor.reverse:  # the last direction; of two, the first runs forwards
            t = t + (self.steps - 1 - t * 2) * (self.d if self.directions == 2 else ONE)
        state = self._to_matrix(self.h)
        inputs = [self._load_inputs(t, gate) for gate in range(self.cell.gates)]
        first = self.cell.gates - (self.cell is Cell.GRU)
        gates = [self._multiply(state, gate) for gate in range(first)]
        if self.cell is Cell.LSTM:
            self._lstm(gates, inputs)
        elif self.cell in (Cell.GRU, Cell.GRU_LINEAR):
            self._gru(gates, inputs)
        else:
            self._vector("add", self.h, gates[0], inputs[0])
            self._vector("tanh" if self.cell is Cell.RNN_TANH else "relu", self.h, self.h)
        out = self._alloc("y")
        result = self.anchor.result
        step = TileAxis(IterAxis("t", 0, 1, self.steps), t, ONE, 1)
        tap = tap_of(result, self.lower.taps.get(self.anchor), [step, self._direction(), self.b, self.n])
        operands = {"dst": out.view(), "src": self.h.view()}
        self.builder.emit("copy", [dim("t", 1), dim("d", 1), *self.dims], {
            role: View(view.buffer, (ZERO, ZERO, *view.strides)) for role, view in operands.items()
        }, sources=self.sources, tap=tap)  # fmt: skip
        self._store(out, t)

    def _lstm(self, gates: Sequence[Tile], inputs: Sequence[Tile]) -> None:
        assert self.c is not None
        into, out, forget, cell = gates
        for gate, x, name, row in ((into, inputs[0], "sigmoid", 0), (forget, inputs[2], "sigmoid", 2)):
            self._vector("add", gate, gate, x)
            self._peep(gate, row)
            self._vector(name, gate, gate)
        self._vector("add", cell, cell, inputs[3])
        self._vector("tanh", cell, cell)
        self._vector("mul", self.c, self.c, forget)
        self._vector("mul", cell, cell, into)
        self._vector("add", self.c, self.c, cell)
        self._vector("add", out, out, inputs[1])
        self._peep(out, 1)
        self._vector("sigmoid", out, out)
        self._vector("tanh", self.h, self.c)
        self._vector("mul", self.h, self.h, out)

    def _gru(self, gates: Sequence[Tile], inputs: Sequence[Tile]) -> None:
        update, reset = gates[:2]
        for gate, x in ((update, inputs[0]), (reset, inputs[1])):
            self._vector("add", gate, gate, x)
            self._vector("sigmoid", gate, gate)
        if self.cell is Cell.GRU:
            self._vector("mul", reset, reset, self.h)
            new = self._multiply(self._to_matrix(reset), 2)
        else:
            new = gates[2]
            if (bias := self.constants["bias"]) is not None:
                self._vector("add", new, new, bias)
            self._vector("mul", new, new, reset)
        self._vector("add", new, new, inputs[2])
        self._vector("tanh", new, new)
        self._vector("sub", self.h, self.h, new)
        self._vector("mul", self.h, self.h, update)
        self._vector("add", self.h, self.h, new)

    def _peep(self, gate: Tile, row: int) -> None:
        """Add the cell state times a row of the peephole weights."""
        weights = self.constants["peepholes"]
        if weights is None or self.c is None:
            return
        seen = self._alloc("seen")
        self.builder.emit("mul", self.dims, {
            "dst": seen.view(), "a": self.c.view(), "b": weights.view([0, 1], row * self.hidden)
        }, sources=self.sources)  # fmt: skip
        self._vector("add", gate, gate, seen)

    def _vector(self, op: str, dst: Tile, a: Tile, b: Tile | None = None) -> None:
        """An instruction over the sequences and their states."""
        operands: dict[str, Operand] = {"dst": self._view(dst), "a": self._view(a)}
        if b is not None:
            operands["b"] = self._view(b)
        self.builder.emit(op, self.dims, operands, sources=self.sources)

    def _view(self, tile: Tile) -> View:
        """A tile over sequences and states; one without sequences is broadcast along them."""
        return tile.view() if len(tile.shape) == 2 else tile.view([0, 1])

    def _alloc(self, hint: str, memory: Memory = Memory.UB) -> Tile:
        return self.builder.alloc(hint, memory, [self.b.max, self.hidden], self.dtype)

    def _direction(self) -> TileAxis:
        return TileAxis(IterAxis("d", 1, 1, self.directions), self.d, ONE, 1)

    def _begin(self, hint: str, given: SSAValue | None) -> Tile:
        """A state before the first step."""
        tile = self._alloc(hint)
        if given is None:
            self.builder.emit("copy", self.dims, {"dst": tile.view(), "src": Immediate(0.0)}, sources=self.sources)
            return tile
        arg, access = self.lower.access(given)
        first = TileAxis(IterAxis("d", 0, 1, self.directions), self.d, ONE, 1)
        axes = [TileAxis(IterAxis(t.axis.name, i + 1, 1, t.axis.extent), t.start, t.size, t.max)
                for i, t in enumerate((self.b, self.n))]  # fmt: skip
        source = gm_view(self.lower.params[arg], access, [first, *axes])
        operands = {"dst": tile.view(), "src": View(source.buffer, source.strides[1:], source.base)}
        sources = self.lower.view_sources(given) + self.sources
        self.builder.emit("load", self.dims, operands, sources=sources)
        return tile

    def _constant(self, name: str) -> Tile | None:
        """The bias or the peephole weights of the direction."""
        value = self.anchor.others[name]
        if value is None:
            return None
        assert isinstance(value, SSAValue)
        arg, access = self.lower.access(value)
        size = access.terms[0][0][1]  # a direction's numbers lie one after the other
        tile = self.builder.alloc(name, Memory.UB, [size], self.dtype)
        source = View(self.lower.params[arg], (ONE,), self.d * size)
        self.builder.emit("load", [dim("n", size)], {"dst": tile.view(), "src": source}, sources=self.sources)
        return tile

    def _load_inputs(self, t: Poly, gate: int) -> Tile:
        """What the inputs of a step give to a gate."""
        arg, access = self.lower.access(self.anchor.x)
        columns = self.cell.gates * self.hidden
        tile = self._alloc("x")
        axes = [
            TileAxis(IterAxis("t", 0, 1, self.steps), t, ONE, 1),
            TileAxis(IterAxis("b", 1, 1, self.batch), self.b.start, self.b.size, self.b.max),
            TileAxis(IterAxis("n", 2, 1, self.hidden), self.d * columns + gate * self.hidden, self.n.size, self.n.max),
        ]
        source = gm_view(self.lower.params[arg], access, axes)
        operands = {"dst": tile.view(), "src": View(source.buffer, source.strides[1:], source.base)}
        sources = self.lower.view_sources(self.anchor.x) + self.sources
        self.builder.emit("load", self.dims, operands, sources=sources)
        return tile

    def _to_matrix(self, state: Tile) -> Tile:
        tile = self._alloc("ha", Memory.L0A)
        self.builder.emit("mov", self.dims, {"dst": tile.view(), "src": self._view(state)}, sources=self.sources)
        return tile

    def _load_weights(self, first: Poly, panels: int, part: Poly = ZERO, size: Poly | None = None) -> Tile:
        """Panels of the weights from panel `first` of a direction on: all rows, or `size` of them from `part` on."""
        width, rows = self.sizes["w"], self.sizes["k"]
        panels *= self.panels if size is None else 1
        tile = self.builder.alloc("rt", Memory.L0B, [panels, rows, width], self.dtype)
        all_rows = self.hidden * width
        base = (self.d * (self.cell.gates * self.panels) + first) * all_rows + part * width
        strides = (Poly.of(all_rows), Poly.of(width), ONE)
        operands = {"dst": tile.view(), "src": View(self.lower.params[self._weights()], strides, base)}
        dims = [dim("p", panels), dim("k", rows if size is None else size, rows), dim("n", width)]
        self.builder.emit("load", dims, operands, sources=self.sources)
        return tile

    def _weights(self) -> SSAValue:
        return self.lower.access(self.anchor.r)[0]

    @property
    def panels(self) -> int:
        """Panels of one gate."""
        return -(-self.hidden // self.sizes["w"])

    def _multiply(self, state: Tile, gate: int) -> Tile:
        """The product of a state with the recurrent weights of a gate; its rows are padded to whole panels."""
        builder, width, rows = self.builder, self.sizes["w"], self.sizes["k"]
        result = builder.alloc("gate", Memory.UB, [self.b.max, self.panels * width], self.dtype)
        n = dim("n", width)
        with builder.loop("p", self.panels) as p:
            acc = builder.alloc("acc", Memory.L0C, [self.b.max, width], self.dtype)
            trips = -(-self.hidden // rows)
            with builder.loop("k", trips, "reduce") as step:
                start = step * rows
                size = builder.minimum(rows, self.hidden - start) if self.hidden % rows else Poly.of(rows)
                panel = p + gate * self.panels
                if self.weights is not None:
                    weights = self.weights.view([0, 1, width], panel * (self.hidden * width))
                else:
                    weights = self._load_weights(panel, 1, start, size).view([0, 1, width])
                operands = {"dst": acc.view([width, 1, 0]), "a": state.view([self.hidden, 0, 1], start), "b": weights}
                dims = [self.b.dim(Role.M), dim("n", width, role=Role.N), dim("k", size, rows, Role.K)]
                builder.emit("mmad", dims, operands, sources=self.sources, zero=builder.equals(step, 0))
            part = result.view([self.panels * width, 1], p * width)
            builder.emit("drain", [self.b.dim(), n], {"dst": part, "src": acc.view()}, sources=self.sources)
        return Tile(result.name, (self.b.max, self.panels * width), self.dtype)

    def _store(self, tile: Tile, row: Poly) -> None:
        """Store a state as a row of the result."""
        rows = tensor_type(self.anchor.result).get_shape()[0]
        axes = [TileAxis(IterAxis("t", 0, 1, rows), row, ONE, 1), self._direction(), self.b, self.n]
        target = gm_view(self.lower.output, Access.of(tensor_type(self.anchor.result)), axes)
        operands = {"dst": View(target.buffer, target.strides[2:], target.base), "src": tile.view()}
        self.builder.emit("store", self.dims, operands, sources=self.sources)

    def _pack(self) -> Pack:
        """The weights of each direction and gate in panels of columns, the last padded with zeros."""
        width, gates, hidden = self.sizes["w"], self.cell.gates, self.hidden
        shape = (self.directions, hidden, gates, hidden)
        padding = self.panels * width - hidden

        def apply(array: NDArray[Any]) -> NDArray[Any]:
            table = np.pad(array.reshape(shape), ((0, 0), (0, 0), (0, 0), (0, padding)))
            split = table.reshape(self.directions, hidden, gates, self.panels, width)
            return np.ascontiguousarray(split.transpose(0, 2, 3, 1, 4)).reshape(-1)

        note = f"{gates} gates of {hidden} columns in panels of {width}"
        return Pack(self.directions * gates * self.panels * hidden * width, apply, note)

    def _choose(self) -> dict[str, int]:
        """Sequences per tile, panel width, rows of a panel read at a time, whether all weights stay in l0b."""
        machine, size, hidden, gates = self.lower.machine, self.dtype.size, self.hidden, self.cell.gates
        name = self.dtype.name

        def footprint(s: Sizes, slots: int) -> dict[Memory, Any]:
            columns = -(-hidden // s["w"]) * s["w"]
            state: Any = padded(s["b"] * hidden * size)
            ub = (3 + slots * (gates + 1)) * state + gates * padded(s["b"] * columns * size) + 4 * padded(hidden * size)
            resident = gates * columns * hidden * size
            part = gates * slots * padded(s["k"] * s["w"] * size)
            return {
                Memory.UB: ub + np.where(self.anchor.peepholes is None, 0, 2 * state),
                Memory.L0A: 2 * slots * state,
                Memory.L0B: np.where(s["resident"], resident, part),
                Memory.L0C: gates * slots * padded(s["b"] * s["w"] * size),
            }

        def cost(s: Sizes) -> Any:
            parts = gates * -(-hidden // s["w"]) * -(-hidden // s["k"])
            product: Any = parts * matrix_cycles(machine, name, s["b"], s["w"], s["k"])
            load: Any = parts * transfer_cycles(machine, Pipe.IN, s["k"] * s["w"] * size, 1)
            move: Any = transfer_cycles(machine, Pipe.MOV, s["b"] * hidden * size, s["b"])
            vector: Any = (4 * gates) * vector_cycles(machine, name, s["b"] * hidden)
            step = move + vector + np.where(s["resident"], product, np.maximum(product, load))
            legal = (s["resident"] == 0) | (s["k"] == hidden)
            tiles = self.directions * -(-self.batch // s["b"])
            return np.where(legal, waves(machine, tiles) * self.steps * step + s["resident"] * load, np.inf)

        candidates = {
            "b": tile_candidates(self.batch),
            "w": [width for width in PANELS if width < 2 * hidden] or [PANELS[0]],
            "k": tile_candidates(hidden, machine.fractal[2]),
            "resident": [0, 1],
        }
        return choose_tile(machine, candidates, footprint, cost, node=self.lower.node, what="a recurrence")


def tile_recurrence(lower: KernelLowering) -> None:
    """Tile a kernel whose anchor is a `graph.recurrence`."""
    anchor = next(op for op in lower.ops if isinstance(op, graph.RecurrenceOp))
    RecurrenceTiling(lower, anchor).emit()
