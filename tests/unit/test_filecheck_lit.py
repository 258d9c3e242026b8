"""lit and the in-process runner agree: the same files pass and fail under both."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from filecheck_runner import RunError, run_test

TESTS = Path(__file__).resolve().parents[1]

CASES = {
    "pipe.test": "# RUN: cat %s | filecheck %s --check-prefix=A\nvalue\n# A: {{^}}value\n",
    "fails.test": "# RUN: cat %s | filecheck %s\nvalue\n# CHECK: {{^}}other\n",
    "redirect.mlir": "// RUN: cat %s > %t.a && cat %t.a > %t\n// RUN: diff %t %s\n",
    "error.vasm": "; RUN: not cat %t.none 2>&1 | filecheck %s\n; CHECK: No such file\n",
    "continued.test": "# RUN: cat %s \\\n# RUN:   | filecheck %s\nvalue\n# CHECK: {{^}}value\n",
    "exact.test": "# RUN: not --exit 1 grep zz[z] %s\n",
    "inexact.test": "# RUN: not --exit 3 grep zz[z] %s\n",
    "models.test": "# RUN: diff %{models}/x %{root}/compiler/demo/x\n",
    "pipefail.test": "# RUN: grep zz[z] %s | cat\n",
    "no-run.test": "nothing\n",
    "inputs/data.test": "nothing\n",
}
FAILING = {"fails.test", "inexact.test", "pipefail.test", "no-run.test"}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what lit needs of a checkout, with the cases above as its tests."""
    shutil.copytree(TESTS / "filecheck" / "bin", tmp_path / "tests" / "filecheck" / "bin")
    shutil.copy(TESTS / "lit.cfg.py", tmp_path / "tests")
    for name, text in CASES.items() | {("../../compiler/demo/x", "data\n")}:
        path = tmp_path / "tests" / "filecheck" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def test_lit(checkout: Path):
    report = checkout / "report.json"
    lit = [sys.executable, "-c", "from lit.main import main; main()"]
    command = [*lit, "-q", "-j", "1", "-o", str(report), str(checkout / "tests/filecheck")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert report.exists(), done.stdout + done.stderr
    results = {test["name"].split("filecheck/")[1]: test["code"] for test in json.loads(report.read_text())["tests"]}
    assert set(results) == {name for name in CASES if not name.startswith("inputs/")}
    assert {name for name, code in results.items() if code != "PASS"} == FAILING, done.stdout


@pytest.mark.parametrize("name", [name for name in CASES if not name.startswith("inputs/")])
def test_in_process(name: str, checkout: Path, tmp_path_factory: pytest.TempPathFactory):
    substitutions = {"%{models}": str(checkout / "compiler" / "demo"), "%{root}": str(checkout)}

    def run() -> None:
        run_test(checkout / "tests" / "filecheck" / name, substitutions, tmp_path_factory.mktemp("cwd"))

    if name in FAILING:
        with pytest.raises(RunError):
            run()
    else:
        run()
