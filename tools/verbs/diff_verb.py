"""Compare a compiled model with ONNX Runtime, tensor by tensor, through fused kernels: the first difference first."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vcc.runtime.diagnostics import Diagnostic, Exit, error
from vcc.tools.arguments import compile_options, refuse_compile_options

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray
    from onnx import NodeProto

    from vcc.compiler.debug.compare import Comparison
    from vcc.runtime.session import Program

    Array = NDArray[Any]

SHOWN = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    parser.add_argument("file", metavar="MODEL.onnx", help="the model, which the reference runs")
    parser.add_argument("binary", metavar="FILE.vbin", nargs="?", help="what it was compiled to (default: compile it)")
    parser.add_argument("--input", metavar="NAME=FILE.npy", action="append", default=[], help="an input's values")
    parser.add_argument("--random", metavar="SEED", help="the seed of the other inputs' values (default: 0)")
    parser.add_argument(
        "--tolerance", metavar="ERROR", type=float, help="relative L2 error allowed for floats (default: 1e-5 for f32)"
    )
    parser.add_argument("--all", action="store_true", help="list every compared value, not the worst alone")
    compile_options(parser)


def run(args: argparse.Namespace) -> int:
    """Compare."""
    from vcc.compiler.debug.compare import compare_runs, suspects
    from vcc.compiler.debug.reference_run import has_onnxruntime, run_reference
    from vcc.runtime.host.feeds import random_feeds
    from vcc.tools.feeds import as_declared, parse_seed, read_feeds
    from vcc.tools.files import is_binary, read_image
    from vcc.tools.output import note, print_json
    from vcc.tools.programs import program_for, program_of

    if args.file == "-" or is_binary(args.file):
        raise error("E0202", "vcc diff needs the ONNX file, since the reference runs it")
    if args.tolerance is not None and not args.tolerance >= 0:
        raise error("E0202", f"--tolerance {args.tolerance}: a number of 0 or more is expected")
    feeds = read_feeds(args.input)
    if args.binary is None:
        program = program_for(args, {name: array.shape for name, array in feeds.items()})
    else:
        refuse_compile_options(args, args.binary)
        program = program_of(read_image(args.binary))
        _check_made_from(program, args.file, args.binary)
    seed = parse_seed("--random", args.random or "")
    feeds = random_feeds(program.inputs, seed, as_declared(feeds, program.inputs))
    if not has_onnxruntime():
        note("onnxruntime is not installed: comparing with the reference implementation of the onnx package")
    values, incomplete = observe(program, feeds)
    reference = run_reference(Path(args.file), feeds)
    compared = compare_runs(values, reference, args.tolerance)
    if not compared:
        raise error("E0105", f"{args.binary or 'the program'} has no value of {args.file}", help="was it made from it?")
    different = [each for each in compared if not each.matches]
    fused = len(reference.values) - len(compared) - len(incomplete)
    status = int(Exit.DIFFERS if different else Exit.OK)
    if args.format == "json":
        content: dict[str, Any] = {
            "reference": reference.name,
            "compared": len(compared),
            "fused_away": fused,
            "incomplete": incomplete,
        }
        print_json("diff", content | {"values": [asdict(each) for each in compared]}, status)
    else:
        print(f"{len(compared)} of {len(reference.values)} values compared with {reference.name}", end="")
        print(f", {len(different)} differ; {fused} were fused away and never exist")
        if incomplete:
            note(f"not compared, since the program writes only parts of them: {', '.join(incomplete)}")
        _print_rows(compared if args.all else sorted(compared, key=lambda each: -each.error)[:SHOWN], args.all)
    if different:
        note(str(_diagnostic(different[0], suspects(different[0], compared, reference))))
    return status


def _check_made_from(program: Program, model: str, binary: str) -> None:
    """E0105 if the inputs' names show that the program was made from another model."""
    from vcc.compiler.frontend.read import read_model

    graph = read_model(Path(model)).proto.graph
    constants = {each.name for each in graph.initializer}
    want, have = {each.name for each in graph.input} - constants, {spec.name for spec in program.inputs}
    if want != have:
        wanted, given = (", ".join(map(repr, sorted(each))) or "none" for each in (want, have))
        what = f"{model} has the inputs {wanted}, {binary} has {given}"
        raise error("E0105", what, help=f"was {binary} made from it?")


def observe(program: Program, feeds: Mapping[str, Array]) -> tuple[dict[str, Array], list[str]]:
    """Every ONNX value that a run on the interpreter computes, and the names of those it computes in part only."""
    from vcc.runtime.host.executor import Executor
    from vcc.runtime.interpreter.engine import InterpreterEngine
    from vcc.runtime.interpreter.taps import TapCollector

    engine, taps = InterpreterEngine(program.image), TapCollector(program.image)
    engine.observer_of = taps.observer
    outputs = Executor(program.image).run(feeds, engine, observer=taps.host)
    named = dict(zip((spec.name for spec in program.outputs), outputs, strict=True))
    return {**taps.values(), **named}, [name for name in taps.partial() if name not in named]


def _print_rows(rows: list[Comparison], is_all: bool) -> None:
    from vcc.tools.output import table

    print("in the model's order:" if is_all else "the worst:")
    cells = [
        ("" if each.matches else "DIFFERS", f"{each.error:.2e}", each.name, f"{each.node} ({each.op})", each.type)
        for each in rows
    ]
    table(("", "error", "value", "node", "type"), cells)


def _diagnostic(first: Comparison, nodes: list[NodeProto]) -> Diagnostic:
    what = f"'{first.name}' is the first value that differs: error {first.error:.3g}"
    if first.worst or first.got != first.want:
        what += f"; worst at [{', '.join(map(str, first.worst))}]: {first.got:.9g} instead of {first.want:.9g}"
    names = ", ".join(f"{node.name} ({node.op_type})" for node in nodes)
    help = f"all values it is made from are right: the fault is in one of {names}" if len(nodes) > 1 else ""
    return Diagnostic("E0501", what, first.node, first.op, first.type, help)
