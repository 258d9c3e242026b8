"""Reading what LLVM emits: an ELF file of x86-64 machine code that is not linked yet.

The format is that of the System V ABI (generic part, chapters 4 and 5; AMD64 supplement, section 4.4). Nothing in the
file is believed: every offset, size and index is checked before it is used.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

#: Header: identification, type, machine, version, entry, program headers, section headers, flags, ... (64 bytes).
_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
#: Section: name, type, flags, address, offset, size, link, info, alignment, entry size (64 bytes).
_SECTION = struct.Struct("<IIQQQQIIQQ")
#: Symbol: name, info, other, section, value, size (24 bytes).
_SYMBOL = struct.Struct("<IBBHQQ")
#: Relocation with addend: offset, type and symbol, addend (24 bytes).
_RELOCATION = struct.Struct("<QQq")

_IDENTITY = b"\x7fELF\x02\x01\x01"  # 64 bits, little endian, version 1
_RELOCATABLE, _X86_64 = 1, 62
_PROGBITS, _SYMTAB, _RELA, _NOBITS, _REL = 1, 2, 4, 8, 9
_WRITE, _ALLOC, _EXECUTABLE, _TLS = 1, 2, 4, 0x400
_UNDEFINED, _RESERVED = 0, 0xFF00
_LOCAL, _FILE, _THREAD_LOCAL, _INDIRECT = 0, 4, 6, 10


class ObjectError(Exception):
    """What is wrong with an object file, or what it needs that cannot be given."""


@dataclass(frozen=True)
class Section:
    """Bytes that take part in the image: code or constants, and the alignment they need."""

    name: str
    data: bytes
    alignment: int
    executable: bool


@dataclass(frozen=True)
class Symbol:
    """A name for byte `offset` of section number `section`; without a section it is defined elsewhere."""

    name: str
    section: int | None
    offset: int
    local: bool


@dataclass(frozen=True)
class Relocation:
    """Four bytes at `offset` of section number `section` to fill in with the distance to `symbol` plus `addend`."""

    section: int
    offset: int
    kind: int
    symbol: Symbol
    addend: int


@dataclass
class Object:
    """The loadable sections of a file by number, its named symbols, and its relocations."""

    sections: dict[int, Section] = field(default_factory=dict)
    symbols: list[Symbol] = field(default_factory=list)
    relocations: list[Relocation] = field(default_factory=list)


def read_object(data: bytes) -> Object:
    """The contents of a relocatable ELF file. Raises ObjectError if it is damaged, or has what no image can hold:
    another machine's code, variables, or relocations without addends."""
    return _Reader(data).read()


class _Reader:
    def __init__(self, data: bytes):
        self.data = data

    def read(self) -> Object:
        self.headers = self._headers()
        self.names = self._strings(self.header_names)
        result = Object()
        for number, header in enumerate(self.headers):
            section = self._section(header)
            if section:
                result.sections[number] = section
        tables = [number for number, header in enumerate(self.headers) if header[1] == _SYMTAB]
        if len(tables) != 1:
            raise ObjectError(f"{len(tables)} symbol tables instead of one")
        result.symbols = self._symbols(self.headers[tables[0]], result.sections)
        for header in self.headers:
            if header[1] in (_RELA, _REL) and header[7] in result.sections:
                if header[1] == _REL or header[6] != tables[0]:
                    raise ObjectError("relocations of an unknown form")
                result.relocations += self._relocations(header, result)
        return result

    def _piece(self, offset: int, size: int, what: str) -> bytes:
        if offset + size > len(self.data):
            raise ObjectError(f"the file ends before its {what}")
        return self.data[offset : offset + size]

    def _rows(self, layout: struct.Struct, header: tuple[int, ...], what: str) -> list[tuple[int, ...]]:
        _, _, _, _, offset, size, _, _, _, row = header
        if row != layout.size or size % row:
            raise ObjectError(f"{what} is not a whole number of rows")
        return list(layout.iter_unpack(self._piece(offset, size, what)))

    def _headers(self) -> list[tuple[int, ...]]:
        fields = _HEADER.unpack(self._piece(0, _HEADER.size, "header"))
        identity, kind, machine, _, _, _, offset, _, _, _, _, size, count, self.header_names = fields
        if not identity.startswith(_IDENTITY) or (kind, machine) != (_RELOCATABLE, _X86_64):
            raise ObjectError("not an ELF file of x86-64 code to be linked")
        if size != _SECTION.size or self.header_names >= count:
            raise ObjectError("its section headers are of an unknown form")
        return list(_SECTION.iter_unpack(self._piece(offset, size * count, "section headers")))

    def _strings(self, number: int) -> bytes:
        if number >= len(self.headers):
            raise ObjectError("a table of names is missing")
        _, _, _, _, offset, size, *_ = self.headers[number]
        return self._piece(offset, size, "names")

    def _name(self, names: bytes, at: int) -> str:
        end = names.find(b"\0", at)
        if at > len(names) or end < 0:
            raise ObjectError("a name has no end")
        return names[at:end].decode("utf-8", "replace")

    def _section(self, header: tuple[int, ...]) -> Section | None:
        """A section that must be in memory at run time; None for others, tables for unwinding the stack among them."""
        start, kind, flags, _, offset, size, _, _, alignment, _ = header
        name = self._name(self.names, start)
        if not flags & _ALLOC or not size or name == ".eh_frame":
            return None
        if flags & (_WRITE | _TLS) or kind == _NOBITS:
            raise ObjectError(f"section {name} is for variables, which machine code of kernels has none of")
        if kind != _PROGBITS:
            raise ObjectError(f"section {name} is of an unknown type {kind}")
        alignment = max(1, alignment)
        if alignment & (alignment - 1) or alignment > 4096:
            raise ObjectError(f"section {name} cannot be aligned to {alignment} bytes")
        return Section(name, self._piece(offset, size, f"section {name}"), alignment, bool(flags & _EXECUTABLE))

    def _symbols(self, header: tuple[int, ...], sections: dict[int, Section]) -> list[Symbol]:
        names = self._strings(header[6])
        symbols: list[Symbol] = []
        for start, info, _, section, value, _ in self._rows(_SYMBOL, header, "the symbol table"):
            kind, local, name = info & 15, info >> 4 == _LOCAL, self._name(names, start)
            if kind in (_THREAD_LOCAL, _INDIRECT) or (section >= _RESERVED and kind != _FILE):
                raise ObjectError(f"symbol {name} is neither code nor a constant")
            place = section if section in sections else None
            if place is not None and value > len(sections[section].data):
                raise ObjectError(f"symbol {name} lies outside its section")
            unusable = place is None and section != _UNDEFINED  # of a section that is left out, or a file's name
            symbols.append(Symbol("" if unusable else name, place, value, local))
        return symbols

    def _relocations(self, header: tuple[int, ...], found: Object) -> list[Relocation]:
        target = header[7]
        relocations: list[Relocation] = []
        for offset, info, addend in self._rows(_RELOCATION, header, "the relocations"):
            if offset + 4 > len(found.sections[target].data):
                raise ObjectError("a relocation lies outside its section")
            if info >> 32 >= len(found.symbols):
                raise ObjectError("a relocation names no symbol")
            relocations.append(Relocation(target, offset, info & 0xFFFFFFFF, found.symbols[info >> 32], addend))
        return relocations
