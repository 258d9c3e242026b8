"""Read a .vbin: nothing of it is believed before it is checked."""

from __future__ import annotations

import mmap
import os
import zlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from vcc.runtime.binary.format import HEADER, MAGIC, SECTION, VERSION, DamagedError, Section, align, sections_digest
from vcc.runtime.binary.image import Image, Outline
from vcc.runtime.binary.program_reader import (
    read_constants,
    read_host,
    read_plan,
    read_remarks,
    read_symbols,
    read_values,
)
from vcc.runtime.binary.words import WordReader
from vcc.runtime.diagnostics import error

if TYPE_CHECKING:
    from vcc.runtime.isa.kernel import Kernel

Raw: TypeAlias = NDArray[np.uint8]
T = TypeVar("T")


def load(path: str | os.PathLike[str]) -> Image:
    """Read a .vbin file; its constants stay in the file, mapped into memory.

    Raises `VccError` E0204 if the file cannot be read, E0303 if it is damaged. The result is well formed; whether its
    kernels keep the rules of the instruction set is for `verify_image` to say.
    """
    return open_binary(path).image()


def read_image(data: bytes | memoryview, origin: str) -> Image:
    """The image in the bytes of a .vbin; constants are views of them. Raises `VccError` E0303, naming `origin`."""
    return Binary(np.frombuffer(data, np.uint8), origin).image()


def open_binary(path: str | os.PathLike[str]) -> Binary:
    """A .vbin file, mapped into memory. Raises `VccError` E0204 if it cannot be read, E0303 if it is damaged."""
    origin = os.fspath(path)
    try:
        if not os.path.getsize(path):
            raise error("E0303", f"{origin} is empty")
        data = np.memmap(path, np.uint8, "r")
        _ask_for_huge_pages(data)
    except OSError as problem:
        raise error("E0204", f"cannot read {origin}: {problem.strerror or problem}") from problem
    except ValueError as problem:
        raise error("E0204", f"cannot map {origin} into memory: {problem}") from problem
    return Binary(data, origin)


def _ask_for_huge_pages(data: np.memmap[Any, Any]) -> None:
    """Have what of a file is not in memory yet read into huge pages, which weights are read from with fewer misses.

    That needs a Linux and a file system that keep files so; elsewhere it does nothing.
    """
    mapped, wish = data.base, getattr(mmap, "MADV_HUGEPAGE", None)
    if wish is not None and isinstance(mapped, mmap.mmap):
        with suppress(OSError):  # a kernel without huge pages
            mapped.madvise(wish)


class Binary:
    """The bytes of a .vbin, whose checksums are right. `digest` is that of `program_digest`.

    Methods raise `VccError` E0303, naming `origin`, where the bytes are damaged nevertheless.
    """

    def __init__(self, data: Raw, origin: str):
        data.flags.writeable = False
        self._origin = origin
        self._sections = self._decoded(lambda: _sections(data))
        self.digest = sections_digest({kind: section.data for kind, section in self._sections.items()})

    def image(self) -> Image:
        """Everything, decoded."""
        image = self._decoded(lambda: _image(self._sections))
        object.__setattr__(image, "digest", self.digest)
        return image

    def outline(self, kernels: Sequence[str]) -> Outline:
        """All but the kernels, whose names are given."""
        return self._decoded(lambda: _outline(self._sections, kernels))

    def _decoded(self, decode: Callable[[], T]) -> T:
        try:
            return decode()
        except DamagedError as problem:
            again = "compile the model again; if the file was copied, copy it again"
            raise error("E0303", f"{self._origin}: {problem}", help=again) from problem


def _sections(data: Raw) -> dict[Section, Raw]:
    """The sections by kind, their places and checksums checked."""
    if data[: len(MAGIC)].tobytes() != MAGIC:
        raise DamagedError("not a .vbin file")
    first = align(HEADER.size + SECTION.size * len(Section))
    if len(data) < first:
        raise DamagedError("shorter than its header")
    _, version, count, size, checksum = HEADER.unpack(data[: HEADER.size].tobytes())
    if version != VERSION:
        raise DamagedError(f"made by another version of vcc: format {version}, this one reads format {VERSION}")
    if size != len(data):
        raise DamagedError(f"{len(data)} bytes long instead of {size}")
    table = data[HEADER.size : HEADER.size + SECTION.size * len(Section)].tobytes()
    if count != len(Section) or zlib.crc32(HEADER.pack(MAGIC, version, count, size, 0) + table) != checksum:
        raise DamagedError("the header is damaged")
    sections: dict[Section, Raw] = {}
    end, used = HEADER.size + len(table), data[: HEADER.size].tobytes()
    if used != HEADER.pack(MAGIC, version, count, size, checksum):
        raise DamagedError("the header is damaged")
    for kind, row in zip(Section, SECTION.iter_unpack(table), strict=True):
        number, checksum, offset, length = row
        if number != kind or offset != align(end) or offset + length > len(data) or data[end:offset].any():
            raise DamagedError(f"section {kind.name} is not where it should be")
        end = offset + length
        sections[kind] = data[offset:end]
        if zlib.crc32(sections[kind].data) != checksum:
            raise DamagedError(f"section {kind.name} is damaged (its checksum differs)")
    if end != len(data):
        raise DamagedError("goes on after its last section")
    return sections


def _image(sections: Mapping[Section, Raw]) -> Image:
    strings = _strings(sections[Section.STRINGS])

    def words(kind: Section) -> WordReader:
        return WordReader(kind.name, sections[kind].tobytes(), strings)

    nodes = read_symbols(words(Section.SYMBOLS))
    debug, taps = words(Section.DEBUG), words(Section.TAPS)
    remarks, values = read_remarks(debug, len(nodes)), read_values(taps, len(nodes))
    kernels = _kernels(words(Section.KERNELS), debug, taps)
    lower_bound, plan = read_plan(words(Section.PLAN))
    return Image(
        kernels=kernels,
        host=read_host(words(Section.HOST), [kernel.name for kernel in kernels]),
        constants=read_constants(words(Section.CONSTANT_TABLE), sections[Section.CONSTANTS]),
        nodes=nodes,
        values=values,
        plan=plan,
        lower_bound=lower_bound,
        machine=_text("MACHINE", sections[Section.MACHINE].tobytes()),
        remarks=remarks,
    )


def _outline(sections: Mapping[Section, Raw], kernels: Sequence[str]) -> Outline:
    strings = _strings(sections[Section.STRINGS])
    table, host, symbols = (
        WordReader(kind.name, sections[kind].tobytes(), strings)
        for kind in (Section.CONSTANT_TABLE, Section.HOST, Section.SYMBOLS)
    )
    constants = read_constants(table, sections[Section.CONSTANTS])
    return Outline(read_host(host, kernels), constants, read_symbols(symbols))


def _kernels(words: WordReader, debug: WordReader, taps: WordReader) -> tuple[Kernel, ...]:
    from vcc.runtime.binary.kernel_reader import Debug, KernelReader, read_sources, read_taps

    def kernel() -> Kernel:
        return KernelReader(words, Debug(read_sources(debug), read_taps(taps))).read()

    kernels = words.many("kernels", kernel)
    for reader in (words, debug, taps):
        reader.finish()
    return kernels


def _strings(data: Raw) -> tuple[str, ...]:
    head = np.frombuffer(data[: len(data) // 4 * 4].tobytes(), "<u4")
    count = int(head[0]) if len(head) else len(data)
    if count >= len(head):
        raise DamagedError("section STRINGS: too short for its table")
    ends = [0, *head[1 : count + 1].tolist()]
    raw = data[4 * (count + 1) :].tobytes()
    if sorted(ends) != ends or ends[-1] != len(raw):
        raise DamagedError("section STRINGS: its table does not fit its text")
    return tuple(_text("STRINGS", raw[start:end]) for start, end in pairwise(ends))


def _text(section: str, raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as problem:
        raise DamagedError(f"section {section}: not UTF-8 text") from problem
