"""Memory over many runs is flat; tests/bench/check_memory_growth.py does 10,000 runs of real models."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from growth import growth

import vcc
from vcc.compiler.demo import model_path

#: Bytes: less than a tenth of what a leak of one array of the model in each run would take.
ALLOWED = 256 << 10
IMAGES = np.ones((64, 1, 8, 8), np.float32)


@pytest.mark.parametrize("threads", [1, 2])
def test_runs_take_no_memory(threads: int):
    program = vcc.compile(model_path(), shapes={"image": IMAGES.shape})
    assert growth(lambda: program.run([IMAGES], threads=threads), 100, 400, ALLOWED) <= ALLOWED
    out = [np.empty(spec.shape, np.float32) for spec in program.outputs]
    assert growth(lambda: program.run([IMAGES], threads=threads, out=out), 50, 200, ALLOWED) <= ALLOWED


def test_sessions_that_are_gone_take_no_memory(tmp_path: Path):
    vcc.compile(model_path(), shapes={"image": IMAGES.shape}).save(tmp_path / "d.vbin")
    found = growth(lambda: vcc.load(tmp_path / "d.vbin").run([IMAGES], threads=2), 20, 60, 4 * ALLOWED)
    assert found <= 4 * ALLOWED


def test_growth_shows():
    kept: list[bytearray] = []
    assert growth(lambda: kept.append(bytearray(b"x" * 65536)), 10, 100, ALLOWED) > ALLOWED
