"""The names of a graph's values, and the names of its nodes."""

from __future__ import annotations

import re

from xdsl.ir import SSAValue

_NOT_IN_HINTS = re.compile(r"\W+", re.ASCII)


class Scope:
    """The values that can be named in a graph: its own and those of the graphs around it."""

    def __init__(self, outer: Scope | None = None):
        self.outer = outer
        self.values: dict[str, SSAValue] = {}

    def find(self, name: str) -> SSAValue | None:
        """The value of a name, from the innermost graph that has it."""
        scope: Scope | None = self
        while scope is not None:
            if (value := scope.values.get(name)) is not None:
                return value
            scope = scope.outer
        return None


class NodeNames:
    """Gives every node one name of its own: the model's where it is there and not taken, else `Conv_12`."""

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self._count = 0

    def unique(self, name: str, op_type: str) -> str:
        """The name of the next node; depends only on the nodes before it."""
        index = self._count
        self._count += 1
        chosen = name or f"{op_type}_{index}"
        if chosen in self._taken:
            chosen = f"{op_type}_{index}"
        while chosen in self._taken:
            chosen += "_"
        self._taken.add(chosen)
        return chosen


def hint(name: str) -> str | None:
    """A name for an SSA value in IR text that resembles the ONNX value's."""
    text = _NOT_IN_HINTS.sub("_", name).strip("_")
    if not text:
        return None
    return f"v{text}" if text[0].isdigit() else text
