"""The memory plan of a .vbin file as people read it: a table of tensors and a map, or JSON values."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from vcc.runtime.binary.image import Image
from vcc.runtime.plan.report import letters_of, memory_map, memory_report
from vcc.tools.output import size_text, table


def memory_facts(image: Image) -> dict[str, Any]:
    """The report of `vcc.runtime.plan.report` as JSON values; all sizes and addresses in bytes."""
    report = memory_report(image)
    return asdict(report) | {"overhead": report.overhead}


def print_memory(image: Image, drawn: bool) -> None:
    """Print the tensors in the order of their addresses; `drawn`: with who makes them, and a map."""
    report = memory_report(image)
    arena, bound = size_text(report.arena), size_text(report.bound)
    if not report.rows:
        print("the arena is empty: no tensor passes from one step to another")
        return
    print(f"arena {arena}, {report.overhead:.1%} above the lower bound {bound}")
    print("each tensor from the step that makes it to the last that reads it; * where the most bytes are live:")
    letters = letters_of(report) if drawn else {}
    rows: list[tuple[Any, ...]] = []
    for row in report.rows:
        kept = "*" if row.kept else ""
        cells = (row.name, row.address, row.size, row.first, row.last, kept)
        rows.append((letters.get(row, "#"), *cells, row.node) if drawn else cells)
    headers = ("tensor", "address", "bytes", "first", "last", "peak")
    table(("", *headers, "makes it") if drawn else headers, rows)
    if drawn:
        print("addresses upwards, steps to the right:")
        print("\n".join(memory_map(report)))
