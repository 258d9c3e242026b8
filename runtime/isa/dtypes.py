"""Element types of the instruction set: names, binary codes and their numpy counterparts."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np


@dataclass(frozen=True)
class DType:
    """One element type. `code` is its number in a .vbin, `size` its width in bytes."""

    name: str
    code: int
    size: int
    kind: str  # "f" float, "i" signed, "u" unsigned, "b" boolean

    @cached_property
    def numpy(self) -> np.dtype:
        """The numpy dtype; bf16 is the one of `ml_dtypes`, imported only when asked for."""
        if self.name == "bf16":
            import ml_dtypes

            return np.dtype(ml_dtypes.bfloat16)
        if self.kind == "b":
            return np.dtype(np.bool_)
        return np.dtype(f"{self.kind}{self.size}")

    @property
    def is_float(self) -> bool:
        return self.kind == "f"

    def __str__(self) -> str:
        return self.name


DTYPES: tuple[DType, ...] = (
    DType("f32", 1, 4, "f"),
    DType("f64", 2, 8, "f"),
    DType("f16", 3, 2, "f"),
    DType("bf16", 4, 2, "f"),
    DType("i8", 5, 1, "i"),
    DType("i16", 6, 2, "i"),
    DType("i32", 7, 4, "i"),
    DType("i64", 8, 8, "i"),
    DType("u8", 9, 1, "u"),
    DType("u16", 10, 2, "u"),
    DType("u32", 11, 4, "u"),
    DType("u64", 12, 8, "u"),
    DType("bool", 13, 1, "b"),
)
BY_NAME = {dtype.name: dtype for dtype in DTYPES}
BY_CODE = {dtype.code: dtype for dtype in DTYPES}


def dtype_of(array_dtype: np.dtype) -> DType:
    """The element type of a numpy dtype. Raises KeyError for one the machine does not have."""
    for dtype in DTYPES:
        if dtype.name == "bf16":
            if array_dtype.name == "bfloat16":
                return dtype
        elif dtype.numpy == array_dtype:
            return dtype
    raise KeyError(str(array_dtype))
