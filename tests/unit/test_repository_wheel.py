"""The wheel holds exactly the files that git tracks for the packages, and stays small."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("compiler", "dialects", "passes", "runtime", "tools")
MAX_BYTES = 2_000_000


def tracked_files() -> list[str]:
    """The paths that git tracks and that exist, relative to the root."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout: there is no list of tracked files to compare with")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout.decode()
    return [name for name in listed.split("\0") if name and (ROOT / name).exists()]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built from a copy of the tracked files, so that untracked work in progress does not matter."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in tracked_files():
        target = folder / "source" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, target, follow_symlinks=False)
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), "source"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = folder.glob("*.whl")
    return path


def test_the_wheel_holds_what_git_tracks(wheel: Path):
    expected = {f"vcc/{name}" for name in tracked_files() if name.split("/")[0] in PACKAGES}
    expected |= {"vcc/__init__.py", "vcc/py.typed"}
    with zipfile.ZipFile(wheel) as archive:
        found = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert found == expected


def test_the_wheel_is_small(wheel: Path):
    assert wheel.stat().st_size <= MAX_BYTES
