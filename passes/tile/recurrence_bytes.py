"""A recurrent cell's products of bytes: the state quantised by its range, and what the sums of the products mean.

    scale = (max(h, 0) - min(h, 0)) / 255,  point = round(-min(h, 0) / scale),  q = saturate(round(h / scale) + point)
    h x (r - zero) * rscale  ~  (q x r - point * sums - zero * sum of q) * (scale * rscale)

where `sums` are the sums of r's columns less as many zero points as there are rows: what DynamicQuantizeLinear and
MatMulInteger compute. Four units of the state are multiplied at once on CPUs, so that rows of r come in fours.
"""

from __future__ import annotations

from collections.abc import Sequence

from vcc.passes.tile.builder import KernelBuilder, Tile, dim
from vcc.runtime.isa.dtypes import BY_NAME, DType
from vcc.runtime.isa.expr import ONE, ZERO, Poly
from vcc.runtime.isa.kernel import Dim, Immediate, Memory, Operand, Role, View

#: How many rows of a column of weights lie side by side.
QUAD = 4
BYTES, SUMS = BY_NAME["u8"], BY_NAME["i32"]


def whole_quads(rows: int) -> int:
    """So many rows with those of zeros that fill the last four."""
    return -(-rows // QUAD) * QUAD


class ByteProducts:
    """The code of a tile of sequences `b` and units `n`; all `hidden` units of the state are multiplied."""

    def __init__(self, builder: KernelBuilder, sources: Sequence[int], dtype: DType, b: Dim, n: Dim, hidden: int):
        self.builder, self.sources, self.dtype = builder, list(sources), dtype
        self.b, self.n, self.hidden = b, n, hidden
        self.low, self.high = self._number("low"), self._number("high")
        self.rows: Tile | None = None

    def constants(self, params: dict[str, str], d: Poly, start: Poly, gates: int) -> None:
        """Load those of a direction, for the units from `start` on; `params` are scale, sums and perhaps zero."""
        self.gates = gates
        columns = [dim("g", gates), self.n]
        first = d * (gates * self.hidden) + start
        self.scale, self.sums = (
            self._load(name, columns, View(params[name], (Poly.of(self.hidden), ONE), first), dtype)
            for name, dtype in (("scale", self.dtype), ("sums", SUMS))
        )
        zero = params.get("zero")
        self.zero = None if zero is None else self._load("zero", [dim("z", 1)], View(zero, (ONE,), d), SUMS)

    def begin_range(self) -> None:
        """The range of nothing, which contains zero."""
        for tile in (self.low, self.high):
            self._emit("copy", [dim("z", 1)], dst=tile.view(), src=Immediate(0.0))

    def extend_range(self, state: Tile, rows: Dim) -> None:
        """Extend the range to that of a tile of the state, of so many sequences."""
        joined = [Dim(d.name, d.size, d.max, Role.REDUCE) for d in (rows, dim("k", self.hidden))]
        for op, tile in (("reduce.min", self.low), ("reduce.max", self.high)):
            self._emit(op, joined, dst=tile.view([0, 0]), src=state.view(), zero=ZERO)

    def quantise(self, state: Tile) -> Tile:
        """The tile's state as bytes in l0a, in whole quads; its range must be known."""
        number, one = [dim("z", 1)], Immediate(1.0)
        step, point, none = self._number("step"), self._number("point"), self._number("none", BY_NAME["bool"])
        self._emit("sub", number, dst=step.view(), a=self.high.view(), b=self.low.view())
        self._emit("div", number, dst=step.view(), a=step.view(), b=Immediate(255.0))
        self._emit("cmp.eq", number, dst=none.view(), a=step.view(), b=Immediate(0.0))
        self._emit("select", number, dst=step.view(), cond=none.view(), a=one, b=step.view())
        self._emit("div", number, dst=point.view(), a=self.low.view(), b=step.view())
        self._emit("neg", number, dst=point.view(), a=point.view())
        self._emit("round", number, dst=point.view(), a=point.view())
        self.step, self.point = step, point
        whole = whole_quads(self.hidden)
        dims, steps = [self.b, dim("k", self.hidden)], self._tile("steps", [self.b.max, self.hidden], self.dtype)
        narrow = self._tile("q", [self.b.max, whole], BYTES)
        self._emit("div", dims, dst=steps.view(), a=state.view(), b=step.view([0, 0]))
        self._emit("round", dims, dst=steps.view(), a=steps.view())
        self._emit("add", dims, dst=steps.view(), a=steps.view(), b=point.view([0, 0]))
        self._emit("cast", dims, dst=narrow.view(), src=steps.view())
        if whole != self.hidden:
            rest = narrow.view(base=self.hidden)
            self._emit("copy", [self.b, dim("k", whole - self.hidden)], dst=rest, src=Immediate(0))
        if self.zero is not None:
            self._add_rows(narrow)
        matrix = self.builder.alloc("ha", Memory.L0A, narrow.shape, BYTES)
        self._emit("mov", [self.b, dim("k", whole)], dst=matrix.view(), src=narrow.view())
        return matrix

    def _add_rows(self, narrow: Tile) -> None:
        """What the weights' zero point gives to each sequence's sums."""
        assert self.zero is not None
        wide, rows = self._tile("wide", [self.b.max, self.hidden], SUMS), self._tile("rows", [self.b.max], SUMS)
        self._emit("cast", [self.b, dim("k", self.hidden)], dst=wide.view(), src=narrow.view())
        joined = [self.b, dim("k", self.hidden, role=Role.REDUCE)]
        self._emit("reduce.add", joined, dst=rows.view([1, 0]), src=wide.view())
        self._emit("mul", [self.b], dst=rows.view(), a=rows.view(), b=self.zero.view([0]))
        self.rows = rows

    def scaled(self, sums: Tile) -> Tile:
        """What the sums of products mean, as floats: both [sequences, gates, units]."""
        dims = [self.b, dim("g", self.gates), self.n]
        real = self._tile("gates", sums.shape, self.dtype)
        point, offset = self._number("offset", SUMS), self._tile("offsets", self.sums.shape, SUMS)
        factor = self._tile("factor", self.scale.shape, self.dtype)
        self._emit("cast", [dim("z", 1)], dst=point.view(), src=self.point.view())
        self._emit("mul", dims[1:], dst=offset.view(), a=self.sums.view(), b=point.view([0, 0]))
        self._emit("mul", dims[1:], dst=factor.view(), a=self.scale.view(), b=self.step.view([0, 0]))
        self._emit("sub", dims, dst=sums.view(), a=sums.view(), b=offset.view([0, *offset.strides]))
        if self.rows is not None:
            self._emit("sub", dims, dst=sums.view(), a=sums.view(), b=self.rows.view([1, 0, 0]))
        self._emit("cast", dims, dst=real.view(), src=sums.view())
        self._emit("mul", dims, dst=real.view(), a=real.view(), b=factor.view([0, *factor.strides]))
        return real

    def _number(self, hint: str, dtype: DType | None = None) -> Tile:
        return self._tile(hint, [1], dtype or self.dtype)

    def _tile(self, hint: str, shape: Sequence[int], dtype: DType) -> Tile:
        return self.builder.alloc(hint, Memory.UB, shape, dtype)

    def _load(self, hint: str, dims: Sequence[Dim], source: View, dtype: DType) -> Tile:
        tile = self._tile(hint, [each.max for each in dims], dtype)
        self._emit("load", dims, dst=tile.view(), src=source)
        return tile

    def _emit(self, op: str, dims: Sequence[Dim], zero: Poly | None = None, **operands: Operand) -> None:
        if zero is None:
            self.builder.emit(op, dims, operands, sources=self.sources)
        else:
            self.builder.emit(op, dims, operands, sources=self.sources, zero=zero)
