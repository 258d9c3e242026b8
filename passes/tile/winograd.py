"""3x3 convolution by Winograd's minimal filtering: fewer products for more sums; see winograd_transforms.py.

A tile is some rows and columns of blocks of m x m outputs. Its input, border included, is in ub; vector instructions
transform rows, then columns of each block, which gives (m + 2)^2 matrices [blocks, channels]. Each goes through l0a
into a product of its own with the weights, which are transformed at compile time; all products are one `mmad`, whose
sums the vector unit takes back to outputs. What follows the convolution is a chain in ub, as after other anchors.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vcc.dialects import graph
from vcc.passes.tile.access import IterAxis, block_of, iteration_axes
from vcc.passes.tile.builder import Tile, dim, row_major
from vcc.passes.tile.chain import ChainEmitter, TileAxis, dtype_of, tap_of, tensor_type
from vcc.passes.tile.epilogue import Epilogue
from vcc.passes.tile.lowering import KernelLowering, Pack, tile_counts
from vcc.passes.tile.window import WindowInput, channel_block
from vcc.passes.tile.winograd_tiles import WinogradTiles
from vcc.passes.tile.winograd_transforms import (
    POINTS,
    TAPS,
    Form,
    Step,
    by_columns,
    by_rows,
    direct_error,
    form,
    temporaries,
    transform_weights,
)
from vcc.runtime.diagnostics import VccError
from vcc.runtime.isa.dtypes import BY_NAME
from vcc.runtime.isa.expr import ZERO, Poly
from vcc.runtime.isa.kernel import Dim, Immediate, Memory, Role, Tap, View

F32 = BY_NAME["f32"]
#: The largest expected error of a convolution (relative, L2) with which a form is used: what a direct convolution of a
#: few hundred channels has, a tenth of what whole models may differ by.
LARGEST_ERROR = 1e-6


@dataclass(frozen=True)
class Output:
    """Where a transform puts an output, over which domain (none: it is not wanted), and what it begins with."""

    view: View
    dims: Sequence[Dim]
    start: View | None = None
    tap: Tap | None = None


def is_eligible(lower: KernelLowering, anchor: graph.ConvOp) -> bool:
    """Whether a convolution has the shape that minimal filtering is for: 3x3 in f32, every step, constant weights.

    Kernels that dequantise or quantise are left alone: where scales are powers of two, direct sums are exact and ties
    frequent, so that any error is a step of the result.
    """
    window = anchor.window
    plain = set(window.strides) == {1} and set(window.dilations) == {1} and anchor.group.value.data == 1
    exact = {dtype_of(anchor.x), dtype_of(anchor.w)} == {F32} and "f32" in lower.machine.macs
    casts = [value for op in lower.ops if isinstance(op, graph.CastOp) for value in (*op.operands, *op.results)]
    exact = exact and all(dtype_of(value).is_float for value in casts)
    return tuple(window.kernel) == (TAPS, TAPS) and plain and exact and lower.is_packable(anchor.w) is not None


class WinogradTiling:
    """The code of one `graph.conv` with its epilogue, by `form`. Raises `VccError` E0140 if no tile of it fits."""

    def __init__(self, lower: KernelLowering, anchor: graph.ConvOp, form: Form):
        self.lower, self.anchor, self.form = lower, anchor, form
        out = tensor_type(anchor.result)
        self.columns, depth = tensor_type(anchor.w).get_shape()[:2]
        block = block_of(out)
        self.out_block = block[1] if block is not None else 1
        self.axes = iteration_axes(out, ["n", "o", "oh", "ow"])
        self.x = WindowInput(lower, anchor, anchor.x, anchor.window, channel_block(lower, anchor, anchor.x, depth), 0.0)
        self.channels, self.blocks = depth, depth // self.x.block
        self.epilogue = Epilogue(lower, anchor, self.axes, F32, anchor.bias, 1, drains=False)
        self.tiles = WinogradTiles(
            lower.machine, form, self.x, self.axes, self.epilogue, self.columns, self.blocks, self.out_block
        )
        self.sizes = self.tiles.choose(lower.node)
        self.cycles = float(self.tiles.cost({name: np.asarray(size) for name, size in self.sizes.items()}))
        self.sources = lower.source(anchor)

    def emit(self) -> None:
        """Build the kernel."""
        lower, sizes, builder = self.lower, self.sizes, self.lower.builder
        number = lower.is_packable(self.anchor.w)
        assert number is not None, "only constant weights can be transformed beforehand"
        lower.open({number: self._pack(sizes["o"])})
        lower.remarks.append(self._remark())
        tile_sizes = [int(n) for n in self.tiles.tile_sizes({k: np.asarray(v) for k, v in sizes.items()})]
        counts = tile_counts(self.axes, tile_sizes)
        column, shared = "oo" if "oo" in counts else "o", max(1, sizes["p"])
        counts[column] = -(-self.columns // sizes["o"]) // shared
        with builder.forall(counts) as variables:
            places = self._places(tile_sizes, variables)
            whole = self._transform_whole(places) if sizes["p"] else None
            with builder.loop("p", shared, "parallel") as panel:
                variables[column] = variables[column] * shared + panel
                tile = [places.get(axis.name) or self._channels(axis, size, variables)
                        for axis, size in zip(self.axes, tile_sizes, strict=True)]  # fmt: skip
                sums = self._multiply(places, variables[column], whole)
                self._take_back(sums, tile)

    def _remark(self) -> str:
        error, direct = self.form.expected_error(self.channels), direct_error(self.channels * TAPS * TAPS)
        return (
            f"3x3 convolution by Winograd's {self.form}: {self.form.size**2} multiplications for {self.form.m**2} "
            f"outputs, not {(self.form.m * TAPS) ** 2}, weights of {self.form.size**2 / TAPS**2:.2g} times the bytes; "
            f"expected error {error:.1e} of the result ({direct:.1e} of a direct one)"
        )

    def _places(self, sizes: Sequence[int], variables: dict[str, Poly]) -> dict[str, TileAxis]:
        """The tile along the images and the spatial axes, by name."""
        kept = [(axis, size) for axis, size in zip(self.axes, sizes, strict=True) if axis.axis != 1]
        return {t.axis.name: t for t in self.lower.cut([a for a, _ in kept], [s for _, s in kept], variables)}

    def _channels(self, axis: IterAxis, size: int, variables: dict[str, Poly]) -> TileAxis:
        """The tile along a loop over output channels."""
        if axis.name == "oi":
            return TileAxis(axis, ZERO, Poly.of(size), size)
        start = variables[axis.name] * size
        left = self.lower.builder.minimum(size, axis.extent - start) if axis.extent % size else Poly.of(size)
        return TileAxis(axis, start, left, size)

    def _pack(self, width: int) -> Pack:
        """Weights [filters, channels, 3, 3] as [panel, product, channel, filter], transformed."""
        form, columns, channels = self.form, self.columns, self.channels
        panels, products = -(-columns // width), form.size**2

        def apply(array: NDArray[Any]) -> NDArray[Any]:
            table = np.zeros((products, channels, panels * width), np.float32)
            table[:, :, :columns] = transform_weights(form, array)
            split = table.reshape(products, channels, panels, width)
            return np.ascontiguousarray(split.transpose(2, 0, 1, 3)).reshape(-1)

        note = f"conv weights of {form} in panels of {width}: [{panels}, {products}, {channels}, {width}]"
        return Pack(panels * products * channels * width, apply, note)

    def _transform_whole(self, places: dict[str, TileAxis]) -> Tile:
        """The transformed input of all channels."""
        v = self._allocate("v", self.blocks)
        part = self.sizes["c"]
        with self.lower.builder.loop("v", self.blocks // part, "parallel") as step:
            self._transform(places, step * part, v, step * part)
        return v

    def _allocate(self, name: str, blocks: int, memory: Memory = Memory.UB) -> Tile:
        """A buffer for transformed input: [product, channel block, output block, channel]."""
        count = self.sizes["r"] * self.sizes["q"]
        return self.lower.builder.alloc(name, memory, [self.form.size**2, blocks, count, self.x.block], F32)

    def _transform(self, places: dict[str, TileAxis], first: Poly, v: Tile, at: Poly) -> None:
        """Load a step's channel blocks from `first` on and transform them into `v` from block `at` on."""
        builder, size, m = self.lower.builder, self.form.size, self.form.m
        r, q, c, block = self.sizes["r"], self.sizes["q"], self.sizes["c"], self.x.block
        whole = [replace(places[name], size=Poly.of(n * m), max=n * m) for name, n in (("oh", r), ("ow", q))]
        x = self.x.load(Memory.UB, whole, places["n"].start, first, Poly.of(c), c, self.sources)
        wide = x.shape[2]
        halfway = builder.alloc("h", Memory.UB, [size, c, r, wide, block], F32)
        dims = [dim("c", c), dim("r", r), dim("x", wide * block)]
        self._steps(
            by_rows(self.form.inputs),
            dims,
            [x.view([x.strides[0], m * x.strides[1], 1], i * x.strides[1]) for i in range(size)],
            [Output(halfway.view([*halfway.strides[1:3], 1], i * halfway.strides[0]), dims) for i in range(size)],
        )
        dims = [dim("i", size), dim("c", c), dim("r", r), dim("q", q), dim("ci", block)]
        near = (size * v.strides[0], v.strides[1], q * block, block, 1)
        base = at * v.strides[1]
        self._steps(
            by_rows(self.form.inputs),
            dims,
            [halfway.view([*halfway.strides[:3], m * block, 1], j * block) for j in range(size)],
            [Output(v.view(near, base + j * v.strides[0]), dims) for j in range(size)],
        )

    def _steps(
        self, steps: Sequence[Step], dims: Sequence[Dim], inputs: Sequence[View], outputs: Sequence[Output]
    ) -> None:
        """The vector instructions of a transform; those that make an output are over that one's own domain, if any."""
        builder, dense = self.lower.builder, row_major([d.max for d in dims])
        extent = dims[0].max * dense[0]
        shared = [builder.alloc("t", Memory.UB, [extent], F32).view(dense) for _ in range(temporaries(steps))]
        for step in steps:
            of = outputs[step.dst[1]] if step.dst[0] == "out" else None
            if of is not None and not of.dims:
                continue
            places: dict[str, Sequence[View]] = {"in": inputs, "temporary": shared, "out": [o.view for o in outputs]}
            if of is not None and of.start is not None:
                places["start"] = [of.start]
            views = [places[o[0]][o[1]] if isinstance(o, tuple) else Immediate(o) for o in step.operands]
            roles = ("src",) if step.op == "copy" else ("a", "b", "c")
            builder.emit(
                step.op,
                dims if of is None else of.dims,
                {"dst": places[step.dst[0]][step.dst[1]], **dict(zip(roles, views, strict=False))},
                sources=self.sources,
                tap=of.tap if of is not None and step.last else None,
            )

    def _multiply(self, places: dict[str, TileAxis], panel: Poly, whole: Tile | None) -> Tile:
        """The sums [product, output block, channel] of a panel in l0c."""
        builder, sizes = self.lower.builder, self.sizes
        count, width, products = sizes["r"] * sizes["q"], sizes["o"], self.form.size**2
        sums = builder.alloc("acc", Memory.L0C, [products, count, width], F32)
        blocks = self.blocks if whole else sizes["c"]
        with builder.loop("c", self.blocks // blocks, "reduce") as step:
            v = whole
            if v is None:
                v = self._allocate("v", blocks)
                self._transform(places, step * blocks, v, ZERO)
            a = self._allocate("a", blocks, Memory.L0A)
            dims, views = [dim("e", v.strides[0] * products)], {"dst": a.view([1]), "src": v.view([1])}
            builder.emit("mov", dims, views, sources=self.sources)
            u = self._load_weights(panel, step * blocks, blocks)
            builder.emit(
                "mmad",
                [dim("t", products), dim("p", count, role=Role.M), dim("o", width, role=Role.N),
                 dim("c", blocks, role=Role.K), dim("ci", self.x.block, role=Role.K)],
                {
                    "dst": sums.view([count * width, width, 1, 0, 0]),
                    "a": a.view([a.strides[0], self.x.block, 0, a.strides[1], 1]),
                    "b": u.view([u.strides[0], 0, 1, self.x.block * width, width]),
                },
                sources=self.sources,
                zero=builder.equals(step, 0),
            )  # fmt: skip
        return sums

    def _load_weights(self, panel: Poly, first: Poly, blocks: int) -> Tile:
        """Load [product, channel, filter] of the transformed weights, the channels from those of block `first` on."""
        width, products, part = self.sizes["o"], self.form.size**2, blocks * self.x.block
        u = self.lower.builder.alloc("u", Memory.L0B, [products, part, width], F32)
        arg, _ = self.lower.access(self.anchor.w)
        base = panel * (products * self.channels * width) + first * (self.x.block * width)
        view = View(self.lower.params[arg], tuple(map(Poly.of, (self.channels * width, 1))), base)
        dims = [dim("t", products), dim("e", part * width)]
        self.lower.builder.emit("load", dims, {"dst": u.view([part * width, 1]), "src": view}, sources=self.sources)
        return u

    def _take_back(self, sums: Tile, tile: Sequence[TileAxis]) -> None:
        """Transform the sums to outputs, add the bias, and do what follows the convolution."""
        builder, size, m = self.lower.builder, self.form.size, self.form.m
        r, q, width = self.sizes["r"], self.sizes["q"], self.sizes["o"]
        emitter = ChainEmitter(builder, self.epilogue.plan, tile)
        self.epilogue.load(emitter)
        drained = builder.alloc("m", Memory.UB, sums.shape, F32)
        dims, views = [dim("e", size * size * r * q * width)], {"dst": drained.view([1]), "src": sums.view([1])}
        builder.emit("drain", dims, views, sources=self.sources)
        # Rows first; they lie one after the other, so that the next transform can take as many as there are.
        back = builder.alloc("b", Memory.UB, [r * m, size, q * width], F32)
        of_row, of_column = drained.strides[0] * size, drained.strides[0]
        dims = [dim("j", size), dim("r", r), dim("e", q * width)]
        self._steps(
            by_columns(self.form.outputs),
            dims,
            [drained.view([of_column, q * width, 1], i * of_row) for i in range(size)],
            [Output(back.view([back.strides[1], m * back.strides[0], 1], y * back.strides[0]), dims) for y in range(m)],
        )
        self._take_columns_back(back, tile, emitter)
        self.epilogue.finish(emitter)

    def _take_columns_back(self, back: Tile, tile: Sequence[TileAxis], emitter: ChainEmitter) -> None:
        """The second transform of the sums, into the buffer where what follows expects the convolution's result.

        Every m-th column of the outputs is a domain of its own, with no more columns than there are.
        """
        form, (q, width) = self.form, (self.sizes["q"], self.sizes["o"])
        along = next(i for i, t in enumerate(tile) if t.axis.name == "ow")
        strides = {"oh": back.strides[0], "ow": width, "oo": self.out_block, "oi": 1, "o": 1}
        source = [strides.get(t.axis.name, 0) for t in tile]
        result = emitter.view(self.epilogue.plan.home[self.anchor.result])
        tap = tap_of(self.anchor.result, self.lower.taps.get(self.anchor), tile)
        bias = self.anchor.bias
        start = None if bias is None else emitter.view(self.epilogue.plan.home[bias])
        dims = [t.dim() for t in tile]
        columns = tile[along].size.constant
        assert columns is not None, "columns are cut without a rest"
        outputs = list[Output]()
        for x in range(form.m):
            count = -(-(columns - x) // form.m)
            own = [*dims[:along], dim("q", count), *dims[along + 1 :]] if count > 0 else []
            at = Tap(tap.value, *_every(form.m, x, along, tap.strides, tap.base)) if tap else None
            outputs.append(Output(View(result.buffer, *_every(form.m, x, along, result.strides, result.base)),
                                  own, start, at))  # fmt: skip
        inputs = [back.view(source, j * back.strides[1]) for j in range(form.size)]
        dims[along] = dim("q", q)
        self._steps(by_columns(form.outputs, started=bias is not None), dims, inputs, outputs)


def _every(step: int, first: int, along: int, strides: Sequence[Poly], base: Poly) -> tuple[tuple[Poly, ...], Poly]:
    """Strides and base of a view of every `step`-th element along a dimension, from element `first` on."""
    return (*strides[:along], strides[along] * step, *strides[along + 1 :]), base + strides[along] * first


def fastest_winograd(lower: KernelLowering, anchor: graph.ConvOp) -> WinogradTiling | None:
    """The form of least cost of those that the machine's description allows and whose expected error is small enough.

    None for a convolution that is not eligible, or of which no tile fits.
    """
    found = list[WinogradTiling]()
    if not is_eligible(lower, anchor):
        return None
    channels = tensor_type(anchor.w).get_shape()[1]
    for m in POINTS:
        if m > lower.machine.winograd or form(m).expected_error(channels) > LARGEST_ERROR:
            continue
        with suppress(VccError):  # what does not fit is no choice
            found.append(WinogradTiling(lower, anchor, form(m)))
    return min(found, key=lambda tiling: tiling.cycles, default=None)
