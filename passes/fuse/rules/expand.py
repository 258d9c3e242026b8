"""Expand patterns as written to plain ones: definitions put in, a pattern per alternative and absent operand."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

from vcc.passes.fuse.rules.compiled import AnyValue, Captured, Constant, Match, Node
from vcc.passes.fuse.rules.syntax import (
    Alternatives,
    Apply,
    Bound,
    Call,
    Define,
    Expression,
    Name,
    Number,
    Optional,
    Pattern,
    Place,
    Value,
    Variable,
    rule_error,
)
from vcc.passes.fuse.rules.vocabulary import RuleOp, vocabulary

#: More plain forms than this are a mistake in a rule.
MOST_VARIANTS = 512


@dataclass(frozen=True)
class Plain:
    """A plain pattern, the conditions that its definitions add, and the names of operands that are absent."""

    node: Node
    conditions: tuple[Expression, ...] = ()
    absent: frozenset[str] = frozenset()


class Expander:
    """Expands the patterns of one file."""

    def __init__(self, file: Path, defines: Mapping[str, Sequence[Define]]):
        self.file, self.defines = file, defines
        self._fresh = count(1)

    def expand(self, pattern: Pattern, names: tuple[str, ...] = (), depth: int = 0) -> Iterator[Plain]:
        """Every plain form; `names` are those that the pattern's value gets."""
        match pattern:
            case Variable(name=name):
                yield Plain(AnyValue(names if name == "_" else (*names, name)))
            case Number(value=value, tolerance=tolerance):
                yield Plain(Constant(value, tolerance, names))
            case Bound(name=name, pattern=inner):
                if isinstance(inner, Variable):
                    raise rule_error(self.file, pattern.place, f"'{name}' only renames '{inner.name}'")
                yield from self.expand(inner, (*names, name), depth)
            case Alternatives(patterns=patterns):
                for each in patterns:
                    yield from self.expand(each, names, depth)
            case Optional():
                raise rule_error(self.file, pattern.place, "only an operand can be optional")
            case Apply():
                yield from self._apply(pattern, names, depth)

    def _apply(self, call: Apply, names: tuple[str, ...], depth: int) -> Iterator[Plain]:
        if call.name in self.defines:
            if depth > 32:
                raise rule_error(self.file, call.place, f"'{call.name}' is defined by itself")
            for define in self.defines[call.name]:
                yield from self._put_in(call, define, names, depth + 1)
            return
        op = vocabulary().get(call.name)
        if op is None:
            raise rule_error(self.file, call.place, f"there is no operation or definition '{call.name}'")
        attributes = tuple(self._attribute(op, call, name, value) for name, value in call.attributes)
        for present, dropped in present_operands(op, call, self.file):
            if isinstance(present, tuple):
                lists = self._operands(present, depth)
                for nodes, conditions, absent in lists:
                    yield Plain(Match(op, attributes, nodes, names), conditions, absent | dropped)
            else:
                for plain in self.expand(present, names, depth):
                    yield replace(plain, absent=plain.absent | dropped)

    def _operands(
        self, args: Sequence[Pattern | None], depth: int
    ) -> Iterator[tuple[tuple[Node | None, ...], tuple[Expression, ...], frozenset[str]]]:
        if not args:
            yield (), (), frozenset()
            return
        first = [None] if args[0] is None else self.expand(args[0], (), depth)
        for head in first:
            for nodes, conditions, absent in self._operands(args[1:], depth):
                if head is None:
                    yield (None, *nodes), conditions, absent
                else:
                    yield (head.node, *nodes), head.conditions + conditions, head.absent | absent

    def _attribute(self, op: RuleOp, call: Apply, name: str, value: Expression) -> tuple[str, Captured | Value]:
        check_attribute(op, name, call.place, self.file)
        if isinstance(value, Call):
            raise rule_error(self.file, value.place, "an attribute of a pattern is a name or a literal; use `where`")
        return name, Captured(value.name) if isinstance(value, Name) else value

    def _put_in(self, call: Apply, define: Define, names: tuple[str, ...], depth: int) -> Iterator[Plain]:
        """The patterns of a definition with arguments for parameters, and names of its own for the rest."""
        if call.attributes or len(call.args) != len(define.parameters):
            raise rule_error(self.file, call.place, f"'{call.name}' takes ({', '.join(define.parameters)})")
        renamed: dict[str, str] = {}
        given: list[tuple[str, Pattern]] = []
        suffix = f"@{next(self._fresh)}"
        for parameter, argument in zip(define.parameters, call.args, strict=True):
            if isinstance(argument, Variable):
                renamed[parameter] = argument.name
            else:
                renamed[parameter] = argument.name if isinstance(argument, Bound) else parameter + suffix
                given.append((renamed[parameter], argument.pattern if isinstance(argument, Bound) else argument))
        scope = _Scope(renamed, suffix)
        conditions = tuple(scope.expression(condition) for condition in define.conditions)
        body = self.expand(scope.pattern(define.pattern), names, depth)
        for plain in self.put(body, given, depth):
            yield replace(plain, conditions=conditions + plain.conditions)

    def put(self, plains: Iterable[Plain], named: Sequence[tuple[str, Pattern]], depth: int = 0) -> Iterator[Plain]:
        """Plain patterns with each name's pattern in the place where the name first stands.

        The name elsewhere means the same value, so that a pattern is not multiplied by how often it is used.
        """
        if not named:
            yield from plains
            return
        (name, pattern), rest = named[-1], named[:-1]
        for plain in plains:
            if not _stands(name, plain.node):
                yield from self.put([plain], rest, depth)
                continue
            for inner in self.expand(pattern, (name,), depth):
                node = _replace_first(name, inner.node, plain.node)
                joined = Plain(node, plain.conditions + inner.conditions, plain.absent | inner.absent)
                yield from self.put([joined], rest, depth)


def _stands(name: str, node: Node | None) -> bool:
    match node:
        case AnyValue(names=names):
            return name in names
        case Match(args=args):
            return any(_stands(name, arg) for arg in args)
        case _:
            return False


def _replace_first(name: str, by: Node, node: Node) -> Node:
    if not isinstance(node, Match):
        others = tuple(each for each in node.names if each not in by.names)
        return replace(by, names=by.names + others)
    index = next(i for i, arg in enumerate(node.args) if _stands(name, arg))
    inner = node.args[index]
    assert inner is not None
    args = (*node.args[:index], _replace_first(name, by, inner), *node.args[index + 1 :])
    return replace(node, args=args)


@dataclass
class _Scope:
    """Renames what a definition speaks of."""

    renamed: dict[str, str]
    suffix: str

    def name(self, name: str) -> str:
        return name if name == "_" else self.renamed.setdefault(name, name + self.suffix)

    def pattern(self, pattern: Pattern) -> Pattern:
        match pattern:
            case Variable(name=name, place=place):
                return Variable(self.name(name), place)
            case Number():
                return pattern
            case Bound(name=name, pattern=inner, place=place):
                return Bound(self.name(name), self.pattern(inner), place)
            case Alternatives(patterns=patterns, place=place):
                return Alternatives(tuple(map(self.pattern, patterns)), place)
            case Optional(pattern=inner, place=place):
                return Optional(self.pattern(inner), place)
            case Apply():
                attributes = tuple((name, self.expression(value)) for name, value in pattern.attributes)
                return replace(pattern, attributes=attributes, args=tuple(map(self.pattern, pattern.args)))

    def expression(self, expression: Expression) -> Expression:
        match expression:
            case Name(name=name, place=place):
                return Name(self.name(name), place)
            case Value():
                return expression
            case Call(args=args):
                return replace(expression, args=tuple(map(self.expression, args)))


def present_operands(
    op: RuleOp, call: Apply, file: Path
) -> Iterator[tuple[tuple[Pattern | None, ...] | Pattern, frozenset[str]]]:
    """The operands where optional ones are there and where not, and the names that then are absent.

    A pattern instead of operands stands for the whole operation.
    """
    args = call.args
    least = op.arity - op.optional
    if not op.variadic and not least <= len(args) <= op.arity:
        wanted = f"{least} to {op.arity}" if op.optional else str(op.arity)
        raise rule_error(file, call.place, f"'{op.name}' has {wanted} operands, not {len(args)}")
    optional = [i for i, arg in enumerate(args) if isinstance(arg, Optional)]
    given = tuple(arg.pattern if isinstance(arg, Optional) else arg for arg in args)
    padded = given + (None,) * (op.arity - len(given))
    if not optional:
        yield padded, frozenset()
        return
    (index, *more) = optional
    place = args[index].place
    if more or (len(given) != 2 and index < least):
        raise rule_error(file, place, f"only one operand of '{op.name}' can be optional, and not this one")
    yield padded, frozenset()
    names = frozenset(names_in(given[index]))
    if index >= least:
        yield tuple(None if i == index else arg for i, arg in enumerate(padded)), names
    else:
        yield given[1 - index], names


def names_in(pattern: Pattern) -> Iterator[str]:
    """The names of values in a pattern."""
    match pattern:
        case Variable(name=name):
            yield name
        case Number():
            pass
        case Bound(name=name, pattern=inner):
            yield name
            yield from names_in(inner)
        case Alternatives(patterns=patterns):
            for each in patterns:
                yield from names_in(each)
        case Optional(pattern=inner):
            yield from names_in(inner)
        case Apply(args=args, attributes=attributes):
            yield from (value.name for _, value in attributes if isinstance(value, Name))
            for each in args:
                yield from names_in(each)


def check_attribute(op: RuleOp, name: str, place: Place, file: Path) -> None:
    """E0205 if the operation has no such attribute."""
    if name not in op.attributes:
        known = ", ".join(op.attributes) or "none"
        raise rule_error(file, place, f"'{op.name}' has no attribute '{name}'; it has: {known}")
