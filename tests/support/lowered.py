"""Single-node ONNX models, lowered to the graph dialect and evaluated, next to a reference."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from onnx import ModelProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp

from vcc.compiler.context import make_context
from vcc.compiler.debug.evaluate import evaluate
from vcc.compiler.frontend.model import import_model
from vcc.passes.graph.infer_shapes import InferShapesPass
from vcc.passes.graph.lower_onnx import LowerOnnx

Array = np.ndarray[Any, Any]


@dataclass
class Case:
    """One node: inputs that are fed, inputs that are constants (by position), attributes and the opset."""

    op_type: str
    inputs: Sequence[Array | None]
    attributes: Mapping[str, Any] = field(default_factory=dict[str, Any])
    constants: Mapping[int, Array] = field(default_factory=dict[int, Array])
    opset: int = 21
    outputs: int = 1
    domain: str = ""

    def __str__(self) -> str:
        text = ",".join(f"{k}={v}" for k, v in self.attributes.items())
        return f"{self.op_type}-{self.opset}({text})"

    def model(self) -> ModelProto:
        """The model; only its inputs have declared types."""
        count = max(len(self.inputs), *(position + 1 for position in self.constants), 0)
        names = [f"x{i}" for i in range(count)]
        fed = {name: x for name, x in zip(names, self.inputs, strict=False) if x is not None}
        held = [numpy_helper.from_array(array, names[i]) for i, array in self.constants.items()]
        known = {*fed, *(tensor.name for tensor in held)}
        node = helper.make_node(
            self.op_type,
            [name if name in known else "" for name in names],
            [f"y{i}" for i in range(self.outputs)],
            name="the_node",
            domain=self.domain,
            **self.attributes,
        )
        infos = [
            helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(x.dtype), x.shape)
            for name, x in fed.items()
        ]
        results = [helper.make_empty_tensor_value_info(name) for name in node.output]
        graph = helper.make_graph([node], "case", infos, results, held)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=8)

    @property
    def feeds(self) -> dict[str, Array]:
        """The arrays by input name."""
        return {f"x{i}": x for i, x in enumerate(self.inputs) if x is not None}

    def lowered(self) -> tuple[ModuleOp, Context]:
        """The module of graph operations and its context."""
        return lowered(self.model())

    def results(self) -> tuple[list[Array], list[Array]]:
        """What the lowered module and the `onnx` reference give."""
        module, ctx = self.lowered()
        return evaluate(module, self.feeds, ctx), run_reference(self.model(), self.feeds)


def lowered(model: ModelProto, run: Callable[[Context, ModuleOp], None] | None = None) -> tuple[ModuleOp, Context]:
    """A model imported, its shapes inferred, lowered, verified, and given to `run`."""
    ctx = make_context()
    module = import_model(model, ctx)
    InferShapesPass().apply(ctx, module)
    LowerOnnx().apply(ctx, module)
    module.verify()
    if run is not None:
        run(ctx, module)
        module.verify()
    return module, ctx


def run_reference(model: ModelProto, feeds: Mapping[str, Array]) -> list[Array]:
    """ONNX Runtime's results, or those of `onnx.reference` for models that it does not take."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        return [np.asarray(y) for y in session.run(None, dict(feeds))]
    except Exception:  # ONNX Runtime has no common error class, and lacks kernels for many dtypes
        return [np.asarray(y) for y in ReferenceEvaluator(model).run(None, dict(feeds))]


def op_names(module: ModuleOp) -> list[str]:
    """The operations of the entry function in order, constants and the return left out; functions by their name."""
    names: list[str] = []
    for op in module.walk():
        if op.name.startswith("graph."):
            fn = op.properties.get("fn")
            names.append(op.name.removeprefix("graph.") + (f".{fn.data}" if fn is not None else ""))  # pyright: ignore[reportAttributeAccessIssue]
    return names
