"""IR text as modules."""

from __future__ import annotations

from typing_extensions import override
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.parser import Parser
from xdsl.utils.mlir_lexer import MLIRTokenKind, StringLiteral


class IrParser(Parser):
    """xDSL's parser, which takes strings that are not ASCII for bytes, made to read ONNX names in any script."""

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
