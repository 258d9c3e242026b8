"""The layout of a .vbin: header, section table and the numbers that stand for names.

    offset 0   header, 64 bytes: magic, version, number of sections, file size, CRC-32 of header and table
    offset 64  section table, 32 bytes a row: kind, CRC-32, offset, size in bytes
    then       the sections in the order of `Section`, each at a multiple of 64 bytes, zeros between

Everything is little endian. All sections but the raw ones are streams of 32-bit words (see words.py). Numbers are
positions in the tuples below and in kernel_format.py, to which entries may be appended but never inserted: a new entry
needs no new version, a new layout does.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from enum import IntEnum
from hashlib import blake2b

from vcc.runtime.isa.host import Space

MAGIC = b"VBIN\r\n\x1a\n"
VERSION = 1
ALIGNMENT = 64

#: magic, version, number of sections, file size, checksum (taken with this field zero), padding.
HEADER = struct.Struct("<8sIIQI36x")
#: kind, checksum, offset, size, padding.
SECTION = struct.Struct("<IIQQ8x")


class Section(IntEnum):
    """The kinds of sections, in file order; each occurs exactly once."""

    STRINGS = 1  # every name, once: count, end offsets, UTF-8 bytes
    KERNELS = 2  # words
    HOST = 3  # words: inputs, outputs, steps
    CONSTANT_TABLE = 4  # words
    PLAN = 5  # words: live ranges of the arena
    SYMBOLS = 6  # words: ONNX node names
    DEBUG = 7  # words: remarks, sources of every instruction
    TAPS = 8  # words: observable values, and which instructions write them
    MACHINE = 9  # the machine description, TOML text
    CONSTANTS = 10  # raw arrays, each at a multiple of 64 bytes


class Tag(IntEnum):
    """The first word of a statement."""

    END = 0
    LET = 1
    SCALAR_LOAD = 2
    SYNC = 3
    LOOP = 4
    FORALL = 5
    IF = 6
    INSTR = 7


class Kind(IntEnum):
    """The first word of an operand or attribute value."""

    ABSENT = 0
    VIEW = 1
    INT = 2
    UINT = 3  # above the signed range
    FLOAT = 4
    POLY = 5
    NAME = 6


SPACES = (Space.INPUT, Space.OUTPUT, Space.CONST, Space.ARENA)
MODES = ("in", "out", "inout")
SYNC_OPS = ("wait", "signal", "barrier")
LOOP_KINDS = ("seq", "reduce", "parallel")
SCALAR_OPS = ("add", "mul", "min", "max", "div", "mod", "eq", "ne", "lt", "le", "gt", "ge", "and", "or")


class DamagedError(Exception):
    """What is wrong with the bytes of a .vbin; `read_image` makes a diagnostic of it."""


def sections_digest(sections: Mapping[Section, bytes | memoryview]) -> bytes:
    """A digest of 32 bytes of all sections but the weights."""
    digest = blake2b(digest_size=32)
    for kind in Section:
        if kind is not Section.CONSTANTS:
            digest.update(struct.pack("<IQ", kind, len(sections[kind])))
            digest.update(sections[kind])
    return digest.digest()


def align(offset: int) -> int:
    """The next multiple of the sections' alignment."""
    return -(-offset // ALIGNMENT) * ALIGNMENT
