"""Transformers exported with random weights (tests/models/README.md), and inputs for them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

#: Where they lie: VCC_EXPORTED_MODELS, or a folder in the cache.
EXPORTED = Path(os.environ.get("VCC_EXPORTED_MODELS") or Path.home() / ".cache" / "vcc-models" / "exported")


def exported_models() -> list[Path]:
    """Those that were exported, sorted."""
    return sorted(EXPORTED.glob("*.onnx"))


def transformer_inputs(path: Path) -> dict[str, NDArray[Any]]:
    """Tokens, a mask of ones, positions after the past and a random past, by the inputs' names and shapes."""
    rng = np.random.default_rng(0)
    feeds: dict[str, NDArray[Any]] = {}
    for value in onnx.load(path, load_external_data=False).graph.input:
        shape = [dim.dim_value or 1 for dim in value.type.tensor_type.shape.dim]
        if "mask" in value.name:
            feeds[value.name] = np.ones(shape, np.int64)
        elif "position" in value.name:
            feeds[value.name] = np.full(shape, 16, np.int64)
        elif value.type.tensor_type.elem_type == onnx.TensorProto.INT64:
            feeds[value.name] = rng.integers(0, 1000, shape)
        else:
            feeds[value.name] = rng.standard_normal(shape).astype(np.float32)
    return feeds
