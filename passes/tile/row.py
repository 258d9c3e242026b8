"""Row kernels: softmax and layer norm. A tile holds whole rows, the reduced loops complete.

`RowTiling` serves plain reductions too (reduce.py), whose rows may come in parts.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
from xdsl.dialects.builtin import FloatAttr
from xdsl.ir import Operation, SSAValue

from vcc.dialects import graph
from vcc.passes.tile.access import IterAxis, block_of, iteration_axes, splits_of
from vcc.passes.tile.builder import Tile, dim
from vcc.passes.tile.chain import ChainEmitter, TileAxis, dtype_of, gm_dims, gm_view, plan_chain, tap_of, tensor_type
from vcc.passes.tile.lowering import KernelLowering, tile_counts
from vcc.passes.tile.search import Sizes, choose_tile, padded, tile_candidates, waves
from vcc.runtime.isa.dtypes import DType
from vcc.runtime.isa.expr import ZERO, Poly
from vcc.runtime.isa.kernel import Dim, Immediate, Memory, Pipe, Role, Tap, View
from vcc.runtime.machine.cost import transfer_cycles, vector_cycles


class RowTiling:
    """Loops over the input of a row operation: those that stay and those that are reduced.

    The elementwise operations after it run on the tile of its result: the kept loops for a reduction, all loops for
    softmax and layer norm.
    """

    def __init__(self, lower: KernelLowering, anchor: Operation, value: SSAValue, axes: Sequence[int], whole: bool):
        self.lower, self.anchor, self.value = lower, anchor, value
        type = tensor_type(value)
        rank = len(type.get_shape())
        reduced = {axis % rank for axis in axes}
        arg, self.access = lower.access(value)
        self.arg = arg
        splits = splits_of([self.access])
        block = block_of(tensor_type(anchor.results[0]))
        if block is not None and len(tensor_type(anchor.results[0]).get_shape()) == rank:
            splits.setdefault(*block)
        loops = iteration_axes(type, splits=splits)
        self.kept = [axis for axis in loops if axis.axis not in reduced]
        self.reduced = [axis for axis in loops if axis.axis in reduced]
        self.loops = [*self.kept, *self.reduced]
        self.whole = whole
        self.result_axes = self._result_axes(rank, reduced)
        ops = lower.elementwise
        shape = tensor_type(anchor.results[0]).get_shape()
        self.accesses, self.args = lower.operand_accesses(ops, anchor.results, shape)
        given: dict[SSAValue, tuple[DType, bool]] = {anchor.results[0]: (dtype_of(anchor.results[0]), True)}
        self.plan = plan_chain(ops, self.accesses, self.result_axes, given, [lower.result])

    def _result_axes(self, rank: int, reduced: set[int]) -> list[IterAxis]:
        """The loops over the anchor's result, in terms of its own axes."""
        if self.whole:
            return self.loops
        result = tensor_type(self.anchor.results[0])
        if len(result.get_shape()) == rank:
            return self.kept
        order = [axis for axis in range(rank) if axis not in reduced]
        return [IterAxis(a.name, order.index(a.axis), a.step, a.extent) for a in self.kept]

    def choose_rows(self, parameters: int, passes: int) -> int:
        """How many whole rows (along the innermost kept loop) a tile has.

        `parameters` are tensors of one row that every tile loads, `passes` the vector instructions over a tile.
        """
        machine, dtype = self.lower.machine, dtype_of(self.value)
        row = prod(axis.extent for axis in self.reduced)
        rows = self.kept[-1].extent if self.kept else 1
        others = prod(axis.extent for axis in self.kept[:-1])

        def footprint(s: Sizes, slots: int) -> dict[Memory, Any]:
            loaded = slots * padded(s["rows"] * row * dtype.size) + parameters * padded(row * dtype.size)
            numbers = 2 * padded(s["rows"] * dtype.size)
            return {Memory.UB: loaded + numbers + self.plan.nbytes(self.result_sizes(s["rows"]), slots)}

        def cost(s: Sizes) -> Any:
            elements = s["rows"] * row
            loads: Any = transfer_cycles(machine, Pipe.IN, elements * dtype.size)
            vector: Any = passes * vector_cycles(machine, dtype.name, elements)
            tiles = others * -(-rows // s["rows"])
            return waves(machine, tiles) * np.maximum(loads, vector) + loads + vector

        candidates = {"rows": tile_candidates(rows)}
        return choose_tile(machine, candidates, footprint, cost, node=self.lower.node, what="a row")["rows"]

    def result_sizes(self, rows: Any) -> list[Any]:
        kept: list[Any] = [1] * (len(self.kept) - 1) + ([rows] if self.kept else [])
        return [*kept, *(axis.extent for axis in self.reduced)] if self.whole else kept

    def kept_sizes(self, rows: int) -> list[int]:
        """The tile's size along every kept loop."""
        return [1] * (len(self.kept) - 1) + ([rows] if self.kept else [])

    def load(self, tile: Sequence[TileAxis]) -> Tile:
        """Load the input of a tile in the loops' order."""
        buffer = self.lower.builder.alloc("x", Memory.UB, [t.max for t in tile], dtype_of(self.value))
        source = gm_view(self.lower.params[self.arg], self.access, tile)
        self.lower.builder.emit(
            "load",
            gm_dims(self.access, tile),
            {"dst": buffer.view(), "src": source},
            sources=self.lower.view_sources(self.value) + self.lower.source(self.anchor),
            fill=self.access.fill,
        )
        return buffer

    def finish(self, emitter: ChainEmitter) -> None:
        """The elementwise operations after the anchor, and the store."""
        lower = self.lower
        for value, number in self.plan.loads:
            users = [op for op in lower.ops if value in op.operands]
            sources = lower.view_sources(value) + lower.source(*users)
            emitter.load_one(value, number, lower.params[self.args[value]], self.accesses[value], sources)
        emitter.compute(lower.sources, lower.taps)
        last = self.plan.steps[-1].op if self.plan.steps else self.anchor
        sources = lower.source(last) + lower.stored_sources()
        emitter.store(lower.result, lower.output, lower.destination(), sources)

    def forall(self, rows: int) -> dict[str, int]:
        """How many tiles of `rows` rows there are along each kept loop."""
        return tile_counts(self.kept, self.kept_sizes(rows)) or {"i": 1}

    def result_tile(self, tile: Sequence[TileAxis]) -> list[TileAxis]:
        """The tile along the loops of the anchor's result."""
        return [TileAxis(axis, t.start, t.size, t.max) for axis, t in zip(self.result_axes, tile, strict=False)]


class _Rows:
    """Emits instructions over whole rows: element by element, or along the rows to one number each."""

    def __init__(self, tiling: RowTiling, tile: Sequence[TileAxis]):
        self.tiling, self.lower = tiling, tiling.lower
        self.kept, self.reduced = tile[: len(tiling.kept)], tile[len(tiling.kept) :]
        self.dtype = dtype_of(tiling.value)

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

    def reduce(self, op: str, source: Tile, hint: str) -> Tile:
        """Combine each row into one number."""
        out = self.scalars(hint)
        self._emit(op, self.dims(Role.REDUCE), {"dst": self.per_row(out), "src": source.view()})
        return out

    def apply(self, op: str, dst: Tile, tap: Tap | None = None, **operands: View | Immediate) -> None:
        """An elementwise instruction over the tile."""
        self._emit(op, self.dims(), {"dst": dst.view(), **operands}, tap)

    def on_rows(self, op: str, dst: Tile, **operands: View | Immediate) -> None:
        """An elementwise instruction over the rows' numbers."""
        self._emit(op, [t.dim() for t in self.kept] or [dim("i", 1)], {"dst": dst.view(), **operands})

    def _emit(self, op: str, dims: list[Dim], operands: dict[str, Any], tap: Tap | None = None) -> None:
        self.lower.builder.emit(op, dims, operands, sources=self.lower.source(self.tiling.anchor), tap=tap)


def _tile_rows(lower: KernelLowering, tiling: RowTiling, parameters: int, passes: int) -> None:
    """Tile softmax or layer norm: whole rows in ub, worked on in place."""
    builder, anchor = lower.builder, tiling.anchor
    count = tiling.choose_rows(parameters, passes)
    lower.open()
    with builder.forall(tiling.forall(count)) as variables:
        kept = lower.cut(tiling.kept, tiling.kept_sizes(count), variables)
        reduced = [TileAxis(axis, ZERO, Poly.of(axis.extent), axis.extent) for axis in tiling.reduced]
        tile = [*kept, *reduced]
        emitter = ChainEmitter(builder, tiling.plan, tile)
        x = tiling.load(tile)
        out = emitter.buffer(tiling.plan.home[anchor.results[0]], "y")
        rows = _Rows(tiling, tile)
        tap = tap_of(anchor.results[0], lower.taps.get(anchor), tile)
        if isinstance(anchor, graph.SoftmaxOp):
            _softmax(rows, x, out, tap)
        elif isinstance(anchor, graph.RmsNormOp):
            _rms_norm(rows, anchor, x, out, tap)
        else:
            assert isinstance(anchor, graph.LayerNormOp)
            _layer_norm(rows, anchor, x, out, tap)
        tiling.finish(emitter)


def _softmax(rows: _Rows, x: Tile, out: Tile, tap: Tap | None) -> None:
    """exp(x - max) / sum(exp(x - max)), safe for any finite input."""
    top = rows.reduce("reduce.max", x, "top")
    rows.apply("sub", out, a=x.view(), b=rows.per_row(top))
    rows.apply("exp", out, a=out.view())
    total = rows.reduce("reduce.add", out, "total")
    rows.apply("div", out, tap, a=out.view(), b=rows.per_row(total))


def _layer_norm(rows: _Rows, anchor: graph.LayerNormOp, x: Tile, out: Tile, tap: Tap | None) -> None:
    """Two passes, so that the variance of values far from zero keeps its digits."""
    count = prod(t.max for t in rows.reduced)
    mean = rows.reduce("reduce.add", x, "mean")
    rows.on_rows("mul", mean, a=mean.view(), b=Immediate(1.0 / count))
    rows.apply("sub", out, a=x.view(), b=rows.per_row(mean))
    rows.apply("mul", x, a=out.view(), b=out.view())
    variance = rows.reduce("reduce.add", x, "var")
    _reciprocal_deviation(rows, variance, count, anchor.epsilon)
    rows.apply("mul", out, a=out.view(), b=rows.per_row(variance))
    last = anchor.bias is None
    rows.apply("mul", out, tap if last else None, a=out.view(), b=_parameter(rows, anchor.scale, "scale"))
    if anchor.bias is not None:
        rows.apply("add", out, tap, a=out.view(), b=_parameter(rows, anchor.bias, "bias"))


def _rms_norm(rows: _Rows, anchor: graph.RmsNormOp, x: Tile, out: Tile, tap: Tap | None) -> None:
    """x * rsqrt(mean(x * x) + epsilon) * scale."""
    rows.apply("mul", out, a=x.view(), b=x.view())
    square = rows.reduce("reduce.add", out, "square")
    _reciprocal_deviation(rows, square, prod(t.max for t in rows.reduced), anchor.epsilon)
    rows.apply("mul", out, a=x.view(), b=rows.per_row(square))
    rows.apply("mul", out, tap, a=out.view(), b=_parameter(rows, anchor.scale, "scale"))


def _reciprocal_deviation(rows: _Rows, total: Tile, count: int, epsilon: FloatAttr[Any]) -> None:
    """Each row's sum of squares becomes rsqrt(sum / count + epsilon)."""
    rows.on_rows("mul", total, a=total.view(), b=Immediate(1.0 / count))
    rows.on_rows("add", total, a=total.view(), b=Immediate(float(epsilon.value.data)))
    rows.on_rows("rsqrt", total, a=total.view())


def _parameter(rows: _Rows, value: SSAValue, hint: str) -> View:
    """Load a tensor of one row's shape; its view over the tile."""
    lower = rows.lower
    arg, access = lower.access(value)
    shape = tensor_type(rows.tiling.value).get_shape()
    whole = access.broadcast_to(shape)
    tile = lower.builder.alloc(hint, Memory.UB, [t.max for t in rows.reduced], rows.dtype)
    source = gm_view(lower.params[arg], whole, rows.reduced)
    lower.builder.emit(
        "load", gm_dims(whole, rows.reduced), {"dst": tile.view(), "src": source},
        sources=lower.source(rows.tiling.anchor),
    )  # fmt: skip
    return tile.view([*(0 for _ in rows.kept), *tile.strides])


def tile_softmax(lower: KernelLowering) -> None:
    """Tile a kernel whose anchor is a `graph.softmax`."""
    anchor = next(op for op in lower.ops if isinstance(op, graph.SoftmaxOp))
    tiling = RowTiling(lower, anchor, anchor.x, [anchor.axis.value.data], whole=True)
    _tile_rows(lower, tiling, 0, 12)


def tile_layer_norm(lower: KernelLowering) -> None:
    """Tile a kernel whose anchor is a `graph.layer_norm`."""
    anchor = next(op for op in lower.ops if isinstance(op, graph.LayerNormOp))
    rank = len(tensor_type(anchor.x).get_shape())
    first = anchor.axis.value.data % rank
    tiling = RowTiling(lower, anchor, anchor.x, list(range(first, rank)), whole=True)
    _tile_rows(lower, tiling, 2, 10)


def tile_rms_norm(lower: KernelLowering) -> None:
    """Tile a kernel whose anchor is a `graph.rms_norm`."""
    anchor = next(op for op in lower.ops if isinstance(op, graph.RmsNormOp))
    rank = len(tensor_type(anchor.x).get_shape())
    tiling = RowTiling(lower, anchor, anchor.x, list(range(anchor.axis.value.data, rank)), whole=True)
    _tile_rows(lower, tiling, 1, 8)
