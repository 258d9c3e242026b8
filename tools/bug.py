"""A bug in vcc: a bundle that lets someone else see it happen, and one line that names it. Weights never go in."""

from __future__ import annotations

import json
import platform
import re
import sys
import tempfile
import time
import traceback
import zipfile
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ("xdsl", "onnx", "numpy", "ml_dtypes", "llvmlite", "onnxruntime")

#: Small float constants are written out in the IR; they are weights too. Larger ones of any dtype are references.
_FLOATS = re.compile(r"dense<[^>]*>( : tensor<(?:\d+x)*b?f\d+)")
_FLOAT_BLOBS = re.compile(r'#weights\.blob<"\w+">( : tensor<(?:\d+x)*b?f\d+)')
_OTHER_BLOBS = re.compile(r'#weights\.blob<"\w+">( : tensor<(?:\d+x)*u?i\d+)')


def report_bug(bug: BaseException, words: Sequence[str]) -> None:
    """Write the bundle beside where the user works (in the temporary folder if that fails) and say where it is."""
    cause = bug.__cause__ or bug
    last = traceback.extract_tb(cause.__traceback__)[-1:]
    where = f" ({Path(last[0].filename).name}:{last[0].lineno})" if last else ""
    context = f"{bug}: " if bug.__cause__ is not None else ""
    what = next(iter(str(cause).splitlines()), "")
    print(f"vcc: a bug in vcc: {context}{type(cause).__name__}: {what}{where}", file=sys.stderr)
    try:
        print(f"  a report for its developers, without weights: {write_bundle(bug, words)}", file=sys.stderr)
    except OSError as failure:
        print(f"  no report could be written: {failure.strerror}", file=sys.stderr)


def write_bundle(bug: BaseException, words: Sequence[str]) -> Path:
    """Write the .zip and return its path. Raises OSError if there is no folder to write to."""
    name = f"vcc-bug-{time.strftime('%Y%m%d-%H%M%S')}.zip"
    content = dict(_contents(bug, words))
    for folder in (Path.cwd(), Path(tempfile.gettempdir())):
        path = folder / name
        try:
            with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
                for entry, text in content.items():
                    archive.writestr(entry, text)
            return path
        except PermissionError:
            continue
    raise PermissionError(13, "no folder to write to")


def without_weights(text: str) -> str:
    """IR text that needs no weights: they are all zero, but for small integers, which are shapes and axes."""
    text = _FLOAT_BLOBS.sub(r"dense<0.0>\1", _FLOATS.sub(r"dense<0.0>\1", text))
    return _OTHER_BLOBS.sub(r"dense<0>\1", text)


def _contents(bug: BaseException, words: Sequence[str]) -> Iterator[tuple[str, str]]:
    yield "traceback.txt", "".join(traceback.format_exception(bug))
    about: dict[str, Any] = {
        "command": ["vcc", *words],
        "versions": {"vcc": _own_version(), "python": platform.python_version()} | _versions(),
        "platform": platform.platform(),
    }
    # The compiler is in memory already if the bug is its own.
    if (pipeline := sys.modules.get("vcc.compiler.pipeline")) is not None:
        about["pipeline"] = {phase.name: list(phase.passes) for phase in pipeline.PHASES}
        crash: Any = bug
        if isinstance(crash, pipeline.PassCrashError):
            about |= {"phase": crash.phase, "pass": crash.spec, "reproduce": f"vcc-opt before.mlir -p '{crash.spec}'"}
            yield "before.mlir", _ir_text(crash)
    yield "about.json", json.dumps(about, indent=2)


def _ir_text(bug: Any) -> str:
    if bug.reproduce is None:
        return "// the IR is not known\n"
    try:
        return without_weights(bug.reproduce())
    except Exception as failure:
        # A report with a gap is better than a second crash.
        return f"// the IR could not be made again: {type(failure).__name__}: {failure}\n"


def _own_version() -> str:
    from vcc import __version__

    return __version__


def _versions() -> dict[str, str]:
    found: dict[str, str] = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found
