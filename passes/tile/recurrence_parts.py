"""What the forms of a recurrence share: a tile of sequences and units, its loads and stores."""

from __future__ import annotations

from xdsl.ir import SSAValue

from vcc.dialects import graph
from vcc.dialects.graph.recurrence import QUANTISED
from vcc.passes.tile.access import Access, IterAxis
from vcc.passes.tile.builder import Tile, dim
from vcc.passes.tile.chain import TileAxis, dtype_of, gm_view, tap_of, tensor_type
from vcc.passes.tile.lowering import KernelLowering
from vcc.passes.tile.recurrence_bytes import QUAD, ByteProducts, whole_quads
from vcc.passes.tile.recurrence_cell import CellCode
from vcc.passes.tile.recurrence_sizes import RecurrenceSizes, panel_width
from vcc.runtime.isa.dtypes import DType
from vcc.runtime.isa.expr import ONE, ZERO, Poly
from vcc.runtime.isa.kernel import Immediate, Memory, View


class RecurrenceParts:
    """A tile of one `graph.recurrence`: sequences `b` of direction `d`, hidden units `n`."""

    def __init__(self, lower: KernelLowering, anchor: graph.RecurrenceOp, sizes: RecurrenceSizes):
        self.lower, self.builder, self.anchor, self.sizes = lower, lower.builder, anchor, sizes
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

    def _param(self, value: SSAValue) -> str:
        return self.lower.params[self.lower.access(value)[0]]

    def _alloc(self, hint: str, memory: Memory = Memory.UB, units: int = 0) -> Tile:
        return self.builder.alloc(hint, memory, [self.b.max, units or self.n.max], self.dtype)

    def _gates(self, dtype: DType) -> Tile:
        """A place for what products give to all gates, in whole panels."""
        return self.builder.alloc("gates", Memory.UB, [self.b.max, self.cell.gates, self.panels * self.width], dtype)

    @staticmethod
    def _gate(gates: Tile, number: int) -> View:
        """The view of one gate, over sequences and units."""
        sequence, gate, unit = gates.strides
        return gates.view([sequence, unit], number * gate)

    def _every_unit(self) -> TileAxis:
        """The units of the whole state."""
        return TileAxis(IterAxis("n", 3, 1, self.hidden), ZERO, Poly.of(self.hidden), self.hidden)

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

    def _store(self, tile: Tile, row: Poly, when: Poly | None = None) -> None:
        """Store a state as a row of the result, unless `when` is 0."""
        operands = {"dst": self._result(row, self.n), "src": tile.view()}
        self.builder.emit("store", self.dims, operands, sources=self.sources, when=when)

    def _result(self, row: Poly, units: TileAxis) -> View:
        """A row of the result, over sequences and units."""
        rows = tensor_type(self.anchor.result).get_shape()[0]
        axes = [TileAxis(IterAxis("t", 0, 1, rows), row, ONE, 1), self._direction(), self.b, units]
        target = gm_view(self.lower.output, Access.of(tensor_type(self.anchor.result)), axes)
        return View(target.buffer, target.strides[2:], target.base)
