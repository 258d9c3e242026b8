"""Attention: softmax(scale * q k^T + mask) v in one kernel; the scores stay on the chip.

A tile is a block of query rows of one or more heads. Over blocks of keys: scores from l0c to ub with scale and mask,
their exponentials through l0a into the product with the values. Where all keys fit at once, that is all. Otherwise
the softmax is online: a running maximum and sum for every row, and the result so far is scaled down whenever the
maximum grows. Both divide the result, not the scores, by the sum.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
from xdsl.ir import SSAValue

from vcc.dialects import graph
from vcc.passes.tile.access import IterAxis, iteration_axes
from vcc.passes.tile.attention_tiles import AttentionShape, AttentionTiles, blocks_at_a_time
from vcc.passes.tile.chain import ChainEmitter, TileAxis, dtype_of, tap_of, tensor_type
from vcc.passes.tile.epilogue import Epilogue
from vcc.passes.tile.lowering import KernelLowering, tile_counts
from vcc.passes.tile.piece import Piece, along_batch, load_piece, make_piece
from vcc.runtime.isa.dtypes import BY_NAME, DType
from vcc.runtime.isa.expr import Poly
from vcc.runtime.isa.kernel import Dim, Immediate, Memory, Operand, Role
from vcc.runtime.isa.table import accumulator_dtype


@dataclass(frozen=True)
class State:
    """What passes from one block of keys to the next beside the result so far: maximum and sum of each row."""

    top: Piece
    total: Piece


class AttentionTiling:
    """The tile and the code of one `graph.attention` with its epilogue.

    Loops: the batch axes of the result, of which the last are the heads; `m` rows, `n` columns of the values, `s`
    keys, `d` the depth.
    """

    def __init__(self, lower: KernelLowering, anchor: graph.AttentionOp):
        self.lower, self.anchor = lower, anchor
        out = tensor_type(anchor.result)
        shape = out.get_shape()
        self.rank = len(shape)
        self.axes = iteration_axes(out, [*(f"b{i}" for i in range(self.rank - 2)), "m", "n"])
        self.dtype: DType = dtype_of(anchor.q)
        self.accumulator = BY_NAME[accumulator_dtype(self.dtype.name, self.dtype.name) or "f32"]
        self.epilogue = Epilogue(lower, anchor, self.axes, self.accumulator, drains=False)
        lower.check_product(self.dtype)
        self.keys, self.depth = tensor_type(anchor.k).get_shape()[-2:]
        self.shape = self._shape(shape)

    def _shape(self, shape: Sequence[int]) -> AttentionShape:
        """What the search must know, from the shape of the result."""
        anchor, batch = self.anchor, shape[:-2]
        return AttentionShape(
            outer=prod(batch[:-1]),
            heads=batch[-1] if batch else 1,
            rows=shape[-2],
            keys=self.keys,
            depth=self.depth,
            columns=shape[-1],
            masked=anchor.mask is not None,
            shared=not any(along_batch(self.lower, value) for value in (anchor.k, anchor.v)),
            dense=(self._is_dense(anchor.q), self._is_dense(anchor.k), self._is_dense(anchor.v)),
        )

    def _is_dense(self, value: SSAValue) -> bool:
        """Whether a matrix's rows lie one after the other in global memory."""
        _, access = self.lower.access(value)
        (rows, columns) = (terms[-1] for terms in access.terms[-2:])
        return columns[1] == 1 and rows[1] == columns[0]

    def emit(self) -> None:
        """Choose tile sizes and build the kernel."""
        lower, builder = self.lower, self.lower.builder
        tiles = AttentionTiles(lower, self.shape, self.axes, self.epilogue, self.dtype, self.accumulator)
        self.sizes = tiles.choose()
        sizes = [int(size) for size in tiles.tile_sizes({name: np.asarray(size) for name, size in self.sizes.items()})]
        lower.open()
        with builder.forall(tile_counts(self.axes, sizes)) as variables:
            tile = lower.cut(self.axes, sizes, variables)
            self.batch, self.m, self.n = tile[:-2], tile[-2], tile[-1]
            emitter = ChainEmitter(builder, self.epilogue.plan, tile)
            trips = -(-self.keys // self.sizes["s"])
            query = None if self.sizes["d"] < self.depth else self._load_queries(self._part("d", self.depth, Poly()))
            if trips == 1:
                self._whole_rows(emitter, query)
            else:
                self._online(emitter, query, trips, int(blocks_at_a_time(np.asarray(trips))))
            self.epilogue.load(emitter)
            self.epilogue.finish(emitter)

    def _part(self, name: str, extent: int, step: Poly) -> TileAxis:
        """The part of the keys or of the depth that step `step` of its loop takes."""
        size = self.sizes[name]
        start = step * size
        left = self.lower.builder.minimum(size, extent - start) if extent % size else Poly.of(size)
        return TileAxis(IterAxis(name, self.rank, 1, extent), start, left, size)

    def _whole_rows(self, emitter: ChainEmitter, query: Piece | None) -> None:
        """All keys at once: the sum is known before the product with the values, which drain divides by it."""
        s = self._part("s", self.keys, Poly())
        rows = [*self.batch, self.m]
        scores = self._scores(self._times_keys(query, s), s)
        top, total = self._numbers("top"), self._numbers("total")
        self._emit("reduce.max", rows, {"dst": top, "src": scores}, reduced=[s])
        self._emit("sub", [*rows, s], {"dst": scores, "a": scores, "b": top})
        self._emit("exp", [*rows, s], {"dst": scores, "a": scores})
        self._emit("reduce.add", rows, {"dst": total, "src": scores}, reduced=[s])
        self._emit("recip", rows, {"dst": total, "a": total})
        product = self._times_values(scores, s)
        self._emit("drain", [*rows, self.n], {"dst": self._result(emitter), "src": product, "scale": total}, taps=True)

    def _online(self, emitter: ChainEmitter, query: Piece | None, blocks: int, together: int) -> None:
        """Blocks of keys one after the other; the result so far is relative to the maximum so far.

        With two blocks in an iteration the matrix unit has one of them while the vector unit has the other.
        """
        rows = [*self.batch, self.m]
        own = self._result(emitter)
        whole = [*rows, self.n]
        casts = self.dtype != self.accumulator
        result = make_piece(self.lower, "sum", Memory.UB, whole, self.accumulator) if casts else own
        state = State(self._numbers("top"), self._numbers("total"))
        lowest = float(np.finfo(self.accumulator.numpy).min)
        # Not -inf: a row whose first keys are all masked out by -inf would compute inf - inf.
        self._emit("copy", rows, {"dst": state.top, "src": Immediate(lowest)})
        self._emit("copy", rows, {"dst": state.total, "src": Immediate(0.0)})
        self._emit("copy", whole, {"dst": result, "src": Immediate(0.0)})
        with self.lower.builder.loop("s", blocks // together) as step:
            parts = [self._part("s", self.keys, step * together + i) for i in range(together)]
            products = [self._times_keys(query, s) for s in parts]
            updates = [self._block(state, product, s) for product, s in zip(products, parts, strict=True)]
            for shrink, product in updates:
                self._emit("mul", whole, {"dst": result, "a": result, "b": shrink})
                self._emit("drain", whole, {"dst": result, "src": product, "residual": result})
        self._emit("div", whole, {"dst": result, "a": result, "b": state.total}, taps=not casts)
        if casts:
            self._emit("cast", whole, {"dst": own, "src": result}, taps=True)

    def _block(self, state: State, product: Piece, s: TileAxis) -> tuple[Piece, Piece]:
        """Add the keys `s` to maximum and sum; by how much the result shrinks, and what is then added to it."""
        rows = [*self.batch, self.m]
        scores = self._scores(product, s)
        shrink = self._numbers("shrink")
        self._emit("copy", rows, {"dst": shrink, "src": state.top})
        self._emit("reduce.max", rows, {"dst": state.top, "src": scores}, reduced=[s], zero=Poly())
        self._emit("sub", rows, {"dst": shrink, "a": shrink, "b": state.top})
        self._emit("exp", rows, {"dst": shrink, "a": shrink})
        self._emit("sub", [*rows, s], {"dst": scores, "a": scores, "b": state.top})
        self._emit("exp", [*rows, s], {"dst": scores, "a": scores})
        self._emit("mul", rows, {"dst": state.total, "a": state.total, "b": shrink})
        self._emit("reduce.add", rows, {"dst": state.total, "src": scores}, reduced=[s], zero=Poly())
        return shrink, self._times_values(scores, s)

    def _load_queries(self, d: TileAxis) -> Piece:
        return load_piece(self.lower, "q", self.anchor.q, Memory.L0A, [*self.batch, self.m, d])

    def _times_keys(self, query: Piece | None, s: TileAxis) -> Piece:
        """The product of the queries with a block of keys, in l0c."""
        builder, rows = self.lower.builder, [*self.batch, self.m]
        product = make_piece(self.lower, "qk", Memory.L0C, [*rows, s], self.accumulator)
        trips = -(-self.depth // self.sizes["d"])
        with builder.loop("d", trips, "reduce") as step:
            d = self._part("d", self.depth, step)
            q = self._load_queries(d) if query is None else query
            order = len(tensor_type(self.anchor.k).get_shape())
            swapped = [*range(order - 2), order - 1, order - 2]
            k = load_piece(self.lower, "k", self.anchor.k, Memory.L0B, [*self.batch, d, s], swapped)
            self._multiply(product, q, k, self.m, s, d, builder.equals(step, 0))
        return product

    def _scores(self, product: Piece, s: TileAxis) -> Piece:
        """scale * q k^T + mask of a block of keys, in ub."""
        rows = [*self.batch, self.m]
        scores = make_piece(self.lower, "p", Memory.UB, [*rows, s], self.accumulator)
        operands: dict[str, Piece | Immediate] = {"dst": scores, "src": product}
        scale = float(self.anchor.scale.value.data)
        if scale != 1.0:
            operands["scale"] = Immediate(scale)
        if self.anchor.mask is not None:
            operands["residual"] = self._load_mask(self.anchor.mask, s)
        self._emit("drain", [*rows, s], operands)
        return scores

    def _load_mask(self, value: SSAValue, s: TileAxis) -> Piece:
        axes = [*self.batch, self.m, s]
        mask = load_piece(self.lower, "mask", value, Memory.UB, axes)
        if dtype_of(value) == self.accumulator:
            return mask
        kept = [t for t in axes if t.axis.name in mask.strides]
        wide = make_piece(self.lower, "mask", Memory.UB, kept, self.accumulator)
        self._emit("cast", kept, {"dst": wide, "src": mask})
        return wide

    def _times_values(self, scores: Piece, s: TileAxis) -> Piece:
        """The product of the exponentials in ub with the values of a block of keys, in l0c."""
        axes = [*self.batch, self.m, s]
        if self.dtype != self.accumulator:
            narrow = make_piece(self.lower, "p", Memory.UB, axes, self.dtype)
            self._emit("cast", axes, {"dst": narrow, "src": scores})
            scores = narrow
        p = make_piece(self.lower, "pa", Memory.L0A, axes, self.dtype)
        self._emit("mov", axes, {"dst": p, "src": scores})
        v = load_piece(self.lower, "v", self.anchor.v, Memory.L0B, [*self.batch, s, self.n])
        product = make_piece(self.lower, "pv", Memory.L0C, [*self.batch, self.m, self.n], self.accumulator)
        self._multiply(product, p, v, self.m, self.n, s, Poly.of(1))
        return product

    def _multiply(self, dst: Piece, a: Piece, b: Piece, m: TileAxis, n: TileAxis, k: TileAxis, zero: Poly) -> None:
        axes = [*self.batch, m, n, k]
        batch = [t.dim(Role.PARALLEL if t.axis.name in b.strides else Role.M) for t in self.batch]
        self.lower.builder.emit(
            "mmad",
            [*batch, m.dim(Role.M), n.dim(Role.N), k.dim(Role.K)],
            {"dst": dst.view(axes), "a": a.view(axes), "b": b.view(axes)},
            sources=self.lower.source(self.anchor),
            zero=zero,
        )

    def _numbers(self, name: str) -> Piece:
        """A number for each row."""
        return make_piece(self.lower, name, Memory.UB, [*self.batch, self.m], self.accumulator)

    def _result(self, emitter: ChainEmitter) -> Piece:
        """The buffer from which the epilogue goes on."""
        tile = emitter.buffer(self.epilogue.plan.home[self.anchor.result], "y")
        names = [t.axis.name for t in emitter.tile]
        return Piece(tile, dict(zip(names, tile.strides, strict=True)))

    def _emit(
        self, op: str, axes: Sequence[TileAxis], operands: dict[str, Piece | Immediate],
        reduced: Sequence[TileAxis] = (), taps: bool = False, **attrs: Poly,
    ) -> None:  # fmt: skip
        """An instruction over these loops; pieces are broadcast along loops that they do not have."""
        domain = [*axes, *reduced]
        dims: list[Dim] = [*(t.dim() for t in axes), *(t.dim(Role.REDUCE) for t in reduced)]
        views: dict[str, Operand] = {
            role: operand.view(domain) if isinstance(operand, Piece) else operand for role, operand in operands.items()
        }
        tap = tap_of(self.anchor.result, self.lower.taps.get(self.anchor), axes) if taps else None
        self.lower.builder.emit(op, dims, views, sources=self.lower.source(self.anchor), tap=tap, **attrs)


def tile_attention(lower: KernelLowering) -> None:
    """Tile a kernel whose anchor is a `graph.attention`."""
    anchor = next(op for op in lower.ops if isinstance(op, graph.AttentionOp))
    AttentionTiling(lower, anchor).emit()
