"""Compare a compiled model with ONNX Runtime, tensor by tensor, through fused kernels: the first difference first."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vcc.runtime.diagnostics import Diagnostic, Exit, error
from vcc.tools.arguments import compile_options

if TYPE_CHECKING:
    from vcc.compiler.debug.compare import Comparison

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
    from vcc.compiler.debug.compare import compare_runs
    from vcc.compiler.debug.reference_run import has_onnxruntime, run_reference
    from vcc.tools.feeds import parse_seed, random_feeds, read_feeds
    from vcc.tools.files import is_binary
    from vcc.tools.output import note, print_json
    from vcc.tools.programs import load_program, program_for

    if args.file == "-" or is_binary(args.file):
        raise error("E0202", "vcc diff needs the ONNX file, since the reference runs it")
    feeds = read_feeds(args.input)
    if args.binary is None:
        program = program_for(args, {name: array.shape for name, array in feeds.items()})
    else:
        program = load_program(args.binary)
    feeds = random_feeds(program.inputs, parse_seed("--random", args.random or ""), feeds)
    if not has_onnxruntime():
        note("onnxruntime is not installed: comparing with the reference implementation of the onnx package")
    outputs, values = program.observe(feeds)
    reference = run_reference(Path(args.file), feeds)
    named = dict(zip((spec.name for spec in program.outputs), outputs, strict=True))
    compared = compare_runs({**values, **named}, reference, args.tolerance)
    different = [each for each in compared if not each.matches]
    fused = len(reference.values) - len(compared)
    status = int(Exit.DIFFERS if different else Exit.OK)
    if args.format == "json":
        content: dict[str, Any] = {"reference": reference.name, "compared": len(compared), "fused_away": fused}
        print_json("diff", content | {"values": [asdict(each) for each in compared]}, status)
    else:
        print(f"{len(compared)} of {len(reference.values)} values compared with {reference.name}", end="")
        print(f", {len(different)} differ; {fused} were fused away and never exist")
        _print_rows(compared if args.all else sorted(compared, key=lambda each: -each.error)[:SHOWN], args.all)
    if different:
        note(str(_diagnostic(different[0])))
    return status


def _print_rows(rows: list[Comparison], is_all: bool) -> None:
    from vcc.tools.output import table

    print("in the model's order:" if is_all else "the worst:")
    cells = [
        ("" if each.matches else "DIFFERS", f"{each.error:.2e}", each.name, f"{each.node} ({each.op})", each.type)
        for each in rows
    ]
    table(("", "error", "value", "node", "type"), cells)


def _diagnostic(first: Comparison) -> Diagnostic:
    what = f"'{first.name}' is the first value that differs: error {first.error:.3g}"
    if first.worst or first.got != first.want:
        what += f"; worst at [{', '.join(map(str, first.worst))}]: {first.got:.9g} instead of {first.want:.9g}"
    return Diagnostic("E0501", what, first.node, first.op, first.type)
