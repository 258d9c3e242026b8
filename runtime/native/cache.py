"""The user's own cache of machine code: a folder of files that nobody else can write, no larger than a limit.

A file is used only if the user owns it and its folder, and nobody else may write to either; it is read once, through
one descriptor, so that what is checked is what is run. Files appear whole, by being renamed, and many processes may use
the folder at once. Those unused for longest go first.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from vcc.runtime.diagnostics import error

#: Bytes that the cache may take if VCC_CACHE_SIZE does not say.
DEFAULT_LIMIT = 256 << 20
SUFFIX = ".code"
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
#: Files that a process began and did not finish are removed after an hour.
_ABANDONED_SECONDS = 3600


class CacheError(Exception):
    """Why the cache or a file of it cannot be used."""


@dataclass(frozen=True)
class Usage:
    """How many programs' code the cache holds, and the bytes they take."""

    files: int
    nbytes: int


def user_cache(environment: Mapping[str, str] = os.environ) -> Cache | None:
    """The cache that the environment asks for; None if it is switched off.

    VCC_CACHE_DISABLE=1 switches it off, VCC_CACHE_DIR says where it lies instead of $XDG_CACHE_HOME/vcc or
    ~/.cache/vcc, VCC_CACHE_SIZE how many bytes it may take, such as 500M or 2G.
    Raises VccError (E0202) for a size that is none, CacheError if the user has no home.
    """
    if environment.get("VCC_CACHE_DISABLE", "0") not in ("", "0"):
        return None
    return Cache(_root(environment) / "native", _limit(environment.get("VCC_CACHE_SIZE", "")))


def _root(environment: Mapping[str, str]) -> Path:
    if chosen := environment.get("VCC_CACHE_DIR"):
        return Path(os.path.abspath(chosen))
    shared, home = environment.get("XDG_CACHE_HOME", ""), os.path.expanduser("~")
    if os.path.isabs(shared):  # others are to be ignored, says the XDG Base Directory Specification
        return Path(shared) / "vcc"
    if not os.path.isabs(home):
        raise CacheError("there is no home directory; VCC_CACHE_DIR can say where it lies")
    return Path(home) / ".cache" / "vcc"


def _limit(text: str) -> int:
    number = text.replace(" ", "").upper().removesuffix("B").removesuffix("I")
    unit = number[-1:] if number[-1:] in _UNITS else ""
    if not number:
        return DEFAULT_LIMIT
    if not number.removesuffix(unit).isdecimal():
        raise error("E0202", f"VCC_CACHE_SIZE={text} is no size such as 256M or 2G")
    return int(number.removesuffix(unit)) * _UNITS[unit]


class Cache:
    """A folder of files by name."""

    def __init__(self, folder: Path, limit: int = DEFAULT_LIMIT):
        self.folder, self.limit = folder, limit

    def path(self, name: str) -> Path:
        return self.folder / (name + SUFFIX)

    def load(self, name: str) -> bytes | None:
        """A file's bytes; None if there is none, or one larger than `store` keeps.

        Raises CacheError if it or the folder is not the user's alone.
        """
        path = self.path(name)
        try:
            self._trust(self.folder.lstat(), self.folder, stat.S_ISDIR)
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                status = os.fstat(descriptor)
                self._trust(status, path, stat.S_ISREG)
                if status.st_size > self.limit:
                    return None
                with suppress(OSError):
                    os.utime(descriptor)  # now used last
                with open(descriptor, "rb", closefd=False) as file:
                    return file.read()
            finally:
                os.close(descriptor)
        except FileNotFoundError:
            return None
        except OSError as problem:
            raise CacheError(f"{path}: {problem.strerror or problem}") from problem

    def store(self, name: str, data: bytes) -> None:
        """Keep a file, and remove others if they are too many. Raises CacheError if that cannot be."""
        if len(data) > self.limit:
            return
        temporary = self.folder / f".{name}.{os.getpid()}.{os.urandom(4).hex()}.tmp"
        try:
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            with suppress(FileExistsError):
                self.folder.mkdir(mode=0o700)
            self._trust(self.folder.lstat(), self.folder, stat.S_ISDIR)
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with open(descriptor, "wb") as file:
                file.write(data)
            os.replace(temporary, self.path(name))
            self.evict()
        except OSError as problem:
            with suppress(OSError):
                temporary.unlink()
            raise CacheError(f"{self.folder}: {problem.strerror or problem}") from problem

    def evict(self) -> None:
        """Remove the files unused for longest until the rest fits the limit."""
        files = self._files()
        total = sum(status.st_size for _, status in files)
        for path, status in sorted(files, key=lambda entry: entry[1].st_mtime_ns):
            if total <= self.limit:
                break
            with suppress(FileNotFoundError):  # another process was faster
                path.unlink()
            total -= status.st_size

    def clear(self) -> Usage:
        """Remove all files; gives what they took. Raises CacheError if one cannot be removed."""
        before = self.usage()
        try:
            for path, _ in self._files():
                path.unlink(missing_ok=True)
        except OSError as problem:
            raise CacheError(f"{problem.filename}: {problem.strerror or problem}") from problem
        return before

    def usage(self) -> Usage:
        """What the cache holds. Raises CacheError if it cannot be read."""
        try:
            files = self._files()
        except OSError as problem:
            raise CacheError(f"{self.folder}: {problem.strerror or problem}") from problem
        return Usage(len(files), sum(status.st_size for _, status in files))

    def _files(self) -> list[tuple[Path, os.stat_result]]:
        """The files with their sizes and dates; what processes left unfinished long ago is removed."""
        found: list[tuple[Path, os.stat_result]] = []
        try:
            entries = list(os.scandir(self.folder))
        except FileNotFoundError:
            return found
        for entry in entries:
            with suppress(FileNotFoundError):  # another process removed it
                status = entry.stat(follow_symlinks=False)
                if entry.name.endswith(SUFFIX):
                    found.append((Path(entry.path), status))
                elif entry.name.endswith(".tmp") and time.time() - status.st_mtime > _ABANDONED_SECONDS:
                    os.unlink(entry.path)
        return found

    def check(self) -> None:
        """Raises CacheError if the folder is there and somebody else could write to it, or the user cannot."""
        try:
            with suppress(FileNotFoundError):
                self._trust(self.folder.lstat(), self.folder, stat.S_ISDIR)
            place = next(path for path in (self.folder, *self.folder.parents) if path.exists())
        except OSError as problem:
            raise CacheError(f"{self.folder}: {problem.strerror or problem}") from problem
        if not os.access(place, os.W_OK | os.X_OK):
            raise CacheError(f"{place} cannot be written to")

    @staticmethod
    def _trust(status: os.stat_result, path: Path, kind: Callable[[int], bool]) -> None:
        if not kind(status.st_mode):
            raise CacheError(f"{path} is not a {'folder' if kind is stat.S_ISDIR else 'file'} itself")
        if status.st_uid != os.geteuid():
            raise CacheError(f"{path} belongs to another user")
        if status.st_mode & _OTHERS_WRITE:
            raise CacheError(f"other users may write to {path} (mode {stat.S_IMODE(status.st_mode):o})")
