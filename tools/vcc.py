"""The `vcc` command: verbs as in git; a file without a verb compiles.

Only argparse is imported here: a verb's module is imported when the verb is used, and what it needs when it runs.
"""

from __future__ import annotations

import contextlib
import os
import sys
import warnings
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module
from types import ModuleType

from vcc.runtime.diagnostics import Exit, VccError, error
from vcc.tools.arguments import Parser, common_options, mark_optional_values

DEFAULT = "compile"

#: Every verb and what it does; the module `vcc.tools.verbs.<verb>_verb` has its `add_arguments` and `run`.
VERBS: dict[str, str] = {
    "compile": "compile a model to a .vbin file (the verb may be left out)",
    "run": "run a .vbin file or a model",
    "bench": "time a model against ONNX Runtime and other engines",
    "diff": "compare a compiled model with ONNX Runtime, tensor by tensor",
    "as": "assemble a .vasm file",
    "objdump": "headers, disassembly and sections of a .vbin file",
    "inspect": "what is in a model or a .vbin file",
    "rules": "the rewrite rules of the fuse phase: list, show, explain at a model's nodes, check",
    "check": "can a model be compiled: every obstacle with its remedy",
    "targets": "the machines vcc knows",
    "explain": "explain a diagnostic's code",
    "doctor": "what vcc finds on this computer, and whether it works",
    "demo": "compile and run the bundled digits network",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status; no exception leaves it."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            status = _dispatch(words)
        sys.stdout.flush()
        return status
    except SystemExit as leaving:  # argparse, after --help
        return leaving.code if isinstance(leaving.code, int) else 0
    except VccError as failure:
        from vcc.tools.output import report_failure

        report_failure(failure, words)
        return int(failure.exit_code)
    except BrokenPipeError:
        _silence_stdout()
        return 128 + 13
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 128 + 2
    except MemoryError as failure:
        from vcc.tools.output import report_failure

        report = error("E0142", str(failure) or "out of memory", help="smaller sizes of inputs need less")
        report_failure(report, words)
        return int(report.exit_code)
    except Exception as bug:
        from vcc.tools.bug import report_bug

        report_bug(bug, words)
        return int(Exit.BUG)


def verb_module(verb: str) -> ModuleType:
    """The module of a verb (a key of `VERBS`)."""
    return import_module(f"vcc.tools.verbs.{verb}_verb")


def verb_parser(verb: str) -> Parser:
    """The parser of one verb's arguments."""
    module = verb_module(verb)
    parser = Parser(prog=f"vcc {verb}", description=module.__doc__, short_help=getattr(module, "SHORT_HELP", True))
    module.add_arguments(parser)
    common_options(parser)
    return parser


def _dispatch(words: list[str]) -> int:
    first = words[0] if words else "--help"
    if first in ("-h", "--help", "help"):
        if first == "help" and words[1:] and words[1] in VERBS:
            verb_parser(words[1]).print_help()
        else:
            print(_overview())
        return 0
    if first in ("-V", "--version"):
        from vcc import __version__

        print(f"vcc {__version__}")
        return 0
    verb, rest = (first, words[1:]) if first in VERBS else (DEFAULT, words)
    if verb == DEFAULT and first != DEFAULT:
        _check_file_word(first)
    args = verb_parser(verb).parse_args(mark_optional_values(rest))
    if args.wide:
        from vcc.tools.output import show_names_in_full

        show_names_in_full(True)
    return int(verb_module(verb).run(args))


def _check_file_word(word: str) -> None:
    """E0202 if `word`, which stands where a verb or a file should, is neither."""
    if word.startswith("-") or os.path.exists(word) or "." in word or os.sep in word:
        return
    close = get_close_matches(word, VERBS, 1)
    hint = f"did you mean 'vcc {close[0]}'?" if close else "vcc --help lists the verbs"
    raise error("E0202", f"'{word}' is neither a verb nor a file", help=hint)


def _show_warning(message: Warning | str, *_: object) -> None:
    """A warning as users read it, without the line of code that gave it."""
    print(f"warning: {message}", file=sys.stderr)


def _overview() -> str:
    width = max(map(len, VERBS))
    lines = [f"  {verb:<{width}}  {what}" for verb, what in VERBS.items()]
    return "\n".join(
        (
            "usage: vcc MODEL.onnx [-o MODEL.vbin] [--target NAME] ...",
            "       vcc VERB ...",
            "",
            "Compile ONNX models for a virtual neural processor, run the result and explain it.",
            "",
            "verbs:",
            *lines,
            "",
            "vcc VERB --help tells a verb's options; vcc --version the version. A file named - is stdin or stdout.",
        )
    )


def _silence_stdout() -> None:
    """Point stdout nowhere, so that flushing it at exit cannot fail again."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())
