"""Weights on disk in the safetensors format: a JSON header, then raw little-endian arrays that are memory-mapped.

The `safetensors` package copies what it reads and does not know numpy's 4-bit dtypes; the format is simple enough.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import ml_dtypes
import numpy as np

from vcc.runtime.diagnostics import VccError, error

Array: TypeAlias = np.ndarray[Any, Any]

_DTYPES: dict[str, np.dtype[Any]] = {
    "F64": np.dtype("f8"),
    "F32": np.dtype("f4"),
    "F16": np.dtype("f2"),
    "BF16": np.dtype(ml_dtypes.bfloat16),
    "F8_E4M3": np.dtype(ml_dtypes.float8_e4m3fn),
    "F8_E5M2": np.dtype(ml_dtypes.float8_e5m2),
    "I64": np.dtype("i8"),
    "I32": np.dtype("i4"),
    "I16": np.dtype("i2"),
    "I8": np.dtype("i1"),
    "U64": np.dtype("u8"),
    "U32": np.dtype("u4"),
    "U16": np.dtype("u2"),
    "U8": np.dtype("u1"),
    "BOOL": np.dtype("?"),
}
_NAMES = {dtype: name for name, dtype in _DTYPES.items()}
_METADATA = "__metadata__"
_MAX_HEADER = 100_000_000


def write_tensors(path: Path, tensors: Mapping[str, Array]) -> None:
    """Write the arrays by name; the dtypes the format lacks go as bytes, with their name in the metadata."""
    header: dict[str, Any] = {}
    odd: dict[str, str] = {}
    offset = 0
    # The widest elements first, so that all of them are aligned without padding, which the format forbids.
    order = sorted(tensors.items(), key=lambda item: (-item[1].dtype.itemsize, item[0]))
    for name, array in order:
        if array.dtype not in _NAMES:
            odd[name] = array.dtype.name
        end = offset + array.nbytes
        header[name] = {
            "dtype": _NAMES.get(array.dtype, "U8"),
            "shape": list(array.shape),
            "data_offsets": [offset, end],
        }
        offset = end
    if odd:
        header[_METADATA] = odd
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for _, array in order:
            file.write(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)


def read_tensors(path: Path) -> dict[str, Array]:
    """The arrays of a file by name, memory-mapped and read-only; E0204 if the file cannot be read or is damaged."""
    try:
        data = np.memmap(path, np.uint8, "r")
    except (OSError, ValueError) as failure:
        raise error("E0204", f"cannot read {path}: {failure}") from None
    if data.size < 8:
        raise _damaged(path, "it is cut short")
    (length,) = struct.unpack("<Q", data[:8].tobytes())
    if length > min(_MAX_HEADER, data.size - 8):
        raise _damaged(path, "it is cut short")
    try:
        header = json.loads(data[8 : 8 + length].tobytes())
        odd = header.pop(_METADATA, {})
        body = data[8 + length :]
        return {name: _array(body, entry, odd.get(name)) for name, entry in header.items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as failure:
        raise _damaged(path, str(failure)) from None


def _array(body: Array, entry: Mapping[str, Any], odd: str | None) -> Array:
    dtype = _DTYPES[entry["dtype"]] if odd is None else np.dtype(getattr(ml_dtypes, odd))
    shape = tuple(map(int, entry["shape"]))
    low, high = map(int, entry["data_offsets"])
    if min(shape, default=0) < 0 or not 0 <= low <= high <= body.size:
        raise ValueError("a tensor lies outside the file")
    if high - low != math.prod(shape) * dtype.itemsize:
        raise ValueError("a tensor's bytes do not fit its shape")
    return body[low:high].view(dtype).reshape(shape)


def _damaged(path: Path, why: str) -> VccError:
    return error("E0204", f"{path} is not a safetensors file or is damaged: {why}")
