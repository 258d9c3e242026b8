"""Functions of a model: one private `func.func` for each way a function is called, for the pass `inline` to dissolve.

ONNX functions are generic in types, in attributes, and in which inputs are there; IR functions are not, so calls
that differ in one of these get functions of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

from onnx import AttributeProto, FunctionProto, GraphProto, ModelProto, NodeProto
from xdsl.context import Context
from xdsl.dialects.builtin import TensorType
from xdsl.dialects.func import CallOp, FuncOp, ReturnOp
from xdsl.ir import Attribute, Block, Operation, Region, SSAValue

from vcc.compiler.frontend.graph import GraphImporter, domain_name
from vcc.compiler.frontend.runtime import standard_function
from vcc.compiler.frontend.scope import NodeNames, Scope
from vcc.compiler.frontend.tensors import TensorReader
from vcc.dialects.onnx.operation import DIALECT_OF_DOMAIN, SchemaOp, find_schema
from vcc.runtime.diagnostics import Diagnostic, error

_Key = tuple[str, tuple[Attribute | bool | None, ...], tuple[bytes, ...]]


def opset_versions(imports: object) -> dict[str, int]:
    """The opset versions a model or function imports, by domain."""
    return {domain_name(each.domain): each.version for each in imports}  # pyright: ignore[reportGeneralTypeIssues, reportUnknownVariableType]


@dataclass
class Functions:
    """The functions of a model, imported when first called."""

    model: ModelProto
    ctx: Context
    reader: TensorReader
    diagnostics: list[Diagnostic]
    made: list[FuncOp] = field(default_factory=list[FuncOp])

    def __post_init__(self) -> None:
        self._protos = {_identity(each.domain, each.name, each.overload): each for each in self.model.functions}
        self._by_key: dict[_Key, FuncOp] = {}
        self._symbols: set[str] = {"main"}
        self._active: list[str] = []

    def importer(self, opsets: dict[str, int]) -> GraphImporter:
        """An importer of graphs whose nodes may call these functions."""
        return GraphImporter(self.ctx, self.reader, opsets, self.diagnostics, NodeNames(), partial(self.call, opsets))

    def call(
        self, opsets: dict[str, int], node: NodeProto, inputs: list[SSAValue | None], name: str
    ) -> Operation | None:
        """A `func.call` for a node that names a function; None for any other node. E0102 if it recurs for ever.

        Operators of ONNX Runtime's own, which have no schema, name functions too; E0121 for forms that have none.
        """
        identity = _identity(node.domain, node.op_type, node.overload)
        proto = self._protos.get(identity)
        variant: tuple[bool, ...] = ()
        if proto is None and not _has_schema(node, opsets):
            proto = standard_function(node, [rank_of(each) for each in inputs])
            variant = tuple(bool(each) for each in node.output)
        if proto is None:
            return None
        if identity in self._active:
            raise error("E0102", f"the function '{node.op_type}' calls itself")
        if len(inputs) > len(proto.input):
            raise error("E0102", f"it has {len(inputs)} inputs but the function takes {len(proto.input)}")
        if len(node.output) > len(proto.output):
            raise error("E0102", f"it has {len(node.output)} outputs but the function gives {len(proto.output)}")
        types = tuple(None if each is None else each.type for each in inputs)
        key = (
            identity,
            (*types, *variant),
            tuple(each.SerializeToString(deterministic=True) for each in node.attribute),
        )
        if (function := self._by_key.get(key)) is None:
            self._active.append(identity)
            function = self._by_key[key] = self._import(proto, types, node.attribute)
            self._active.pop()
            self.made.append(function)
        present = [each for each in inputs if each is not None]
        return CallOp(function.sym_name.data, present, list(function.function_type.outputs))

    def _import(
        self, proto: FunctionProto, types: Sequence[Attribute | None], given: Sequence[AttributeProto]
    ) -> FuncOp:
        importer = self.importer(opset_versions(proto.opset_import))
        importer.references = {each.name: each for each in (*proto.attribute_proto, *given)}
        block = Block(arg_types=[each for each in types if each is not None])
        scope = Scope()
        present = [name for name, each in zip(proto.input, types, strict=False) if each is not None]
        for name, argument in zip(present, block.args, strict=True):
            importer.define(scope, name, argument)
        graph = GraphProto(node=[_without(each, set(proto.input) - set(present)) for each in proto.node])
        graph.value_info.extend(proto.value_info)
        importer.fill(block, graph, scope)
        outputs = [importer.output(name, scope) for name in proto.output]
        block.add_op(ReturnOp(*outputs))
        signature = block.arg_types, [each.type for each in outputs]
        return FuncOp(self._symbol(proto.name), signature, Region(block), "private")

    def _symbol(self, name: str) -> str:
        symbol, count = name, 0
        while symbol in self._symbols:
            count += 1
            symbol = f"{name}_{count}"
        self._symbols.add(symbol)
        return symbol


def _has_schema(node: NodeProto, opsets: dict[str, int]) -> bool:
    domain = domain_name(node.domain)
    return domain in DIALECT_OF_DOMAIN and find_schema(domain, node.op_type, opsets.get(domain, 1)) is not None


def rank_of(value: SSAValue | None) -> int | None:
    """The number of axes of a value, as far as its type or that of what it is cast from says it before inference."""
    while value is not None and not isinstance(value.type, TensorType):
        owner = value.owner
        follows = isinstance(owner, SchemaOp) and owner.op_type in ("Cast", "Identity") and owner.operands
        value = owner.operands[0] if isinstance(owner, SchemaOp) and follows else None
    return None if value is None or not isinstance(value.type, TensorType) else len(value.type.get_shape())


def _identity(domain: str, name: str, overload: str) -> str:
    return f"{domain_name(domain)}::{name}::{overload}"


def _without(node: NodeProto, absent: set[str]) -> NodeProto:
    """The node with the inputs left out that this call of its function leaves out."""
    if absent.isdisjoint(node.input):
        return node
    copy = NodeProto()
    copy.CopyFrom(node)
    copy.input[:] = ["" if name in absent else name for name in node.input]
    return copy
