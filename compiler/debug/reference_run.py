"""Every value of an ONNX model as a reference implementation computes it: ONNX Runtime, or the onnx package."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, helper, shape_inference

from vcc.compiler.frontend.read import read_model
from vcc.runtime.diagnostics import error

Array: TypeAlias = np.ndarray[Any, Any]


class Reference:
    """A model's values for one set of inputs, by ONNX name, in the order of its nodes.

    `makers` gives the node that makes each value; `name` says who computed them.
    """

    def __init__(self, name: str, values: Mapping[str, Array], makers: Mapping[str, NodeProto]):
        self.name, self.values, self.makers = name, values, makers


def has_onnxruntime() -> bool:
    """Whether ONNX Runtime is installed."""
    from importlib.util import find_spec

    return find_spec("onnxruntime") is not None


def run_reference(path: Path, feeds: Mapping[str, Array]) -> Reference:
    """Run the model on ONNX Runtime if it is installed, else on the reference implementation of the onnx package.

    Raises `VccError` E0102 if the reference cannot run the model.
    """
    model = read_model(path).proto
    makers = {name: node for node in model.graph.node for name in node.output if name}
    try:
        if has_onnxruntime():
            values, name = _onnxruntime(model, path.parent, list(makers), feeds)
        else:
            values, name = _onnx_reference(path, feeds)
    except Exception as failure:
        # The reference's exceptions have no common base class; none of them is vcc's fault.
        reason = str(failure).strip().splitlines()[0] if str(failure).strip() else type(failure).__name__
        raise error("E0102", f"the reference cannot run {path}: {reason}") from failure
    kept = {name: value for name in makers if isinstance(value := values.get(name), np.ndarray)}
    return Reference(name, kept, makers)


def _onnxruntime(
    model: ModelProto, folder: Path, names: list[str], feeds: Mapping[str, Array]
) -> tuple[Mapping[str, Any], str]:
    import onnxruntime

    exposed = expand_sigmoid(model)
    outputs = {each.name for each in exposed.graph.output}
    # A value without a type is enough: ONNX Runtime infers it.
    exposed.graph.output.extend(ValueInfoProto(name=name) for name in names if name not in outputs)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", str(folder.resolve()))
    session = onnxruntime.InferenceSession(exposed.SerializeToString(), options, providers=["CPUExecutionProvider"])
    wanted = [each.name for each in session.get_outputs()]
    values = dict(zip(wanted, session.run(wanted, dict(feeds)), strict=True))
    return values, f"ONNX Runtime {onnxruntime.__version__}"


def _onnx_reference(path: Path, feeds: Mapping[str, Array]) -> tuple[Mapping[str, Any], str]:
    import onnx
    from onnx.reference import ReferenceEvaluator

    evaluator = ReferenceEvaluator(onnx.load(path))
    values: Any = evaluator.run(None, dict(feeds), intermediate=True)
    return values, f"the reference implementation of onnx {onnx.__version__}"


def expand_sigmoid(model: ModelProto) -> ModelProto:
    """A copy of the model whose f32 Sigmoid nodes are written out as 1 / (1 + exp(-x)).

    ONNX Runtime's own Sigmoid is an approximation that is off by more than the tolerance.
    """
    copy = ModelProto()
    copy.CopyFrom(model)
    nodes = list(copy.graph.node)
    if not any(node.op_type == "Sigmoid" for node in nodes):
        return copy
    types = _element_types(model)
    del copy.graph.node[:]
    for index, node in enumerate(nodes):
        if node.op_type == "Sigmoid" and not node.domain and types.get(node.output[0]) == TensorProto.FLOAT:
            copy.graph.node.extend(_sigmoid(node, f"{node.output[0]}/vcc{index}"))
        else:
            copy.graph.node.append(node)
    return copy


def _sigmoid(node: NodeProto, prefix: str) -> list[NodeProto]:
    negated, power, one, total = (f"{prefix}/{word}" for word in ("neg", "exp", "one", "add"))
    return [
        helper.make_node("Neg", [node.input[0]], [negated]),
        helper.make_node("Exp", [negated], [power]),
        helper.make_node("Constant", [], [one], value=helper.make_tensor(one, TensorProto.FLOAT, [], [1.0])),
        helper.make_node("Add", [power, one], [total]),
        helper.make_node("Reciprocal", [total], [node.output[0]], name=node.name),
    ]


def _element_types(model: ModelProto) -> dict[str, int]:
    try:
        graph = shape_inference.infer_shapes(model).graph
    except (shape_inference.InferenceError, ValueError):
        graph = model.graph
    return {each.name: each.type.tensor_type.elem_type for each in (*graph.value_info, *graph.output)}
