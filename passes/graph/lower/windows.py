"""How ONNX nodes describe windows: auto_pad, missing attributes and ceil_mode resolved to explicit numbers."""

from __future__ import annotations

from vcc.dialects.graph import Window, window_of
from vcc.passes.graph.lower.node import Node


def resolved_window(node: Node, kernel: tuple[int, ...], output: tuple[int, ...] | None = None) -> Window:
    """The window of a convolution or pool over the first input's spatial axes.

    `output` is the number of windows per axis that shape inference found; where it needs positions behind the padded
    end (ceil_mode), the window overhangs by as many.
    """
    spatial = node.shape(0)[2:]
    plain = window_of(kernel, node.ints("strides"), node.ints("pads"), node.ints("dilations"))
    auto_pad = node.string("auto_pad", "NOTSET")
    if auto_pad in ("SAME_UPPER", "SAME_LOWER"):
        plain = _same(plain, spatial, upper=auto_pad == "SAME_UPPER")
    elif auto_pad == "VALID":
        plain = window_of(kernel, plain.strides, None, plain.dilations)
    return plain if output is None else _overhanging(plain, spatial, output)


def _same(window: Window, spatial: tuple[int, ...], *, upper: bool) -> Window:
    """Pads such that every axis has ceil(size / stride) windows; the odd one goes to the end if `upper`."""
    begins: list[int] = []
    ends: list[int] = []
    for size, stride, extent in zip(spatial, window.strides, window.extents, strict=True):
        total = max(0, (-(-size // stride) - 1) * stride + extent - size)
        less, more = total // 2, total - total // 2
        begins.append(less if upper else more)
        ends.append(more if upper else less)
    return window_of(window.kernel, window.strides, begins + ends, window.dilations)


def _overhanging(window: Window, spatial: tuple[int, ...], output: tuple[int, ...]) -> Window:
    overhang: list[int] = []
    for axis, (size, count) in enumerate(zip(spatial, output, strict=True)):
        end = (count - 1) * window.strides[axis] + window.extents[axis]
        overhang.append(max(0, end - size - sum(window.pads_of(axis))))
    return window_of(window.kernel, window.strides, window.pads, window.dilations, overhang)
