"""Run a .vbin file, or a model that is compiled first; open dimensions take the sizes of the given inputs."""

from __future__ import annotations

import argparse
import re
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vcc.runtime.diagnostics import VccError, error
from vcc.tools.arguments import compile_options

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from vcc.runtime.interpreter.stats import Stats
    from vcc.runtime.session import Program

    Array = NDArray[Any]

SHOWN_VALUES = 6
MOST_THREADS = 1024


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    parser.add_argument("file", metavar="FILE", help="a .vbin file or an ONNX model")
    parser.add_argument("--input", metavar="NAME=FILE.npy", action="append", default=[], help="an input's values")
    parser.add_argument("--random", metavar="SEED", help="random values for the other inputs (default seed: 0)")
    parser.add_argument("--output-dir", metavar="DIR", help="write each output there as NAME.npy")
    parser.add_argument(
        "--engine", choices=("native", "interpreter"), help="what runs the program (default: native, where it can)"
    )
    parser.add_argument("--threads", metavar="N", help="threads of the native engine (default: one a processor)")
    parser.add_argument("--stats", action="store_true", help="count instructions, MACs and bytes by ONNX node")
    parser.add_argument(
        "--order", metavar="SEED", help="run the pipes in a random legal order, to find events that are missing"
    )
    parser.add_argument(
        "--sanitize", action="store_true", help="trap on reads of memory never written and on races between pipes"
    )
    compile_options(parser)


def run(args: argparse.Namespace) -> int:
    """Run."""
    from vcc.compiler.files import check_folder
    from vcc.runtime.host.feeds import describe, random_feeds
    from vcc.runtime.native.level import chosen_level
    from vcc.tools.feeds import as_declared, parse_seed, read_feeds
    from vcc.tools.output import print_json
    from vcc.tools.programs import program_for

    order = None if args.order is None else parse_seed("--order", args.order)
    threads = _threads(args)
    seed = None if args.random is None else parse_seed("--random", args.random)
    folder = None if args.output_dir is None else Path(args.output_dir)
    feeds = read_feeds(args.input)
    if folder is not None:
        check_folder(folder)
    program = program_for(args, {name: array.shape for name, array in feeds.items()})
    feeds = as_declared(feeds, program.inputs)
    if seed is not None:
        feeds = random_feeds(program.inputs, seed, feeds)
    # Making the machine code is no part of the run that is timed.
    engine = "interpreter" if args.stats or args.sanitize or order is not None else args.engine or program.engine
    if args.engine == "native":
        with warnings.catch_warnings(action="ignore"):
            program.engine  # noqa: B018 - what cannot run natively is reported by the run itself
    start = time.perf_counter()
    outputs, stats = _execute(program, feeds, args, order, threads)
    seconds = time.perf_counter() - start
    named = dict(zip((spec.name for spec in program.outputs), outputs, strict=True))
    files = _write_outputs(named, folder) if folder is not None else {}
    if args.format == "json":
        found = {name: _describe(array) | {"file": files.get(name)} for name, array in named.items()}
        rows = {} if stats is None else {"stats": stats.rows("node")}
        print_json("run", {"engine": engine, "seconds": seconds, "outputs": found} | rows)
    else:
        types = [describe(spec) for spec in program.outputs]
        made_for = f", code for {level}" if engine == "native" and (level := chosen_level()) else ""
        _print(named, types, files, stats, f"{engine} engine{made_for}: {_time_text(seconds)}, the first run")
    return 0


def _threads(args: argparse.Namespace) -> int | None:
    """The number of threads; E0202 if it is none, or if what runs has no use for it."""
    if args.threads is None:
        return None
    if not args.threads.isdecimal() or not 1 <= int(args.threads) <= MOST_THREADS:
        raise error("E0202", f"--threads {args.threads}: a number from 1 to {MOST_THREADS} is expected")
    if args.engine == "interpreter" or args.stats or args.sanitize or args.order is not None:
        raise error("E0202", "--threads is for the native engine; the interpreter has one")
    return int(args.threads)


def _execute(
    program: Program, feeds: Mapping[str, Array], args: argparse.Namespace, order: int | None, threads: int | None
) -> tuple[Sequence[Array], Stats | None]:
    try:
        if order is None and not args.stats and not args.sanitize:
            return program.run(feeds, engine=args.engine, threads=threads), None
        return _interpret(program, feeds, args, order)
    except VccError as failure:
        first = failure.diagnostics[0]
        if first.code == "E0105" and args.random is None and not args.input:
            help = "--input NAME=FILE.npy gives its values, --random makes some"
            raise error(first.code, first.message, help=help) from None
        raise


def _interpret(
    program: Program, feeds: Mapping[str, Array], args: argparse.Namespace, order: int | None
) -> tuple[Sequence[Array], Stats | None]:
    """The interpreter with what it alone can do: counting, random orders of the pipes, and looking for faults."""
    from vcc.runtime.host.executor import Executor
    from vcc.runtime.interpreter.engine import InterpreterEngine
    from vcc.runtime.interpreter.stats import Stats

    if args.engine not in (None, InterpreterEngine.name):
        raise error("E0202", "--stats, --order and --sanitize need --engine interpreter")
    engine = InterpreterEngine(program.image, order=order, sanitize=args.sanitize)
    engine.stats = Stats() if args.stats else None
    return Executor(program.image).run(feeds, engine), engine.stats


def _time_text(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1 else f"{1e3 * seconds:.3g} ms"


def _describe(array: Array) -> dict[str, Any]:
    found: dict[str, Any] = {"dtype": str(array.dtype), "shape": list(array.shape)}
    if array.size:
        numbers = array.astype("float64")
        found |= {"min": float(numbers.min()), "max": float(numbers.max()), "mean": float(numbers.mean())}
    return found


def _write_outputs(named: Mapping[str, Array], folder: Path) -> dict[str, str]:
    import numpy as np

    from vcc.compiler.files import make_folder, replacing

    make_folder(folder)
    files: dict[str, str] = {}
    for name, array in named.items():
        # ONNX names may hold slashes and colons; file names may not.
        stem = re.sub(r"[^\w.+-]", "_", name).lstrip(".") or "output"
        while f"{stem}.npy" in {Path(file).name for file in files.values()}:
            stem += "_"
        path = folder / f"{stem}.npy"
        with replacing(path) as temporary, temporary.open("wb") as file:
            np.save(file, array)
        files[name] = str(path)
    return files


def _print(
    named: Mapping[str, Array], types: Sequence[str], files: Mapping[str, str], stats: Stats | None, timing: str
) -> None:
    from vcc.tools.output import note, table

    rows: list[tuple[Any, ...]] = []
    for (name, array), type in zip(named.items(), types, strict=True):
        values = ", ".join(f"{value:.5g}" for value in array.reshape(-1)[:SHOWN_VALUES].astype("float64"))
        more = ", ..." if array.size > SHOWN_VALUES else ""
        rows.append((name, type, f"[{values}{more}]", files.get(name, "")))
    table(("output", "type", "values", "file" if files else ""), rows, indent="")
    if stats is not None:
        counted = stats.rows("node")
        table(list(counted[0]) if counted else ["node"], [list(row.values()) for row in counted], indent="")
    note(timing)
