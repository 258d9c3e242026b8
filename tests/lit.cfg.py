"""Lets `lit tests/filecheck` run, a process per command, the FileCheck tests that pytest runs in one (conftest.py)."""

import os
import sys
from pathlib import Path

import lit.formats

config = globals()["config"]  # lit puts it there
tests = Path(__file__).resolve().parent
root = tests.parent
tools = tests / "filecheck" / "bin"

config.name = "vcc"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".mlir", ".vasm", ".test"]
config.excludes = ["inputs", "bin"]
config.test_source_root = str(tests)
config.test_exec_root = str(root / "lit-output")
config.environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
config.environment["FILECHECK_FEATURE_ENABLE"] = "MLIR_REGEX_CLS"
config.substitutions += [
    ("%{models}", str(root / "compiler" / "demo")),
    ("%{root}", str(root)),
    # lit's own `not` has no --exit and takes a bug of the tool (exit status 70) for an expected failure.
    (r"(?<![\w/.-])not (?=--exit|vcc)", f"{sys.executable} {tools / 'not'} "),
]
