"""Import of graphs: nodes become operations, initialisers constants, subgraphs regions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import onnx.defs
from onnx import AttributeProto, GraphProto, NodeProto, TensorProto
from xdsl.context import Context
from xdsl.ir import Attribute, Block, Operation, Region, SSAValue

from vcc.compiler.frontend.order import sorted_nodes
from vcc.compiler.frontend.scope import NodeNames, Scope, hint
from vcc.compiler.frontend.tensors import TensorReader
from vcc.dialects.onnx.attributes import attribute_from_proto
from vcc.dialects.onnx.constants import constant_of_attributes
from vcc.dialects.onnx.operation import (
    DIALECT_OF_DOMAIN,
    SchemaOp,
    find_schema,
    make_custom_op,
    make_schema_op,
)
from vcc.dialects.onnx.structure import YieldOp
from vcc.dialects.onnx.types import UNKNOWN, describe, type_from_proto
from vcc.dialects.onnx.verify import schema_problems
from vcc.dialects.origin import add_value_names, node_location, set_value_names
from vcc.dialects.weights import ConstantOp, make_constant
from vcc.runtime.diagnostics import Diagnostic, VccError, error

#: Makes the op of a node that calls a function of the model; None if there is no such function.
CallMaker = Callable[[NodeProto, "list[SSAValue | None]", str], "Operation | None"]

_MISSING_OPSET = "the model imports no version of it"


def domain_name(domain: str) -> str:
    """The domain as schemas name it: ai.onnx is the empty name."""
    return "" if domain == "ai.onnx" else domain


class GraphImporter:
    """Imports graphs that share opset versions and constants: those of a model, or those of one function.

    Obstacles go to `diagnostics`, and import goes on with a value of unknown type in place of what failed.
    """

    def __init__(
        self,
        ctx: Context,
        reader: TensorReader,
        opsets: Mapping[str, int],
        diagnostics: list[Diagnostic],
        names: NodeNames,
        call: CallMaker,
    ):
        self.ctx = ctx
        self.reader = reader
        self.opsets = opsets
        self.diagnostics = diagnostics
        self.names = names
        self.call = call
        #: What an attribute reference in a function stands for at this call; None where it is not given.
        self.references: Mapping[str, AttributeProto] = {}

    def report(self, failure: VccError, name: str = "", node: NodeProto | None = None, types: str = "") -> None:
        """Record what went wrong at a node (or nowhere in particular)."""
        for each in failure.diagnostics:
            op = each.op or ("" if node is None else node.op_type)
            where = Diagnostic(each.code, each.message, each.node or name, op, each.types or types, each.help)
            self.diagnostics.append(where)

    def fill(self, block: Block, graph: GraphProto, scope: Scope) -> list[SSAValue]:
        """Append the ops of a graph whose inputs are in `scope` already; returns its outputs."""
        declared: dict[str, Attribute] = {}
        for info in (*graph.value_info, *graph.output):
            try:
                declared[info.name] = type_from_proto(info.type)
            except VccError as failure:
                self.report(failure)
        self._initializers(block, graph, scope)
        try:
            nodes = sorted_nodes(graph)
        except VccError as failure:
            self.report(failure)
            return []
        for node in nodes:
            self._node(block, node, scope, declared)
        return [self.output(info.name, scope) for info in graph.output]

    def output(self, name: str, scope: Scope) -> SSAValue:
        """The value of a graph's output."""
        if (value := scope.find(name)) is None:
            self.report(error("E0102", f"the graph's output '{name}' is not made by any node"))
            return _placeholder()
        return value

    def define(self, scope: Scope, name: str, value: SSAValue) -> None:
        """Name a value; E0102 goes to the diagnostics if the graph has one of that name."""
        if name in scope.values:
            self.report(error("E0102", f"two values of one graph have the name '{name}'"))
        scope.values[name] = value
        if value.name_hint is None:
            value.name_hint = hint(name)

    def _initializers(self, block: Block, graph: GraphProto, scope: Scope) -> None:
        merged: dict[Attribute, ConstantOp] = {}
        sparse = ((each.values.name, each) for each in graph.sparse_initializer)
        for name, tensor in (*((each.name, each) for each in graph.initializer), *sparse):
            try:
                dense = isinstance(tensor, TensorProto)
                array = self.reader.read(tensor) if dense else self.reader.read_sparse(tensor)
                constant = make_constant(array, self.ctx)
            except VccError as failure:
                self.report(failure)
                scope.values[name] = _placeholder()
                continue
            if (same := merged.setdefault(constant.value, constant)) is constant:
                block.add_op(constant)
            add_value_names(same.result, [name])
            self.define(scope, name, same.result)

    def _node(self, block: Block, node: NodeProto, scope: Scope, declared: Mapping[str, Attribute]) -> None:
        name = self.names.unique(node.name, node.op_type)
        inputs: list[SSAValue | None] = []
        op: Operation | None = None
        try:
            inputs = [self._input(each, scope) for each in node.input]
            types = [declared.get(output, UNKNOWN) for output in _named(node.output)]
            op = self.call(node, inputs, name) or self._op(node, inputs, types, scope)
            block.add_op(op)
            op.location = node_location(name)
            self._check(op, node)
            set_value_names(op, [[each] if each else [] for each in _named(node.output)])
        except VccError as failure:
            types = ", ".join("none" if each is None else describe(each.type) for each in inputs)
            self.report(failure, name, node, types)
        for index, output in enumerate(node.output):
            if output:
                results = () if op is None else op.results
                self.define(scope, output, results[index] if index < len(results) else _placeholder())

    def _input(self, name: str, scope: Scope) -> SSAValue | None:
        if not name:
            return None
        if (value := scope.find(name)) is None:
            raise error("E0102", f"its input '{name}' is not an input of the model, a weight, or made by any node")
        return value

    def _check(self, op: Operation, node: NodeProto) -> None:
        if isinstance(op, SchemaOp):
            problems = list(schema_problems(op))
            if problems:
                raise VccError(
                    [Diagnostic("E0102", problem, op=f"{node.op_type}, opset {op.opset}") for problem in problems]
                )

    def _op(self, node: NodeProto, inputs: list[SSAValue | None], types: list[Attribute], scope: Scope) -> Operation:
        domain = domain_name(node.domain)
        attributes, graphs = self._attributes(node, scope)
        if domain not in DIALECT_OF_DOMAIN:
            name = (domain, node.op_type, self.opsets.get(domain, 1))
            return make_custom_op(name, inputs, types, attributes, graphs)
        if (opset := self.opsets.get(domain)) is None:
            raise error("E0102", f"it is of the domain '{domain or 'ai.onnx'}' and {_MISSING_OPSET}")
        if (schema := find_schema(domain, node.op_type, opset)) is None:
            raise _unknown_operator(domain, node.op_type, opset)
        if schema.deprecated:
            raise error("E0120", f"{node.op_type} was removed from ONNX in opset {schema.since_version}")
        if unknown := set(graphs) - set(schema.attributes):
            raise error("E0102", f"it has no attribute '{min(unknown)}'")
        is_constant = domain == "" and node.op_type == "Constant" and not inputs and len(types) == 1
        # Strings, and what is not valid, stay a node.
        if is_constant and (constant := constant_of_attributes(attributes, self.ctx)):
            return constant
        return make_schema_op(schema, inputs, types, attributes, graphs)

    def _attributes(self, node: NodeProto, scope: Scope) -> tuple[dict[str, Attribute], dict[str, Region]]:
        attributes: dict[str, Attribute] = {}
        graphs: dict[str, Region] = {}
        for proto in node.attribute:
            if proto.name in attributes or proto.name in graphs:
                raise error("E0102", f"it has two attributes '{proto.name}'")
            if proto.ref_attr_name:
                if (given := self.references.get(proto.ref_attr_name)) is None:
                    continue
                given_as = AttributeProto()
                given_as.CopyFrom(given)
                given_as.name = proto.name
                proto = given_as
            if proto.type == AttributeProto.GRAPH:
                graphs[proto.name] = self._region(proto.g, scope)
            else:
                attributes[proto.name] = attribute_from_proto(proto, self.ctx, self.reader.read)
        return attributes, graphs

    def _region(self, graph: GraphProto, outer: Scope) -> Region:
        initial = {each.name for each in graph.initializer}
        inputs = [each for each in graph.input if each.name not in initial]
        block = Block(arg_types=[type_from_proto(each.type) for each in inputs])
        scope = Scope(outer)
        for argument, info in zip(block.args, inputs, strict=True):
            self.define(scope, info.name, argument)
        block.add_op(YieldOp(self.fill(block, graph, scope)))
        return Region(block)


def _named(outputs: Sequence[str]) -> list[str]:
    """A node's outputs without those at the end that it leaves out."""
    kept = list(outputs)
    while kept and not kept[-1]:
        kept.pop()
    return kept


def _placeholder() -> SSAValue:
    """A value in place of one that could not be imported; the module it is in is thrown away."""
    return Block(arg_types=[UNKNOWN]).args[0]


def _unknown_operator(domain: str, op_type: str, opset: int) -> VccError:
    shown = domain or "ai.onnx"
    if onnx.defs.has(op_type, domain):
        since = onnx.defs.get_schema(op_type, domain).since_version
        return error("E0120", f"{op_type} is not in opset {opset} of {shown}; opset {since} has it")
    return error("E0120", f"{shown} has no operator {op_type}", help=f"the newest opset known here is {newest(domain)}")


def newest(domain: str) -> int:
    """The newest opset of a domain that the installed onnx package knows."""
    versions = [each.since_version for each in onnx.defs.get_all_schemas() if each.domain == domain]
    return max([*versions, onnx.defs.onnx_opset_version()]) if domain == "" else max(versions, default=0)
