"""What the modules of vcc import, read from their source with `ast`."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

#: Every package, each of which imports only itself and those before it.
PACKAGES = ("runtime", "dialects", "passes", "compiler", "tools")


@dataclass(frozen=True)
class Import:
    """One imported name: `module` is dotted and absolute (relative imports start with a dot)."""

    source: str
    line: int
    module: str
    at_load: bool

    def __str__(self) -> str:
        return f"{self.source}:{self.line} imports {self.module}"


def imports_of(root: Path, package: str) -> Iterator[Import]:
    """Every import in the Python files of a package; `from a import b` gives `a.b`."""
    for path in sorted((root / package).rglob("*.py")):
        source = path.relative_to(root).as_posix()
        yield from imports_in(path.read_text(encoding="utf-8"), source)


def imports_in(text: str, source: str) -> Iterator[Import]:
    """The imports of one file; `at_load` is false inside functions and `if TYPE_CHECKING`."""
    pending: list[tuple[ast.AST, bool]] = [(ast.parse(text, source), True)]
    while pending:
        node, at_load = pending.pop()
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(source, node.lineno, alias.name, at_load)
        elif isinstance(node, ast.ImportFrom):
            prefix = "." * node.level + (node.module or "")
            for alias in node.names:
                yield Import(source, node.lineno, f"{prefix}.{alias.name}", at_load)
        deferred = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) or _is_type_checking(node)
        pending.extend((child, at_load and not deferred) for child in ast.iter_child_nodes(node))


def _is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")


def find_cycle(edges: dict[str, set[str]]) -> list[str]:
    """One cycle of a directed graph as a list of nodes whose last is its first; empty if there is none."""
    done: set[str] = set()

    def visit(node: str, path: list[str]) -> list[str]:
        if node in path:
            return [*path[path.index(node) :], node]
        if node in done:
            return []
        for follower in sorted(edges.get(node, ())):
            if cycle := visit(follower, [*path, node]):
                return cycle
        done.add(node)
        return []

    for start in sorted(edges):
        if cycle := visit(start, []):
            return cycle
    return []
