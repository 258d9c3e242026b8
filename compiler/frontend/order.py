"""The order of a graph's nodes."""

from __future__ import annotations

from collections.abc import Iterator

from onnx import GraphProto, NodeProto

from vcc.runtime.diagnostics import error


def _uses(node: NodeProto) -> Iterator[str]:
    yield from node.input
    for attribute in node.attribute:
        for graph in (*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])):
            for inner in graph.node:
                yield from _uses(inner)
            yield from (output.name for output in graph.output)


def sorted_nodes(graph: GraphProto) -> list[NodeProto]:
    """The nodes so that each comes after those it uses, otherwise as they stand; E0102 if they form a cycle.

    ONNX demands this order of a model but not every exporter keeps it, and ONNX Runtime takes any.
    """
    nodes = list(graph.node)
    maker = {output: index for index, node in enumerate(nodes) for output in node.output if output}
    needs = [sorted({maker[name] for name in _uses(node) if name in maker}) for node in nodes]
    if all(need < index for index, each in enumerate(needs) for need in each):
        return nodes
    done: list[NodeProto] = []
    state = [0] * len(nodes)  # 0 not seen, 1 its needs are being placed, 2 placed
    for root in range(len(nodes)):
        stack = [root]
        while stack:
            index = stack[-1]
            if state[index] == 2:
                stack.pop()
                continue
            waiting = [need for need in needs[index] if state[need] != 2]
            if any(state[need] == 1 or need == index for need in waiting):
                node = nodes[index]
                raise error("E0102", "the graph has a cycle", node=node.name, op=node.op_type)
            if waiting:
                state[index] = 1
                stack.extend(reversed(waiting))
            else:
                stack.pop()
                state[index] = 2
                done.append(nodes[index])
    return done
