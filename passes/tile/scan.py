"""Running sums: every part of a row is scanned and raised by the sum of the parts before, which is carried on chip.

From the end to the beginning is the same along negative strides.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from vcc.dialects import graph
from vcc.passes.tile.access import Access, IterAxis, iteration_axes
from vcc.passes.tile.chain import TileAxis, dtype_of, gm_view, tap_of, tensor_type
from vcc.passes.tile.lowering import KernelLowering, tile_counts
from vcc.passes.tile.search import Sizes, choose_tile, divisors, padded, rounds, tile_candidates, waves
from vcc.runtime.isa.expr import ONE, ZERO, Poly
from vcc.runtime.isa.kernel import Immediate, Memory, Pipe, Role, Tap, View
from vcc.runtime.machine.cost import transfer_cycles, vector_cycles

#: Rows that lie side by side, columns of a matrix, are summed so many at a time at least: shorter pieces of memory cost
#: more. Twice as many where the pieces are a multiple of PAGE bytes apart, and meet in few sets of the caches.
BESIDE, PAGE = 120, 4096
#: A tile has a number of rows that leaves no rest if there is one below so many times the least.
MOST = 8


def tile_cumsum(lower: KernelLowering) -> None:
    """Tile a kernel whose anchor is a `graph.cumsum`."""
    anchor = next(op for op in lower.ops if isinstance(op, graph.CumSumOp))
    builder, dtype = lower.builder, dtype_of(anchor.x)
    type = tensor_type(anchor.result)
    arg, source = lower.access(anchor.x)
    target = Access.of(type)
    axis = anchor.axis.value.data
    if anchor.reverse:
        source, target = _backwards(source, axis), _backwards(target, axis)
    loops = iteration_axes(type)
    kept, along = [loop for loop in loops if loop.axis != axis], loops[axis]
    counts = _row_counts(lower, source, kept, along)
    sizes = _choose(lower, prod(loop.extent for loop in kept[:-1]), counts, along.extent)
    rows, part = sizes["rows"], sizes["part"]
    kept_sizes = [1] * (len(kept) - 1) + ([rows] if kept else [])
    trips = -(-along.extent // part)
    sources = lower.source(anchor)
    lower.open()
    with builder.forall(tile_counts(kept, kept_sizes) or {"i": 1}) as variables:
        tile = lower.cut(kept, kept_sizes, variables)
        own = [t.dim() for t in tile]
        carry = builder.alloc("carry", Memory.UB, [t.max for t in tile] or [1], dtype) if trips > 1 else None
        held = carry.view(carry.strides if tile else []) if carry else None
        if held:
            builder.emit("copy", own, {"dst": held, "src": Immediate(0)}, sources=sources)
        with builder.loop("r", trips) as step:
            start = step * part
            size = builder.minimum(part, along.extent - start) if along.extent % part else Poly.of(part)
            whole = [*tile, TileAxis(along, start, size, part)]
            dims = [t.dim() for t in whole]
            x = builder.alloc("x", Memory.UB, [t.max for t in whole], dtype)
            y = builder.alloc("y", Memory.UB, [t.max for t in whole], dtype)
            operands = {"dst": x.view(), "src": gm_view(lower.params[arg], source, whole)}
            builder.emit("load", dims, operands, sources=lower.view_sources(anchor.x) + sources)
            tap = tap_of(anchor.result, lower.taps.get(anchor), whole)
            if tap and anchor.reverse:
                mirrored = gm_view("", target, whole)
                tap = Tap(tap.value, mirrored.strides, mirrored.base)
            scanned = [*own, whole[-1].dim(Role.SCAN)]
            operands = {"dst": y.view(), "src": x.view()}
            builder.emit("scan.add", scanned, operands, sources=sources, tap=tap if trips == 1 else None)
            if held:
                before = View(held.buffer, (*held.strides, ZERO))
                operands = {"dst": y.view(), "a": y.view(), "b": before}
                builder.emit("add", dims, operands, sources=sources, tap=tap)
                last = y.view(y.strides[:-1], size - ONE)
                builder.emit("copy", own, {"dst": held, "src": last}, sources=sources)
            operands = {"dst": gm_view(lower.output, target, whole), "src": y.view()}
            builder.emit("store", dims, operands, sources=sources)


def _backwards(access: Access, axis: int) -> Access:
    """The access with an axis from its end to its beginning."""
    ((extent, stride),) = access.terms[axis]
    terms = (*access.terms[:axis], ((extent, -stride),), *access.terms[axis + 1 :])
    return Access(terms, access.base + (extent - 1) * stride, access.valid, access.fill)


def _row_counts(lower: KernelLowering, source: Access, kept: list[IterAxis], along: IterAxis) -> list[int]:
    """The numbers of rows that a tile may have, ascending; the last is all of them."""
    rows = kept[-1].extent if kept else 1
    beside = bool(kept) and source.stride(kept[-1]) == 1 and along.extent > 1
    if lower.machine.overlap or not beside:
        return tile_candidates(rows)
    pitch = abs(source.stride(along) or 0) * dtype_of(lower.result).size
    least = BESIDE if pitch % PAGE else 2 * BESIDE
    even = [count for count in divisors(rows) if count >= min(least, rows)]
    return even if even[0] < MOST * least else tile_candidates(rows, least)


def _choose(lower: KernelLowering, others: int, counts: list[int], extent: int) -> dict[str, int]:
    """How many rows a tile has, one of `counts`, and how much of them a part."""
    machine, dtype, rows = lower.machine, dtype_of(lower.result), counts[-1]

    def footprint(s: Sizes, slots: int) -> dict[Memory, Any]:
        carry = np.where(s["part"] < extent, padded(s["rows"] * dtype.size), 0)
        return {Memory.UB: 2 * slots * padded(s["rows"] * s["part"] * dtype.size) + carry}

    def cost(s: Sizes) -> Any:
        steps = -(-extent // s["part"])
        elements = s["rows"] * s["part"]
        moved: Any = transfer_cycles(machine, Pipe.IN, elements * dtype.size, s["rows"])
        vector: Any = np.where(steps > 1, 3, 1) * vector_cycles(machine, dtype.name, elements)
        return rounds(machine, waves(machine, others * -(-rows // s["rows"])) * steps, moved, vector)

    candidates = {"rows": counts, "part": tile_candidates(extent)}
    return choose_tile(machine, candidates, footprint, cost, node=lower.node, what="a running sum")
