"""Run the RUN: lines of a FileCheck test inside this process.

The lines are what lit's internal shell takes: pipes, `&&`, `>`, `>>`, `<`, `2>`, `2>&1`, quotes. The tools of this
repository, `filecheck`, `not`, `cat` and `diff` are called as functions, which saves a Python start per command (xDSL
takes half a second to import); any other command is a subprocess. As in lit a pipe fails when any of its commands does.
"""

from __future__ import annotations

import contextlib
import io
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from filecheck_tools import DEFAULT_TOOLS, Tool, run_subprocess

#: What a tool exits with when it met a bug of its own; plain `not` does not take that for an expected failure.
BUG_STATUS = 70

_RUN = re.compile(r"^\s*(?://|;+|#+)\s*RUN:\s?(.*?)\s*$")
_TOKEN = re.compile(
    r"""\s*(?:(?P<op>2>&1|2>|>>|>|<|&&|\|)"""
    r"""|(?P<word>(?:'[^']*'|"(?:\\.|[^"\\])*"|\\.|[^\s'"\\|<>;&])+))"""
)
_QUOTED = re.compile(r"""'([^']*)'|"((?:\\.|[^"\\])*)"|\\(.)""")


class RunError(Exception):
    """A RUN: line is malformed, or a command of it failed; the message shows the line and what it printed."""


@dataclass(frozen=True)
class Completed:
    """What one command left: its exit status, and the bytes it wrote that were not redirected to a file."""

    status: int
    stdout: bytes
    stderr: bytes


@dataclass
class Command:
    """One command of a pipe: its words, and where its streams go (`None`: the pipe, or the log)."""

    words: list[str] = field(default_factory=list)
    stdin: str | None = None
    stdout: str | None = None
    stderr: str | None = None
    append: bool = False
    merge: bool = False


def run_lines(text: str) -> list[str]:
    """The RUN: lines of a test's text; a line that ends in a backslash goes on in the next RUN: line."""
    lines: list[str] = []
    open_line = False
    for raw in text.splitlines():
        if (match := _RUN.match(raw)) is None:
            continue
        piece = match.group(1)
        more = piece.endswith("\\")
        piece = piece[:-1].rstrip() if more else piece
        if open_line:
            lines[-1] = f"{lines[-1]} {piece.lstrip()}"
        else:
            lines.append(piece)
        open_line = more
    if open_line:
        raise RunError("the last RUN: line ends in a backslash")
    return lines


def substitute(line: str, substitutions: dict[str, str]) -> str:
    """Replace `%s`, `%t`, `%{models}`, ... (the keys of `substitutions`) in a line; `%%` is a percent sign."""
    keys = sorted(substitutions, key=len, reverse=True)
    pattern = re.compile("%%|" + "|".join(map(re.escape, keys)))
    return pattern.sub(lambda m: substitutions.get(m.group(), "%"), line)


def parse(line: str) -> list[list[Command]]:
    """Split a substituted line into the pipes joined by `&&`, each a list of commands."""
    pipes: list[list[Command]] = [[Command()]]
    target: str | None = None
    position, end = 0, len(line.rstrip())
    while position < end:
        match = _TOKEN.match(line, position)
        if match is None:
            raise RunError(f"shell syntax not supported at {line[position:].strip()!r} in: {line}")
        position = match.end()
        command, op = pipes[-1][-1], match.group("op")
        if op is None:
            word = _QUOTED.sub(_unquote, match.group("word"))
            if target is None:
                command.words.append(word)
            else:
                _redirect(command, target, word)
                target = None
        elif target is not None:
            raise RunError(f"a file name is missing after {target!r} in: {line}")
        elif op == "2>&1":
            command.merge = True
        elif op == "|":
            pipes[-1].append(Command())
        elif op == "&&":
            pipes.append([Command()])
        else:
            target = op
    if target is not None or any(not command.words for pipe in pipes for command in pipe):
        raise RunError(f"a command or file name is missing in: {line}")
    return pipes


def run_line(line: str, cwd: Path, tools: dict[str, Tool] | None = None) -> bytes:
    """Run one substituted line in the folder `cwd`; return what its last command wrote to stdout.

    Raises `RunError` if any command of a pipe exits with a status other than 0, or a tool raises an exception.
    """
    data = b""
    with contextlib.chdir(cwd):
        for pipe in parse(line):
            data, log, failed = b"", list[str](), False
            for command in pipe:
                done = _run_command(command, data, DEFAULT_TOOLS if tools is None else tools)
                data = done.stdout
                failed = failed or done.status != 0
                log.append(f"  exit {done.status}: {' '.join(command.words)}\n{done.stderr.decode(errors='replace')}")
            if failed:
                log.append(data.decode(errors="replace"))
                raise RunError(f"RUN: {line}\n" + "\n".join(log))
    return data


def run_test(path: Path, substitutions: dict[str, str], cwd: Path, tools: dict[str, Tool] | None = None) -> None:
    """Run every RUN: line of the test file `path`, stopping at the first failure with a `RunError`."""
    lines = run_lines(path.read_text(encoding="utf-8"))
    if not lines:
        raise RunError(f"{path} has no RUN: line; a file that tests read belongs in a folder named 'inputs'")
    table = {"%s": str(path), "%S": str(path.parent), "%t": str(cwd / f"{path.name}.tmp"), "%T": str(cwd)}
    for line in lines:
        run_line(substitute(line, table | substitutions), cwd, tools)


def _unquote(match: re.Match[str]) -> str:
    single, double, escaped = match.groups()
    if double is not None:
        return re.sub(r"\\([\"\\$`])", r"\1", double)
    return single if single is not None else escaped


def _redirect(command: Command, operator: str, name: str) -> None:
    if operator == "<":
        command.stdin = name
    elif operator == "2>":
        command.stderr = name
    else:
        command.stdout, command.append = name, operator == ">>"


def _run_command(command: Command, piped: bytes, tools: dict[str, Tool]) -> Completed:
    data = piped if command.stdin is None else Path(command.stdin).read_bytes()
    done = _run_words(command.words, data, command.merge, tools)
    stdout, stderr = done.stdout, done.stderr
    if command.stdout is not None:
        with open(command.stdout, "ab" if command.append else "wb") as file:
            file.write(stdout)
        stdout = b""
    if command.stderr is not None:
        Path(command.stderr).write_bytes(stderr)
        stderr = b""
    return Completed(done.status, stdout, stderr)


def _run_words(words: Sequence[str], data: bytes, merge: bool, tools: dict[str, Tool]) -> Completed:
    if words[0] == "not":
        return _run_not(words[1:], data, merge, tools)
    tool = tools.get(words[0])
    if tool is None:
        return Completed(*run_subprocess(words, data, merge))
    return _call(tool, list(words[1:]), data, merge)


def _run_not(words: Sequence[str], data: bytes, merge: bool, tools: dict[str, Tool]) -> Completed:
    """`not CMD` wants a failure that is not a bug of the tool; `not --exit N CMD` wants exit status N."""
    wanted: int | None = None
    if words[:1] == ["--exit"] and len(words) > 1 and words[1].isdecimal():
        wanted, words = int(words[1]), words[2:]
    if not words:
        raise RunError("'not' needs a command")
    done = _run_words(words, data, merge, tools)
    good = done.status not in (0, BUG_STATUS) and done.status > 0 if wanted is None else done.status == wanted
    note = b"" if good else f"not: the command exited with status {done.status}\n".encode()
    return Completed(0 if good else 1, done.stdout, done.stderr + note)


def _call(tool: Callable[[list[str]], int | None], argv: list[str], data: bytes, merge: bool) -> Completed:
    """Call a tool with its standard streams replaced; text and `.buffer` both work."""
    stdin, out, err = io.BytesIO(data), io.BytesIO(), io.BytesIO()
    out_text = io.TextIOWrapper(out, encoding="utf-8", newline="", write_through=True)
    err_text = out_text if merge else io.TextIOWrapper(err, encoding="utf-8", newline="", write_through=True)
    saved = sys.stdin
    sys.stdin = io.TextIOWrapper(stdin, encoding="utf-8")
    try:
        with contextlib.redirect_stdout(out_text), contextlib.redirect_stderr(err_text):
            status = _status(tool, argv)
    except Exception as crash:
        raise RunError(f"the tool crashed with arguments {argv}") from crash
    finally:
        sys.stdin = saved
    for stream in (out_text, err_text):
        stream.flush()
    return Completed(status, out.getvalue(), err.getvalue())


def _status(tool: Callable[[list[str]], int | None], argv: list[str]) -> int:
    try:
        return int(tool(argv) or 0)
    except SystemExit as stop:
        if stop.code is None or isinstance(stop.code, int):
            return stop.code or 0
        print(stop.code, file=sys.stderr)
        return 1
