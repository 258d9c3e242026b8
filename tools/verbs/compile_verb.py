"""Compile an ONNX model to a .vbin file, or to the IR after a phase; go on from such IR."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from vcc.runtime.diagnostics import error
from vcc.tools.arguments import compile_options, options_of

if TYPE_CHECKING:
    from vcc.compiler.compilation import Compilation
    from vcc.compiler.options import Options


#: The phases of compiler/pipeline.py that end in IR, which would take long to import for a line of help.
PHASES = "import, graph, fuse, tile, schedule, plan"
#: Those whose IR fits one machine.
TILED = ("tile", "schedule", "plan")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    parser.add_argument("file", metavar="MODEL.onnx", help="the model; with --from, IR that --emit wrote")
    parser.add_argument("-o", "--output", metavar="FILE", help="where the result goes (default: MODEL.vbin here)")
    compile_options(parser)
    parser.add_argument("--emit", metavar="PHASE", help=f"write the IR after a phase ({PHASES}), weights beside it")
    parser.add_argument("--from", dest="start", metavar="PHASE", help="the file is IR that this phase made; go on")
    parser.add_argument("--save-temps", metavar="DIR", help="write the IR after each phase (default: MODEL.temps)")
    parser.add_argument("--verify-each", action="store_true", help="verify the IR after every pass")
    parser.add_argument("--report", metavar="FILE.json", help="write what the compilation did as JSON")


def run(args: argparse.Namespace) -> int:
    """Compile."""
    emit = None if args.emit in (None, "encode") else str(args.emit)
    output = _output(args, emit)
    _check_outputs(args, output, emit)
    options = _options(args)
    compilation = _start(args, options)
    if emit is None:
        _finish(args, compilation, output)
    else:
        compilation.advance(emit)
        _write_ir(compilation, output, args.format == "json")
    return 0


def _options(args: argparse.Namespace) -> Options:
    from dataclasses import replace

    temps = None if args.save_temps is None else Path(args.save_temps or f"{_stem(args.file)}.temps")
    return replace(options_of(args), save_temps=temps, verify_each=args.verify_each)


def _stem(name: str) -> str:
    return "stdin" if name == "-" else Path(name).stem


def _output(args: argparse.Namespace, emit: str | None) -> str:
    if args.output is not None:
        return str(args.output)
    if args.file == "-":
        raise error("E0202", "a model from stdin needs -o FILE", help="-o - writes to stdout")
    return f"{_stem(args.file)}.vbin" if emit is None else f"{_stem(args.file)}.{emit}.mlir"


def _check_outputs(args: argparse.Namespace, output: str, emit: str | None) -> None:
    """Everything about the command line that can be refused before the long work."""
    from vcc.compiler.files import check_folder, check_writable
    from vcc.compiler.pipeline import IR_PHASES, PHASE_NAMES

    for option, phase, known in (("--emit", emit, PHASE_NAMES), ("--from", args.start, IR_PHASES)):
        if phase is not None and phase not in known:
            raise error("E0202", f"{option}: '{phase}' is not a phase", help=f"phases: {', '.join(known)}")
    if args.start and emit and PHASE_NAMES.index(emit) < PHASE_NAMES.index(args.start):
        raise error("E0202", f"--emit {emit} comes before --from {args.start}")
    if args.format == "json" and output == "-":
        raise error("E0202", "--format=json and -o - both want stdout")
    if Path(args.file).suffix == ".vbin":
        raise error("E0202", f"{args.file} is compiled already", help=f"vcc run {args.file}")
    if output != "-" and Path(output).resolve() == Path(args.file).resolve():
        raise error("E0203", f"cannot write {output}: it is the input")
    for name in (output, args.report):
        if name not in (None, "-"):
            check_writable(Path(name))
    if args.save_temps:
        check_folder(Path(args.save_temps))


def _start(args: argparse.Namespace, options: Options) -> Compilation:
    from vcc.compiler.compilation import Compilation
    from vcc.compiler.made_for import MACHINE
    from vcc.compiler.targets import HOST
    from vcc.tools.files import model_argument
    from vcc.tools.ir_phase import check_phase
    from vcc.tools.output import note

    if args.start is not None:
        compilation = Compilation.from_ir(Path(args.file), args.start, options)
        check_phase(compilation.module, args.file, args.start)
        if args.start in TILED and args.target == HOST and MACHINE not in compilation.module.attributes:
            note(f"the tiles of {args.file} stay as they are: --target ({args.target}) must be what they were made for")
        return compilation
    if Path(args.file).suffix == ".mlir":
        raise error("E0202", f"{args.file} is IR", help="--from PHASE says which phase made it")
    return Compilation.from_model(model_argument(args.file), options)


def _finish(args: argparse.Namespace, compilation: Compilation, output: str) -> None:
    from vcc.compiler.api import compile_program
    from vcc.runtime.binary.writer import write_image
    from vcc.tools.output import print_json
    from vcc.tools.summary import print_summary, report

    program = compile_program(compilation)
    if output == "-":
        sys.stdout.buffer.write(write_image(program.image))
    else:
        program.save(output)
    facts = report(compilation, program.image)
    if args.report is not None:
        _write_report(Path(args.report), facts)
    if args.format == "json":
        print_json("compile", {"output": output, **facts})
    else:
        # The reference runs a file: neither IR nor what came from stdin.
        print_summary(facts, output, "MODEL.onnx" if args.start or args.file == "-" else args.file)


def _write_report(path: Path, facts: dict[str, object]) -> None:
    from vcc.compiler.files import replacing
    from vcc.tools.output import SCHEMA

    with replacing(path) as temporary:
        temporary.write_text(json.dumps({"schema": SCHEMA, **facts}, indent=2) + "\n", encoding="utf-8")


def _write_ir(compilation: Compilation, output: str, as_json: bool) -> None:
    from vcc.compiler.emit import print_ir, used_digests, weights_path, write_ir
    from vcc.tools.output import note, print_json

    if output == "-":
        sys.stdout.write(print_ir(compilation.module))
        if count := len(used_digests(compilation.module)):
            note(f"the text refers to {count} weights, which stdout cannot hold; -o FILE.mlir writes them too")
        return
    path = Path(output)
    write_ir(compilation.module, compilation.ctx, path)
    files = [each for each in (path, weights_path(path)) if each.exists()]
    if as_json:
        content = {"phase": compilation.phase, "files": files, "seconds": compilation.trace.phase_seconds()}
        print_json("compile", content)
    else:
        note(f"{' and '.join(map(str, files))}: the IR after phase {compilation.phase}")
