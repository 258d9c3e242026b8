"""Compile rules as written to what the engine uses, and check every name in them."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from vcc.passes.fuse.rules.compiled import (
    AnyValue,
    Captured,
    Computed,
    Constant,
    Make,
    Match,
    Node,
    Result,
    Rule,
    Term,
    Variant,
)
from vcc.passes.fuse.rules.expand import (
    MOST_VARIANTS,
    Expander,
    Plain,
    check_attribute,
    present_operands,
)
from vcc.passes.fuse.rules.facts import RuleFunction
from vcc.passes.fuse.rules.functions import function
from vcc.passes.fuse.rules.predicates import predicate
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
    RuleText,
    Value,
    Variable,
    rule_error,
)
from vcc.passes.fuse.rules.vocabulary import Key, vocabulary
from vcc.runtime.diagnostics import VccError

_SYMBOLS = frozenset(["bf16", "f16", "f32", "f64", "i1", "i8", "i16", "i32", "i64", "ui8", "ui16", "ui32", "ui64"])
_COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip


def compile_rules(items: Sequence[Define | RuleText], file: Path) -> list[Rule]:
    """The rules of a file. E0205 for anything that no engine could run."""
    defines: dict[str, list[Define]] = {}
    for item in items:
        if isinstance(item, Define):
            if item.name in vocabulary():
                raise rule_error(file, item.place, f"'{item.name}' is an operation already")
            defines.setdefault(item.name, []).append(item)
    rules: list[Rule] = []
    for item in items:
        if isinstance(item, RuleText):
            if any(item.name == rule.name for rule in rules):
                raise rule_error(file, item.place, f"there are two rules '{item.name}'")
            rules.append(_Compiler(item, file, defines).compile())
    return rules


class _Compiler:
    """Compiles one rule."""

    def __init__(self, text: RuleText, file: Path, defines: Mapping[str, Sequence[Define]]):
        self.text, self.file, self.defines = text, file, defines
        self.rule = Rule(text)

    def compile(self) -> Rule:
        """The rule with its plain forms."""
        expander = Expander(self.file, self.defines)
        plains = list(islice(expander.put(expander.expand(self.text.pattern), self.text.lets), MOST_VARIANTS + 1))
        if len(plains) > MOST_VARIANTS:
            raise self._error(self.text.place, f"the pattern has more than {MOST_VARIANTS} plain forms")
        self._check_examples(plains)
        variants = [self._variant(plain) for plain in plains]
        self.rule.variants = tuple(sorted(variants, key=lambda variant: -variant.size))
        return self.rule

    def _error(self, place: Place, message: str) -> VccError:
        return rule_error(self.file, place, f"rule '{self.text.name}': {message}")

    def _check_examples(self, plains: Iterable[Plain]) -> None:
        known = {name.partition("@")[0] for plain in plains for name in _names(plain.node)}
        for given in self.text.givens:
            for name, _ in given:
                if name not in known:
                    raise self._error(self.text.place, f"`given` speaks of '{name}', which the pattern does not have")

    def _variant(self, plain: Plain) -> Variant:
        root = plain.node
        if not isinstance(root, Match):
            raise self._error(self.text.place, "the pattern must be an operation")
        names = _names(root)
        absent = frozenset(plain.absent - names)
        known = names | absent
        conditions: list[tuple[Term, str]] = []
        for condition in (*plain.conditions, *self.text.conditions):
            if "absent" not in set(_calls(condition)) and absent & set(_names_of(condition)):
                continue
            conditions.append((self._term(condition, known, predicates=True), text_of(condition)))
        replacement = self._result(self.text.replacement, known, absent)
        if replacement is None:
            raise self._error(self.text.replacement.place, "the replacement may be absent")
        needs = frozenset(_key(arg) for arg in root.args if isinstance(arg, Match | Constant))
        size = sum(1 for _ in root.nodes())
        return Variant(self.rule, root, tuple(conditions), replacement, absent, needs, size)

    # Conditions and attributes.

    def _term(self, expression: Expression, known: Iterable[str], *, predicates: bool = False) -> Term:
        match expression:
            case Value():
                return expression
            case Name(name=name, place=place):
                if name in known:
                    return Captured(name)
                if name in _SYMBOLS:
                    return Value(name, place)
                raise self._error(place, f"nothing is called '{name.partition('@')[0]}'")
            case Call(name=name, args=args, place=place):
                terms = tuple(self._term(arg, known, predicates=predicates) for arg in args)
                return Computed(name, self._function(name, len(args), place, predicates), terms)

    def _function(self, name: str, count: int, place: Place, predicates: bool) -> RuleFunction:
        if name in _COMPARISONS:
            compare = _COMPARISONS[name]
            return lambda _facts, a, b: a is not None and b is not None and compare(a, b)
        if name == "not":
            return lambda _facts, a: not a
        if name == "or":
            return lambda _facts, *args: any(args)
        found = function.functions.get(name) or (predicate.functions.get(name) if predicates else None)
        if found is None:
            raise self._error(place, f"there is no {'predicate or ' if predicates else ''}function '{name}'")
        takes = arity_of(found)
        if takes is not None and takes != count:
            raise self._error(place, f"'{name}' takes {takes} arguments, not {count}")
        return found

    # Replacements.

    def _result(self, pattern: Pattern, known: Iterable[str], absent: frozenset[str]) -> Result | None:
        match pattern:
            case Variable(name=name, place=place):
                if name not in known:
                    raise self._error(place, f"nothing is called '{name}'")
                return None if name in absent else Captured(name)
            case Number(value=value):
                return Constant(value, None)
            case Bound() | Alternatives():
                raise self._error(pattern.place, "a replacement has no alternatives and names nothing")
            case Optional(place=place):
                raise self._error(place, "only an operand can be optional")
            case Apply(name=name) if name in vocabulary():
                return self._make(pattern, known, absent)
            case Apply(name=name, args=args, place=place, attributes=attributes):
                if attributes:
                    raise self._error(place, f"a function such as '{name}' has no attributes")
                terms = tuple(self._term(_expression(arg, self._error), known) for arg in args)
                return Computed(name, self._function(name, len(args), place, False), terms)

    def _make(self, call: Apply, known: Iterable[str], absent: frozenset[str]) -> Result | None:
        op = vocabulary()[call.name]
        forms = list(present_operands(op, call, self.file))
        operands = forms[0][0]
        if len(forms) > 1 and set(forms[1][1]) <= absent:
            operands = forms[1][0]
        if not isinstance(operands, tuple):
            return self._result(operands, known, absent)
        for name, _ in call.attributes:
            check_attribute(op, name, call.place, self.file)
        attributes = tuple((name, self._term(value, known)) for name, value in call.attributes)
        args = tuple(None if arg is None else self._result(arg, known, absent) for arg in operands)
        required = args if op.variadic else args[: op.arity - op.optional]
        if any(arg is None for arg in required):
            raise self._error(call.place, f"an operand of '{op.name}' may be absent; mark it with '?'")
        return Make(op, attributes, args)


def _expression(pattern: Pattern, fault: Callable[[Place, str], VccError]) -> Expression:
    """An argument of a function in a replacement, which is parsed as a pattern."""
    match pattern:
        case Variable(name=name, place=place):
            return Name(name, place)
        case Number(value=value, place=place):
            return Value(value, place)
        case Apply(name=name, args=args, attributes=(), place=place) if name not in vocabulary():
            return Call(name, tuple(_expression(arg, fault) for arg in args), place)
        case _:
            raise fault(pattern.place, "a function takes variables, numbers and other functions' results")


def arity_of(found: RuleFunction) -> int | None:
    """How many arguments a registered function takes after the facts; None for any number."""
    code = found.__code__
    return None if code.co_flags & 0x04 else code.co_argcount - 1


def _key(node: Match | Constant) -> Key:
    return ("weights.constant", "") if isinstance(node, Constant) else node.op.key


def _names(node: Node) -> set[str]:
    match node:
        case AnyValue(names=names) | Constant(names=names):
            return set(names)
        case Match(names=names, attributes=attributes, args=args):
            inner = (_names(arg) for arg in args if arg is not None)
            captured = {value.name for _, value in attributes if isinstance(value, Captured)}
            return set(names) | captured.union(*inner)


def _names_of(expression: Expression) -> Iterable[str]:
    match expression:
        case Name(name=name):
            yield name
        case Value():
            pass
        case Call(args=args):
            for arg in args:
                yield from _names_of(arg)


def _calls(expression: Expression) -> Iterable[str]:
    if isinstance(expression, Call):
        yield expression.name
        for arg in expression.args:
            yield from _calls(arg)


def text_of(expression: Expression) -> str:
    """A condition as it is written."""
    match expression:
        case Name(name=name):
            return name.partition("@")[0]
        case Value(value=value):
            return str(list(value)) if isinstance(value, tuple) else str(value)
        case Call(name="not", args=args):
            return f"not {text_of(args[0])}"
        case Call(name="or", args=args):
            return " or ".join(map(text_of, args))
        case Call(name=name, args=args) if name in _COMPARISONS:
            return f"{text_of(args[0])} {name} {text_of(args[1])}"
        case Call(name=name, args=args):
            return f"{name}({', '.join(map(text_of, args))})"
