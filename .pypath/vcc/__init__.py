"""vcc: compile ONNX models for a virtual neural processor; run, time and profile the result.

The public API is imported on first use, so that `import vcc` costs nothing.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

__version__ = "0.1.0"

_ROOT = Path(__file__).resolve().parent.parent.parent
if (_ROOT / "pyproject.toml").is_file() and (_ROOT / "runtime").is_dir():
    __path__.insert(0, str(_ROOT))  # a checkout: the packages are the folders at its root

_PUBLIC = {
    "compile": "vcc.compiler.api",
    "load": "vcc.runtime.session",
    "Program": "vcc.runtime.session",
    "InferenceSession": "vcc.compiler.inference_session",
    "VccError": "vcc.runtime.diagnostics",
}
__all__ = ["InferenceSession", "Program", "VccError", "__version__", "compile", "load"]


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(importlib.import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'vcc' has no attribute {name!r}")
