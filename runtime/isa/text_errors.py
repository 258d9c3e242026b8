"""Where assembly text is wrong: file, line, column, the line itself with a caret, and all of it at once."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from lark import Token

from vcc.runtime.diagnostics import Diagnostic, VccError

MAX_PROBLEMS = 20


class Problems:
    """The errors found so far in one text. Lines and columns count from 1."""

    def __init__(self, text: str, filename: str):
        self.filename = filename
        self._lines = text.split("\n")
        self._unknown: set[tuple[str, str]] = set()
        self._found: dict[tuple[int, int, str], Diagnostic] = {}

    def __bool__(self) -> bool:
        return bool(self._found)

    def at(self, token: Token, message: str, remedy: str = "") -> None:
        """Add an error about a token."""
        self.add(token.line or 1, token.column or 1, message, remedy)

    def add(self, line: int, column: int, message: str, remedy: str = "") -> None:
        """Add an error at a position; the same error twice counts once."""
        shown = self._lines[line - 1].replace("\t", " ").rstrip() if line <= len(self._lines) else ""
        caret = " " * (column - 1) + "^"
        text = f"{self.filename}:{line}:{column}: {message}\n    {shown}\n    {caret}"
        self._found.setdefault((line, column, message), Diagnostic("E0301", text, help=remedy))

    def unknown(self, token: Token, kind: str, known: Iterable[str]) -> None:
        """Add "unknown KIND 'token'", with the nearest known name if one is near; once, however often it is used."""
        if (kind, str(token)) in self._unknown:
            return
        self._unknown.add((kind, str(token)))
        near = get_close_matches(str(token), list(known), n=1)
        suggestion = f"; did you mean '{near[0]}'?" if near else ""
        self.at(token, f"unknown {kind} '{token}'{suggestion}")

    def check(self) -> None:
        """Raise VccError (E0301) if there were errors: the first ones, in the order of the text."""
        if self._found:
            raise VccError([self._found[key] for key in sorted(self._found)][:MAX_PROBLEMS])
