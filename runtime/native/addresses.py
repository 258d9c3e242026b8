"""Where an array's data is, in a tenth of a microsecond; numpy itself takes one, which small models would feel."""

from __future__ import annotations

import ctypes
import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

_word = ctypes.c_void_p.from_address
#: Bytes from the start of an object of numpy's own type to the address of its data: every module that is compiled
#: against numpy reads it there (`PyArray_DATA`).
_AT = object.__basicsize__


def _told(array: NDArray[Any]) -> int:
    return array.ctypes.data


def _read(array: NDArray[Any]) -> int:
    if type(array) is not np.ndarray:
        return _told(array)
    return _word(id(array) + _AT).value or 0


def _agree() -> bool:
    """Whether numpy tells the same as is read, of some arrays."""
    if sys.implementation.name != "cpython":
        return False
    whole = np.zeros((3, 5), np.float32)
    return all(_read(array) == _told(array) for array in (whole, whole[1:], whole[:, 2], np.zeros(1, np.int8)))


#: The address of an array's first element.
address = _read if _agree() else _told
