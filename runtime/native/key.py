"""What machine code depends on, as one key: the program, this vcc, LLVM, the processor and the level of it in use."""

from __future__ import annotations

import importlib.util
import os
import time
from functools import cache
from hashlib import blake2b
from pathlib import Path

import vcc.runtime
from vcc.runtime.native.cpuid import processor
from vcc.runtime.native.level import HOST, chosen_level

#: Nanoseconds since 1970. Sources that change later are not those that this process runs.
_BEGUN = time.time_ns()
#: The packages whose code decides what machine code a .vbin becomes and whether it is sound.
PACKAGES = ("binary", "host", "interpreter", "isa", "machine", "native")


def cache_key(program: bytes, fresh: bool = False) -> bytes | None:
    """32 bytes, or None where it cannot be told what the code depends on: in a zip file, without llvmlite, and where
    vcc's sources were edited since this process imported them.

    `program` is its digest (see `program_digest`). Raises VccError: E0121 if no machine
    code can be mapped, E0202 for a VCC_NATIVE_CPU that is none.
    `fresh` reads vcc's own sources again, which an editor may have changed since they were imported.
    """
    if fresh:
        _sources.cache_clear()
    sources, llvm = _sources(), _llvm()
    if not sources or not llvm:
        return None
    digest = blake2b(digest_size=32)
    for part in (program, sources, llvm, processor(), str(chosen_level() or HOST).encode()):
        digest.update(len(part).to_bytes(4, "little") + part)
    return digest.digest()


@cache
def _sources() -> bytes:
    """A digest of the modules of PACKAGES as they lie on disk; empty if they do not, or are newer than `_BEGUN`."""
    digest, count = blake2b(digest_size=32), 0
    for root in map(Path, vcc.runtime.__path__):
        for package in PACKAGES:
            for path in sorted(_modules(root / package)):
                if _BEGUN < path.stat().st_mtime_ns <= time.time_ns():
                    return b""
                data = path.read_bytes()
                digest.update(f"{package}/{path.name}:{len(data)}:".encode() + data)
                count += 1
    return digest.digest() if count >= len(PACKAGES) else b""


def _modules(folder: Path) -> list[Path]:
    """Source files, or where only compiled ones were installed, those."""
    try:
        names = os.listdir(folder)
    except OSError:
        return []
    return [folder / n for n in names if n.endswith(".py")] or [folder / n for n in names if n.endswith(".pyc")]


@cache
def _llvm() -> bytes:
    """llvmlite's version, its library's size and date: they tell LLVM's version without loading it. Empty if none."""
    spec = importlib.util.find_spec("llvmlite")
    if spec is None or spec.origin is None:
        return b""
    folder = Path(spec.origin).parent
    try:
        version = (folder / "_version.py").read_bytes()
        libraries = sorted((folder / "binding").glob("*llvmlite*.so"))
        stats = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in libraries]
    except OSError:
        return b""
    return version + repr(stats).encode()
