"""The command's front: help, version, JSON, colours, and what happens when something goes wrong inside."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import vcc
from vcc.compiler import pipeline
from vcc.compiler.demo import model_path
from vcc.runtime.diagnostics import CODES
from vcc.tools import operator_docs, output, vcc_opt
from vcc.tools.bug import without_weights
from vcc.tools.command_docs import render
from vcc.tools.explanations import EXPLANATIONS
from vcc.tools.vcc import VERBS, main, verb_parser

ROOT = Path(__file__).resolve().parents[3]


def test_help_names_every_verb(capsys: pytest.CaptureFixture[str]):
    for words in ([], ["--help"], ["-h"], ["help"]):
        assert main(words) == 0
        out = capsys.readouterr().out
        assert all(f"  {verb} " in out for verb in VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(verb: str, capsys: pytest.CaptureFixture[str]):
    assert main([verb, "--help"]) == 0
    assert capsys.readouterr().out.startswith(f"usage: vcc {verb}")
    assert main(["help", verb]) == 0
    assert capsys.readouterr().out == verb_parser(verb).format_help()


def test_help_shows_that_a_value_may_be_left_out_and_follows_an_equals_sign():
    help = verb_parser("run").format_help()
    assert help.count("--random[=SEED]") == 2 and "--random SEED" not in help


def test_help_of_a_verb_imports_nothing_heavy():
    code = (
        "import sys; from vcc.tools.vcc import VERBS, verb_parser; [verb_parser(verb) for verb in VERBS]\n"
        "print([name for name in ('xdsl', 'numpy', 'onnx', 'rich') if name in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "[]\n"


def test_version(capsys: pytest.CaptureFixture[str]):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"vcc {vcc.__version__}\n"


def test_the_manual_is_what_the_commands_say():
    written = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    assert written == render(), "python -m vcc.tools.command_docs > docs/commands.md"


def test_the_table_of_operators_is_what_the_lowerings_say():
    written = (ROOT / "docs" / "operators.md").read_text(encoding="utf-8")
    assert written == operator_docs.render(), "python -m vcc.tools.operator_docs > docs/operators.md"


def test_every_code_is_explained(capsys: pytest.CaptureFixture[str]):
    assert EXPLANATIONS.keys() == CODES.keys()
    assert main(["explain", "vcc-e0104"]) == 0
    assert CODES["E0104"].title in capsys.readouterr().out
    assert main(["explain"]) == 0
    text = capsys.readouterr().out
    assert all(code in text for code in CODES)
    assert main(["explain", "--format=json"]) == 0
    found = json.loads(capsys.readouterr().out)["codes"]
    assert [each["code"] for each in found] == list(CODES)


def test_targets(capsys: pytest.CaptureFixture[str]):
    assert main(["targets"]) == 0
    out, err = capsys.readouterr()
    assert "vn1" in out and "\x1b" not in out and "host" in err
    assert main(["targets", "vn1"]) == 0
    assert 'name = "vn1"' in capsys.readouterr().out
    assert main(["targets", "--format=json"]) == 0
    assert "vn1" in [each["name"] for each in json.loads(capsys.readouterr().out)["targets"]]


def break_a_verb(monkeypatch: pytest.MonkeyPatch, failure: BaseException) -> None:
    def run(args: object) -> int:
        raise failure

    monkeypatch.setattr("vcc.tools.verbs.targets_verb.run", run)


def test_a_bug_leaves_a_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.chdir(tmp_path)
    break_a_verb(monkeypatch, RuntimeError("too many cooks"))
    assert main(["targets", "vn1"]) == 70
    out, err = capsys.readouterr()
    assert out == "" and "Traceback" not in err and "too many cooks" in err
    (path,) = tmp_path.iterdir()
    assert str(path) in err
    with zipfile.ZipFile(path) as archive:
        about = json.loads(archive.read("about.json"))
        assert b"too many cooks" in archive.read("traceback.txt")
    assert about["command"] == ["vcc", "targets", "vn1"]
    assert about["versions"]["vcc"] == vcc.__version__ and about["versions"]["xdsl"]


def test_weights_do_not_go_into_reports():
    text = "dense<[1.5, 2.5]> : tensor<2xf32>\ndense<[3, 4]> : tensor<2xi64>\n"
    assert without_weights(text) == text.replace("[1.5, 2.5]", "0.0")
    blobs = '#weights.blob<"a1"> : tensor<2x3xf32>\n#weights.blob<"b2"> : tensor<99xi8>'
    assert without_weights(blobs) == "dense<0.0> : tensor<2x3xf32>\ndense<0> : tensor<99xi8>"


def test_a_crash_of_a_pass_can_be_reproduced_from_the_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    real = pipeline.make_pass

    class Broken:
        def apply(self, ctx: object, module: object) -> None:
            raise RuntimeError("too many cooks")

    monkeypatch.setattr(pipeline, "make_pass", lambda spec: Broken() if spec == "form-kernels" else real(spec))
    monkeypatch.chdir(tmp_path)
    assert main([str(model_path()), "--shape", "image:1x1x8x8"]) == 70
    err = capsys.readouterr().err
    assert "pass 'form-kernels' of phase 'fuse': RuntimeError: too many cooks" in err
    (path,) = tmp_path.iterdir()
    with zipfile.ZipFile(path) as archive:
        assert json.loads(archive.read("about.json"))["reproduce"] == "vcc-opt before.mlir -p 'form-kernels'"
        archive.extract("before.mlir", tmp_path)
    monkeypatch.undo()
    assert vcc_opt.main([str(tmp_path / "before.mlir"), "-p", "form-kernels"]) == 0
    assert "graph.kernel" in capsys.readouterr().out


def test_interruption(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    break_a_verb(monkeypatch, KeyboardInterrupt())
    assert main(["targets"]) == 130
    assert "Traceback" not in capsys.readouterr().err


def test_too_little_memory(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    break_a_verb(monkeypatch, MemoryError("Unable to allocate 74.5 GiB"))
    assert main(["targets", "--format=json"]) == 4
    (found,) = json.loads(capsys.readouterr().out)["diagnostics"]
    assert found["code"] == "E0142" and "74.5 GiB" in found["message"]


def test_a_reader_that_leaves_early():
    reader, writer = os.pipe()
    os.close(reader)  # before the command begins, which else might be done by then
    try:
        done = subprocess.run(
            [sys.executable, "-m", "vcc.tools.vcc", "explain"], stdout=writer, stderr=subprocess.PIPE, check=False
        )
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (141, b"")


class Terminal:
    def isatty(self) -> bool:
        return True


def test_no_color(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(os.environ, "TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert output.colourful(Terminal())  # pyright: ignore[reportArgumentType]
    monkeypatch.setenv("NO_COLOR", "1")
    assert not output.colourful(Terminal())  # pyright: ignore[reportArgumentType]
