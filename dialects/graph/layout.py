"""Where the elements of a tensor lie in memory: the physical order that a tensor type's encoding gives.

A tensor without an encoding is row-major. `Blocked` splits one axis; everything here is in elements, never in bytes.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from xdsl.dialects.builtin import NoneAttr, TensorType
from xdsl.ir import Attribute
from xdsl.utils.exceptions import VerifyException

from vcc.dialects.graph.attributes import Blocked


def verify_encoding(type: TensorType[Attribute], what: str = "tensor") -> None:
    """Raise `VerifyException`, naming `what`, unless the type's encoding exists and fits its shape."""
    encoding = type.encoding
    if isinstance(encoding, NoneAttr):
        return
    if not isinstance(encoding, Blocked):
        raise VerifyException(f"{what}: encoding {encoding} is not #graph.blocked")
    shape = type.get_shape()
    if encoding.axis >= len(shape):
        raise VerifyException(f"{what}: blocked axis {encoding.axis} is out of range for rank {len(shape)}")
    if shape[encoding.axis] % encoding.block:
        raise VerifyException(
            f"{what}: block {encoding.block} does not divide axis {encoding.axis} of size {shape[encoding.axis]}"
        )


def physical_shape(type: TensorType[Attribute]) -> tuple[int, ...]:
    """The shape of the row-major array that holds the tensor: [N, C/b, H, W, b] for a blocked [N, C, H, W]."""
    return _physical_shape(type.get_shape(), type.encoding)


def _physical_shape(shape: tuple[int, ...], encoding: Attribute) -> tuple[int, ...]:
    if not isinstance(encoding, Blocked):
        return shape
    axis, block = encoding.axis, encoding.block
    return (*shape[:axis], shape[axis] // block, *shape[axis + 1 :], block)


def axis_terms(type: TensorType[Attribute]) -> list[list[tuple[int, int]]]:
    """For each logical axis the physical loops it decomposes into, outer to inner, as (extent, element stride).

    Logical index i of an axis with terms [(e0, s0), (e1, s1)] lies at (i // e1) * s0 + (i % e1) * s1.
    """
    shape = physical_shape(type)
    strides = [prod(shape[i + 1 :]) for i in range(len(shape))]
    terms = [[(extent, stride)] for extent, stride in zip(shape, strides, strict=True)]
    if isinstance(type.encoding, Blocked):
        terms[type.encoding.axis] += terms.pop()
    return terms


def to_physical(array: np.ndarray[Any, Any], encoding: Attribute) -> np.ndarray[Any, Any]:
    """The array in its physical shape and order (a contiguous copy where the order changes)."""
    if not isinstance(encoding, Blocked):
        return np.ascontiguousarray(array)
    axis, block = encoding.axis, encoding.block
    shape = array.shape
    split = array.reshape(*shape[:axis], shape[axis] // block, block, *shape[axis + 1 :])
    return np.ascontiguousarray(np.moveaxis(split, axis + 1, -1))


def to_logical(array: np.ndarray[Any, Any], encoding: Attribute) -> np.ndarray[Any, Any]:
    """The inverse of `to_physical`: `array` has the physical shape."""
    if not isinstance(encoding, Blocked):
        return np.ascontiguousarray(array)
    axis = encoding.axis
    split = np.moveaxis(array, -1, axis + 1)
    shape = split.shape
    return np.ascontiguousarray(split.reshape(*shape[:axis], shape[axis] * shape[axis + 1], *shape[axis + 2 :]))
