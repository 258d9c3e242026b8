"""Instructions over a tile of rows: element by element, or along the rows to one number each.

Rows of f16 and bf16 are computed in f32: their sums have no other place for their digits.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from xdsl.dialects.builtin import FloatAttr
from xdsl.ir import Operation, SSAValue

from vcc.passes.tile.access import IterAxis
from vcc.passes.tile.builder import Tile, dim
from vcc.passes.tile.chain import TileAxis, dtype_of, gm_dims, gm_view, tensor_type
from vcc.passes.tile.lowering import KernelLowering
from vcc.runtime.isa.dtypes import BY_NAME, DType
from vcc.runtime.isa.expr import ONE, ZERO
from vcc.runtime.isa.kernel import Dim, Immediate, Memory, Role, Tap, View


class RowLoops(Protocol):
    """What `Rows` needs of a tiling: the loops that stay, the row operation and its operand, and its load."""

    lower: KernelLowering
    anchor: Operation
    value: SSAValue
    kept: list[IterAxis]

    def load(self, tile: Sequence[TileAxis]) -> Tile:
        """Load the operand's tile."""
        ...


def wide(dtype: DType) -> DType:
    """The dtype in which rows of a dtype are computed."""
    return BY_NAME["f32"] if dtype.is_float and dtype.size < 4 else dtype


class Rows:
    """A tile of rows: `kept` loops, then the `reduced` ones along the rows."""

    def __init__(self, tiling: RowLoops, tile: Sequence[TileAxis]):
        self.tiling, self.lower, self.tile = tiling, tiling.lower, list(tile)
        self.kept, self.reduced = self.tile[: len(tiling.kept)], self.tile[len(tiling.kept) :]
        self.dtype = wide(dtype_of(tiling.value))

    def scalars(self, hint: str) -> Tile:
        """A buffer with a number for each row."""
        return self.lower.builder.alloc(hint, Memory.UB, [t.max for t in self.kept] or [1], self.dtype)

    def per_row(self, tile: Tile) -> View:
        """The view of a row's number over the whole tile."""
        own = tile.strides if self.kept else ()
        return tile.view([*own, *(0 for _ in self.reduced)])

    def dims(self, role: Role = Role.PARALLEL) -> list[Dim]:
        """The tile's dimensions, the rows' own in a role."""
        return [*(t.dim() for t in self.kept), *(t.dim(role) for t in self.reduced)]

    def load(self) -> Tile:
        """The tile of the operand, in the dtype of the computation."""
        return self._widen(self.tiling.load(self.tile), self.dims())

    def result(self, home: Tile) -> Tile:
        """Where to compute what belongs in `home`: there, unless it is too narrow."""
        return home if home.dtype == self.dtype else self.lower.builder.alloc("y", Memory.UB, home.shape, self.dtype)

    def reduce(self, op: str, source: Tile, hint: str) -> Tile:
        """Combine each row into one number."""
        out = self.scalars(hint)
        self.join(op, source, out, starts=True)
        return out

    def join(self, op: str, source: Tile, out: Tile, *, starts: bool = False) -> None:
        """Combine each row with its number in `out`; `starts` forgets what is there."""
        operands = {"dst": self.per_row(out), "src": source.view()}
        self._emit(op, self.dims(Role.REDUCE), operands, zero=ONE if starts else ZERO)

    def apply(self, op: str, dst: Tile, **operands: View | Immediate) -> None:
        """An elementwise instruction over the tile."""
        self._emit(op, self.dims(), {"dst": dst.view(), **operands})

    def deliver(self, op: str, out: Tile, home: Tile, tap: Tap | None, **operands: View | Immediate) -> None:
        """The last elementwise instruction, whose result in `out` belongs in `home`."""
        self._emit(op, self.dims(), {"dst": out.view(), **operands}, tap if out is home else None)
        if out is not home:
            self._emit("cast", self.dims(), {"dst": home.view(), "src": out.view()}, tap)

    def on_rows(self, op: str, dst: Tile, **operands: View | Immediate) -> None:
        """An elementwise instruction over the rows' numbers."""
        self._emit(op, [t.dim() for t in self.kept] or [dim("i", 1)], {"dst": dst.view(), **operands})

    def reciprocal_deviation(self, total: Tile, count: int, epsilon: FloatAttr[Any]) -> None:
        """Each row's sum of squares becomes rsqrt(sum / count + epsilon)."""
        self.on_rows("mul", total, a=total.view(), b=Immediate(1.0 / count))
        self.on_rows("add", total, a=total.view(), b=Immediate(float(epsilon.value.data)))
        self.on_rows("rsqrt", total, a=total.view())

    def parameter(self, value: SSAValue, hint: str) -> View:
        """Load a tensor of one row's shape; its view over the tile."""
        arg, access = self.lower.access(value)
        whole = access.broadcast_to(tensor_type(self.tiling.value).get_shape())
        tile = self.lower.builder.alloc(hint, Memory.UB, [t.max for t in self.reduced], dtype_of(value))
        source = gm_view(self.lower.params[arg], whole, self.reduced)
        self._emit("load", gm_dims(whole, self.reduced), {"dst": tile.view(), "src": source})
        tile = self._widen(tile, [t.dim() for t in self.reduced])
        return tile.view([*(0 for _ in self.kept), *tile.strides])

    def _widen(self, tile: Tile, dims: list[Dim]) -> Tile:
        if tile.dtype == self.dtype:
            return tile
        out = self.lower.builder.alloc("w", Memory.UB, tile.shape, self.dtype)
        self._emit("cast", dims, {"dst": out.view(), "src": tile.view()})
        return out

    def _emit(self, op: str, dims: list[Dim], operands: dict[str, Any], tap: Tap | None = None, **attrs: Any) -> None:
        self.lower.builder.emit(op, dims, operands, sources=self.lower.source(self.tiling.anchor), tap=tap, **attrs)
