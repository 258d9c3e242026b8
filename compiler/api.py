"""`vcc.compile`: from an ONNX model to a program, in one call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vcc.compiler.compilation import Compilation
from vcc.compiler.context import make_context
from vcc.compiler.options import Options
from vcc.runtime.session import Program

if TYPE_CHECKING:
    from onnx import ModelProto

__all__ = ["compile", "compile_program", "make_context"]


def compile(
    model: str | Path | bytes | ModelProto,
    target: str | Path = "host",
    shapes: Mapping[str, Sequence[int]] | None = None,
    host_ops: str = "allow",
    *,
    values: Mapping[str, Any] | None = None,
    verify_each: bool = False,
    save_temps: str | Path | None = None,
    winograd: bool = True,
) -> Program:
    """Compile a model, given as a path, as bytes or as a message.

    `target` is a target's name or a .toml file. `shapes` gives inputs their sizes, such as {"x": [1, 3, 224, 224]};
    every dimension that the model leaves open needs one. Inputs in `values`, such as {"rate": 16000}, become constants.
    `host_ops` is "allow" or "error": whether operators that no kernel covers run on the host. Without `winograd` all
    convolutions are done directly (docs/native.md says what it changes). `verify_each` and `save_temps` (a folder for
    the IR after each phase) are for engineers. Raises `VccError` with every obstacle found.
    """
    temps = None if save_temps is None else Path(save_temps)
    options = Options(str(target), dict(shapes or {}), host_ops, verify_each, temps, dict(values or {}), winograd)
    return compile_program(Compilation.from_model(model, options))


def compile_program(compilation: Compilation) -> Program:
    """Take a compilation to its end: a program, which the encoder has verified."""
    return Program(compilation.encode())
