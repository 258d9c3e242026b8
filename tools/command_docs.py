"""docs/commands.md, made from the commands' own parsers: `python -m vcc.tools.command_docs > docs/commands.md`."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from vcc.runtime.diagnostics import CODES, Exit
from vcc.tools.arguments import OPTIONAL_VALUES
from vcc.tools.vcc import VERBS, verb_module, verb_parser

HEAD = """\
# The vcc command

This page is generated from the commands themselves: `python -m vcc.tools.command_docs > docs/commands.md`.

`vcc FILE` compiles; `vcc VERB ...` does something else, as in git. A file named `-` is stdin or stdout. Results go to
stdout; progress, tables about the work and diagnostics go to stderr. Both are plain text when not on a terminal;
`NO_COLOR` is honoured. With `--format=json` a verb writes one JSON object to stdout, which has the keys `schema` (the
version of the format), `verb` and `exit`, and `diagnostics` if it failed.
"""

EXIT_MEANINGS = {
    Exit.OK: "it worked",
    Exit.MODEL: "the model, IR, assembly or binary is at fault",
    Exit.USAGE: "the command line, a file name or an input is at fault",
    Exit.UNSUPPORTED: "an operator, dtype or shape is not supported",
    Exit.DOES_NOT_FIT: "a kernel does not fit the machine",
    Exit.DIFFERS: "results differ from the reference",
    Exit.TRAPPED: "the running program trapped",
    Exit.BUG: "a bug in vcc, which wrote a report without weights",
}


def render() -> str:
    """The page."""
    parts = [HEAD]
    parts += ["\n".join(_verb(verb)) for verb in VERBS]
    exits = [f"| {int(code)} | {meaning} |" for code, meaning in EXIT_MEANINGS.items()]
    parts.append("\n".join(("## Exit status", "", "| status | meaning |", "|---|---|", *exits, "")))
    codes = [f"| VCC-{code.id} | {int(code.exit)} | {code.title} |" for code in CODES.values()]
    head = ("## Diagnostics", "", "`vcc explain CODE` says more.", "", "| code | status | what |", "|---|---|---|")
    parts.append("\n".join((*head, *codes, "")))
    return "\n".join(parts)


def _verb(verb: str) -> Iterator[str]:
    # Not the parser's own text, whose layout differs from one Python to the next.
    yield f"## vcc {verb}"
    yield ""
    yield str(verb_module(verb).__doc__).strip()
    yield ""
    yield "| argument | meaning |"
    yield "|---|---|"
    for action in verb_parser(verb)._actions:  # pyright: ignore[reportPrivateUsage]
        yield f"| {_argument(action)} | {_help(action)} |"
    yield ""


def _argument(action: argparse.Action) -> str:
    metavar = action.metavar if isinstance(action.metavar, str) else action.dest.upper()
    if action.choices is not None:
        metavar = "|".join(map(str, action.choices))
    if not action.option_strings:
        text = f"[{metavar}]" if action.nargs == "?" else metavar
    else:
        value = "" if action.nargs == 0 else f" {metavar}"
        text = ", ".join(
            f"{option}[={metavar}]" if option in OPTIONAL_VALUES else option + value for option in action.option_strings
        )
    return f"`{text}`".replace("|", "\\|")


def _help(action: argparse.Action) -> str:
    return (action.help or "").replace("%(default)s", str(action.default)).replace("|", "\\|")


if __name__ == "__main__":
    print(render(), end="")
