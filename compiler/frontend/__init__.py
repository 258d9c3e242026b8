"""The import phase: an ONNX model becomes a module of the onnx dialect."""

from __future__ import annotations

from vcc.compiler.frontend.model import import_model

__all__ = ["import_model"]
