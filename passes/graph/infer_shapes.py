"""The pass `infer-shapes`: the type of every value, as far as it can be known."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import onnx
from onnx import TensorProto, TypeProto, numpy_helper
from onnx.checker import ValidationError
from onnx.shape_inference import InferenceError, infer_node_outputs
from typing_extensions import override
from xdsl.context import Context
from xdsl.dialects.builtin import DYNAMIC_INDEX, ModuleOp, TensorType, UnrankedTensorType, i64
from xdsl.dialects.func import FuncOp
from xdsl.ir import Attribute, Block, Region, SSAValue
from xdsl.passes import ModulePass
from xdsl.rewriter import Rewriter

from vcc.dialects.onnx import (
    UNKNOWN,
    CustomOp,
    NodeOp,
    SchemaOp,
    describe,
    is_static,
    to_node_proto,
    type_from_proto,
    type_to_proto,
)
from vcc.dialects.origin import node_names, value_names
from vcc.dialects.weights import constant_array
from vcc.passes.graph.custom_types import custom_types
from vcc.passes.graph.evaluate import evaluate, is_evaluable, static_shape
from vcc.passes.graph.merge_types import TypeConflictError, join, merge
from vcc.passes.graph.partial_values import Partial, partial_of_array, partial_result, target_shape
from vcc.passes.graph.signature import update_signatures
from vcc.runtime.diagnostics import Diagnostic, VccError

#: Values of at most this many elements are followed through the graph: shapes, axes, sizes.
_MAX_ELEMENTS = 1024
#: Operators whose inference in onnx goes wrong where it knows the operands' values (STFT forgets `onesided`).
_MISLED_BY_VALUES = frozenset({"STFT"})
#: Functions of ONNX without inference of their own, whose result is like their first operand.
_LIKE_FIRST = frozenset({"GroupNormalization", "MeanVarianceNormalization"})
#: Operators that have inference only from this opset on, and mean the same before.
_INFERRED_SINCE = {"GreaterOrEqual": 16, "LessOrEqual": 16}


@dataclass(frozen=True)
class InferShapesPass(ModulePass):
    """Finds the types of all values from those of the inputs, by the shape inference of the `onnx` package.

    One sweep in program order; small values that constants decide (shape arithmetic) are computed on the way, so that
    Shape -> Slice -> Concat -> Reshape is resolved, as far as that goes also where some sizes stay open. A declared
    type is kept where it says more. E0106, for all nodes at once, where the model declares one thing and inference
    finds another; a declaration with open sizes is left out with a warning.
    """

    name = "infer-shapes"

    @override
    def apply(self, ctx: Context, op: ModuleOp) -> None:
        inference = _Inference(ctx)
        for function in op.body.block.ops:
            if isinstance(function, FuncOp) and function.body.blocks:
                inference.sweep(function.body.block)
        if inference.diagnostics:
            raise VccError(inference.diagnostics)
        update_signatures(op)


def is_loose(declared: Attribute, inferred: Attribute) -> bool:
    """Whether a declaration that contradicts inference may be ignored: one with open sizes, of the same dtype.

    Exporters guess such shapes when they are told of open dimensions, and runtimes do not look at them.
    """
    if not isinstance(declared, TensorType) or not isinstance(inferred, TensorType):
        return False
    return not declared.has_static_shape() and declared.element_type == inferred.element_type


@dataclass
class _Inference:
    ctx: Context
    diagnostics: list[Diagnostic] = field(default_factory=list[Diagnostic])
    #: Small arrays of values that are no constants in the IR but decided by such.
    computed: dict[SSAValue, np.ndarray] = field(default_factory=dict[SSAValue, np.ndarray])
    #: What is known of shapes where it is not all.
    partial: dict[SSAValue, Partial] = field(default_factory=dict[SSAValue, Partial])
    _protos: dict[Attribute, TypeProto] = field(default_factory=dict[Attribute, TypeProto])
    _tensors: dict[SSAValue, TensorProto] = field(default_factory=dict[SSAValue, TensorProto])

    def sweep(self, block: Block) -> None:
        """Infer all ops of a block in order."""
        for op in block.ops:
            if not isinstance(op, NodeOp):
                continue
            try:
                if isinstance(op, SchemaOp):
                    self._infer(op)
                elif isinstance(op, CustomOp):
                    self._refine_all(op, custom_types(op))
            except TypeConflictError as conflict:
                self._report(op, str(conflict))

    def _report(self, op: NodeOp, message: str) -> None:
        types = ", ".join("none" if each is None else describe(each.type) for each in op.inputs)
        shown = f"{op.op_type}, opset {op.opset}"
        self.diagnostics.append(Diagnostic("E0106", message, ", ".join(node_names(op)), shown, types))

    def _infer(self, op: SchemaOp) -> None:
        types = self._infer_with_graphs(op) if op.graphs else self._infer_plain(op)
        self._refine_all(op, types)
        if (shaped := target_shape(op, self._partial)) is not None:
            self._refine(op.results[0], shaped)
        self._compute(op)
        if op.results and op.results[0] not in self.computed and (found := partial_result(op, self._partial)):
            self.partial[op.results[0]] = found

    def _refine_all(self, op: NodeOp, types: Sequence[Attribute]) -> None:
        for result, inferred in zip(op.results, types, strict=False):
            self._refine(result, inferred)

    def _refine(self, value: SSAValue, inferred: Attribute) -> None:
        try:
            merged = merge(value.type, inferred)
        except TypeConflictError:
            if not is_loose(value.type, inferred):
                raise
            name = next(iter(value_names(value)), value.name_hint or "a value")
            declared, made = describe(value.type), describe(inferred)
            warnings.warn(f"the model declares '{name}' {declared}, but its operators make it {made}", stacklevel=2)
            merged = inferred
        if merged != value.type:
            Rewriter.replace_value_with_new_type(value, merged)

    def array(self, value: SSAValue) -> np.ndarray | None:
        """The value, if it is decided and small."""
        if (array := self.computed.get(value)) is not None:
            return array
        return constant_array(value, self.ctx) if _is_small(value.type) else None

    def _partial(self, value: SSAValue) -> Partial | None:
        if (found := self.partial.get(value)) is not None:
            return found
        array = self.array(value)
        return None if array is None else partial_of_array(array)

    def _compute(self, op: SchemaOp) -> None:
        """Note the results' values if they are small and decided."""
        if (shape := static_shape(op)) is not None:
            self.computed[op.results[0]] = shape
            return
        if not is_evaluable(op) or not op.operands or not all(_is_small(result.type) for result in op.results):
            return
        operands = [self.array(value) for value in op.operands]
        present = [array for array in operands if array is not None]
        if len(present) == len(operands) and (arrays := evaluate(op, present, self.ctx)) is not None:
            self.computed.update(zip(op.results, arrays, strict=True))

    def _proto(self, type: Attribute) -> TypeProto:
        if (proto := self._protos.get(type)) is None:
            proto = self._protos[type] = type_to_proto(type)
        return proto

    def _tensor(self, value: SSAValue) -> TensorProto | None:
        if (tensor := self._tensors.get(value)) is None and (array := self.array(value)) is not None:
            tensor = self._tensors[value] = numpy_helper.from_array(np.asarray(array))
        return tensor

    def _infer_plain(self, op: SchemaOp) -> list[Attribute]:
        """The types onnx infers; unknown ones where it does not."""
        if any(value.type == UNKNOWN for value in op.operands):
            return []
        if op.domain == "" and op.op_type in _LIKE_FIRST:
            return [op.operands[0].type]
        names: dict[SSAValue, str] = {}
        node = to_node_proto(op, self.ctx, names)
        types = {names[value]: self._proto(value.type) for value in op.operands}
        known = () if op.op_type in _MISLED_BY_VALUES else op.operands
        data = {names[value]: tensor for value in known if (tensor := self._tensor(value)) is not None}
        version = max(op.opset, _INFERRED_SINCE.get(op.op_type, 0)) if op.domain == "" else op.opset
        schema = op.schema if version == op.opset else onnx.defs.get_schema(op.op_type, version, op.domain)
        opset = onnx.helper.make_opsetid(op.domain, version)
        try:
            found = infer_node_outputs(schema, node, types, data, opset_imports=[opset])
        except (InferenceError, ValidationError) as failure:
            raise TypeConflictError(_reason(failure)) from None
        except (RuntimeError, KeyError, ValueError, onnx.defs.SchemaError):
            return []
        return [type_from_proto(found[names[each]]) if names[each] in found else UNKNOWN for each in op.results]

    def _infer_with_graphs(self, op: SchemaOp) -> list[Attribute]:
        graphs = op.graphs
        if op.op_type == "If":
            condition = self.array(op.operands[0])
            if condition is not None:
                # The other branch, which is never taken, may contradict the sizes that this one was given.
                taken = graphs["then_branch" if condition.all() else "else_branch"]
                self.sweep(taken.block)
                return _yielded(taken)
            for region in graphs.values():
                self.sweep(region.block)
            then, other = (_yielded(graphs[name]) for name in ("then_branch", "else_branch"))
            return [join(a, b) for a, b in zip(then, other, strict=False)]
        if op.op_type == "Loop":
            return self._infer_loop(op, graphs["body"])
        if op.op_type == "Scan" and op.opset >= 9:
            return self._infer_scan(op, graphs["body"])
        for region in graphs.values():
            self.sweep(region.block)
        return []

    def _infer_loop(self, op: SchemaOp, body: Region) -> list[Attribute]:
        """Body: (iteration, condition, states...) -> (condition, states..., slices of stacked outputs...)."""
        block = body.block
        initial = [value for value in op.inputs[2:] if value is not None]
        last = block.last_op
        assert last is not None
        for index, value in enumerate(initial):
            # A state that an iteration gives on as it got it keeps its type; of others only a part is sure.
            kept = last.operands[1 + index] is block.args[2 + index]
            type = value.type if kept else _element_only(value.type)
            self._refine(block.args[2 + index], type)
        self._refine(block.args[0], TensorType(i64, []))
        self.sweep(block)
        yielded = _yielded(body)[1:]
        states = [join(value.type, type) for value, type in zip(initial, yielded, strict=False)]
        return states + [_stacked(type, DYNAMIC_INDEX, 0) for type in yielded[len(initial) :]]

    def _infer_scan(self, op: SchemaOp, body: Region) -> list[Attribute]:
        """Body: (states..., slices of scanned inputs...) -> (states..., slices of stacked outputs...)."""
        block = body.block
        scanned = op.attribute("num_scan_inputs")
        states = len(op.operands) - scanned
        axes = op.attribute("scan_input_axes", None) or [0] * scanned
        length = DYNAMIC_INDEX
        for index, value in enumerate(op.operands):
            type: Attribute = value.type
            if index >= states:
                type, size = _sliced(type, axes[index - states])
                length = size if length == DYNAMIC_INDEX else length
            self._refine(block.args[index], type)
        self.sweep(block)
        yielded = _yielded(body)
        out_axes = op.attribute("scan_output_axes", None) or [0] * (len(yielded) - states)
        stacked = [_stacked(type, length, axis) for type, axis in zip(yielded[states:], out_axes, strict=False)]
        return yielded[:states] + stacked


def _reason(failure: Exception) -> str:
    """The sentence in onnx's message that says what is wrong."""
    text = str(failure).strip().splitlines()[0]
    return text.rpartition("] ")[2] or text


def _is_small(type: Attribute) -> bool:
    return is_static(type) and isinstance(type, TensorType) and int(np.prod(type.get_shape())) <= _MAX_ELEMENTS


def _yielded(region: Region) -> list[Attribute]:
    last = region.block.last_op
    return [] if last is None else [value.type for value in last.operands]


def _element_only(type: Attribute) -> Attribute:
    return UnrankedTensorType(type.element_type) if isinstance(type, TensorType) else type


def _stacked(type: Attribute, length: int, axis: int) -> Attribute:
    if not isinstance(type, TensorType):
        return _element_only(type)
    shape = list(type.get_shape())
    shape.insert(axis if axis >= 0 else axis + len(shape) + 1, length)
    return TensorType(type.element_type, shape)


def _sliced(type: Attribute, axis: int) -> tuple[Attribute, int]:
    if not isinstance(type, TensorType) or not -type.get_num_dims() <= axis < type.get_num_dims():
        return _element_only(type), DYNAMIC_INDEX
    shape = list(type.get_shape())
    size = shape.pop(axis)
    return TensorType(type.element_type, shape), size
