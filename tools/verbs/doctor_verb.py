"""What vcc finds on this computer: versions, the processor, optional packages, and whether the bundled model works."""

from __future__ import annotations

import argparse
import platform
from importlib.metadata import PackageNotFoundError, version

from vcc.runtime.diagnostics import Exit

#: Packages, and what does not work without those that are optional.
NEEDED = ("numpy", "onnx", "xdsl", "lark", "llvmlite", "ml_dtypes", "rich")
OPTIONAL = {
    "onnxruntime": "vcc diff compares with the slower reference implementation of the onnx package",
    "openvino": "vcc bench cannot time it",
    "iree-base-compiler": "vcc bench cannot time it",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb takes none of its own."""


def run(args: argparse.Namespace) -> int:
    """Look; the exit status is 1 if something that is needed is missing or does not work."""
    from vcc.compiler.targets import host_target
    from vcc.tools.output import print_json, table

    rows = [("python", platform.python_version(), ""), ("vcc", _own_version(), "")]
    rows += [(name, found := _version(name), "" if found else "missing: pip install vcc-npu") for name in NEEDED]
    rows += [(name, found := _version(name), "" if found else f"optional: {why}") for name, why in OPTIONAL.items()]
    rows.append(("processor", platform.machine(), f"--target host is {host_target()}"))
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
        return f"{type(failure).__name__}: {next(iter(str(failure).splitlines()), '')}"
    return "" if (result.argmax(axis=1) == labels[:4]).all() else "its results are wrong"
