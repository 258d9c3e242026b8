"""A cache of machine code for the tests alone; and FileCheck tests: every .mlir, .vasm and .test file is one test.

Files that tests only read belong in folders named `inputs`. `lit tests/filecheck` runs the same files (lit.cfg.py).
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from filecheck_runner import RunError, run_test

TESTS = Path(__file__).resolve().parent
FILECHECK = TESTS / "filecheck"
SUFFIXES = {".mlir", ".vasm", ".test"}
SUBSTITUTIONS = {"%{models}": str(TESTS.parent / "compiler" / "demo"), "%{root}": str(TESTS.parent)}


class FileCheckFile(pytest.File):
    """One test file; it holds a single item, all its RUN: lines in order."""

    def collect(self) -> Iterator[pytest.Item]:
        yield FileCheckItem.from_parent(self, name="RUN")


class FileCheckItem(pytest.Item):
    """The RUN: lines of one file, run in a fresh folder in which `%t` lies."""

    def runtest(self) -> None:
        with tempfile.TemporaryDirectory(prefix="vcc-filecheck-") as folder:
            run_test(self.path, SUBSTITUTIONS, Path(folder))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        if isinstance(excinfo.value, RunError) and excinfo.value.__cause__ is None:
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.path, 0, str(self.path.relative_to(TESTS.parent))


def pytest_configure(config: pytest.Config) -> None:
    """Give the tests, their workers and the processes they start a cache of machine code that is nobody else's."""
    if not hasattr(config, "workerinput"):  # workers inherit the environment of the process that starts them
        folder = tempfile.TemporaryDirectory(prefix="vcc-tests-cache-")
        config.add_cleanup(folder.cleanup)
        os.environ["VCC_CACHE_DIR"] = folder.name
        os.environ.pop("VCC_CACHE_DISABLE", None)


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> FileCheckFile | None:
    """Take FileCheck tests; leave everything else to pytest."""
    if file_path.suffix not in SUFFIXES or FILECHECK not in file_path.parents or "inputs" in file_path.parts:
        return None
    return FileCheckFile.from_parent(parent, path=file_path)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many tests were skipped, none included: a skip that nobody sees is a test that nobody has."""
    terminalreporter.write_line(f"skipped tests: {len(terminalreporter.stats.get('skipped', []))}")
