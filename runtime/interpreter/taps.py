"""Collects the values of ONNX tensors while a program runs, for comparison with a reference.

A tap says where the elements that an instruction writes lie in the tensor's physical order; the observer scatters them
there. Once every element has come, the tensor is put into its logical shape.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vcc.runtime.binary.image import Image, Value
from vcc.runtime.interpreter.execute import clip
from vcc.runtime.interpreter.launch import Observer
from vcc.runtime.interpreter.numbers import Env
from vcc.runtime.isa.expr import Poly
from vcc.runtime.isa.host import Launch
from vcc.runtime.isa.kernel import Instr, Pipe
from vcc.runtime.isa.table import OPS

Array = NDArray[Any]


class TapCollector:
    """Gathers the observable values of an image, over all launches and host calls of one run."""

    def __init__(self, image: Image):
        self._values = image.values
        self._data: dict[int, Array] = {}
        self._seen: dict[int, NDArray[np.bool_]] = {}

    def observer(self, launch: Launch) -> Observer | None:
        """What to call during a launch; None if nothing in it is observable."""
        if all(value < 0 for value in launch.taps):
            return None

        def observe(instr: Instr, env: Env, written: Array) -> None:
            if instr.tap is not None and instr.tap.value < len(launch.taps):
                value = launch.taps[instr.tap.value]
                if value >= 0:
                    self._scatter(value, tap_addresses(instr, env), written)

        return observe

    def host(self, value: int, array: Array) -> None:
        """Take a host call's result, which is in logical order."""
        shape = self._values[value].shape
        self._data[value] = physical(self._values[value], np.asarray(array).reshape(shape)).reshape(-1)
        self._seen[value] = np.ones(self._data[value].size, np.bool_)

    def _scatter(self, number: int, addresses: NDArray[np.int64], written: Array) -> None:
        value = self._values[number]
        if number not in self._data:
            size = prod(physical_shape(value))
            self._data[number] = np.zeros(size, value.dtype.numpy)
            self._seen[number] = np.zeros(size, np.bool_)
        data, seen = self._data[number], self._seen[number]
        addresses = np.broadcast_to(addresses, written.shape)
        inside = (addresses >= 0) & (addresses < data.size)
        data[addresses[inside]] = written[inside]
        seen[addresses[inside]] = True

    def values(self) -> dict[str, Array]:
        """Every value of which each element was written, by ONNX name, in its logical shape."""
        found: dict[str, Array] = {}
        for number, data in self._data.items():
            value = self._values[number]
            if logical(value, self._seen[number]).all():
                found[value.name] = logical(value, data)
        return found

    def partial(self) -> list[str]:
        """The names of values of which some elements were written and others not."""
        complete = self.values()
        return [self._values[number].name for number in self._data if self._values[number].name not in complete]


def tap_addresses(instr: Instr, env: Env) -> NDArray[np.int64]:
    """The physical address of every element that the instruction writes, broadcastable to the written array.

    Stores write only the valid part of their domain, everything else all of it; reduced dimensions do not count.
    """
    op = OPS[instr.op]
    assert instr.tap is not None
    kept = [i for i, dim in enumerate(instr.domain) if not dim.role.is_reduction]
    total = np.full((1,) * len(kept), instr.tap.base.evaluate(env), np.int64)
    for axis, position in enumerate(kept):
        dim = instr.domain[position]
        start, count = 0, dim.size.evaluate(env)
        if dim.valid is not None and op.pipe is Pipe.OUT:
            start, count = clip(dim.valid[0].evaluate(env), dim.valid[1].evaluate(env), count)
        steps = (start + np.arange(count, dtype=np.int64)) * _stride(instr.tap.strides, position).evaluate(env)
        total = total + steps.reshape([-1 if i == axis else 1 for i in range(len(kept))])
    return total


def _stride(strides: Sequence[Poly], position: int) -> Poly:
    return strides[position] if position < len(strides) else Poly()


def physical_shape(value: Value) -> tuple[int, ...]:
    """The shape in memory: with blocks, axis `axis` counts blocks, and the block itself is a last dimension."""
    if not value.block:
        return value.shape
    blocks = -(-value.shape[value.axis] // value.block)
    return (*value.shape[: value.axis], blocks, *value.shape[value.axis + 1 :], value.block)


def logical(value: Value, flat: Array) -> Array:
    """Elements in physical order as an array of the logical shape; what pads the last block is dropped."""
    array = flat.reshape(physical_shape(value))
    if not value.block:
        return array
    array = np.moveaxis(array, -1, value.axis + 1)
    padded = array.shape[value.axis] * value.block
    whole = array.reshape((*value.shape[: value.axis], padded, *value.shape[value.axis + 1 :]))
    return whole[(slice(None),) * value.axis + (slice(value.shape[value.axis]),)]


def physical(value: Value, array: Array) -> Array:
    """The opposite of `logical`: padding is zero."""
    if not value.block:
        return array
    shape = physical_shape(value)
    padding = [(0, 0)] * array.ndim
    padding[value.axis] = (0, shape[value.axis] * value.block - value.shape[value.axis])
    padded = np.pad(array, padding)
    blocked = padded.reshape((*shape[: value.axis + 1], value.block, *value.shape[value.axis + 1 :]))
    return np.ascontiguousarray(np.moveaxis(blocked, value.axis + 1, -1))
