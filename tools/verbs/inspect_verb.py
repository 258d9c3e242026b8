"""What is in a model or a .vbin file: inputs, outputs, operators, memory, and what runs where."""

from __future__ import annotations

import argparse
from collections import Counter
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from vcc.runtime.diagnostics import VccError, error
from vcc.tools.arguments import compile_options, options_of, refuse_compile_options

if TYPE_CHECKING:
    from pathlib import Path

    from onnx import ModelProto

    from vcc.compiler.work import Work
    from vcc.runtime.binary.image import Image


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    parser.add_argument("file", metavar="FILE", help="an ONNX model or a .vbin file")
    parser.add_argument("--memory", action="store_true", help="of a .vbin file, the arena alone: tensors and a map")
    parser.add_argument("--remarks", action="store_true", help="of a .vbin file, the compiler's decisions alone")
    compile_options(parser)


def run(args: argparse.Namespace) -> int:
    """Inspect."""
    from vcc.runtime.binary.image import Image
    from vcc.tools.files import image_or_model

    source = image_or_model(args.file)
    if isinstance(source, Image):
        refuse_compile_options(args, args.file)
        _inspect_image(args, source)
    elif args.memory or args.remarks:
        option = "--memory" if args.memory else "--remarks"
        raise error("E0202", f"{option} is for .vbin files", help=f"compile it first: vcc {args.file}")
    else:
        _inspect_model(args, source)
    return 0


def _inspect_image(args: argparse.Namespace, image: Image) -> None:
    from vcc.tools.memory import memory_facts, print_memory
    from vcc.tools.output import print_json
    from vcc.tools.verbs.objdump_verb import headers, print_headers

    found = headers(image)
    remarks = [(image.nodes[node] if node >= 0 else "", text) for node, text in image.remarks]
    if args.format == "json":
        plan = [asdict(row) for row in image.plan]
        content = {"kind": "vbin", **found, "nodes": image.nodes, "plan": plan, "remarks": remarks}
        print_json("inspect", content | {"memory": memory_facts(image)})
        return
    all_of_it = not (args.memory or args.remarks)
    if all_of_it:
        print_headers(found)
    if args.memory or (all_of_it and image.plan):
        print_memory(image, drawn=args.memory)
    if args.remarks or (all_of_it and remarks):
        _print_remarks(remarks)


def _print_remarks(remarks: list[tuple[str, str]]) -> None:
    from vcc.tools.output import table

    if remarks:
        table(("node", "remark"), remarks, indent="")
    else:
        print("the compiler remarked nothing")


def _inspect_model(args: argparse.Namespace, model: Path | bytes) -> None:
    from vcc.compiler.frontend.read import read_model
    from vcc.tools.output import note, print_json

    found = model_facts(read_model(model).proto)
    work, problem, is_open = _work(model, args)
    if args.format == "json":
        if work is not None:
            found |= {"machine_macs": work.machine_macs, "machine_ops": work.machine_ops}
            found["host_ops"] = [asdict(each) for each in work.host]
        print_json("inspect", {"kind": "onnx", **found})
        return
    _print_model(found)
    if work is not None:
        _print_work(work, is_open)
    elif problem is not None:
        count = len(problem.diagnostics)
        note(f"not compilable as it is ({count} obstacles): vcc check {args.file}")


def _work(model: Path | bytes, args: argparse.Namespace) -> tuple[Work | None, VccError | None, bool]:
    """The model's work, open dimensions taken as 1; or the obstacles; and whether there are such dimensions."""
    from vcc.compiler.compilation import Compilation
    from vcc.compiler.interface import unbound_shapes

    options = options_of(args)
    shapes: dict[str, tuple[int, ...]] = {}
    try:
        compilation = Compilation.from_model(model, options, need_sizes=False)
        _, shapes = unbound_shapes(compilation.module)
        if shapes:
            bound = replace(options, shapes={**options.shapes, **shapes})
            compilation = Compilation.from_model(model, bound)
        compilation.advance("graph")
    except VccError as failure:
        return None, failure, bool(shapes)
    return compilation.work, None, bool(shapes)


def model_facts(proto: ModelProto) -> dict[str, Any]:
    """What the model says of itself, as JSON values."""
    from math import prod

    from vcc.compiler.interface import declared

    graph = proto.graph
    constants = {each.name for each in graph.initializer}
    # Some exporters, Paddle's among them, write weights as nodes.
    literals = [
        each.t for node in graph.node if node.op_type == "Constant" for each in node.attribute if each.name == "value"
    ]
    return {
        "ir_version": proto.ir_version,
        "opsets": {each.domain or "ai.onnx": each.version for each in proto.opset_import},
        "producer": f"{proto.producer_name} {proto.producer_version}".strip(),
        "inputs": [declared(each) for each in graph.input if each.name not in constants],
        "outputs": [declared(each) for each in graph.output],
        "nodes": len(graph.node),
        "operators": dict(Counter(node.op_type for node in graph.node).most_common()),
        "parameters": sum(prod(each.dims) for each in (*graph.initializer, *literals)),
    }


def _print_model(found: dict[str, Any]) -> None:
    from vcc.tools.output import count_text, table

    opsets = ", ".join(f"{domain} {version}" for domain, version in found["opsets"].items())
    print(f"ONNX IR {found['ir_version']}, opset {opsets}, by {found['producer'] or 'an unknown producer'}")
    print(f"{found['nodes']} nodes, {count_text(found['parameters'])} parameters")
    rows = [(kind, each["name"], each["type"]) for kind in ("inputs", "outputs") for each in found[kind]]
    table(("", "name", "type"), [(kind.removesuffix("s"), *rest) for kind, *rest in rows], indent="")
    table(("operator", "nodes"), list(found["operators"].items()), indent="")


def _print_work(work: Work, is_open: bool) -> None:
    from vcc.tools.output import count_text, table

    macs = count_text(work.machine_macs + work.host_macs)
    sizes = ", open dimensions taken as 1" if is_open else ""
    print(f"{macs} MACs; {work.machine_ops} operations on the machine, {len(work.host)} on the host{sizes}")
    if work.host:
        table(("host operator", "node", "reason"), [(each.op, each.node, each.reason) for each in work.host])
