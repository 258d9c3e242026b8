"""Streams of 32-bit words: what the sections of a .vbin are written in and read from."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

from vcc.runtime.binary.format import DamagedError
from vcc.runtime.diagnostics import error
from vcc.runtime.isa.dtypes import BY_CODE, DType

T = TypeVar("T")
NONE = 0xFFFFFFFF


class WordWriter:
    """Collects words; `strings` interns names for all sections of one image."""

    def __init__(self, strings: dict[str, int]):
        self.words: list[int] = []
        self.strings = strings

    def u32(self, value: int) -> None:
        if not 0 <= value <= NONE:
            raise error("E0302", f"{value} does not fit 32 bits of a binary")
        self.words.append(value)

    def i64(self, value: int) -> None:
        """A signed number in two words, the low one first."""
        if not -(1 << 63) <= value < 1 << 63:
            raise error("E0302", f"{value} does not fit 64 bits of a binary")
        self.words += (value & NONE, value >> 32 & NONE)

    def f64(self, value: float) -> None:
        self.words += struct.unpack("<II", struct.pack("<d", value))

    def text(self, value: str) -> None:
        """A name, as its number in the image's strings."""
        self.u32(self.strings.setdefault(value, len(self.strings)))

    def code(self, codes: Sequence[T], value: T) -> None:
        """A name as its number in one of the format's tuples."""
        if value not in codes:
            raise error("E0302", f"'{value}' has no place in a binary")
        self.u32(codes.index(value))

    def dtype(self, value: DType) -> None:
        self.u32(value.code)

    def many(self, items: Sequence[T], write: Callable[[T], None]) -> None:
        """A count and the items."""
        self.u32(len(items))
        for item in items:
            write(item)

    def blob(self, data: bytes) -> None:
        """Bytes, padded to whole words."""
        self.u32(len(data))
        self.words += np.frombuffer(data + bytes(-len(data) % 4), "<u4").tolist()

    def tobytes(self) -> bytes:
        return np.array(self.words, "<u4").tobytes()


class WordReader:
    """Reads words and checks them. Methods raise `DamagedError` where the words end or say the impossible."""

    def __init__(self, name: str, data: bytes, strings: Sequence[str]):
        if len(data) % 4:
            raise DamagedError(f"section {name} is not made of whole words")
        self.name, self.strings = name, strings
        self.words: list[int] = np.frombuffer(data, "<u4").tolist()
        self.at = 0

    def fail(self, what: str) -> DamagedError:
        return DamagedError(f"section {self.name}, byte {4 * self.at}: {what}")

    @property
    def remaining(self) -> int:
        return len(self.words) - self.at

    def u32(self) -> int:
        if self.at >= len(self.words):
            raise self.fail("ends too early")
        self.at += 1
        return self.words[self.at - 1]

    def i64(self, low: int = -(1 << 63), high: int = (1 << 63) - 1) -> int:
        """A signed number, which must lie within the bounds (inclusive)."""
        value = self.u32() | self.u32() << 32
        value -= (value >> 63) << 64
        if not low <= value <= high:
            raise self.fail(f"{value} is not within {low}..{high}")
        return value

    def f64(self) -> float:
        return struct.unpack("<d", struct.pack("<II", self.u32(), self.u32()))[0]

    def index(self, count: int, what: str) -> int:
        value = self.u32()
        if value >= count:
            raise self.fail(f"there is no {what} {value} (of {count})")
        return value

    def text(self) -> str:
        return self.strings[self.index(len(self.strings), "string")]

    def code(self, codes: Sequence[T], what: str) -> T:
        return codes[self.index(len(codes), what)]

    def dtype(self) -> DType:
        value = self.u32()
        if value not in BY_CODE:
            raise self.fail(f"there is no dtype {value}")
        return BY_CODE[value]

    def count(self, what: str, most: int | None = None) -> int:
        """How many items follow; each takes at least one word, so more cannot be than there are words."""
        value = self.u32()
        if value > self.remaining or (most is not None and value > most):
            raise self.fail(f"{value} {what} are too many")
        return value

    def many(self, what: str, read: Callable[[], T], most: int | None = None) -> tuple[T, ...]:
        return tuple(read() for _ in range(self.count(what, most)))

    def blob(self) -> bytes:
        size = self.u32()
        words = -(-size // 4)
        if words > self.remaining:
            raise self.fail(f"{size} bytes are too many")
        self.at += words
        return np.array(self.words[self.at - words : self.at], "<u4").tobytes()[:size]

    def finish(self) -> None:
        """To be called after the last item."""
        if self.remaining:
            raise self.fail("goes on after its end")
