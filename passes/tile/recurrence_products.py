"""The products of a recurrence: its state with the weights of some gates, panel by panel."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vcc.dialects.graph import Cell
from vcc.passes.tile.builder import Tile, dim
from vcc.passes.tile.lowering import Pack
from vcc.passes.tile.recurrence_parts import RecurrenceParts
from vcc.runtime.isa.expr import ONE, ZERO, Poly
from vcc.runtime.isa.kernel import Memory, Role, View


class RecurrenceProducts(RecurrenceParts):
    """The tile's products, and how the weights lie for them."""

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

    def _to_matrix(self, state: Tile) -> Tile:
        """A tile's state in l0a."""
        tile = self._alloc("ha", Memory.L0A)
        self.builder.emit("mov", self.dims, {"dst": tile.view(), "src": state.view()}, sources=self.sources)
        return tile

    def _pack(self) -> Pack:
        """The weights of each direction in panels of columns, the last padded with zeros.

        In a panel the gates of one product lie side by side, and those of the next product after all of their rows.
        """
        width, gates, hidden, depth, quad = self.width, self.cell.gates, self.hidden, self.depth, self.quad
        panels = -(-hidden // width)
        #: After which gates a product ends.
        ends = [] if self.cell is not Cell.GRU else [1, 2] if self.sizes.divided else [2]
        shape = (self.directions, hidden, gates, hidden)

        def apply(array: NDArray[Any]) -> NDArray[Any]:
            padding = ((0, 0), (0, depth - hidden), (0, 0), (0, panels * width - hidden))
            split = np.pad(array.reshape(shape), padding).reshape(self.directions, depth, gates, panels, width)
            products = np.split(split.transpose(0, 3, 1, 2, 4), ends, axis=3)
            rows = [product.reshape(self.directions, panels, depth // quad, quad, -1) for product in products]
            flat = [np.swapaxes(each, 3, 4).reshape(self.directions, panels, -1) for each in rows]
            return np.ascontiguousarray(np.concatenate(flat, axis=2)).reshape(-1)

        note = f"panels of {width} columns of {gates} gates"
        return Pack(self.directions * gates * panels * depth * width, apply, note)
