"""Machine code in memory: never writable and executable at once, gone when nothing refers to it any more."""

from __future__ import annotations

import ctypes
import mmap
import os
import struct
import sys
from collections.abc import Callable
from functools import cache

from vcc.runtime.diagnostics import VccError, error
from vcc.runtime.native.linked import PAGE, Linked

#: The C library's parts, where the table's functions are looked up. In a process of Python the first knows them all
#: unless Python was linked statically.
_LIBRARIES = (None, "libm.so.6", "libc.so.6")
_WORD = struct.Struct("<Q")


def can_map() -> bool:
    """Whether this system runs images: 64-bit x86 Linux does. Elsewhere LLVM itself must load what it makes."""
    return sys.platform == "linux" and os.uname().machine == "x86_64" and sys.maxsize > 1 << 32


@cache
def _address(name: str) -> int:
    for library in _LIBRARIES:
        try:
            found = getattr(ctypes.CDLL(library), name)
        except (OSError, AttributeError):
            continue
        return ctypes.cast(found, ctypes.c_void_p).value or 0
    raise error("E0121", f"the C library of this system has no {name}, which this program's machine code needs")


class Mapping:
    """An image in memory of its own, ready to run while this object lives.

    Raises VccError (E0121) if the system does not let memory be executed, or lacks an outside function.
    """

    def __init__(self, image: Linked):
        self.image = image
        addresses = [_address(item) if isinstance(item, str) else item for item in image.table]
        size = max(len(image.data), PAGE)  # a program of host calls alone has no code
        try:
            self._memory = mmap.mmap(-1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, mmap.PROT_READ | mmap.PROT_WRITE)
        except OSError as problem:
            raise _refused(problem) from problem
        self._base = ctypes.addressof(ctypes.c_char.from_buffer(self._memory))
        self._memory[: len(image.data)] = image.data
        for index, (item, address) in enumerate(zip(image.table, addresses, strict=True)):
            value = address if isinstance(item, str) else self._base + address
            _WORD.pack_into(self._memory, image.table_offset + 8 * index, value)
        self._protect(0, image.code_bytes, mmap.PROT_READ | mmap.PROT_EXEC)
        self._protect(image.code_bytes, size, mmap.PROT_READ)

    def address(self, name: str) -> int:
        """Where a function starts. Raises KeyError."""
        return self._base + self.image.symbols[name]

    def _protect(self, start: int, end: int, rights: int) -> None:
        if start < end and _mprotect()(self._base + start, end - start, rights):
            number = ctypes.get_errno()
            raise _refused(OSError(number, os.strerror(number)))


@cache
def _mprotect() -> Callable[[int, int, int], int]:
    function = ctypes.CDLL(None, use_errno=True).mprotect
    function.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    return function


def _refused(problem: OSError) -> VccError:
    return error("E0121", f"this system does not let machine code be mapped: {problem.strerror}")
