"""Tensors of a model as arrays, wherever their bytes are: in the message, or memory-mapped from a file beside it."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from onnx import SparseTensorProto, TensorProto, numpy_helper
from onnx.helper import tensor_dtype_to_np_dtype

from vcc.runtime.diagnostics import VccError, error

#: Element types that are packed, several to a byte, by their bits.
_PACKED_BITS: dict[int, int] = {
    TensorProto.INT4: 4,
    TensorProto.UINT4: 4,
    TensorProto.FLOAT4E2M1: 4,
    TensorProto.INT2: 2,
    TensorProto.UINT2: 2,
}


def _invalid(tensor: TensorProto, why: str) -> VccError:
    return error("E0102", f"tensor '{tensor.name}' {why}")


def _dtype(tensor: TensorProto) -> np.dtype:
    kind = tensor.data_type
    if kind == TensorProto.STRING:
        raise error("E0121", f"tensor '{tensor.name}' holds strings, which are not supported")
    if kind == TensorProto.UNDEFINED or kind not in TensorProto.DataType.values():
        raise _invalid(tensor, f"has the undefined element type {kind}")
    return np.dtype(tensor_dtype_to_np_dtype(kind))


def _byte_count(tensor: TensorProto, dtype: np.dtype) -> int:
    if any(size < 0 for size in tensor.dims):
        raise _invalid(tensor, f"has a negative size: {list(tensor.dims)}")
    count = math.prod(tensor.dims)
    bits = _PACKED_BITS.get(tensor.data_type)
    return count * dtype.itemsize if bits is None else (count * bits + 7) // 8


def _unpacked(tensor: TensorProto, raw: bytes) -> np.ndarray:
    plain = TensorProto(dims=tensor.dims, data_type=tensor.data_type, raw_data=raw)
    return numpy_helper.to_array(plain)


@dataclass(frozen=True)
class TensorReader:
    """Reads the tensors of one model; `folder` is where its external data is, None if it came from memory."""

    folder: Path | None

    def read(self, tensor: TensorProto) -> np.ndarray:
        """The array of a tensor. E0102 if its data do not fit its shape, E0103 if external data are at fault."""
        dtype = _dtype(tensor)
        size = _byte_count(tensor, dtype)
        if tensor.data_location == TensorProto.EXTERNAL:
            return self._external(tensor, dtype, size)
        raw = b""
        if tensor.HasField("raw_data"):
            raw = tensor.raw_data
            if len(raw) != size:
                raise _invalid(tensor, f"has {len(raw)} bytes of data; {dtype}{list(tensor.dims)} takes {size}")
        try:
            if raw and tensor.data_type not in _PACKED_BITS:
                return np.frombuffer(raw, dtype).reshape(tuple(tensor.dims))
            return np.asarray(numpy_helper.to_array(tensor))
        except (ValueError, TypeError, OverflowError) as failure:
            raise _invalid(tensor, f"has data that do not fit {dtype}{list(tensor.dims)}: {failure}") from None

    def read_sparse(self, tensor: SparseTensorProto) -> np.ndarray:
        """The dense array of a sparse tensor; E0102 if its indices are out of range."""
        values, indices = self.read(tensor.values), self.read(tensor.indices)
        dense = np.zeros(tuple(tensor.dims), values.dtype)
        try:
            if indices.ndim == 1:
                dense.reshape(-1)[indices] = values
            else:
                dense[tuple(indices.T)] = values
        except (IndexError, ValueError) as failure:
            raise _invalid(tensor.values, f"is sparse and its indices do not fit: {failure}") from None
        return dense

    def _external(self, tensor: TensorProto, dtype: np.dtype, size: int) -> np.ndarray:
        entries = {entry.key: entry.value for entry in tensor.external_data}
        path = self._path(tensor, entries.get("location", ""))
        try:
            offset, length = int(entries.get("offset", 0)), int(entries.get("length", size))
        except ValueError:
            raise error("E0103", f"tensor '{tensor.name}' has an offset or length that is no number") from None
        if length != size or offset < 0:
            what = f"{length} bytes at offset {offset}"
            raise error("E0103", f"tensor '{tensor.name}' has {what} in {path.name}; its shape takes {size} bytes")
        try:
            there = path.stat().st_size
        except OSError as failure:
            help = "the file belongs beside the model"
            raise error("E0103", f"cannot read {path}: {failure.strerror}", help=help) from None
        if offset + size > there:
            what = f"tensor '{tensor.name}' ends at byte {offset + size} of {path.name}, which has {there}"
            raise error("E0103", what, help="the file is cut short or belongs to another model")
        if size == 0:
            return np.zeros(tuple(tensor.dims), dtype)
        if tensor.data_type in _PACKED_BITS:
            return _unpacked(tensor, np.memmap(path, np.uint8, "r", offset, (size,)).tobytes())
        return np.memmap(path, dtype, "r", offset, tuple(tensor.dims))

    def _path(self, tensor: TensorProto, location: str) -> Path:
        if self.folder is None:
            help = "give the model as a path, so that its folder is known"
            raise error("E0103", f"tensor '{tensor.name}' is in the file '{location}' beside the model", help=help)
        # Compared as text: caches of models often hold links to files elsewhere.
        inside = os.path.normpath(location)
        if not location or "\0" in location or os.path.isabs(inside) or inside.split(os.sep)[0] == os.pardir:
            raise error("E0103", f"tensor '{tensor.name}' is in '{location}', which is not in the model's folder")
        return self.folder / inside
