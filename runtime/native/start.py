"""Where a program's machine code comes from: the user's cache, or LLVM, which is imported for that alone."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace

from vcc.runtime.binary.image import Image
from vcc.runtime.diagnostics import VccError, error
from vcc.runtime.native.cache import Cache, CacheError, user_cache
from vcc.runtime.native.code import DamagedCodeError, Facts, ProgramCode, load, read_code, write_code
from vcc.runtime.native.key import cache_key
from vcc.runtime.native.linked import Linked
from vcc.runtime.native.mapping import can_map


def cached_code(program: bytes) -> ProgramCode | None:
    """The machine code of the program with that digest if the user's cache has it and this system can map it.

    What cannot be used is told when the code is asked for. Raises VccError (E0202) for a VCC_CACHE_SIZE that is none.
    """
    found = _cached(*_place(program, tell=_hush), tell=_hush)
    try:
        return load(*found) if found else None
    except VccError:
        return None  # will be told when the code is asked for


def program_code(image: Image, verified: bool = False) -> ProgramCode:
    """The program's machine code, from the cache or made now, and then kept there. `verified`: the verifier passed it.

    Raises VccError as `build`, ImportError if it must be made and llvmlite is missing.
    """
    from vcc.runtime.binary.writer import program_digest

    program = program_digest(image)
    cache, key = _place(program)
    found = _cached(cache, key)
    if found is not None:
        facts, linked = found
        if verified and not facts.verified:
            facts = replace(facts, verified=True)
            _keep(program, cache, key, facts, linked)
        return load(facts, linked)
    try:
        from vcc.runtime.native.build import build
        from vcc.runtime.native.llvm import host_cpu
    except OSError as problem:  # the library that llvmlite brings cannot be loaded
        raise error("E0121", f"llvmlite does not work here: {problem}") from problem
    facts, linked, loaded = build(image, host_cpu(), verified)
    _keep(program, cache, key, facts, linked)
    return ProgramCode(facts, loaded)


def _warn(message: str) -> None:
    warnings.warn(message, stacklevel=4)


def _hush(message: str) -> None:
    """Say nothing of what `program_code` will say."""


def _place(program: bytes, tell: Callable[[str], None] = _warn) -> tuple[Cache | None, bytes | None]:
    """The cache, and the program's key in it; None where nothing is cached."""
    if not can_map():
        return None, None
    try:
        cache = user_cache()
    except CacheError as problem:
        tell(f"vcc keeps no machine code: {problem}")
        return None, None
    try:
        return cache, cache_key(program) if cache is not None else None
    except VccError:
        return None, None  # nothing can be mapped, as `build` will say


def _cached(cache: Cache | None, key: bytes | None, tell: Callable[[str], None] = _warn) -> tuple[Facts, Linked] | None:
    if cache is None or key is None:
        return None
    try:
        data = cache.load(key.hex())
        return None if data is None else read_code(data, key)
    except CacheError as problem:
        tell(f"vcc does not use its cached machine code: {problem}")
    except DamagedCodeError as problem:
        tell(f"vcc makes machine code anew: {cache.path(key.hex())} is damaged, {problem}")
    return None


def _keep(program: bytes, cache: Cache | None, key: bytes | None, facts: Facts, linked: Linked | None) -> None:
    if cache is None or key is None or linked is None or cache_key(program, fresh=True) != key:
        return  # there is no cache, or somebody edited vcc while it ran, so that the key says too little
    try:
        cache.store(key.hex(), write_code(facts, linked, key))
    except CacheError as problem:
        _warn(f"vcc cannot keep machine code, so every start is slow: {problem}; VCC_CACHE_DIR names another folder")
