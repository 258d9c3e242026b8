"""Products whose inputs both lie dense along K and are hardly used again: sums of vectors along K, joined at the end.

That is a vector times a transposed matrix, for example. Turning the matrix would take longer than the product, which is
bound by memory. A block is some rows times some columns, each a vector of partial sums.
"""

from __future__ import annotations

from contextlib import ExitStack

from vcc.runtime.isa.expr import ONE, ZERO
from vcc.runtime.isa.kernel import View
from vcc.runtime.native import mathlib
from vcc.runtime.native.convert import convert
from vcc.runtime.native.emit import Val
from vcc.runtime.native.epilogue import Result, free_dims, view
from vcc.runtime.native.shape import Shape

#: Rows and columns of a block: sums enough to hide latency, few enough for 16 registers.
ROWS, COLUMNS = 2, 4
Cell = tuple[int, int]


def dense_along(product: Shape) -> int | None:
    """The dimension of K along which both inputs are dense."""
    a, b = view(product.instr, "a"), view(product.instr, "b")
    return next((i for i in product.depth if a.strides[i] == ONE == b.strides[i]), None)


class Dot:
    """The loops over blocks of such a product."""

    def __init__(self, product: Shape):
        self.p, self.e = product, product.e
        along = dense_along(product)
        assert along is not None
        self.along, self.a, self.b = along, view(product.instr, "a"), view(product.instr, "b")
        self.lanes = product.f.lanes(product.dst, product.f.width([product.dst]))
        free, dims = free_dims(product.instr), product.instr.domain
        self.row = max((i for i in free if self.b.strides[i] == ZERO), key=lambda i: dims[i].max, default=None)
        columns = [i for i in free if self.a.strides[i] == ZERO and i != self.row]
        self.column = max(columns, key=lambda i: dims[i].max, default=None)
        self.outer = [i for i in free if i not in (self.row, self.column)]
        most = {self.row: ROWS, self.column: COLUMNS}
        if self.row is None or self.column is None:
            most = {self.row: ROWS * COLUMNS, self.column: ROWS * COLUMNS}
        self.counts = {i: min(most[i], dims[i].max) for i in most if i is not None}

    def emit(self) -> None:
        """Appends the loops."""
        with ExitStack() as loops:
            index = {i: loops.enter_context(self.e.loop(0, self.p.sizes[i])) for i in self.outer}
            for row, rows in self.p.blocks_along(self.row, self.count(self.row)):
                for column, columns in self.p.blocks_along(self.column, self.count(self.column)):
                    self.block(index | row | column, rows, columns)

    def count(self, dim: int | None) -> int:
        return 1 if dim is None else self.counts[dim]

    def block(self, place: dict[int, Val], rows: int, columns: int) -> None:
        """The sums of some rows and columns from `place` on."""
        e, p, lanes = self.e, self.p, self.lanes
        cells = [(r, c) for r in range(rows) for c in range(columns)]
        sums = {cell: e.variable(lanes.type, "zeroinitializer") for cell in cells}
        with ExitStack() as loops:
            if p.around:
                low, high = e.poly(p.around.low, p.f.env), e.poly(p.around.high, p.f.env)
                p.f.env[p.around.register] = loops.enter_context(e.loop(low, high, p.around.step))
            rest = [i for i in p.depth if i != self.along]
            at = place | {i: loops.enter_context(e.loop(0, p.sizes[i])) for i in rest}
            for k, _, left in e.blocks(p.sizes[self.along], [lanes.width]):
                mask = p.f.mask(lanes.width, 0, left) if left != 0 else ""
                self.step(at | {self.along: k}, sums, mask)
        result, one = Result(p.f, p.instr, p.fused, None), lanes.alike(1)
        for (r, c), slot in sums.items():
            total = lanes.total(e.op(f"load {lanes.type}, ptr {slot}"))
            value = e.op(f"insertelement {one.type} poison, {one.kind} {total}, i64 0")
            result.put(self.cell(place, r, c), 1, value, "")

    def cell(self, place: dict[int, Val], row: int, column: int) -> dict[int, Val]:
        at = dict(place)
        for dim, moved in ((self.row, row), (self.column, column)):
            if dim is not None:
                at[dim] = self.e.add(at[dim], moved)
        return at

    def step(self, at: dict[int, Val], sums: dict[Cell, str], mask: str) -> None:
        """One vector along K of every row times that of every column."""
        rows = {r: self.factor(self.a, self.cell(at, r, 0), mask) for r in dict.fromkeys(r for r, _ in sums)}
        columns = {c: self.factor(self.b, self.cell(at, 0, c), mask) for c in dict.fromkeys(c for _, c in sums)}
        for (r, c), slot in sums.items():
            old = self.e.op(f"load {self.lanes.type}, ptr {slot}")
            self.e.do(
                f"store {self.lanes.type} {mathlib.add_product(self.lanes, rows[r], columns[c], old)}, ptr {slot}"
            )

    def factor(self, source: View, at: dict[int, Val], mask: str) -> str:
        """Elements along K in the accumulators' dtype, zeros beyond its end."""
        kind = self.p.f.lanes(source, self.lanes.width)
        fill = kind.constant(0) if mask else ""
        return convert(kind, self.lanes, self.p.f.read(source, at, self.along, self.lanes.width, mask, fill))


def possible(product: Shape) -> bool:
    """Whether the product can be computed so: it starts new sums and has no lanes that do not count."""
    limited = product.fused is not None and product.fused.limit is not None
    return product.is_fresh() and not limited and dense_along(product) is not None
