"""Command lines: a parser whose errors are diagnostics, and the options that several verbs share."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from vcc.runtime.diagnostics import error

if TYPE_CHECKING:
    from vcc.compiler.options import Options

#: Options whose value may be left out: it follows an `=`, so that a file name after the option is not taken for it.
OPTIONAL_VALUES = ("--save-temps", "--random")


class Formatter(argparse.HelpFormatter):
    """Help text of one width, whatever the terminal's; values that may be left out stand behind an `=`."""

    def __init__(self, prog: str):
        super().__init__(prog, max_help_position=28, width=110)

    def _format_action_invocation(self, action: argparse.Action) -> str:
        found = super()._format_action_invocation(action)
        return f"{action.option_strings[0]}[={action.metavar}]" if _is_optional(action) else found

    def _format_usage(self, usage: Any, actions: Any, groups: Any, prefix: Any) -> str:
        found = super()._format_usage(usage, actions, groups, prefix)
        for action in filter(_is_optional, actions):
            name = action.option_strings[0]
            found = found.replace(f"[{name} {action.metavar}]", f"[{name}[={action.metavar}]]")
        return found


def _is_optional(action: argparse.Action) -> bool:
    return any(name in OPTIONAL_VALUES for name in action.option_strings)


class Parser(argparse.ArgumentParser):
    """A parser that takes no abbreviations and raises `VccError` E0202 instead of exiting."""

    def __init__(self, prog: str, description: str | None, short_help: bool = True):
        super().__init__(prog, description=description, allow_abbrev=False, formatter_class=Formatter, add_help=False)
        self.add_argument(*(["-h"] if short_help else []), "--help", action="help", help="show this and leave")

    def error(self, message: str) -> NoReturn:
        raise error("E0202", message, help=f"{self.prog} --help")


def mark_optional_values(words: Sequence[str]) -> list[str]:
    """Write `--random` as `--random=`, which argparse understands as an option with an empty value."""
    return [f"{word}=" if word in OPTIONAL_VALUES else word for word in words]


def common_options(parser: argparse.ArgumentParser) -> None:
    """What every verb takes."""
    parser.add_argument(
        "--format", choices=("text", "json"), default="text", help="how stdout is written (default: text)"
    )
    parser.add_argument("--wide", action="store_true", help="print long names in full (JSON always has them so)")


def compile_options(parser: argparse.ArgumentParser) -> None:
    """What every verb takes that compiles."""
    parser.add_argument(
        "--target", metavar="NAME|FILE.toml", default="host", help="the machine to compile for (default: host)"
    )
    parser.add_argument(
        "--shape",
        metavar="NAME:1x3x224x224",
        action="append",
        default=[],
        help="the sizes of an input; may be given for each input",
    )
    parser.add_argument(
        "--freeze",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="make an input a constant: a number for all its elements, or FILE.npy; may be given for each input",
    )
    parser.add_argument(
        "--host-ops",
        choices=("allow", "error"),
        default="allow",
        help="what to do with operators that no kernel covers (default: allow, on the host)",
    )
    parser.add_argument(
        "--no-winograd",
        action="store_true",
        help="do all convolutions directly, none by Winograd's minimal filtering (see the remarks of vcc inspect)",
    )


def refuse_compile_options(args: argparse.Namespace, binary: str) -> None:
    """E0202 if `compile_options` were given for what is compiled already, the .vbin of that name."""
    given = {
        "--target": args.target != "host",
        "--shape": args.shape,
        "--freeze": args.freeze,
        "--host-ops": args.host_ops != "allow",
        "--no-winograd": args.no_winograd,
    }
    for option in (name for name, found in given.items() if found):
        raise error("E0202", f"{option} is for models, but {binary} is compiled already", help="compile the model anew")


def options_of(args: argparse.Namespace) -> Options:
    """The compiler's options out of `compile_options`."""
    from vcc.compiler.options import Options, parse_shapes, parse_values

    return Options(
        target=args.target,
        shapes=parse_shapes(args.shape),
        host_ops=args.host_ops,
        values=parse_values(args.freeze),
        winograd=not args.no_winograd,
    )
