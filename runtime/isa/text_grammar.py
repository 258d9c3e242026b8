"""Assembly text to a syntax tree, by the LALR grammar in visa.lark, and what to say where the text does not parse."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from lark import Lark, Token, Tree
from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken
from lark.lexer import PatternStr
from lark.parsers.lalr_analysis import Shift
from lark.parsers.lalr_interactive_parser import InteractiveParser

from vcc.runtime.isa.table import OPS
from vcc.runtime.isa.text_errors import Problems

MAX_SYNTAX_ERRORS = 10
MAX_SHOWN_WORD = 40
_EXPRESSION = frozenset({"INT", "REG", "LPAR", "MINUS"})
_STATEMENT = frozenset({"NAME", "MAX", "REG", "WAIT", "SIGNAL", "BARRIER", "LOOP", "FORALL", "IF"})
_KEYWORDS = ("wait", "signal", "barrier", "loop", "forall", "if", "else")
_DECLARATIONS = ("buf", "event", "sources", "taps")
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
    try:
        tree = parser().parse(text, start=start, on_error=_Recovery(text, problems))
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
            if before[0] in _DECLARATIONS:
                problems.at(before[0], f"'{before[0]}' stands before a kernel's first statement")
            else:
                problems.unknown(before[0], "instruction", (*OPS, *_KEYWORDS))
            return
        found = "the end of the text" if token.type == "$END" else f"'{shorten(token)}'"
        line, column = (token.line, token.column) if token.line else (1, 1)
        problems.add(line or 1, column or 1, f"expected {_words(expected)}, found {found}")
    elif isinstance(error, UnexpectedCharacters):
        problems.add(error.line, error.column, f"a character that no word begins with: {error.char!r}")


def shorten(word: str) -> str:
    """A word as it is shown: long strings only begin."""
    return word if len(word) <= MAX_SHOWN_WORD else word[:MAX_SHOWN_WORD] + "..."


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


class _Recovery:
    """Reports a syntax error and goes on at the next statement, so that one run shows the errors of all."""

    def __init__(self, text: str, problems: Problems):
        self.text = text
        self.problems = problems
        self.count = 0
        self._kept = -1  # position of the word last kept, so that none is kept twice

    def __call__(self, error: UnexpectedInput) -> bool:
        """Whether parsing can go on."""
        self.count += 1
        _explain(error, self.problems)
        state: Any = error.interactive_parser  # pyright: ignore[reportAttributeAccessIssue]
        return self.count < MAX_SYNTAX_ERRORS and isinstance(state, InteractiveParser) and self._resume(error, state)

    def _resume(self, error: UnexpectedInput, state: InteractiveParser) -> bool:
        lexer: Any = state.lexer_thread.state
        counter, position = lexer.line_ctr, error.pos_in_stream or 0
        start, end = self.text.rfind("\n", 0, position) + 1, self.text.find("\n", counter.char_pos)
        if position >= len(self.text.rstrip()) or end < 0 or not _pop_to_statement(state):
            return False
        if not self.text[start:position].strip() and position != self._kept:
            # a word that begins a line is kept: it was the line before that broke off
            self._kept = counter.char_pos = position
            counter.line, counter.column, counter.line_start_pos = error.line, error.column, start
            return True
        if self.text[start:end].split(";")[0].rstrip().endswith("{"):
            # the dropped line opened a block: open one in its stead, so that its end is not an error too
            for kind in ("IF", "INT", "LBRACE"):
                state.feed_token(Token(kind, "0"))
        counter.feed(self.text[counter.char_pos : end])
        return True


def _pop_to_statement(state: InteractiveParser) -> bool:
    """Drop the words of the statement begun; False outside kernels, where there is none."""
    stack, values = state.parser_state.state_stack, state.parser_state.value_stack
    table: dict[Any, dict[str, tuple[Any, Any]]] = state.parser_state.parse_conf.states
    while len(stack) > 1 and table[stack[-1]].get("BARRIER", (None,))[0] is not Shift:
        stack.pop()
        values.pop()
    return len(stack) > 1
