"""What a program is fed on the command line: arrays from .npy files, or random ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vcc.runtime.diagnostics import error
from vcc.runtime.isa.host import TensorSpec

Array = NDArray[Any]

#: What .npy files begin with.
_MAGIC = b"\x93NUMPY"


def read_feeds(words: Sequence[str]) -> dict[str, Array]:
    """The arrays of `NAME=FILE.npy` words; E0202 for other words, E0204 for files that are no .npy."""
    feeds: dict[str, Array] = {}
    for word in words:
        name, equals, path = word.rpartition("=")
        if not equals or not name:
            raise error("E0202", f"--input {word}: write NAME=FILE.npy")
        if name in feeds:
            raise error("E0202", f"--input gives '{name}' twice")
        feeds[name] = _read_npy(path)
    return feeds


def _read_npy(path: str) -> Array:
    try:
        with open(path, "rb") as file:
            if file.read(len(_MAGIC)) != _MAGIC:
                raise error("E0204", f"{path} is not a .npy file", help="numpy.save writes them")
            file.seek(0)
            return np.load(file, allow_pickle=False)
    except OSError as failure:
        raise error("E0204", f"cannot read {path}: {failure.strerror or failure}") from None
    except (ValueError, EOFError) as failure:
        raise error("E0204", f"{path} is not a .npy file: {failure}") from None


def as_declared(feeds: Mapping[str, Array], specs: Sequence[TensorSpec]) -> dict[str, Array]:
    """The arrays, with those of unnamed bytes taken for the input's dtype: .npy files do not know bf16."""
    dtypes = {spec.name: np.dtype(spec.dtype.numpy) for spec in specs}
    return {
        name: array.view(dtypes[name])
        if array.dtype.kind == "V" and name in dtypes and array.dtype.itemsize == dtypes[name].itemsize
        else array
        for name, array in feeds.items()
    }


def parse_seed(option: str, text: str) -> int:
    """A seed; an empty text is 0. E0202 for anything but digits."""
    if not text:
        return 0
    if not text.isdigit():
        raise error("E0202", f"{option}={text}: a seed is a number")
    return int(text)
