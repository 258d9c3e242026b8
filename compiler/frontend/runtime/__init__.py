"""ONNX Runtime's own operators (com.microsoft) as functions of standard ones: a file per family.

They come from models that ONNX Runtime or its tools have optimised or quantised. What each computes is told in ONNX
Runtime's documentation (docs/ContribOperators.md there).
"""

from __future__ import annotations

from vcc.compiler.frontend.runtime import attention, optimised, quantised
from vcc.compiler.frontend.runtime.body import known_operators, standard_function

FAMILIES = (optimised, attention, quantised)

__all__ = ["FAMILIES", "known_operators", "standard_function"]
