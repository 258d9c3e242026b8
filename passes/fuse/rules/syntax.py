"""The syntax trees of rule files. Every node knows its place in the file as (line, column)."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from vcc.runtime.diagnostics import VccError, error

#: Line and column, counted from one.
Place: TypeAlias = tuple[int, int]
Literal: TypeAlias = "float | int | bool | str | tuple[Literal, ...]"


@dataclass(frozen=True)
class Variable:
    """`x`: any value, the same one wherever the name stands; `_` is a different one each time."""

    name: str
    place: Place = field(compare=False)


@dataclass(frozen=True)
class Number:
    """`0.5`: a constant all of whose elements are this number, up to a relative tolerance."""

    value: float
    tolerance: float | None
    place: Place = field(compare=False)


@dataclass(frozen=True)
class Apply:
    """`transpose[perm](x)`: an operation; or a call of a definition or, in a replacement, of a function."""

    name: str
    attributes: tuple[tuple[str, Expression], ...]
    args: tuple[Pattern, ...]
    place: Place = field(compare=False)


@dataclass(frozen=True)
class Bound:
    """`t=mul(x, y)`: a pattern whose value has a name."""

    name: str
    pattern: Pattern
    place: Place = field(compare=False)


@dataclass(frozen=True)
class Alternatives:
    """`a | b`: any of the patterns."""

    patterns: tuple[Pattern, ...]
    place: Place = field(compare=False)


@dataclass(frozen=True)
class Optional:
    """`mask?` as an operand: it may be absent; an operation that cannot do without it is then absent, too."""

    pattern: Pattern
    place: Place = field(compare=False)


Pattern: TypeAlias = Variable | Number | Apply | Bound | Alternatives | Optional


@dataclass(frozen=True)
class Name:
    """A variable in a condition or attribute, or a symbol such as `f32`."""

    name: str
    place: Place = field(compare=False)


@dataclass(frozen=True)
class Value:
    """A literal in a condition or attribute."""

    value: Literal
    place: Place = field(compare=False)


@dataclass(frozen=True)
class Call:
    """A call of a predicate or function; also `==`, `<`, ..., `not` and `or`."""

    name: str
    args: tuple[Expression, ...]
    place: Place = field(compare=False)


Expression: TypeAlias = Name | Value | Call


@dataclass(frozen=True)
class Example:
    """What a `given` says of a variable: a literal; or a shape with what fills it.

    `kind` is "literal", "tensor", "constant" or "positive" (a tensor of numbers greater than zero).
    """

    kind: str
    value: Literal = 0
    shape: tuple[int, ...] = ()
    dtype: str | None = None


@dataclass(frozen=True)
class Define:
    """`define NAME(PARAMETERS) = PATTERN where CONDITIONS`: a named pattern; several of a name are alternatives."""

    name: str
    parameters: tuple[str, ...]
    pattern: Pattern
    conditions: tuple[Expression, ...]
    place: Place = field(compare=False)


@dataclass(frozen=True)
class RuleText:
    """A rule as written."""

    name: str
    doc: str
    lets: tuple[tuple[str, Pattern], ...]
    pattern: Pattern
    replacement: Pattern
    conditions: tuple[Expression, ...]
    givens: tuple[tuple[tuple[str, Example], ...], ...]
    place: Place = field(compare=False)
    file: Path
    stage: str
    #: The rule as it stands in the file, doc comments included.
    source: str = field(compare=False)


#: In which order rules are applied. A stage applies its own rules and those of the stages before it.
STAGES = ("canonicalise", "recognise", "optimise")


def rule_error(file: Path, place: Place, message: str) -> VccError:
    """E0205 at a place of a rule file."""
    return error("E0205", f"{file}:{place[0]}:{place[1]}: {message}")
