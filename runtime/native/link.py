"""Joining object files into one position-independent image, which runs wherever it is mapped.

All relocations are distances, so they are settled here. What the code needs from outside (the C library's functions) it
reaches through a table of addresses at the image's end, and only that is filled in when the image is mapped:

    code of all objects, a jump through the table for each outside function  | read and execute
    (next page) constants of all objects                                     | read
    table of addresses                                                       | read, once it is filled in
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field

from vcc.runtime.native.elf import Object, ObjectError, Relocation, Symbol, read_object
from vcc.runtime.native.linked import PAGE, Linked

#: Code of each object begins on a cache line of its own; constants are aligned as they ask to be.
_LINE = 64
_STUB = struct.Struct("<2si2s")  # jmp *distance(%rip), filled up with traps
#: Kinds of relocations (AMD64 supplement, table 4.9): the distance of a place, of a function, of a table entry.
_PC32, _PLT32, _GOTPCREL, _GOTPCRELX, _REX_GOTPCRELX = 2, 4, 9, 41, 42
_TABLE_KINDS = (_GOTPCREL, _GOTPCRELX, _REX_GOTPCRELX)


@dataclass
class _Layout:
    """Bytes so far, and where each section of each object went."""

    data: bytearray = field(default_factory=bytearray)
    places: dict[tuple[int, int], int] = field(default_factory=dict)

    def pad(self, alignment: int, fill: int = 0) -> int:
        self.data += bytes([fill]) * (-len(self.data) % alignment)
        return len(self.data)


def link(objects: Sequence[bytes]) -> Linked:
    """One image of all objects.

    Raises ObjectError for one that is damaged or needs what an image cannot have, and for a name defined twice.
    """
    return _Linker([read_object(data) for data in objects]).link()


class _Linker:
    def __init__(self, objects: Sequence[Object]):
        self.objects, self.layout = objects, _Layout()
        self.defined: dict[str, int] = {}
        self.outside = sorted(
            {r.symbol.name for o in objects for r in o.relocations if r.symbol.section is None}
            - {s.name for o in objects for s in o.symbols if s.section is not None and not s.local}
        )
        if "" in self.outside:
            raise ObjectError("a relocation to what is not in the image")
        self.table: list[str | int] = list(self.outside)

    def link(self) -> Linked:
        layout = self.layout
        self.place(executable=True)
        self.stubs = layout.pad(8, 0xCC)
        layout.data += bytes(_STUB.size * len(self.outside))
        code_bytes = layout.pad(PAGE, 0xCC)
        self.place(executable=False)
        self.define()
        jobs = [(n, r) for n, o in enumerate(self.objects) for r in o.relocations]
        for _, relocation in jobs:
            if relocation.kind in _TABLE_KINDS and relocation.symbol.name in self.defined:
                self.entry(self.defined[relocation.symbol.name])
        self.at_table = layout.pad(8)
        layout.data += bytes(8 * len(self.table))
        if len(layout.data) >= 1 << 31:
            raise ObjectError("the image is larger than 2 GiB")
        for index in range(len(self.outside)):
            at = self.stubs + _STUB.size * index
            _STUB.pack_into(layout.data, at, b"\xff\x25", self.at_table + 8 * index - at - 6, b"\xcc\xcc")
        for number, relocation in jobs:
            self.relocate(number, relocation)
        return Linked(bytes(layout.data), code_bytes, tuple(self.table), self.defined)

    def place(self, executable: bool) -> None:
        for number, item in enumerate(self.objects):
            for index, section in item.sections.items():
                if section.executable == executable:
                    alignment = max(section.alignment, _LINE) if executable else section.alignment
                    self.layout.places[number, index] = self.layout.pad(alignment, 0xCC if executable else 0)
                    self.layout.data += section.data

    def define(self) -> None:
        for number, item in enumerate(self.objects):
            for symbol in item.symbols:
                if symbol.section is not None and not symbol.local:
                    if symbol.name in self.defined:
                        raise ObjectError(f"{symbol.name} is defined twice")
                    self.defined[symbol.name] = self.layout.places[number, symbol.section] + symbol.offset

    def entry(self, item: str | int) -> int:
        """The index in the table of an address that the code asks for."""
        if item not in self.table:
            self.table.append(item)
        return self.table.index(item)

    def relocate(self, number: int, relocation: Relocation) -> None:
        at = self.layout.places[number, relocation.section] + relocation.offset
        distance = self.target(number, relocation.symbol, relocation.kind) + relocation.addend - at
        if not -(1 << 31) <= distance < 1 << 31:
            raise ObjectError(f"{relocation.symbol.name} is out of reach")
        struct.pack_into("<i", self.layout.data, at, distance)

    def target(self, number: int, symbol: Symbol, kind: int) -> int:
        """Where a relocation leads."""
        here = self.layout.places[number, symbol.section] + symbol.offset if symbol.section is not None else None
        here = self.defined.get(symbol.name) if here is None else here
        if kind in _TABLE_KINDS:
            return self.at_table + 8 * self.entry(symbol.name if here is None else here)
        if here is not None and kind in (_PC32, _PLT32):
            return here
        if kind == _PLT32:
            return self.stubs + _STUB.size * self.outside.index(symbol.name)
        raise ObjectError(f"a relocation of kind {kind} to {symbol.name}, which would depend on where the image lies")
