"""What all tests share: a cache of machine code of their own, the same random examples every time, FileCheck tests.

Every .mlir, .vasm and .test file below tests/filecheck is one test.

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
from hypothesis import HealthCheck, settings

TESTS = Path(__file__).resolve().parent
FILECHECK = TESTS / "filecheck"
SUFFIXES = {".mlir", ".vasm", ".test"}
#: What the environment may say of commands' output, which tests compare.
OUTPUT_VARIABLES = ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "CLICOLOR_FORCE")
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
    """Make what tests see of the computer and of chance the same everywhere."""
    _examples_without_chance()
    if not hasattr(config, "workerinput"):  # workers inherit the environment of the process that starts them
        folder = tempfile.TemporaryDirectory(prefix="vcc-tests-cache-")
        config.add_cleanup(folder.cleanup)
        changes = pytest.MonkeyPatch()  # undone, since pytest may run inside a test, too
        config.add_cleanup(changes.undo)
        changes.setenv("VCC_CACHE_DIR", folder.name)
        for name in ("VCC_CACHE_DISABLE", "VCC_CACHE_SIZE", *OUTPUT_VARIABLES):
            changes.delenv(name, raising=False)


def _examples_without_chance() -> None:
    """Hypothesis tries the same examples every time, however slow the computer is.

    Where VCC_FUZZ_EXAMPLES asks for more they are others each time.
    """
    chance = bool(os.environ.get("VCC_FUZZ_EXAMPLES"))
    settings.register_profile(
        "vcc", derandomize=not chance, deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
    )
    settings.load_profile("vcc")


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> FileCheckFile | None:
    """Take FileCheck tests; leave everything else to pytest."""
    if file_path.suffix not in SUFFIXES or FILECHECK not in file_path.parents or "inputs" in file_path.parts:
        return None
    return FileCheckFile.from_parent(parent, path=file_path)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many tests were skipped, none included: a skip that nobody sees is a test that nobody has."""
    terminalreporter.write_line(f"skipped tests: {len(terminalreporter.stats.get('skipped', []))}")
