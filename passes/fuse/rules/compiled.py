"""Rules as the engine uses them: plain trees without alternatives, optional operands or definitions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from vcc.passes.fuse.rules.facts import RuleFunction
from vcc.passes.fuse.rules.syntax import Example, RuleText, Value
from vcc.passes.fuse.rules.vocabulary import Key, RuleOp


@dataclass(frozen=True)
class AnyValue:
    """Matches any value and names it."""

    names: tuple[str, ...]


@dataclass(frozen=True)
class Constant:
    """Matches a constant of one number."""

    value: float
    tolerance: float | None
    names: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Match:
    """Matches an operation. `names` are its result's names; an operand that is absent is None."""

    op: RuleOp
    attributes: tuple[tuple[str, Captured | Value], ...]
    args: tuple[Node | None, ...]
    names: tuple[str, ...] = ()

    def nodes(self) -> Iterator[Match]:
        """This operation's node and those of its operands, the root first."""
        yield self
        for arg in self.args:
            if isinstance(arg, Match):
                yield from arg.nodes()


@dataclass(frozen=True)
class Captured:
    """An attribute with a name."""

    name: str


Node: TypeAlias = AnyValue | Constant | Match


@dataclass(frozen=True)
class Computed:
    """A call of a predicate, a function or an operator in a condition, an attribute or a replacement."""

    name: str
    function: RuleFunction
    args: tuple[Term, ...]


#: What an expression is made of: a variable, a literal, a call.
Term: TypeAlias = Captured | Value | Computed


@dataclass(frozen=True, eq=False)
class Make:
    """Builds an operation of a replacement; operands are built before it."""

    op: RuleOp
    attributes: tuple[tuple[str, Term], ...]
    args: tuple[Result | None, ...]


#: What a replacement is made of: a variable or literal number, a constant that a function computes, an operation.
Result: TypeAlias = Captured | Constant | Computed | Make


@dataclass(frozen=True, eq=False)
class Variant:
    """One plain form of a rule. Absent optional operands' names are in `absent`."""

    rule: Rule
    root: Match
    conditions: tuple[tuple[Term, str], ...]
    replacement: Result
    absent: frozenset[str]
    #: The keys that the root's operands must have, so that most operations are dismissed at once.
    needs: frozenset[Key]
    size: int


@dataclass(eq=False)
class Rule:
    """A rule: its text and its plain forms, those with the most operations first."""

    text: RuleText
    variants: tuple[Variant, ...] = ()

    @property
    def name(self) -> str:
        """The rule's name."""
        return self.text.name

    @property
    def doc(self) -> str:
        """Its doc comment."""
        return self.text.doc

    @property
    def givens(self) -> tuple[Mapping[str, Example], ...]:
        """The examples for the check."""
        return tuple(dict(given) for given in self.text.givens)


Environment: TypeAlias = dict[str, Any]
