"""Fourier transforms as products with the matrix of sines and cosines, which is the faster way for usual lengths.

Complex numbers are pairs in the last axis. A transform of n numbers into m is one product with [n, 2 m] (of complex
input [2 n, 2 m]); a short-time transform is a convolution whose filters are the matrix's columns times the window.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from xdsl.ir import SSAValue

from vcc.dialects import graph
from vcc.dialects.graph import shape_of
from vcc.passes.graph.lower.constraints import constant, float_tensors, machine_multiplies
from vcc.passes.graph.lower.node import Node
from vcc.passes.graph.lower.parts import attribute_of
from vcc.passes.graph.lower.registry import lowers

Array: TypeAlias = np.ndarray[Any, Any]

#: A longer transform's matrix would be larger than most models.
LONGEST = 4096


def fourier_matrix(length: int, bins: int, sign: int) -> Array:
    """[length, bins] of exp(sign * 2 pi i * position * bin / length), the phase reduced before it is rounded."""
    phase = np.outer(np.arange(length), np.arange(bins)) % length
    return np.exp(sign * 2j * np.pi * phase / length)


def real_form(matrix: Array, *, complex_input: bool) -> Array:
    """[n, m] complex as [n, 2 m] real, or for pairs as input as [2 n, 2 m]: rows and columns alternate in parts."""
    columns = np.stack([matrix.real, matrix.imag], -1)
    if not complex_input:
        return columns.reshape(len(matrix), -1)
    rows = np.stack([columns, np.stack([-matrix.imag, matrix.real], -1)], 1)
    return rows.reshape(2 * len(matrix), -1)


def transform_axis(node: Node) -> int | None:
    """The axis of a DFT, an attribute in opset 17 and an input in opset 20; None if it is not constant."""
    if node.version < 20:
        return node.axis(node.int("axis", 1))
    if node.input(2) is None:
        return len(node.shape(0)) - 2
    array = node.constant(2)
    return None if array is None else node.axis(int(array.reshape(-1)[0]))


def known_axis(node: Node) -> bool:
    """The axis must be constant and not the last one, which holds the parts of complex numbers."""
    axis = transform_axis(node)
    return axis is not None and axis < len(node.shape(0)) - 1


def short_transform(node: Node) -> bool:
    """The transform must have at most 4096 points."""
    axis = transform_axis(node)
    return axis is not None and max(node.shape(0)[axis], node.result_shape(0)[axis]) <= LONGEST


@lowers("DFT", needs=[float_tensors, machine_multiplies, known_axis, constant("The length", 1), short_transform])
def lower_dft(node: Node) -> SSAValue:
    """The axis moves to the end, where the input is cut or filled with zeros to the length and then multiplied."""
    shape, result = node.shape(0), node.result_shape(0)
    axis = transform_axis(node)
    assert axis is not None
    inverse, onesided = bool(node.int("inverse", 0)), bool(node.int("onesided", 0))
    given = node.constant(1)
    length = shape[axis] if given is None else int(given.reshape(-1)[0])
    if given is None and inverse and onesided:
        length = result[axis]
    pairs = shape[-1] == 2
    matrix = _matrix(node, length, shape[axis], result[axis], pairs=pairs)
    others = [i for i in range(len(shape) - 1) if i != axis]
    rows = node.transpose(node.x, [*others, axis, len(shape) - 1])
    taken = min(shape[axis], matrix.shape[0] // shape[-1])
    flat = node.slice(rows, [0] * len(shape), [*(shape[i] for i in others), taken, shape[-1]])
    flat = node.reshape(flat, [*(shape[i] for i in others), taken * shape[-1]])
    if len(others) == 0:
        flat = node.reshape(flat, (1, taken * shape[-1]))
    weights = node.array(matrix[: taken * shape[-1]].astype(node.dtype(0)))
    product = node.emit(graph.MatmulOp(flat, weights))
    split = node.reshape(product, [*(shape[i] for i in others), result[axis], result[-1]])
    back = [0] * len(shape)
    for position, source in enumerate([*others, axis, len(shape) - 1]):
        back[source] = position
    return node.transpose(split, back)


def _matrix(node: Node, length: int, size: int, bins: int, *, pairs: bool) -> Array:
    """What the flattened rows, of `length` numbers or pairs, are multiplied with."""
    if not node.int("inverse", 0):
        return real_form(fourier_matrix(length, bins, -1), complex_input=pairs)
    matrix = fourier_matrix(length, length, 1) / length
    if not node.int("onesided", 0):
        return real_form(matrix[:, :bins], complex_input=pairs)
    # Of a spectrum whose second half mirrors the first, the inverse is real: inner bins count twice.
    half = min(size, length // 2 + 1)
    weight = np.array([1.0 if k == 0 or 2 * k == length else 2.0 for k in range(half)])[:, None]
    folded = matrix[:half] * weight
    return np.stack([folded.real, -folded.imag], 1).reshape(2 * half, length)


def known_frames(node: Node) -> bool:
    """The frame step must be constant, and the signal real."""
    return node.constant(1) is not None and (len(node.shape(0)) == 2 or node.shape(0)[-1] == 1)


def frame_length(node: Node) -> int:
    """The number of samples in a frame of an STFT: that of the window, or the fourth input."""
    if node.input(2) is not None:
        return node.shape(2)[0]
    given = node.constant(3)
    return 0 if given is None else int(given.reshape(-1)[0])


def short_frames(node: Node) -> bool:
    """The frame length must be known and at most 4096."""
    return 0 < frame_length(node) <= LONGEST


@lowers("STFT", needs=[float_tensors, machine_multiplies, known_frames, short_frames])
def lower_stft(node: Node) -> SSAValue:
    """A convolution with one filter for the real and one for the imaginary part of each bin; the bins come last."""
    length, given = frame_length(node), node.constant(1)
    assert given is not None
    step = int(given.reshape(-1)[0])
    batch, samples = node.shape(0)[:2]
    _, frames, bins, _ = node.result_shape(0)
    basis = real_form(fourier_matrix(length, bins, -1), complex_input=False)
    window = node.constant(2)
    if window is not None:
        basis = basis * window.astype(np.float64)[:, None]
    filters = node.array(np.ascontiguousarray(basis.T).astype(node.dtype(0)).reshape(2 * bins, 1, length))
    if window is None and node.input(2) is not None:
        filters = node.binary("mul", filters, node.required(2))
    signal = node.reshape(node.x, (batch, 1, samples))
    needed = (frames - 1) * step + length
    if needed > samples:
        signal = node.emit(graph.PadOp(signal, [0] * 3, [0, 0, needed - samples], attribute_of(0, node.element)))
    spectra = node.emit(graph.ConvOp(signal, filters, strides=[step]))
    split = node.reshape(spectra, (batch, bins, 2, shape_of(spectra)[2]))
    ordered = node.transpose(split, (0, 3, 1, 2))
    return node.slice(ordered, [0] * 4, (batch, frames, bins, 2))
