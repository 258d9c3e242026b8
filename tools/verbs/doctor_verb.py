"""What vcc finds on this computer: versions, processor, optional packages, machine code and the cache of it.

It runs the bundled model to see whether all that works; with --clear-cache it clears the cache instead.
"""

from __future__ import annotations

import argparse
import platform
from importlib.metadata import PackageNotFoundError, version

from vcc.runtime.diagnostics import Exit, VccError, error, plural

#: Packages, and what does not work without those that are optional.
NEEDED = ("numpy", "onnx", "xdsl", "lark", "llvmlite", "ml_dtypes", "rich")
OPTIONAL = {
    "onnxruntime": "vcc diff compares with the slower reference implementation of the onnx package",
    "openvino": "vcc bench cannot time it",
    "iree-base-compiler": "vcc bench cannot time it",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the arguments."""
    parser.add_argument("--clear-cache", action="store_true", help="remove the machine code that vcc keeps, and end")


def run(args: argparse.Namespace) -> int:
    """Look; the exit status is 1 if something that is needed is missing or does not work."""
    if args.clear_cache:
        return _clear(args)
    from vcc.compiler.targets import host_target
    from vcc.tools.output import print_json, table

    rows = [("python", platform.python_version(), ""), ("vcc", _own_version(), "")]
    rows += [(name, found := _version(name), "" if found else "missing: pip install vcc-npu") for name in NEEDED]
    rows += [(name, found := _version(name), "" if found else f"optional: {why}") for name, why in OPTIONAL.items()]
    rows.append(("processor", platform.machine(), f"--target host is {host_target()}"))
    rows += [_machine_code(), _cache()]
    problem = _try_demo() if all(_version(name) for name in NEEDED) else "not tried"
    rows.append(("bundled model", "fails" if problem else "works", problem))
    status = int(Exit.MODEL if problem else Exit.OK)
    if args.format == "json":
        print_json(
            "doctor", {"found": [dict(zip(("what", "found", "note"), row, strict=True)) for row in rows]}, status
        )
    else:
        table(("what", "found", "note"), rows, indent="")
    return status


def _own_version() -> str:
    from vcc import __version__

    return __version__


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _try_demo() -> str:
    """Compile and run the bundled model; what went wrong, if anything did."""
    from vcc.compiler import demo
    from vcc.compiler.api import compile

    images, labels = demo.test_images()
    try:
        (result,) = compile(demo.model_path(), shapes={"image": (4, 1, 8, 8)}).run({"image": images[:4]})
    except Exception as failure:
        # Whatever it is, this verb is there to show it.
        return f"{type(failure).__name__}: {_first_line(failure)}"
    return "" if (result.argmax(axis=1) == labels[:4]).all() else "its results are wrong"


def _machine_code() -> tuple[str, str, str]:
    """How the native engine's code comes into memory, and what it is made for."""
    from vcc.runtime.native.cpuid import processor
    from vcc.runtime.native.level import chosen_level
    from vcc.runtime.native.mapping import can_map

    try:
        from vcc.runtime.native.llvm import host_cpu

        cpu = host_cpu()
        level = chosen_level()
        made_for = f"for {cpu.name}{' as VCC_NATIVE_CPU says' if level else ''}, vectors of {8 * cpu.vector_bytes} bits"
        made_for += "" if cpu.vector_bytes > 16 else ", as there is no AVX2: right, but several times slower"
        if not can_map():
            return "machine code", "loaded", f"{made_for}; made at every start, as images are for x86-64 Linux"
        processor()  # runs mapped code
    except (ImportError, OSError, VccError) as problem:
        return "machine code", "none", f"the interpreter runs instead: {_first_line(problem)}"
    return "machine code", "mapped", made_for


def _cache() -> tuple[str, str, str]:
    """Where machine code is kept, and how much of it."""
    from vcc.runtime.native.cache import CacheError, user_cache
    from vcc.runtime.native.mapping import can_map

    try:
        cache = user_cache() if can_map() else None
        if cache is None:
            return "cache", "none", "switched off by VCC_CACHE_DISABLE" if can_map() else "not on this system"
        cache.check()
        used = cache.usage()
    except (CacheError, VccError) as problem:
        return "cache", "unusable", f"{_first_line(problem)}; every start is slow, VCC_CACHE_DIR names another folder"
    note = f"code of {plural(used.files, 'program')}, {_mebibytes(used.nbytes)} of at most {_mebibytes(cache.limit)}"
    return "cache", str(cache.folder), note


def _clear(args: argparse.Namespace) -> int:
    from vcc.runtime.native.cache import CacheError, Usage, user_cache
    from vcc.tools.output import note, print_json

    try:
        cache = user_cache()
        removed = cache.clear() if cache else Usage(0, 0)
    except CacheError as problem:
        raise error("E0203", f"the cache cannot be cleared: {problem}") from problem
    if args.format == "json":
        print_json("doctor", {"removed": {"programs": removed.files, "bytes": removed.nbytes}})
    elif cache is None:
        note("there is no cache: it is switched off by VCC_CACHE_DISABLE")
    else:
        note(
            f"removed the code of {plural(removed.files, 'program')}, {_mebibytes(removed.nbytes)}, from {cache.folder}"
        )
    return int(Exit.OK)


def _mebibytes(nbytes: int) -> str:
    return f"{nbytes / (1 << 20):.1f} MiB"


def _first_line(problem: Exception) -> str:
    return next(iter(str(problem).splitlines()), type(problem).__name__)
