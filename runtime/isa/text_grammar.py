"""Assembly text to a syntax tree, by the LALR grammar in visa.lark, and what to say where the text does not parse."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from lark import Lark, Token, Tree
from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken
from lark.lexer import PatternStr
from lark.parsers.lalr_interactive_parser import InteractiveParser

from vcc.runtime.isa.table import OPS
from vcc.runtime.isa.text_errors import Problems

MAX_SYNTAX_ERRORS = 10
_EXPRESSION = frozenset({"INT", "REG", "LPAR", "MINUS"})
_STATEMENT = frozenset({"NAME", "REG", "WAIT", "SIGNAL", "BARRIER", "LOOP", "FORALL", "IF"})
_KEYWORDS = ("wait", "signal", "barrier", "loop", "forall", "if", "else", "buf", "event")
_WORDS = {
    "NAME": "a name",
    "REG": "a register (%name)",
    "INT": "an integer",
    "FLOAT": "a number",
    "STRING": 'a "string"',
    "SLOTS": "a number of slots (x2)",
    "$END": "the end of the text",
}


@cache
def parser() -> Lark:
    """The parser of the assembly language; one for all threads, as it has no state."""
    grammar = Path(__file__).with_name("visa.lark").read_text(encoding="utf-8")
    return Lark(grammar, parser="lalr", start=["program", "instr"])


def parse_tree(text: str, problems: Problems, start: str = "program") -> Tree[Token]:
    """The syntax tree of a text. Raises VccError with its syntax errors, at most one for each statement."""
    count = 0

    def on_error(error: UnexpectedInput) -> bool:
        nonlocal count
        count += 1
        _explain(error, problems)
        return count < MAX_SYNTAX_ERRORS and _resume_at_next_line(error, text)

    try:
        tree = parser().parse(text, start=start, on_error=on_error)
    except UnexpectedInput:
        problems.check()
        raise
    problems.check()
    return tree


def _explain(error: UnexpectedInput, problems: Problems) -> None:
    if isinstance(error, UnexpectedToken):
        token: Token = error.token
        expected = set(error.accepts or error.expected)
        before = error.interactive_parser.parser_state.value_stack[-1:] if error.interactive_parser else []
        if expected == {"LBRACE"} and before and isinstance(before[0], Token) and before[0] not in OPS:
            problems.unknown(before[0], "instruction", (*OPS, *_KEYWORDS))
            return
        found = "the end of the text" if token.type == "$END" else f"'{token}'"
        line, column = (token.line, token.column) if token.line else (1, 1)
        problems.add(line or 1, column or 1, f"expected {_words(expected)}, found {found}")
    elif isinstance(error, UnexpectedCharacters):
        problems.add(error.line, error.column, f"a character that no word begins with: {error.char!r}")


def _words(terminals: set[str]) -> str:
    """What the parser would take, in words."""
    words: list[str] = []
    for group, name in ((_STATEMENT, "a statement"), (_EXPRESSION, "an expression")):
        if group <= terminals:
            terminals = terminals - group
            words.append(name)
    words += sorted(_word(terminal) for terminal in terminals)
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def _word(terminal: str) -> str:
    if terminal in _WORDS:
        return _WORDS[terminal]
    pattern = parser().get_terminal(terminal).pattern
    return f"'{pattern.value}'" if isinstance(pattern, PatternStr) else terminal.lower()


def _resume_at_next_line(error: UnexpectedInput, text: str) -> bool:
    """Drop the broken statement: go back to where a statement may begin, and on to the next line.

    Where the dropped line opened a block, open one in its stead, so that its end is not an error too.
    """
    state: Any = error.interactive_parser  # pyright: ignore[reportAttributeAccessIssue]
    if not isinstance(state, InteractiveParser) or getattr(error, "token", Token("", "")).type == "$END":
        return False
    stack, values = state.parser_state.state_stack, state.parser_state.value_stack
    table = state.parser_state.parse_conf.states
    while len(stack) > 1 and "BARRIER" not in table[stack[-1]]:
        stack.pop()
        values.pop()
    if len(stack) == 1:
        return False
    lexer: Any = state.lexer_thread.state
    counter = lexer.line_ctr
    end = text.find("\n", counter.char_pos)
    line_start = text.rfind("\n", 0, error.pos_in_stream or 0) + 1
    if end < 0:
        return False
    if text[line_start:end].split(";")[0].rstrip().endswith("{"):
        for kind in ("IF", "INT", "LBRACE"):
            state.feed_token(Token(kind, "0"))
    counter.feed(text[counter.char_pos : end])
    return True
