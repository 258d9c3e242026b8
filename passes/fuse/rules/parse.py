"""Read rule files with lark."""

from __future__ import annotations

import ast
import math
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from lark import Lark, Token, Transformer, Tree, UnexpectedCharacters, UnexpectedEOF, UnexpectedInput, UnexpectedToken

from vcc.passes.fuse.rules.syntax import (
    STAGES,
    Alternatives,
    Apply,
    Bound,
    Call,
    Define,
    Example,
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
from vcc.runtime.diagnostics import error


@cache
def grammar() -> Lark:
    """The parser of rule files."""
    text = Path(__file__).with_name("rules.lark").read_text(encoding="utf-8")
    return Lark(text, parser="lalr", propagate_positions=True, maybe_placeholders=True)


def parse_file(file: Path) -> list[Define | RuleText]:
    """The definitions and rules of a file; E0204 if it cannot be read, E0205 with line and column if it is wrong."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as failure:
        raise error("E0204", f"{file}: {failure}") from failure
    return parse_text(text, file)


def parse_text(text: str, file: Path) -> list[Define | RuleText]:
    """The definitions and rules of a text; `file` is for messages."""
    try:
        tree = grammar().parse(text)
    except UnexpectedInput as failure:
        raise rule_error(file, _place_of(failure, text), _explain(failure)) from None
    return _Reader(file, text).read(tree)


def _place_of(failure: UnexpectedInput, text: str) -> Place:
    if failure.line < 1:
        lines = text.splitlines() or [""]
        return len(lines), len(lines[-1]) + 1
    return failure.line, failure.column


def _explain(failure: UnexpectedInput) -> str:
    match failure:
        case UnexpectedCharacters():
            return f"'{failure.char}' cannot stand here"
        case UnexpectedToken(token=token) if token.type != "$END":
            wanted = ", ".join(sorted(_readable(name) for name in failure.accepts or failure.expected))
            return f"'{token}' cannot stand here; expected {wanted}"
        case UnexpectedEOF() | UnexpectedToken():
            return "the file ends in the middle of a rule"
        case _:
            return str(failure)


def _readable(terminal: str) -> str:
    names = {
        "NAME": "a name",
        "NUMBER": "a number",
        "DOC": "a doc comment",
        "$END": "the end",
        "COMPARE": "a comparison",
    }
    for definition in grammar().terminals:
        if definition.name == terminal and terminal not in names and definition.pattern.type == "str":
            return f"'{definition.pattern.value}'"
    return names.get(terminal, terminal.lower())


class _Reader:
    """Makes syntax trees of lark's."""

    def __init__(self, file: Path, text: str):
        self.file, self.text = file, text
        self.constants = _Constants()

    def read(self, tree: Tree[Token]) -> list[Define | RuleText]:
        items = _trees(tree)
        stage = self._stage(items.pop(0)) if items and items[0].data == "stage" else "recognise"
        return [self._define(item) if item.data == "define" else self._rule(item, stage) for item in items]

    def _stage(self, tree: Tree[Token]) -> str:
        name = str(tree.children[0])
        if name not in STAGES:
            raise rule_error(self.file, _place(tree), f"there is no stage '{name}'; stages: {', '.join(STAGES)}")
        return name

    def _define(self, tree: Tree[Token]) -> Define:
        words, rest = self._split(tree)
        return Define(words[0], tuple(words[1:]), self.pattern(rest[0]), self._where(rest[1]), _place(tree))

    def _rule(self, tree: Tree[Token], stage: str) -> RuleText:
        words, rest = self._split(tree)
        doc = " ".join(str(t)[2:].strip() for t in tree.children if isinstance(t, Token) and t.type == "DOC")
        lets = [each for each in rest if each is not None and each.data == "let"]
        left, right, where, *givens = rest[len(lets) :]
        return RuleText(
            words[0],
            doc,
            tuple((str(let.children[0]), self.pattern(let.children[1])) for let in lets),
            self.pattern(left),
            self.pattern(right),
            self._where(where),
            tuple(tuple(self._binding(b) for b in _trees(given)) for given in givens),
            _place(tree),
            self.file,
            stage,
            self.text[tree.meta.start_pos : tree.meta.end_pos],
        )

    @staticmethod
    def _split(tree: Tree[Token]) -> tuple[list[str], list[Any]]:
        """The names in front, and what follows them; None stands for what is not there."""
        names = [str(t) for t in tree.children if isinstance(t, Token) and t.type == "NAME"]
        first = next(i for i, child in enumerate(tree.children) if isinstance(child, Tree))
        return names, list(tree.children[first:])

    def _where(self, tree: Tree[Token] | None) -> tuple[Expression, ...]:
        return () if tree is None else tuple(self.expression(each) for each in _trees(tree))

    def pattern(self, tree: Any) -> Pattern:
        """A pattern or replacement."""
        place, children = _place(tree), tree.children
        match tree.data:
            case "number":
                value, tolerance = self.constants.transform(children[0])
                return Number(value, tolerance, place)
            case "variable":
                return Variable(str(children[0]), place)
            case "bound":
                return Bound(str(children[0]), self.pattern(children[1]), place)
            case "alternatives":
                return Alternatives(tuple(map(self.pattern, children)), place)
            case "optional":
                return Optional(self.pattern(children[0]), place)
            case _:
                name, attributes, *args = children
                named = () if attributes is None else tuple(self._attribute(each) for each in _trees(attributes))
                return Apply(str(name), named, tuple(self.pattern(arg) for arg in args if arg is not None), place)

    def _attribute(self, tree: Tree[Token]) -> tuple[str, Expression]:
        name, value = tree.children
        place = _place(tree)
        return str(name), self.expression(value) if isinstance(value, Tree) else Name(str(name), place)

    def expression(self, tree: Any) -> Expression:
        """A condition or the value of an attribute."""
        place, children = _place(tree), tree.children
        match tree.data:
            case "name":
                return Name(str(children[0]), place)
            case "call":
                args = tuple(self.expression(child) for child in children[1:] if child is not None)
                return Call(str(children[0]), args, place)
            case "compare":
                return Call(str(children[1]), (self.expression(children[0]), self.expression(children[2])), place)
            case "negated":
                return Call("not", (self.expression(children[0]),), place)
            case "any_of":
                return Call("or", tuple(map(self.expression, children)), place)
            case _:
                return Value(self.constants.literal(tree), place)

    def _binding(self, tree: Tree[Token]) -> tuple[str, Example]:
        name, example = str(tree.children[0]), tree.children[1]
        assert isinstance(example, Tree)
        kinds = {"tensor": "tensor", "constant_tensor": "constant", "positive_tensor": "positive"}
        if example.data not in kinds:
            return name, Example("literal", self.constants.literal(example))
        shape = example.children[-1]
        assert isinstance(shape, Tree)
        sizes = tuple(int(size) for size in shape.children if isinstance(size, Token))
        dtype = str(example.children[0]) if example.data == "tensor" else None
        return name, Example(kinds[example.data], shape=sizes, dtype=dtype)


class _Constants(Transformer[Token, Any]):
    """Computes numbers and literals."""

    def literal(self, tree: Tree[Token]) -> Any:
        """The Python value of a literal; whole numbers are ints."""
        if tree.data == "constant":
            value, _ = self.transform(tree)
            return int(value) if math.isfinite(value) and value == int(value) and "." not in _text(tree) else value
        if tree.data == "list":
            return tuple(self.literal(child) for child in _trees(tree))
        if tree.data == "string":
            return ast.literal_eval(str(tree.children[0]))
        return tree.data == "true"

    def constant(self, children: list[Any]) -> tuple[float, float | None]:
        return children[0], None if children[1] is None else float(children[1])

    def plain(self, children: list[Any]) -> float:
        return float(children[0])

    def pi(self, _: list[Any]) -> float:
        return math.pi

    def root(self, children: list[Any]) -> float:
        return math.sqrt(children[0])

    def plus(self, children: list[Any]) -> float:
        return children[0] + children[1]

    def minus(self, children: list[Any]) -> float:
        return children[0] - children[1]

    def times(self, children: list[Any]) -> float:
        return children[0] * children[1]

    def over(self, children: list[Any]) -> float:
        return children[0] / children[1]


def _text(tree: Tree[Token]) -> str:
    is_token: Callable[[object], bool] = lambda each: isinstance(each, Token)  # noqa: E731
    return " ".join(str(token) for token in tree.scan_values(is_token))


def _trees(tree: Tree[Token]) -> list[Tree[Token]]:
    return [child for child in tree.children if isinstance(child, Tree)]


def _place(tree: Tree[Token]) -> Place:
    return tree.meta.line, tree.meta.column
