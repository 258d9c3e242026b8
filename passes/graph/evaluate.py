"""The value of one ONNX op with constant operands, by the reference implementation in the `onnx` package."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Sequence

import numpy as np
from onnx import GraphProto, ValueInfoProto
from xdsl.context import Context
from xdsl.dialects.builtin import DYNAMIC_INDEX, TensorType

from vcc.dialects.onnx import SchemaOp, to_node_proto
from vcc.dialects.onnx.constants import constant_of_attributes
from vcc.dialects.weights import attribute_array, element_type_of
from vcc.passes.graph.reference import is_known
from vcc.runtime.diagnostics import VccError

#: Operators whose results differ from run to run, whatever their schema says of itself.
RANDOM_OPS = frozenset(
    {"RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Bernoulli", "Multinomial"}
)
#: The first opset whose version of an operator the evaluator knows, where older ones mean the same.
_FIRST_KNOWN = {"DequantizeLinear": 19, "QuantizeLinear": 19}


def is_evaluable(op: SchemaOp) -> bool:
    """May `op` be evaluated at all: the same result each time, and no subgraphs."""
    if op.op_type == "Dropout" and op.opset >= 12:
        return False
    # Before opset 7, two shapes were broadcast only where an attribute asked for it, and then otherwise.
    if not is_known(op.domain, op.op_type, op.opset) or (op.domain == "" and op.attribute("broadcast", 0)):
        return False
    return not op.graph_names and op.op_type not in RANDOM_OPS


def static_shape(op: SchemaOp) -> np.ndarray | None:
    """The result of Shape or Size where the operand's type says it; None otherwise, also for other operators."""
    if op.op_type not in ("Shape", "Size") or op.domain != "" or not op.operands:
        return None
    type = op.operands[0].type
    if not isinstance(type, TensorType):
        return None
    dims = list(type.get_shape())
    if op.op_type == "Shape":
        dims = dims[slice(op.attribute("start", 0), op.attribute("end", None))]
    if DYNAMIC_INDEX in dims:
        return None
    return np.array(dims if op.op_type == "Shape" else math.prod(dims), np.int64)


def evaluate(op: SchemaOp, operands: Sequence[np.ndarray], ctx: Context) -> list[np.ndarray] | None:
    """The results of `op` for its operands' values (one per present operand).

    None where the reference implementation does not know the operator, fails on these values (what is wrong with
    them is for the verifier and shape inference to say), or gives something else than tensors of the results' types.
    """
    if op.op_type == "Constant" and op.domain == "":
        constant = constant_of_attributes(op.node_attributes, ctx)
        return None if constant is None else [attribute_array(constant.value, ctx)]
    # Costs some 0.1 s, and many models have nothing to evaluate.
    from onnx.reference import ReferenceEvaluator

    names: dict[object, str] = {}
    try:
        node = to_node_proto(op, ctx, names)  # pyright: ignore[reportArgumentType]
        feeds = {names[value]: array for value, array in zip(op.operands, operands, strict=True)}
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            # Of a node alone the evaluator would take the newest version, whatever `opsets` says.
            graph = GraphProto(node=[node], input=_infos(feeds), output=_infos(node.output))
            opset = max(op.opset, _FIRST_KNOWN.get(op.op_type, 0))
            results = ReferenceEvaluator(graph, opsets={op.domain: opset}).run(None, feeds)
    except Exception:
        return None
    arrays = [np.asarray(each) for each in results] if all(_is_tensor(each) for each in results) else []
    return arrays if len(arrays) == len(op.results) and _fits(op, arrays) else None


def _infos(names: Iterable[str]) -> list[ValueInfoProto]:
    return [ValueInfoProto(name=name) for name in names]


def _is_tensor(value: object) -> bool:
    return isinstance(value, np.ndarray | np.generic | int | float | bool)


def _fits(op: SchemaOp, arrays: Sequence[np.ndarray]) -> bool:
    for result, array in zip(op.results, arrays, strict=True):
        try:
            element = element_type_of(array.dtype)
        except VccError:
            return False
        type = result.type
        if isinstance(type, TensorType):
            wanted = type.get_shape()
            if type.element_type != element or len(wanted) != array.ndim:
                return False
            if any(size not in (DYNAMIC_INDEX, there) for size, there in zip(wanted, array.shape, strict=True)):
                return False
    return True
