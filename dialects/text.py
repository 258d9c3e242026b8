"""IR text as modules."""

from __future__ import annotations

import re

from typing_extensions import override
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.parser import Parser
from xdsl.parser.generic_parser import ParserState
from xdsl.utils.lexer import Input
from xdsl.utils.mlir_lexer import MLIRLexer, MLIRTokenKind, StringLiteral


class IrLexer(MLIRLexer):
    """xDSL's lexer, whose pattern for strings takes exponential time where one is not closed."""

    _unescaped_characters_regex = re.compile(r'"(?:[^"\\\n\v\f]++|\\(?:["nt\\]|[0-9A-Fa-f]{2}))*+"')


class IrParser(Parser):
    """xDSL's parser, which takes strings that are not ASCII for bytes, made to read ONNX names in any script."""

    def __init__(self, ctx: Context, input: str, name: str = "<unknown>"):
        super().__init__(ctx, "", name)
        self._parser_state = ParserState(IrLexer(Input(input, name)))

    @override
    def parse_optional_str_literal(self) -> str | None:
        token = self._current_token
        if token.kind != MLIRTokenKind.BYTES_LIT:
            return super().parse_optional_str_literal()
        try:
            text = StringLiteral.from_span(token.span).string_contents
        except UnicodeDecodeError:
            return None
        self._consume_token(MLIRTokenKind.BYTES_LIT)
        return text


def parse_module(ctx: Context, text: str, name: str = "<unknown>", *, implicit: bool = True) -> ModuleOp:
    """The module that `text` describes; xDSL's `ParseError` if it is not valid. `name` is what errors call the text.

    With `implicit`, ops outside a module are put into one.
    """
    return IrParser(ctx, text, name).parse_module(implicit)
