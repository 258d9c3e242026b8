"""VCC_NATIVE_CPU: which levels there are, what is refused, and that all that depends on the CPU follows it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from vcc.compiler import demo
from vcc.compiler.compilation import Compilation
from vcc.compiler.options import Options
from vcc.compiler.targets import LEVEL_TARGETS, host_target
from vcc.runtime.diagnostics import VccError
from vcc.runtime.native.key import cache_key
from vcc.runtime.native.level import VARIABLE, chosen_level
from vcc.runtime.native.llvm import host_cpu
from vcc.runtime.session import Program, load

LEVELS = {"x86-64-v2": (16, 16), "x86-64-v3": (32, 16), "x86-64-v4": (64, 32)}


def runs(level: str, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether this CPU can run the level, which is then chosen."""
    monkeypatch.setenv(VARIABLE, level)
    try:
        host_cpu()
    except VccError:
        return False
    return True


@pytest.mark.parametrize("text", ["", "host"])
def test_the_cpu_as_it_is(text: str) -> None:
    assert chosen_level({VARIABLE: text}) is None


@pytest.mark.parametrize(
    "text", ["x86-64", "x86-64-v5", "haswell", "x86-64-v3,-fma", "x86-64-v3,", "x86-64-v3,+", "host,+avx2"]
)
def test_what_is_no_level(text: str) -> None:
    with pytest.raises(VccError) as caught:
        chosen_level({VARIABLE: text})
    diagnostic = caught.value.diagnostics[0]
    assert diagnostic.code == "E0202"
    assert text in diagnostic.message
    assert "x86-64-v3" in diagnostic.help


def test_levels_have_what_the_psabi_says() -> None:
    level = chosen_level({VARIABLE: "x86-64-v3,+avxvnni,+fma"})
    assert level is not None
    assert {"sse4.2", "avx2", "fma", "f16c", "avxvnni"} <= set(level.features)
    assert "avx512f" not in level.features
    assert str(level) == "x86-64-v3,+avxvnni"


def test_a_level_that_the_cpu_lacks_is_refused() -> None:
    level = chosen_level({VARIABLE: "x86-64-v4"})
    assert level is not None
    level.check(dict.fromkeys(level.features, True))
    with pytest.raises(VccError, match="no avx512f, avx512vl") as caught:
        level.check(dict.fromkeys(level.features, True) | {"avx512f": False, "avx512vl": False})
    assert caught.value.diagnostics[0].code == "E0202"


def test_no_cpu_has_features_that_do_not_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not runs("x86-64-v2,+avx9000", monkeypatch)


@pytest.mark.parametrize("level", LEVELS)
def test_code_keys_and_targets_follow_the_level(level: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    before = cache_key(b"program")
    if not runs(level, monkeypatch):
        pytest.skip(f"this CPU is below {level}")
    cpu = host_cpu()
    assert (cpu.name, cpu.vector_bytes, cpu.registers) == (level, *LEVELS[level])
    assert host_target() == LEVEL_TARGETS[level]
    key = cache_key(b"program")
    assert key is None or key != before


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("target", LEVEL_TARGETS.values())
def test_tiles_for_any_host_run_at_any_level(
    level: str, target: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    images, labels = demo.test_images()
    options = Options(target, {"image": (4, 1, 8, 8)})
    Program(Compilation.from_model(demo.model_path(), options).encode()).save(tmp_path / "digits.vbin")
    if not runs(level, monkeypatch):
        pytest.skip(f"this CPU is below {level}")
    program = load(tmp_path / "digits.vbin")
    (got,), (want,) = (program.run({"image": images[:4]}, engine=engine) for engine in ("native", "interpreter"))
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)
    assert (got.argmax(axis=1) == labels[:4]).all()
