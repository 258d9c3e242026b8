"""What the commands print: results to stdout, tables and diagnostics to stderr, JSON with a schema version."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import pairwise
from typing import Any, TextIO
from unicodedata import east_asian_width

from vcc.runtime.diagnostics import VccError

#: The version of all JSON that the commands write; it changes when a reader would have to.
SCHEMA = 1

#: The columns of a name in a table or summary; JSON has it whole, and so have tables with --wide.
NAME_WIDTH = 56
_width: int | None = NAME_WIDTH

#: The headers of columns that hold names of a model.
NAMES = frozenset(("name", "node", "nodes", "value", "tensor", "output", "makes it"))


def print_json(verb: str, content: Mapping[str, Any], exit_code: int = 0) -> None:
    """Write one JSON object to stdout: the schema version, the verb, its exit code, and what it found."""
    document = {"schema": SCHEMA, "verb": verb, "exit": exit_code, **content}
    print(json.dumps(document, indent=2, default=str))


def note(text: str = "") -> None:
    """A line for people, on stderr."""
    print(text, file=sys.stderr)


def colourful(stream: TextIO) -> bool:
    """Whether the stream is a terminal and its user has nothing against colours."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def show_names_in_full(wanted: bool) -> None:
    """Whether tables and summaries print names of any length, from now on."""
    global _width
    _width = None if wanted else NAME_WIDTH


def name_text(name: str) -> str:
    """A name as people read it: on one line, control characters escaped, the middle left out if it is long.

    The end of an ONNX name tells most, since exporters put the path of modules before it.
    """
    name = printable(name)
    if _width is None or len(name) <= _width:
        return name
    head = _width // 3
    return f"{name[:head]}...{name[len(name) - (_width - head - 3) :]}"


def printable(text: str) -> str:
    """The text with control characters escaped: a model's names must not move the cursor."""
    return text if text.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def report_failure(failure: VccError, words: Sequence[str]) -> None:
    """Print the diagnostics to stderr, and as JSON to stdout if the command line asked for that."""
    for diagnostic in failure.diagnostics:
        text = "\n".join(map(printable, str(diagnostic).split("\n")))
        if colourful(sys.stderr):
            head, colon, rest = text.partition(": ")
            text = f"\x1b[1;31m{head}\x1b[0m{colon}{rest}"
        note(text)
    if "--format=json" in words or ("--format", "json") in pairwise(words):
        found = [asdict(each) for each in failure.diagnostics]
        print_json(words[0], {"diagnostics": found}, int(failure.exit_code))


def table(
    headers: Sequence[str], rows: Sequence[Sequence[Any]], stream: TextIO | None = None, indent: str = "  "
) -> None:
    """Print a table: numbers to the right, everything else to the left; on a terminal by rich."""
    out = sys.stdout if stream is None else stream
    texts = [
        [name_text(str(cell)) if header in NAMES else _cell(cell) for header, cell in zip(headers, row, strict=True)]
        for row in rows
    ]
    right = [bool(rows) and all(isinstance(row[i], int | float) for row in rows) for i in range(len(headers))]
    if colourful(out):
        _rich_table(headers, texts, right, out)
        return
    widths = [max([len(headers[i]), *(_columns(row[i]) for row in texts)]) for i in range(len(headers))]
    for line in (headers, *texts):
        cells = [
            " " * (width - _columns(cell)) + cell if to_right else cell + " " * (width - _columns(cell))
            for cell, width, to_right in zip(line, widths, right, strict=True)
        ]
        print((indent + "  ".join(cells)).rstrip(), file=out)


def _rich_table(headers: Sequence[str], texts: list[list[str]], right: list[bool], out: TextIO) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=None, pad_edge=True, header_style="bold")
    for header, to_right in zip(headers, right, strict=True):
        drawn.add_column(header, justify="right" if to_right else "left", overflow="fold")
    for row in texts:
        drawn.add_row(*(Text(cell) for cell in row))
    Console(file=out).print(drawn)


def _columns(text: str) -> int:
    """The columns that a terminal takes for a text: two for wide characters."""
    return len(text) if text.isascii() else sum(1 + (east_asian_width(c) in "WF") for c in text)


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else printable(str(value))


def size_text(nbytes: int) -> str:
    """A number of bytes for people: 1.5 MiB."""
    value, units = float(nbytes), ["bytes", "KiB", "MiB", "GiB", "TiB"]
    unit = 0
    while value >= 1024 and unit < len(units) - 1:
        value, unit = value / 1024, unit + 1
    return f"{nbytes} bytes" if unit == 0 else f"{value:.1f} {units[unit]}"


def count_text(count: int) -> str:
    """A large count for people: 1.5 M."""
    for limit, unit in ((10**12, "T"), (10**9, "G"), (10**6, "M"), (10**3, "k")):
        if count >= limit:
            return f"{count / limit:.2f} {unit}"
    return str(count)
