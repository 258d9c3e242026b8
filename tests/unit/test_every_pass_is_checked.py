"""Every pass has a FileCheck test that runs it by name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from vcc.passes import all_passes

ROOT = Path(__file__).resolve().parents[1] / "filecheck"
RUN_LINES = [
    line for path in ROOT.rglob("*.mlir") for line in path.read_text(encoding="utf-8").splitlines() if "RUN:" in line
]


@pytest.mark.parametrize("name", sorted(all_passes()))
def test_a_filecheck_test_runs(name: str):
    assert any(re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", line) for line in RUN_LINES)
