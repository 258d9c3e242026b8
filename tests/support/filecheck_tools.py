"""The commands that FileCheck tests call as functions, and the way out to a subprocess for all others."""

from __future__ import annotations

import difflib
import importlib
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

#: A command: takes its arguments (without its own name), uses `sys.stdin`, `sys.stdout`, `sys.stderr`, gives a status.
Tool = Callable[[list[str]], "int | None"]

#: Lets check lines write `\V` in a regular expression for the name of an SSA value, as xDSL's own tests do.
FILECHECK_FEATURES = "MLIR_REGEX_CLS"


def python_tool(module: str) -> Tool:
    """The command whose `main(argv)` lives in `module`, which is imported when the command first runs."""

    def run(argv: list[str]) -> int | None:
        return importlib.import_module(module).main(argv)

    return run


def run_subprocess(words: Sequence[str], data: bytes, merge: bool) -> tuple[int, bytes, bytes]:
    """Run a command that is no tool of ours: its exit status (127 if there is none such), stdout, stderr."""
    folder = str(Path(sys.executable).parent)
    environment = os.environ | {"PATH": folder + os.pathsep + os.environ.get("PATH", os.defpath)}
    error = subprocess.STDOUT if merge else subprocess.PIPE
    try:
        done = subprocess.run(words, input=data, stdout=subprocess.PIPE, stderr=error, env=environment, check=False)
    except FileNotFoundError:
        return 127, b"", f"{words[0]}: command not found\n".encode()
    return done.returncode, done.stdout, done.stderr or b""


def _filecheck(argv: list[str]) -> int | None:
    from filecheck.main import main

    os.environ["FILECHECK_FEATURE_ENABLE"] = FILECHECK_FEATURES
    return main(["filecheck", *argv])  # leaves through SystemExit with its status


def _read(name: str) -> bytes:
    return sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()


def _missing(error: OSError, command: str) -> int:
    print(f"{command}: {error.filename}: {error.strerror}", file=sys.stderr)
    return 2


def _cat(argv: list[str]) -> int:
    try:
        for name in argv or ["-"]:
            sys.stdout.buffer.write(_read(name))
    except OSError as error:
        return _missing(error, "cat")
    return 0


def _diff(argv: list[str]) -> int:
    """Compare two files byte by byte; the difference is shown in the unified format where they are text."""
    names = [arg for arg in argv if arg == "-" or not arg.startswith("-")]
    if len(names) != 2 or any(arg not in ("-u", "-q") for arg in argv if arg not in names):
        print(f"diff: this stand-in takes two files, -u and -q, not {argv}", file=sys.stderr)
        return 2
    try:
        left, right = map(_read, names)
    except OSError as error:
        return _missing(error, "diff")
    if left == right:
        return 0
    try:
        texts = [data.decode("utf-8").splitlines(keepends=True) for data in (left, right)]
    except UnicodeDecodeError:
        texts = []
    if not texts or "-q" in argv:
        print(f"Files {names[0]} and {names[1]} differ")
    else:
        sys.stdout.writelines(difflib.unified_diff(texts[0], texts[1], names[0], names[1]))
    return 1


#: Every command that runs in this process.
DEFAULT_TOOLS: dict[str, Tool] = {
    "vcc": python_tool("vcc.tools.vcc"),
    "vcc-opt": python_tool("vcc.tools.vcc_opt"),
    "filecheck": _filecheck,
    "cat": _cat,
    "diff": _diff,
}
