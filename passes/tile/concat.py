"""Concatenation: each operand's rows are copied to their place in the result.

A row is everything from the axis inwards, which is contiguous in every operand and in the result.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from xdsl.ir import BlockArgument

from vcc.dialects import graph
from vcc.passes.tile.builder import dim
from vcc.passes.tile.chain import dtype_of, tap_of, tensor_type
from vcc.passes.tile.lowering import KernelLowering
from vcc.passes.tile.search import Sizes, choose_tile, tile_candidates, waves
from vcc.runtime.isa.expr import ONE, Poly
from vcc.runtime.isa.kernel import Memory, Pipe, Tap, View
from vcc.runtime.machine.cost import transfer_cycles


def tile_concat(lower: KernelLowering) -> None:
    """Tile a kernel whose anchor is a `graph.concat`."""
    anchor = next(op for op in lower.ops if isinstance(op, graph.ConcatOp))
    builder, machine = lower.builder, lower.machine
    shape = tensor_type(anchor.results[0]).get_shape()
    axis = anchor.axis.value.data % len(shape)
    rows, width = prod(shape[:axis]), prod(shape[axis:])
    widths = [prod(tensor_type(operand).get_shape()[axis:]) for operand in anchor.operands]
    dtype = dtype_of(anchor.results[0])

    def footprint(s: Sizes, slots: int) -> dict[Memory, Any]:
        elements: Any = sum(s["rows"] * np.minimum(s["width"], own) * dtype.size + 64 for own in widths)
        return {Memory.UB: slots * elements}

    def cost(s: Sizes) -> Any:
        each: Any = sum(
            -(-own // s["width"]) * transfer_cycles(machine, Pipe.IN, s["rows"] * s["width"] * dtype.size)
            for own in widths
        )
        return waves(machine, -(-rows // s["rows"])) * each

    sizes = choose_tile(
        machine,
        {"rows": tile_candidates(rows), "width": tile_candidates(max(widths))},
        footprint,
        cost,
        node=lower.node,
        what="a concatenation",
    )
    lower.open()
    sources = lower.source(anchor)
    with builder.forall({"r": -(-rows // sizes["rows"])}) as variables:
        start = variables["r"] * sizes["rows"]
        height = builder.minimum(sizes["rows"], rows - start) if rows % sizes["rows"] else Poly.of(sizes["rows"])
        offset = 0
        for operand, own in zip(anchor.operands, widths, strict=True):
            part = min(sizes["width"], own)
            with builder.loop("c", -(-own // part)) as step:
                column = step * part
                left = builder.minimum(part, own - column) if own % part else Poly.of(part)
                dims = [dim("r", height, sizes["rows"]), dim("c", left, part)]
                tile = builder.alloc("t", Memory.UB, [sizes["rows"], part], dtype)
                arg, access = lower.access(operand)
                stride = own if isinstance(operand, BlockArgument) else access.row_stride(axis)
                assert stride is not None, "a concatenation reads through views with equally distant rows alone"
                source = View(lower.params[arg], (Poly.of(stride), ONE), start * stride + column + access.base)
                target = View(lower.output, (Poly.of(width), ONE), start * width + column + offset)
                tap = tap_of(anchor.results[0], lower.taps.get(anchor), [])
                moved = tap and Tap(tap.value, target.strides, target.base)
                seen = lower.view_sources(operand) + sources
                builder.emit("load", dims, {"dst": tile.view(), "src": source}, sources=seen)
                builder.emit("store", dims, {"dst": target, "src": tile.view()}, sources=sources, tap=moved)
            offset += own
