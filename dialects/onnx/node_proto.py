"""Operations of the onnx dialect as the `NodeProto`s they came from."""

from __future__ import annotations

from onnx import GraphProto, NodeProto, ValueInfoProto, numpy_helper
from xdsl.context import Context
from xdsl.ir import Operation, Region, SSAValue

from vcc.dialects.onnx.attributes import attribute_to_proto
from vcc.dialects.onnx.operation import NodeOp
from vcc.dialects.onnx.structure import YieldOp
from vcc.dialects.onnx.types import UNKNOWN, type_to_proto
from vcc.dialects.origin import node_names
from vcc.dialects.weights import ConstantOp, constant_array
from vcc.runtime.diagnostics import error


def to_node_proto(op: NodeOp, ctx: Context, names: dict[SSAValue, str] | None = None) -> NodeProto:
    """The node of `op`, subgraphs and tensor attributes included.

    `names` gives values their names in the proto. It is filled with a fresh name for every value that lacks one:
    the operands, the results, and what subgraphs capture; so a caller can tell which name is which value.
    """
    names = {} if names is None else names
    node = NodeProto(domain=op.domain, op_type=op.op_type, name=", ".join(node_names(op)))
    node.input.extend("" if value is None else _name(value, names) for value in op.inputs)
    node.output.extend(_name(value, names) for value in op.results)
    node.attribute.extend(attribute_to_proto(name, value, ctx) for name, value in op.node_attributes.items())
    for name, region in op.graphs.items():
        attribute = node.attribute.add(name=name)
        attribute.type = attribute.GRAPH
        attribute.g.CopyFrom(_graph(region, name, ctx, names))
    return node


def _name(value: SSAValue, names: dict[SSAValue, str]) -> str:
    return names.setdefault(value, f"v{len(names)}")


def _value_info(value: SSAValue, names: dict[SSAValue, str]) -> ValueInfoProto:
    info = ValueInfoProto(name=_name(value, names))
    if value.type != UNKNOWN:
        info.type.CopyFrom(type_to_proto(value.type))
    return info


def _graph(region: Region, name: str, ctx: Context, names: dict[SSAValue, str]) -> GraphProto:
    graph = GraphProto(name=name)
    graph.input.extend(_value_info(argument, names) for argument in region.block.args)
    for op in region.block.ops:
        if isinstance(op, YieldOp):
            _yield(op, graph, names)
        else:
            graph.node.append(_inner_node(op, ctx, names))
    return graph


def _yield(op: YieldOp, graph: GraphProto, names: dict[SSAValue, str]) -> None:
    """Declare the outputs. ONNX wants each made inside the graph, and once; others pass through an Identity."""
    made = {output for node in graph.node for output in node.output}
    for index, value in enumerate(op.values):
        info = _value_info(value, names)
        if info.name in made:
            made.remove(info.name)
        else:
            copy = f"{graph.name}.{index}.{info.name}"
            graph.node.append(NodeProto(op_type="Identity", input=[info.name], output=[copy]))
            info.name = copy
        graph.output.append(info)


def _inner_node(op: Operation, ctx: Context, names: dict[SSAValue, str]) -> NodeProto:
    if isinstance(op, NodeOp):
        return to_node_proto(op, ctx, names)
    if isinstance(op, ConstantOp):
        array = constant_array(op, ctx)
        assert array is not None
        node = NodeProto(op_type="Constant", output=[_name(op.result, names)])
        attribute = node.attribute.add(name="value")
        attribute.type = attribute.TENSOR
        attribute.t.CopyFrom(numpy_helper.from_array(array))
        return node
    raise error("E0107", f"{op.name} has no place in an ONNX subgraph", node=", ".join(node_names(op)), op=op.name)
