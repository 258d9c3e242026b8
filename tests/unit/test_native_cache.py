"""The folder of machine code: private, bounded, shared by processes; what is not the user's alone is not used."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from vcc.runtime.diagnostics import VccError
from vcc.runtime.native.cache import DEFAULT_LIMIT, Cache, CacheError, Usage, user_cache


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "below" / "native", limit=1000)


def test_what_is_stored_is_loaded(cache: Cache):
    assert cache.load("a") is None and cache.usage() == Usage(0, 0)
    cache.store("a", b"one")
    cache.store("a", b"other")
    assert cache.load("a") == b"other" and cache.load("b") is None and cache.usage() == Usage(1, 5)
    assert cache.folder.stat().st_mode & 0o777 == 0o700 and cache.path("a").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in cache.folder.iterdir()] == ["a.code"]
    assert cache.clear() == Usage(1, 5) and cache.load("a") is None and cache.clear() == Usage(0, 0)


def test_what_others_could_have_written_is_not_used(cache: Cache, monkeypatch: pytest.MonkeyPatch):
    cache.store("a", b"one")
    for path, mode in (
        (cache.path("a"), 0o622),
        (cache.path("a"), 0o602),
        (cache.folder, 0o770),
        (cache.folder, 0o777),
    ):
        before = path.stat().st_mode & 0o777
        path.chmod(mode)
        with pytest.raises(CacheError, match="other users may write to"):
            cache.load("a")
        path.chmod(before)
    assert cache.load("a") == b"one"
    cache.folder.chmod(0o720)
    with pytest.raises(CacheError, match="other users may write to"):
        cache.store("b", b"two")
    cache.folder.chmod(0o700)
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    for use in (lambda: cache.load("a"), lambda: cache.store("a", b""), cache.check):
        with pytest.raises(CacheError, match="belongs to another user"):
            use()


def test_what_cannot_be_written_is_told_beforehand(cache: Cache, monkeypatch: pytest.MonkeyPatch):
    cache.check()  # nothing is there yet, but may be made
    asked = list[Path]()
    monkeypatch.setattr(os, "access", lambda path, mode: bool(asked.append(path)))  # pyright: ignore
    with pytest.raises(CacheError, match="cannot be written to"):
        cache.check()
    assert asked == [cache.folder.parent.parent]


def test_links_and_other_things_are_not_followed(cache: Cache, tmp_path: Path):
    cache.store("a", b"one")
    cache.path("b").symlink_to(cache.path("a"))
    cache.path("c").mkdir()
    os.mkfifo(cache.path("d"))
    for name in "bcd":
        with pytest.raises(CacheError):
            cache.load(name)
    moved = cache.folder.rename(tmp_path / "moved")
    cache.folder.symlink_to(moved)
    with pytest.raises(CacheError, match="is not a folder itself"):
        cache.load("a")


def test_a_folder_that_cannot_be_made(tmp_path: Path):
    (tmp_path / "file").write_text("")
    cache = Cache(tmp_path / "file" / "native")
    with pytest.raises(CacheError, match="File exists"):
        cache.store("a", b"one")
    with pytest.raises(CacheError, match="Not a directory"):
        cache.load("a")


def test_the_longest_unused_go_first(cache: Cache):
    for number, name in enumerate("abcd"):
        cache.store(name, bytes(240))
        os.utime(cache.path(name), (number, number))
    assert cache.load("a") is not None  # now used last
    cache.store("e", bytes(300))
    assert [name for name in "abcde" if cache.load(name) is not None] == ["a", "d", "e"]
    cache.store("f", bytes(1001))  # would not leave room for anything else
    assert cache.load("f") is None and cache.usage().nbytes == 780
    os.truncate(cache.path("a"), 1 << 40)  # damage that must not be read into memory
    assert cache.load("a") is None
    cache.store("a", b"one")
    assert cache.load("a") == b"one"


def test_what_was_abandoned_is_removed(cache: Cache):
    cache.store("a", b"one")
    old, new = cache.folder / ".x.1.tmp", cache.folder / ".y.2.tmp"
    for path in (old, new):
        path.write_bytes(b"part")
    hour_ago = time.time() - 4000
    os.utime(old, (hour_ago, hour_ago))
    cache.store("b", b"two")
    assert not old.exists() and new.exists()


BUSY = """
import sys
from pathlib import Path
from vcc.runtime.native.cache import Cache
cache, own = Cache(Path(sys.argv[1]), limit=3000), int(sys.argv[2])
for turn in range(300):
    name = str((7 * turn + own) % 11)
    data = cache.load(name)
    assert data is None or data == name.encode() * 500, data
    if data is None:
        cache.store(name, name.encode() * 500)
"""


def test_processes_use_it_at_once(cache: Cache):
    command = [sys.executable, "-c", BUSY, str(cache.folder)]
    processes = [subprocess.Popen([*command, str(n)], stderr=subprocess.PIPE) for n in range(3)]
    for process in processes:
        assert process.communicate()[1] == b"" and process.returncode == 0
    cache.store("last", b"")
    assert 0 < cache.usage().nbytes <= 3000 and all(path.suffix == ".code" for path in cache.folder.iterdir())


def test_the_environment_describes_the_cache(monkeypatch: pytest.MonkeyPatch):
    def described(**environment: str) -> tuple[str, int]:
        cache = user_cache(environment)
        assert cache is not None
        return str(cache.folder), cache.limit

    monkeypatch.setenv("HOME", "/home/me")
    assert described() == ("/home/me/.cache/vcc/native", DEFAULT_LIMIT)
    assert described(XDG_CACHE_HOME="/x") == ("/x/vcc/native", DEFAULT_LIMIT)
    assert described(XDG_CACHE_HOME="relative") == described()
    assert described(VCC_CACHE_DIR="/own", VCC_CACHE_SIZE="2G", XDG_CACHE_HOME="/x") == ("/own/native", 2 << 30)
    assert described(VCC_CACHE_DISABLE="0", VCC_CACHE_SIZE="500 MiB")[1] == 500 << 20
    assert described(VCC_CACHE_SIZE="12345")[1] == 12345
    assert user_cache({"VCC_CACHE_DISABLE": "1"}) is None
    for size in ("many", "-1", "1.5G", "M", "1T"):
        with pytest.raises(VccError, match="is no size"):
            user_cache({"VCC_CACHE_SIZE": size})
    monkeypatch.setenv("HOME", "")
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    with pytest.raises(CacheError, match="no home"):
        user_cache({})
