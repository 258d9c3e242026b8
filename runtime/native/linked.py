"""A position-independent image of machine code: what `link` makes, the cache keeps and `mapping` maps."""

from __future__ import annotations

from dataclasses import dataclass

PAGE = 4096


@dataclass(frozen=True)
class Linked:
    """An image: its first `code_bytes`, whole pages, are code; `symbols` are the places of functions.

    The last 8 bytes times the length of `table` are for addresses: of the outside function of that name, or of a place
    in the image itself.
    """

    data: bytes
    code_bytes: int
    table: tuple[str | int, ...]
    symbols: dict[str, int]

    @property
    def table_offset(self) -> int:
        return len(self.data) - 8 * len(self.table)
