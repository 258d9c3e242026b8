"""IR and weights on disk."""

from __future__ import annotations

import importlib
import json
import struct
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from vcc.compiler.compilation import Compilation
from vcc.compiler.context import make_context
from vcc.compiler.demo import model_path
from vcc.compiler.emit import print_ir, read_ir, used_digests, weights_path, write_ir
from vcc.compiler.options import Options
from vcc.compiler.safetensors import read_tensors, write_tensors
from vcc.dialects.weights import store_of
from vcc.runtime.diagnostics import VccError

TENSORS: dict[str, np.ndarray[Any, Any]] = {
    "bytes": np.arange(3, dtype=np.uint8),
    "floats": np.arange(6, dtype=np.float32).reshape(2, 3),
    "half": np.ones((2, 2), ml_dtypes.bfloat16),
    "packed": np.array([-8, 7, 1], ml_dtypes.int4),
    "scalar": np.array(2.5),
    "nothing": np.zeros((0, 4), np.int64),
    "flags": np.array([True, False]),
}


def test_tensors_round_trip(tmp_path: Path):
    path = tmp_path / "t.safetensors"
    write_tensors(path, TENSORS)
    found = read_tensors(path)
    assert found.keys() == TENSORS.keys()
    for name, array in TENSORS.items():
        assert found[name].dtype == array.dtype and found[name].shape == array.shape
        assert np.array_equal(found[name], array)
        assert not found[name].flags.writeable and found[name].flags.aligned


def test_the_format_is_that_of_the_safetensors_package(tmp_path: Path):
    safetensors = importlib.import_module("safetensors.numpy")
    path = tmp_path / "t.safetensors"
    write_tensors(path, {"x": TENSORS["floats"], "y": TENSORS["bytes"]})
    theirs = safetensors.load_file(path)
    assert np.array_equal(theirs["x"], TENSORS["floats"]) and np.array_equal(theirs["y"], TENSORS["bytes"])


def header(entries: object) -> bytes:
    text = json.dumps(entries).encode()
    return struct.pack("<Q", len(text)) + text


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"short",
        struct.pack("<Q", 1 << 60) + b"{}",
        header([1, 2]),
        header({"x": {"dtype": "F99", "shape": [1], "data_offsets": [0, 4]}}) + bytes(4),
        header({"x": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}),
        header({"x": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}}) + bytes(4),
        header({"x": {"dtype": "F32", "shape": [-1], "data_offsets": [4, 0]}}) + bytes(4),
        header({"x": {"shape": [1]}}),
        header({"x": "y"}),
    ],
)
def test_damaged_files_are_refused(tmp_path: Path, data: bytes):
    path = tmp_path / "bad.safetensors"
    path.write_bytes(data)
    with pytest.raises(VccError, match="E0204"):
        read_tensors(path)


@pytest.mark.parametrize("phase", ["import", "graph"])
def test_ir_round_trips_with_its_weights(tmp_path: Path, phase: str):
    compilation = Compilation.from_model(model_path(), Options(shapes={"image": (1, 1, 8, 8)}))
    compilation.advance(phase)
    path = tmp_path / "g.mlir"
    write_ir(compilation.module, compilation.ctx, path)
    assert weights_path(path).name == "g.mlir.safetensors"
    ctx = make_context()
    module = read_ir(path, ctx)
    assert print_ir(module) == print_ir(compilation.module)
    digests = used_digests(module)
    assert digests
    for digest in digests:
        assert np.array_equal(store_of(ctx).get(digest), store_of(compilation.ctx).get(digest))
    assert sorted(each.name for each in tmp_path.iterdir()) == ["g.mlir", "g.mlir.safetensors"]


def test_missing_weights_are_named(tmp_path: Path):
    compilation = Compilation.from_model(model_path(), Options(shapes={"image": (1, 1, 8, 8)}))
    path = tmp_path / "g.mlir"
    write_ir(compilation.module, compilation.ctx, path)
    weights_path(path).unlink()
    with pytest.raises(VccError, match="safetensors"):
        Compilation.from_ir(path, "import", Options()).advance("graph")
