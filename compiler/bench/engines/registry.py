"""The engines by name. A module is imported when its engine is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module

from vcc.compiler.bench.engines.interface import Engine
from vcc.runtime.diagnostics import error

#: Names on the command line: the module in this folder and the class.
ENGINES: dict[str, tuple[str, str]] = {
    "vcc": ("vcc_engine", "VccEngine"),
    "onnxruntime": ("onnxruntime_engine", "OnnxRuntimeEngine"),
    "openvino": ("openvino_engine", "OpenVinoEngine"),
    "iree": ("iree_engine", "IreeEngine"),
}
#: Those that vcc can be compared with.
OPPONENTS = tuple(name for name in ENGINES if name != "vcc")


def engine_named(name: str) -> Engine:
    """The engine of that name. Raises VccError (E0202) for an unknown one."""
    if name not in ENGINES:
        raise error("E0202", f"unknown engine '{name}'; there are: {', '.join(ENGINES)}")
    module, kind = ENGINES[name]
    return getattr(import_module(f"vcc.compiler.bench.engines.{module}"), kind)()


def opponents(names: Sequence[str]) -> list[Engine]:
    """Installed engines of those names, each once. Raises VccError: E0202 for unknown ones, E0601 for missing ones."""
    found = [engine_named(name) for name in dict.fromkeys(names)]
    for engine in found:
        if engine.name == "vcc":
            raise error("E0202", f"vcc is not compared with itself; there are: {', '.join(OPPONENTS)}")
        engine.check()
    return found
