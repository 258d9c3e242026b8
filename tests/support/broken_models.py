"""Files that no one should give to vcc, made in a folder: each breaks one thing."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
from onnx import ModelProto, TensorProto, helper, numpy_helper, save_model

from vcc.compiler.demo import model_path


def small_model(
    op: str = "Relu", domain: str = "", dims: tuple[int | str, ...] = (2, 3), **attributes: Any
) -> ModelProto:
    """A model of one node: x f32[dims] -> y."""
    node = helper.make_node(op, ["x"], ["y"], name="the_node", domain=domain, **attributes)
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, dims)
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, dims)
    opsets = [helper.make_opsetid("", 17)] + ([helper.make_opsetid(domain, 1)] if domain else [])
    graph = helper.make_graph([node], "small", [x], [y])
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def make_broken_files(folder: Path) -> None:
    """Write all of them."""
    (folder / "text.onnx").write_text("this is no model\n" * 5)
    (folder / "empty.onnx").write_bytes(b"")
    (folder / "cut.onnx").write_bytes(model_path().read_bytes()[:20_000])
    (folder / "digits.onnx").write_bytes(model_path().read_bytes())
    save_model(small_model(), folder / "small.onnx")
    save_model(small_model(dims=("batch", 3)), folder / "open.onnx")
    save_model(small_model(dims=("batch", "width")), folder / "wide.onnx")
    save_model(small_model("Frobnicate"), folder / "unknown_op.onnx")
    save_model(small_model("Frobnicate", "com.example"), folder / "custom_op.onnx")
    save_model(_without_weights(), folder / "external.onnx")
    (folder / "damaged.vbin").write_bytes(b"VBIN\r\n\x1a\n" + bytes(range(256)))
    (folder / "text.vbin").write_text("not a binary")
    (folder / "bad.vasm").write_text("kernel k(x: gm f32[4] in) {\n  frobnicate {i: 4} x(1)\n}\n")
    (folder / "bad.mlir").write_text("builtin.module {\n  func.func @main() { graph.nonsense }\n}\n")
    (folder / "bad.toml").write_text("name = 'x'\ncores = -1\n")
    tiny = (Path(__file__).parent / "tiny.toml").read_text(encoding="utf-8")
    (folder / "no_ub.toml").write_text(re.sub(r"^ub = .*$", "ub = 0", tiny, flags=re.MULTILINE))
    (folder / "bad.npy").write_bytes(b"no array")
    np.save(folder / "f64.npy", np.zeros((2, 3)))
    np.save(folder / "long.npy", np.zeros((2, 4), np.float32))
    (folder / "folder").mkdir()


def _without_weights() -> ModelProto:
    """A model whose weight is in a file that is not there."""
    weight = numpy_helper.from_array(np.ones((2, 3), np.float32), "w")
    weight.ClearField("raw_data")
    weight.data_location = TensorProto.EXTERNAL
    entry = weight.external_data.add()
    entry.key, entry.value = "location", "missing.bin"
    model = small_model()
    model.graph.node[0].op_type = "Add"
    model.graph.node[0].input.append("w")
    model.graph.initializer.append(weight)
    return model
