"""Import of whole models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from onnx import ModelProto, TypeProto
from xdsl.context import Context
from xdsl.dialects.builtin import ArrayAttr, DictionaryAttr, ModuleOp, StringAttr
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Block, Region

from vcc.compiler.frontend.freeze import frozen_inputs
from vcc.compiler.frontend.functions import Functions, opset_versions
from vcc.compiler.frontend.graph import newest
from vcc.compiler.frontend.read import read_model
from vcc.compiler.frontend.scope import Scope
from vcc.compiler.frontend.shapes import bind_shapes
from vcc.compiler.frontend.tensors import TensorReader
from vcc.dialects.onnx.types import UNKNOWN, dimension_names, type_from_proto
from vcc.dialects.origin import set_value_names
from vcc.dialects.weights import make_constant
from vcc.runtime.diagnostics import Diagnostic, VccError

OLDEST_OPSET = 7


def import_model(
    model: str | Path | bytes | ModelProto,
    ctx: Context,
    shapes: Mapping[str, Sequence[int]] | None = None,
    values: Mapping[str, Any] | None = None,
) -> ModuleOp:
    """A model as a module of the onnx dialect, its weights in the context's store.

    `func.func @main` takes the graph's inputs that have no initialiser; its `arg_attrs` say their ONNX name
    (`onnx.name`) and dimensions as the model writes them (`onnx.dims`), its `res_attrs` the outputs' names. Every node
    is one op that carries the node's name as location. Dimensions that the model leaves open are `?` unless
    `shapes`, input name -> sizes, gives them. Inputs in `values` are constants instead. Types of values that the model
    does not declare are `!onnx.unknown` until the pass infer-shapes.

    All obstacles are reported in one `VccError`: E0101 and E0204 for files that cannot be read, E0102 for models that
    are not valid, E0103 for external data, E0105 for `shapes` and `values`, E0120 and E0121 for unknown operators and
    element types.
    """
    source = read_model(model)
    return _import(source.proto, TensorReader(source.folder), ctx, shapes or {}, values or {})


def _import(
    proto: ModelProto,
    reader: TensorReader,
    ctx: Context,
    shapes: Mapping[str, Sequence[int]],
    values: Mapping[str, Any],
) -> ModuleOp:
    graph = proto.graph
    opsets = opset_versions(proto.opset_import)
    diagnostics = _opset_problems(opsets)
    if diagnostics:
        raise VccError(diagnostics)
    constants = {each.name for each in graph.initializer} | {each.values.name for each in graph.sparse_initializer}
    inputs = [each for each in graph.input if each.name not in constants]
    types = bind_shapes(inputs, shapes)
    frozen = frozen_inputs(types, values)
    inputs = [each for each in inputs if each.name not in frozen]
    functions = Functions(proto, ctx, reader, diagnostics)
    importer = functions.importer(opsets)
    scope = Scope()
    block = Block()
    for info in inputs:
        try:
            type = type_from_proto(types[info.name])
        except VccError as failure:
            importer.report(failure)
            type = UNKNOWN
        if type == UNKNOWN:
            diagnostics.append(Diagnostic("E0102", f"input '{info.name}' has no type"))
        importer.define(scope, info.name, block.insert_arg(type, len(block.args)))
    for name, array in frozen.items():
        constant = make_constant(array, ctx)
        block.add_op(constant)
        set_value_names(constant, [[name]])
        importer.define(scope, name, constant.result)
    outputs = importer.fill(block, graph, scope)
    if diagnostics:
        raise VccError(_each_once(diagnostics))
    block.add_op(ReturnOp(*outputs))
    main = FuncOp(
        "main",
        (block.arg_types, [each.type for each in outputs]),
        Region(block),
        arg_attrs=ArrayAttr([_description(each.name, each.type) for each in inputs]),
        res_attrs=ArrayAttr([DictionaryAttr({"onnx.name": StringAttr(each.name)}) for each in graph.output]),
    )
    return ModuleOp([main, *functions.made])


def _opset_problems(opsets: Mapping[str, int]) -> list[Diagnostic]:
    version = opsets.get("", 0 if opsets else 1)
    known = newest("")
    if "" in opsets or not opsets:
        if version < OLDEST_OPSET:
            help = f"convert it with onnx.version_converter.convert_version(model, {known})"
            message = f"the model is of opset {version}; opsets {OLDEST_OPSET} to {known} are supported"
            return [Diagnostic("E0102", message, help=help)]
        if version > known:
            help = "install a newer onnx package"
            return [
                Diagnostic("E0102", f"the model is of opset {version}; the newest known here is {known}", help=help)
            ]
    return []


def _each_once(diagnostics: list[Diagnostic]) -> list[Diagnostic]:
    return list(dict.fromkeys(diagnostics))


def _description(name: str, type: TypeProto) -> DictionaryAttr:
    dims = [StringAttr(dim) for dim in dimension_names(type)]
    return DictionaryAttr({"onnx.name": StringAttr(name), "onnx.dims": ArrayAttr(dims)})
