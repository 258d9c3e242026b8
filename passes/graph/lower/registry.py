"""Which ONNX operators lower to the `graph` dialect, from which version on, and under which constraints.

A lowering is a function of a `Node`, declared with `@lowers`. What it needs beyond the operator's schema it declares
as constraints: small functions whose docstring says what must hold. A node that violates one goes to the host with
that docstring as the reason, and the table of supported operators is made of the same docstrings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from xdsl.ir import SSAValue

from vcc.passes.graph.lower.node import Node

Constraint: TypeAlias = Callable[[Node], bool]
Function: TypeAlias = Callable[[Node], SSAValue | Sequence[SSAValue | None]]


@dataclass(frozen=True)
class Lowering:
    """How one operator is lowered in the schema versions `since` to `until` (None: all later ones)."""

    domain: str
    op_type: str
    since: int
    until: int | None
    constraints: tuple[Constraint, ...]
    function: Function

    def covers(self, version: int) -> bool:
        """Whether this is the lowering for that since_version of the operator."""
        return self.since <= version and (self.until is None or version <= self.until)

    def violated(self, node: Node) -> str | None:
        """The first constraint that does not hold, as the text that says what must; None if all hold."""
        for constraint in self.constraints:
            if not constraint(node):
                return describe(constraint)
        return None


_LOWERINGS: dict[tuple[str, str], list[Lowering]] = {}


def describe(constraint: Constraint) -> str:
    """What a constraint says must hold: its docstring on one line, without the full stop."""
    return " ".join((constraint.__doc__ or "").split()).rstrip(".")


def lowers(
    *op_types: str,
    since: int = 1,
    until: int | None = None,
    domain: str = "",
    needs: Sequence[Constraint] = (),
) -> Callable[[Function], Function]:
    """Register a function as the lowering of operators under the constraints `needs`."""

    def register(function: Function) -> Function:
        for op_type in op_types:
            lowering = Lowering(domain, op_type, since, until, tuple(needs), function)
            _LOWERINGS.setdefault((domain, op_type), []).append(lowering)
        return function

    return register


def find_lowering(domain: str, op_type: str, version: int) -> Lowering | None:
    """The lowering of an operator's schema version, if there is one."""
    return next((each for each in _LOWERINGS.get((domain, op_type), ()) if each.covers(version)), None)


def all_lowerings() -> Iterator[Lowering]:
    """Every registered lowering, by domain and operator."""
    for key in sorted(_LOWERINGS):
        yield from _LOWERINGS[key]
