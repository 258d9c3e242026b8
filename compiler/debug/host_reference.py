"""Host calls run through the reference implementations of the `onnx` package."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from onnx import helper
from onnx.reference import ReferenceEvaluator
from xdsl.context import Context

from vcc.dialects.graph import HostOp, ints
from vcc.dialects.onnx.attributes import attribute_to_proto
from vcc.dialects.onnx.types import type_to_proto

Array = np.ndarray[Any, Any]


def run_host(op: HostOp, args: Sequence[Array], ctx: Context) -> list[Array]:
    """The results of a host call on arrays; exceptions of the reference implementation come out as they are."""
    inputs = ["" if index == -1 else f"x{index}" for index in ints(op.inputs)]
    outputs = ["" if index == -1 else f"y{index}" for index in ints(op.outputs)]
    node = helper.make_node(op.op_type.data, inputs, outputs, domain=op.domain.data)
    node.attribute.extend(attribute_to_proto(name, value, ctx) for name, value in op.onnx_attributes.data.items())
    graph = helper.make_graph(
        [node],
        "host",
        [helper.make_value_info(f"x{i}", type_to_proto(value.type)) for i, value in enumerate(op.operands)],
        [helper.make_value_info(f"y{i}", type_to_proto(value.type)) for i, value in enumerate(op.results)],
    )
    versions = {op.domain.data: op.version.value.data}
    opsets = [helper.make_opsetid(domain, version) for domain, version in versions.items()]
    model = helper.make_model(graph, opset_imports=opsets)
    return [np.asarray(y) for y in ReferenceEvaluator(model).run(None, {f"x{i}": a for i, a in enumerate(args)})]
