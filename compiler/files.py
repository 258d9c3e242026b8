"""Output files: whole or not at all, and refused before the long work starts."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from vcc.runtime.diagnostics import VccError, error


def unwritable(path: Path, failure: OSError) -> VccError:
    """The diagnostic of a failed write."""
    return error("E0203", f"cannot write {path}: {failure.strerror or failure}")


def check_writable(path: Path) -> None:
    """E0203 if a file `path` could not be written; nothing is left behind."""
    folder = path.parent
    try:
        if path.is_dir():
            raise error("E0203", f"cannot write {path}: it is a folder")
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=folder)
        os.close(handle)
        os.unlink(name)
    except OSError as failure:
        raise unwritable(path, failure) from None


def check_folder(path: Path) -> None:
    """E0203 if the folder `path` is not there and could not be made, or could not be written to; makes nothing."""
    there = next(each for each in (path, *path.absolute().parents) if each.exists())
    if not there.is_dir():
        raise error("E0203", f"cannot write {path}: {there} is not a folder")
    _check_inside(path, there)


def make_folder(path: Path) -> None:
    """Make the folder `path` and those above it; E0203 if it cannot be, or cannot be written to."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as failure:
        raise unwritable(path, failure) from None
    _check_inside(path, path)


def _check_inside(path: Path, there: Path) -> None:
    """E0203, about `path`, if nothing could be written in the folder `there`."""
    try:
        check_writable(there / "file")
    except VccError as failure:
        reason = failure.diagnostics[0].message.rpartition(": ")[2]
        raise error("E0203", f"cannot write {path}: {reason}") from None


@contextmanager
def replacing(path: Path) -> Generator[Path]:
    """A temporary path beside `path` that takes its name when the block succeeds; E0203 if it cannot be written."""
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as failure:
        raise unwritable(path, failure) from None
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        mask = os.umask(0)
        os.umask(mask)
        temporary.chmod(0o666 & ~mask)
        temporary.replace(path)
    except OSError as failure:
        raise unwritable(path, failure) from None
    finally:
        temporary.unlink(missing_ok=True)
