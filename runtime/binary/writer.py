"""Make a .vbin of an image: the same image gives the same bytes."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np

from vcc.runtime.binary.format import HEADER, MAGIC, SECTION, VERSION, Section, align, sections_digest
from vcc.runtime.binary.image import Image
from vcc.runtime.binary.kernel_writer import KernelWriter
from vcc.runtime.binary.program_writer import ProgramWriter, constant_offsets
from vcc.runtime.binary.words import WordWriter
from vcc.runtime.diagnostics import error

Chunks = list[bytes | memoryview]


def write_image(image: Image) -> bytes:
    """The bytes of a .vbin. Raises `VccError` E0302 for an image that names what it does not have."""
    return b"".join(_chunks(image))


def save(image: Image, path: str | os.PathLike[str]) -> None:
    """Write a .vbin file, all or nothing: readers never see a part of it.

    Raises `VccError` E0203 if the file cannot be written, E0302 as `write_image`.
    """
    chunks = list(_chunks(image))
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_file() and not target.is_dir():
        temporary = target  # a device or pipe, which cannot be replaced
    else:
        temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.writelines(chunks)
        if temporary is not target:
            temporary.replace(target)
    except OSError as problem:
        if temporary is not target:
            with suppress(OSError):
                temporary.unlink()
        raise error("E0203", f"cannot write {os.fspath(path)}: {problem.strerror or problem}") from problem


def program_digest(image: Image) -> bytes:
    """A digest of all that a .vbin of the image holds, its weights left out. 32 bytes.

    Raises `VccError` E0302 as `write_image`.
    """
    if not image.digest:
        weightless = {kind: b"".join(c) for kind, c in _sections(image).items() if kind is not Section.CONSTANTS}
        object.__setattr__(image, "digest", sections_digest(weightless))
    return image.digest


def _chunks(image: Image) -> Iterator[bytes | memoryview]:
    """The file in order; constants are not copied."""
    sections = _sections(image)
    end = HEADER.size + SECTION.size * len(sections)
    table, body = b"", Chunks()
    for kind in Section:
        chunks = sections[kind]
        size, checksum = sum(map(len, chunks)), 0
        for chunk in chunks:
            checksum = zlib.crc32(chunk, checksum)
        table += SECTION.pack(kind, checksum, align(end), size)
        body += (bytes(align(end) - end), *chunks)
        end = align(end) + size
    blank = HEADER.pack(MAGIC, VERSION, len(sections), end, 0)
    yield HEADER.pack(MAGIC, VERSION, len(sections), end, zlib.crc32(blank + table))
    yield table
    yield from body


def _sections(image: Image) -> dict[Section, Chunks]:
    strings: dict[str, int] = {}
    program = ProgramWriter(image, strings)
    kernels, debug, taps = WordWriter(strings), program.remarks(), program.values()
    kernels.u32(len(image.kernels))
    for kernel in image.kernels:
        KernelWriter(kernel, strings).write(kernels, debug, taps)
    words = {
        Section.KERNELS: kernels,
        Section.HOST: program.host(),
        Section.CONSTANT_TABLE: program.constants(),
        Section.PLAN: program.plan(),
        Section.SYMBOLS: program.symbols(),
        Section.DEBUG: debug,
        Section.TAPS: taps,
    }
    return {
        Section.STRINGS: [_strings(list(strings))],
        **{kind: [writer.tobytes()] for kind, writer in words.items()},
        Section.MACHINE: [image.machine.encode()],
        Section.CONSTANTS: _raw(image),
    }


def _strings(names: list[str]) -> bytes:
    encoded = [name.encode() for name in names]
    ends = np.cumsum([0, *map(len, encoded)])[1:]
    return np.array([len(names), *ends], "<u4").tobytes() + b"".join(encoded)


def _raw(image: Image) -> Chunks:
    chunks, at = Chunks(), 0
    for constant, offset in zip(image.constants, constant_offsets(image.constants), strict=False):
        data = np.ascontiguousarray(constant.data).reshape(-1).view(np.uint8)
        chunks += (bytes(offset - at), data.data)
        at = offset + data.nbytes
    return chunks
