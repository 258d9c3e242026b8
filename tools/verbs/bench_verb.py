"""Time a model against other engines: interleaved blocks in one process, the same inputs and threads, medians."""

from __future__ import annotations

import argparse
from pathlib import Path

from vcc.runtime.diagnostics import Exit, error, plural
from vcc.tools.arguments import compile_options

MOST_THREADS = 1024


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    parser.add_argument("file", metavar="FILE", help="an ONNX model, or a .vbin file")
    parser.add_argument(
        "--against", metavar="ENGINE", action="append", default=[],
        help="onnxruntime, openvino or iree; may be given for each (default: vcc alone, against the machine's peak)",
    )  # fmt: skip
    parser.add_argument("--model", metavar="MODEL.onnx", help="what a .vbin was compiled from, for the other engines")
    parser.add_argument(
        "--threads",
        metavar="N",
        action="append",
        default=[],
        help="threads of each engine; may be repeated (default: 1)",
    )
    parser.add_argument("--blocks", metavar="N", default="7", help="blocks of runs of each engine (default: 7)")
    parser.add_argument("--runs", metavar="N", help="runs in a block (default: as many as take 0.1 s)")
    parser.add_argument("--input", metavar="NAME=FILE.npy", action="append", default=[], help="an input's values")
    parser.add_argument("--random", metavar="SEED", help="the seed of the other inputs' values (default: 0)")
    parser.add_argument(
        "--memory", action="store_true",
        help="also each engine in processes of its own: time to the first result, cold and warm, and peak memory",
    )  # fmt: skip
    parser.add_argument(
        "--tolerance", metavar="ERROR", type=float,
        help="relative L2 difference of outputs that counts as right; beyond, the status is 5 (default: 1e-4, or how "
        "far the other engine's own outputs move where floats change in the last digits)",
    )  # fmt: skip
    compile_options(parser)


def run(args: argparse.Namespace) -> int:
    """Time."""
    from vcc.compiler.bench.api import benchmark
    from vcc.compiler.bench.engines.registry import opponents
    from vcc.tools.arguments import options_of, refuse_compile_options
    from vcc.tools.bench_table import print_report
    from vcc.tools.feeds import parse_seed, read_feeds
    from vcc.tools.files import is_binary, read_image
    from vcc.tools.output import note, print_json
    from vcc.tools.programs import program_of

    if args.file == "-":
        raise error("E0202", "vcc bench takes a file, which other engines read too")
    threads = [_count("--threads", text, MOST_THREADS) for text in args.threads] or [1]
    blocks, runs = _count("--blocks", args.blocks), 0 if args.runs is None else _count("--runs", args.runs)
    if args.tolerance is not None and not args.tolerance >= 0:
        raise error("E0202", f"--tolerance {args.tolerance}: a number of 0 or more is expected")
    opponents(args.against)  # what is missing is told before a long compilation
    binary = is_binary(args.file)
    if args.model is not None and not binary:
        raise error("E0202", "--model is for .vbin files")
    if binary:
        refuse_compile_options(args, args.file)
    report = benchmark(
        program_of(read_image(args.file)).image if binary else Path(args.file), Path(args.file).stem,
        args.against, threads, read_feeds(args.input), seed=parse_seed("--random", args.random or ""),
        options=options_of(args), model=None if args.model is None else Path(args.model), blocks=blocks, runs=runs,
        memory=args.memory, tolerance=args.tolerance,
    )  # fmt: skip
    status = int(Exit.DIFFERS if report.wrong else Exit.OK)
    if args.format == "json":
        print_json("bench", report.as_dict(), status)
    else:
        print_report(report)
    for count, engine, found in report.wrong:
        allowed = f"allowed is {report.tolerance:g}"
        what = f"{engine}, {plural(count, 'thread')}: vcc's outputs differ by {found:.2g}, {allowed}"
        note(str(error("E0501", what, help=f"vcc diff {args.model or args.file} finds where it begins")))
    return status


def _count(option: str, text: str, most: int = 1_000_000) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= most:
        raise error("E0202", f"{option} {text}: a number from 1 to {most} is expected")
    return int(text)
