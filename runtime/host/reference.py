"""Host calls: single ONNX operators, run by the reference implementations in the `onnx` package."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vcc.runtime.diagnostics import VccError, error
from vcc.runtime.isa.host import HostCall, HostTensor

Array = NDArray[Any]


class HostOperator:
    """One host call, ready to run. `name` is its ONNX node, for messages."""

    def __init__(self, call: HostCall, name: str = ""):
        self._call = call
        self._name = name
        self._inputs = [f"i{n}" if tensor.ref is not None else "" for n, tensor in enumerate(call.inputs)]
        self._outputs = [f"o{n}" if tensor.ref is not None else "" for n, tensor in enumerate(call.outputs)]
        self._session = self._prepare()

    def _prepare(self) -> Any:
        try:
            from onnx import NodeProto, helper
            from onnx.reference import ReferenceEvaluator
        except ImportError:
            raise self._error("E0401", "host calls need the package 'onnx'", "pip install onnx") from None
        call = self._call
        domain = "" if call.domain == "ai.onnx" else call.domain
        try:
            node = NodeProto.FromString(call.node)
            node.domain = domain
            del node.input[:], node.output[:]  # only the order of operands counts: one may occur twice
            node.input.extend(self._inputs)
            node.output.extend(self._outputs)
            graph = helper.make_graph(
                [node],
                "host_call",
                [_info(name, tensor) for name, tensor in zip(self._inputs, call.inputs, strict=True) if name],
                [_info(name, tensor) for name, tensor in zip(self._outputs, call.outputs, strict=True) if name],
            )
            model = helper.make_model(graph, opset_imports=[helper.make_opsetid(domain, call.version)])
            return ReferenceEvaluator(model)
        except Exception as failure:
            raise self._error("E0121", f"the reference implementation does not take it: {failure}") from failure

    def run(self, inputs: Sequence[Array | None]) -> list[Array]:
        """The results for operands of the declared shapes, None for omitted ones.

        Raises VccError E0401 where the operator fails or its results are not as declared.
        """
        feeds = {n: a for n, a in zip(self._inputs, inputs, strict=True) if a is not None}
        try:
            with np.errstate(all="ignore"):
                results: Sequence[Any] = self._session.run(None, feeds)
        except Exception as failure:
            raise self._error("E0401", f"the host operator failed: {failure}") from failure
        wanted = [tensor for tensor in self._call.outputs if tensor.ref is not None]
        arrays = [np.asarray(result) for result in results]
        for tensor, array in zip(wanted, arrays, strict=True):
            if array.shape != tensor.shape or array.dtype != tensor.dtype.numpy:
                given = f"{array.dtype}{list(array.shape)}"
                raise self._error("E0401", f"a result is {given} instead of {tensor.dtype}{list(tensor.shape)}")
        return arrays

    def _error(self, code: str, message: str, remedy: str = "") -> VccError:
        return error(code, message, node=self._name, op=self._call.op_type, help=remedy)


def _info(name: str, tensor: HostTensor) -> Any:
    from onnx import TensorProto, helper

    element = {
        "f32": "FLOAT", "f64": "DOUBLE", "f16": "FLOAT16", "bf16": "BFLOAT16", "bool": "BOOL",
    }.get(tensor.dtype.name) or tensor.dtype.numpy.name.upper()  # fmt: skip
    return helper.make_tensor_value_info(name, TensorProto.DataType.Value(element), list(tensor.shape))
