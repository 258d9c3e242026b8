"""Memories as flat byte arrays, and the places in them where a kernel's buffers and parameters lie."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vcc.runtime.diagnostics import error
from vcc.runtime.interpreter.traps import trapped
from vcc.runtime.isa.dtypes import DType, dtype_of
from vcc.runtime.isa.kernel import SLOT_ALIGNMENT, Buffer, Kernel, Memory, ScalarParam, TensorParam

Bytes = NDArray[np.uint8]
Argument = NDArray[Any] | int

#: What fresh memory holds: NaN as a float of any width, -1 as an integer, so that reading it shows.
GARBAGE = 0xFF


@dataclass(slots=True)
class Place:
    """Where a buffer or parameter lies: `extent` elements in each of `slots` slots, from byte `address` of `data`."""

    name: str
    data: Bytes
    address: int
    extent: int
    dtype: DType
    numpy: np.dtype[Any]
    itemsize: int
    slots: int = 1
    slot_bytes: int = 0


def aligned(nbytes: int) -> Bytes:
    """Uninitialised bytes that start on a multiple of `SLOT_ALIGNMENT`."""
    raw = np.empty(nbytes + SLOT_ALIGNMENT, np.uint8)
    start = -raw.ctypes.data % SLOT_ALIGNMENT
    return raw[start : start + nbytes]


class OnChip:
    """One core's own memories. Buffers without an address, as in tests written by hand, get storage of their own."""

    def __init__(self, kernel: Kernel):
        self._arrays: list[Bytes] = []
        shared: dict[Memory, Bytes] = {}
        for memory in {buffer.memory for buffer in kernel.buffers}:
            ends = [_end(b) for b in kernel.buffers if b.memory is memory and b.address is not None]
            shared[memory] = self._allocate(max(ends, default=0))
        self.places = {buffer.name: self._place(buffer, shared[buffer.memory]) for buffer in kernel.buffers}

    def _allocate(self, nbytes: int) -> Bytes:
        self._arrays.append(aligned(nbytes))
        return self._arrays[-1]

    def _place(self, buffer: Buffer, memory: Bytes) -> Place:
        own = buffer.address is None
        data = self._allocate(buffer.slots * buffer.slot_bytes) if own else memory
        extent = prod(buffer.shape)
        dtype = buffer.dtype
        return Place(
            buffer.name, data, buffer.address or 0, extent, dtype, dtype.numpy, dtype.size, buffer.slots,
            buffer.slot_bytes,
        )  # fmt: skip

    def clear(self) -> None:
        """Fill everything with garbage: nothing on chip outlives a launch."""
        for array in self._arrays:
            array.fill(GARBAGE)


def _end(buffer: Buffer) -> int:
    return (buffer.address or 0) + buffer.slots * buffer.slot_bytes


def bind_scalars(kernel: Kernel, args: Mapping[str, Argument]) -> dict[str, int]:
    """The registers that a launch's integer arguments set. Traps (E0401) on a value outside the declared range."""
    env: dict[str, int] = {}
    for param in kernel.params:
        value = _argument(kernel, param, args)
        if isinstance(param, ScalarParam):
            if isinstance(value, np.ndarray):
                raise error("E0105", f"kernel {kernel.name}: parameter {param.name} is an integer, not an array")
            if not param.low <= value <= param.high:
                raise trapped(f"parameter {param.name} = {value} is not within {param.low}..{param.high}", kernel)
            env[param.name] = int(value)
    return env


def bind_tensors(kernel: Kernel, args: Mapping[str, Argument], env: Mapping[str, int]) -> dict[str, Place]:
    """The places of a launch's arrays, which may be longer than the parameter's extent."""
    places: dict[str, Place] = {}
    for param in kernel.params:
        if isinstance(param, TensorParam):
            value = _argument(kernel, param, args)
            if not isinstance(value, np.ndarray):
                raise error("E0105", f"kernel {kernel.name}: parameter {param.name} is an array, not {value!r}")
            places[param.name] = _tensor(kernel, param, value, env)
    return places


def _argument(kernel: Kernel, param: TensorParam | ScalarParam, args: Mapping[str, Argument]) -> Argument:
    if param.name not in args:
        raise error("E0105", f"kernel {kernel.name}: no argument for parameter {param.name}")
    return args[param.name]


def _tensor(kernel: Kernel, param: TensorParam, array: NDArray[Any], env: Mapping[str, int]) -> Place:
    where = f"kernel {kernel.name}: parameter {param.name}"
    extent = param.extent.evaluate(env)
    if array.dtype != param.dtype.numpy:
        raise error("E0105", f"{where} is {param.dtype}, but the array is {_dtype_name(array)}")
    if not array.flags.c_contiguous:
        raise error("E0105", f"{where}: the array is not contiguous")
    if array.size < extent:
        raise error("E0105", f"{where} has {extent} elements, but the array has {array.size}")
    if param.mode != "in" and not array.flags.writeable:
        raise error("E0105", f"{where} is written, but the array is read-only")
    data = array.reshape(-1).view(np.uint8)
    return Place(param.name, data, 0, extent, param.dtype, param.dtype.numpy, param.dtype.size)


def _dtype_name(array: NDArray[Any]) -> str:
    try:
        return dtype_of(array.dtype).name
    except KeyError:
        return str(array.dtype)
