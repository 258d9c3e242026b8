"""Convolution."""

from __future__ import annotations

from xdsl.ir import SSAValue

from vcc.dialects import graph
from vcc.passes.graph.lower.constraints import float_tensors, machine_multiplies, spatial_axes
from vcc.passes.graph.lower.node import Node
from vcc.passes.graph.lower.registry import lowers
from vcc.passes.graph.lower.windows import resolved_window


@lowers("Conv", needs=[float_tensors, spatial_axes, machine_multiplies])
def lower_conv(node: Node) -> SSAValue:
    """One convolution with explicit pads."""
    window = resolved_window(node, node.shape(1)[2:])
    return node.emit(
        graph.ConvOp(
            node.x,
            node.required(1),
            node.input(2),
            pads=window.pads,
            strides=window.strides,
            dilations=window.dilations,
            group=node.int("group", 1),
        )
    )
