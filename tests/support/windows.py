"""Windows that slide over spatial axes, in numpy: convolution, and what pooling takes its results of."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Attributes = Mapping[str, Any]


def correlation(attributes: Attributes) -> Callable[[Array, Array], Array]:
    """Convolution as ONNX means it, of any number of spatial axes."""

    def product(x: Array, w: Array) -> Array:
        kernel, group = w.shape[2:], attributes.get("group", 1)
        grouped = w.reshape(group, w.shape[0] // group, *w.shape[1:])
        total: Array = np.zeros(())
        for offset, window in windows(x, kernel, attributes, 0.0):
            channels = window.reshape(window.shape[0], group, -1, *window.shape[2:])
            total = total + np.einsum("ngc...,gmc->ngm...", channels, grouped[(..., *offset)])
        return total.reshape(x.shape[0], w.shape[0], *total.shape[3:])

    return product


def windows(
    x: Array, kernel: Sequence[int], attributes: Attributes, fill: float
) -> Iterator[tuple[tuple[int, ...], Array]]:
    """For each position of the kernel the elements that it meets, in the shape of the result."""
    rank = len(kernel)
    pads = attributes.get("pads", [0] * rank * 2)
    strides, dilations = (attributes.get(name, [1] * rank) for name in ("strides", "dilations"))
    x = np.pad(x, [(0, 0), (0, 0), *zip(pads[:rank], pads[rank:], strict=True)], constant_values=fill)
    for offset in np.ndindex(*kernel):
        axes = list(zip(x.shape[2:], kernel, offset, strides, dilations, strict=True))
        places = [slice(o * d, o * d + size - d * (k - 1), s) for size, k, o, s, d in axes]
        yield offset, x[(slice(None), slice(None), *places)]
