"""The open model corpus: trained ONNX models out of published wheels, and the inputs its manifest gives them.

Models lie in a cache folder outside the checkout, ~/.cache/vcc-models/onnx or what VCC_MODEL_CACHE names. A test that
needs a model skips only when the package registry cannot be reached; a wrong checksum fails it.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

Array = NDArray[Any]

FOLDER = Path(__file__).resolve().parents[1] / "models"

#: What pip prints when it did not get an answer, as opposed to one it does not like.
_UNREACHABLE = re.compile(
    r"NewConnectionError|ConnectTimeoutError|ReadTimeoutError|MaxRetryError|Name or service not known|"
    r"Temporary failure in name resolution|Network is unreachable|Connection (refused|reset|aborted)|ProxyError|"
    r"IncompleteRead|ProtocolError|RemoteDisconnected|SSLError|timed out|HTTP error (429|5\d\d)|5\d\d (Server|error)"
)

#: numpy's names for the manifest's ONNX element types.
_DTYPES = {"FLOAT": "float32", "DOUBLE": "float64", "FLOAT16": "float16", "BOOL": "bool"}


class CorpusError(Exception):
    """A model could not be fetched although the registry answered; the message is the fetch script's."""


def cache_folder() -> Path:
    """Where the models lie: VCC_MODEL_CACHE, or ~/.cache/vcc-models/onnx."""
    chosen = os.environ.get("VCC_MODEL_CACHE")
    return Path(chosen) if chosen else Path.home() / ".cache" / "vcc-models" / "onnx"


@cache
def manifest() -> dict[str, dict[str, Any]]:
    """The manifest's entries by model id."""
    models: list[dict[str, Any]] = json.loads((FOLDER / "manifest.json").read_text(encoding="utf-8"))["models"]
    return {model["id"]: model for model in models}


def corpus_model(model_id: str) -> Path:
    """The path of a corpus model, fetched and checked on first use; skips the test if the registry is out of reach.

    Raises KeyError for an id that the manifest lacks and `CorpusError` if what was fetched is wrong.
    """
    entry = manifest()[model_id]
    folder = cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    script = [sys.executable, str(FOLDER / "fetch_models.py"), str(FOLDER / "manifest.json"), str(folder)]
    with open(folder / f".{model_id}.lock", "w") as lock:  # parallel test workers want the same model
        fcntl.flock(lock, fcntl.LOCK_EX)
        command = [*script, "--id", model_id, "--cache", str(folder.parent)]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode == 0:
        return folder / (model_id + entry.get("ext", ".onnx"))
    if is_unreachable(done.stdout):
        pytest.skip(f"corpus model {model_id}: the package registry cannot be reached")
    raise CorpusError(done.stdout)


def is_unreachable(log: str) -> bool:
    """Whether the fetch script's output tells of a registry that gave no answer."""
    return "sha256 is" not in log and _UNREACHABLE.search(log) is not None


def manifest_inputs(model_id: str) -> dict[str, Array]:
    """Inputs by name as the manifest binds them, drawn with seed 0 in the order of the model's inputs."""
    entry = manifest()[model_id]
    rng = np.random.default_rng(0)
    return {
        tensor["name"]: draw(rng, entry["input_bindings"][tensor["name"]], tensor["dtype"])
        for tensor in entry["inputs"]
    }


def draw(rng: np.random.Generator, binding: dict[str, Any], dtype: str) -> Array:
    """One array of an ONNX element type (`FLOAT`, `INT64`, ...) by the generator that `binding["gen"]` names."""
    shape, a, b = binding["shape"], binding["a"], binding["b"]
    match binding["gen"]:
        case "normal":
            values: Array = rng.normal(a, b, shape)
        case "uniform":
            values = rng.uniform(a, b, shape)
        case "randint" | "randint_f":
            values = rng.integers(a, b, shape)
        case "const":
            values = np.full(shape, a)
        case unknown:
            raise ValueError(f"the manifest names an unknown generator {unknown!r}")
    return np.asarray(values).astype(_DTYPES.get(dtype, dtype.lower()))
