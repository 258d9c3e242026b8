"""The in-process FileCheck runner: RUN: lines, shell syntax, redirections, `not`, and the crash of a tool."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from filecheck_runner import RunError, parse, run_line, run_lines, run_test, substitute
from filecheck_tools import DEFAULT_TOOLS, Tool


def shout(argv: list[str]) -> int:
    """A tool for these tests: upper-cases a file or stdin; `--status N` is its exit status, `--crash` an exception."""
    if "--crash" in argv:
        raise ValueError("a bug")
    if "--status" in argv:
        print(f"error: {argv[1]}", file=sys.stderr)
        raise SystemExit(int(argv[1]))
    text = sys.stdin.read() if argv in ([], ["-"]) else Path(argv[0]).read_text()
    sys.stdout.write(text.upper())
    return 0


def tell(argv: list[str]) -> int:
    sys.stdout.buffer.write(b"\xff\x00" if argv == ["--binary"] else " ".join(argv).encode())
    print("note", file=sys.stderr)
    return 0


TOOLS: dict[str, Tool] = {**DEFAULT_TOOLS, "shout": shout, "tell": tell}


def run(line: str, folder: Path) -> bytes:
    return run_line(line, folder, TOOLS)


def test_run_lines_take_every_comment_and_continuations():
    text = "// RUN: a %s \\\n// RUN:   | b\n; RUN: c\n# RUN: d\n// CHECK: RUN: e\ntext\n"
    assert run_lines(text) == ["a %s | b", "c", "d"]
    with pytest.raises(RunError, match="backslash"):
        run_lines("// RUN: a \\\n")


def test_substitution_takes_the_longest_name_and_keeps_percent_signs():
    table = {"%s": "S", "%{models}": "M", "%t": "T"}
    assert substitute("x %s %{models}/m %t1 %%s", table) == "x S M/m T1 %s"


def test_words_are_unquoted_as_a_shell_does():
    [[command]] = parse(r"""vcc-opt -p 'a{b=1},c' "x \" y" a\ b --o='q w'""")
    assert command.words == ["vcc-opt", "-p", "a{b=1},c", 'x " y', "a b", "--o=q w"]


@pytest.mark.parametrize("line", ["a |", "a >", "a; b", "a & b", "| a", "a > | b", "'open"])
def test_lines_that_are_not_supported_are_refused(line: str):
    with pytest.raises(RunError):
        parse(line)


def test_pipes_and_redirections(tmp_path: Path):
    (tmp_path / "in").write_text("hello\n")
    assert run("cat in | shout", tmp_path) == b"HELLO\n"
    assert run("shout < in > out && shout in >> out && cat out", tmp_path) == b"HELLO\nHELLO\n"
    assert run("tell a 2> err && cat err", tmp_path) == b"note\n"
    assert run("tell a 2>&1 | cat", tmp_path) == b"anote\n"
    assert run("tell --binary > out && cat out", tmp_path) == b"\xff\x00"


def test_other_commands_are_subprocesses(tmp_path: Path):
    assert run("tell b | tr b c", tmp_path) == b"c"
    with pytest.raises(RunError, match="command not found"):
        run("no-such-command-here", tmp_path)


def test_a_pipe_fails_with_any_of_its_commands(tmp_path: Path):
    with pytest.raises(RunError, match="exit 3: shout"):
        run("shout --status 3 | cat", tmp_path)


def test_not_inverts_but_does_not_hide_bugs(tmp_path: Path):
    assert run("not shout --status 3 2>&1 | cat", tmp_path) == b"error: 3\n"
    run("not --exit 3 shout --status 3", tmp_path)
    run("not --exit 70 shout --status 70", tmp_path)
    for line in ("not shout --status 0", "not shout --status 70", "not --exit 2 shout --status 3"):
        with pytest.raises(RunError, match="not: the command exited"):
            run(line, tmp_path)
    with pytest.raises(RunError, match="crashed"):
        run("not shout --crash", tmp_path)


def test_diff_compares_bytes_and_shows_lines(tmp_path: Path):
    (tmp_path / "a").write_text("1\n2\n")
    (tmp_path / "b").write_text("1\n3\n")
    assert run("cat a | diff - a", tmp_path) == b""
    with pytest.raises(RunError, match=r"(?s)-2\n\+3"):
        run("diff a b", tmp_path)


def test_a_whole_test_file_is_checked(tmp_path: Path):
    path = tmp_path / "t.mlir"
    path.write_text("// RUN: shout %s > %t\n// RUN: cat %t | filecheck %s\nabc\n// CHECK: {{^}}abc\n")
    with pytest.raises(RunError, match=r"exit 1: filecheck(?s:.*)Couldn't match"):
        run_test(path, {}, tmp_path, TOOLS)
    path.write_text("// RUN: shout %s | filecheck %s\nabc\n// CHECK: {{^}}ABC\n")
    run_test(path, {}, tmp_path, TOOLS)
    path.write_text("abc\n")
    with pytest.raises(RunError, match="no RUN: line"):
        run_test(path, {}, tmp_path, TOOLS)


def test_the_collector_makes_one_item_a_file(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch):
    """The conftest itself, on a copy of the folder layout, with a passing, a failing and an input file."""
    here = Path(__file__).resolve().parents[1]
    tests = pytester.mkdir("tests")
    (tests / "conftest.py").write_text((here / "conftest.py").read_text())
    (tests / "filecheck" / "inputs").mkdir(parents=True)
    (tests / "filecheck" / "inputs" / "data.test").write_text("no run line\n")
    (tests / "filecheck" / "good.test").write_text("# RUN: cat %s | filecheck %s\nvalue\n# CHECK: {{^}}value\n")
    (tests / "filecheck" / "bad.test").write_text("# RUN: not cat %s\n")
    (tests / "filecheck" / "silent.vasm").write_text("; nothing\n")
    monkeypatch.syspath_prepend(str(here / "support"))
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider", "tests")
    result.assert_outcomes(passed=1, failed=2)
    result.stdout.fnmatch_lines(["*no RUN: line*"])
