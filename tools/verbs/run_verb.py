"""Run a .vbin file, or a model that is compiled first; open dimensions take the sizes of the given inputs."""

from __future__ import annotations

import argparse
import re
import time
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


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    parser.add_argument("file", metavar="FILE", help="a .vbin file or an ONNX model")
    parser.add_argument("--input", metavar="NAME=FILE.npy", action="append", default=[], help="an input's values")
    parser.add_argument(
        "--random", metavar="SEED", help="random values for the other inputs (--random[=SEED], default: 0)"
    )
    parser.add_argument("--output-dir", metavar="DIR", help="write each output there as NAME.npy")
    parser.add_argument("--engine", metavar="NAME", help="what runs the program (default: the fastest there is)")
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
    from vcc.tools.feeds import as_declared, parse_seed, random_feeds, read_feeds
    from vcc.tools.output import print_json
    from vcc.tools.programs import program_for

    order = None if args.order is None else parse_seed("--order", args.order)
    seed = None if args.random is None else parse_seed("--random", args.random)
    folder = None if args.output_dir is None else Path(args.output_dir)
    feeds = read_feeds(args.input)
    if folder is not None:
        check_folder(folder)
    program = program_for(args, {name: array.shape for name, array in feeds.items()})
    feeds = as_declared(feeds, program.inputs)
    if seed is not None:
        feeds = random_feeds(program.inputs, seed, feeds)
    engine = args.engine or ("interpreter" if args.stats or args.sanitize or order is not None else program.engine)
    start = time.perf_counter()
    outputs, stats = _execute(program, feeds, args, order)
    seconds = time.perf_counter() - start
    named = dict(zip((spec.name for spec in program.outputs), outputs, strict=True))
    files = _write_outputs(named, folder) if folder is not None else {}
    if args.format == "json":
        found = {name: _describe(array) | {"file": files.get(name)} for name, array in named.items()}
        rows = {} if stats is None else {"stats": stats.rows("node")}
        print_json("run", {"engine": engine, "seconds": seconds, "outputs": found} | rows)
    else:
        _print(named, files, stats, f"{engine}: {seconds:.3f} s")
    return 0


def _execute(
    program: Program, feeds: Mapping[str, Array], args: argparse.Namespace, order: int | None
) -> tuple[Sequence[Array], Stats | None]:
    try:
        if order is None and not args.stats and not args.sanitize:
            return program.run(feeds, engine=args.engine), None
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


def _print(named: Mapping[str, Array], files: Mapping[str, str], stats: Stats | None, timing: str) -> None:
    from vcc.tools.output import note, table

    rows: list[tuple[Any, ...]] = []
    for name, array in named.items():
        values = ", ".join(f"{value:.5g}" for value in array.reshape(-1)[:SHOWN_VALUES].astype("float64"))
        more = ", ..." if array.size > SHOWN_VALUES else ""
        rows.append(
            (name, f"{array.dtype}[{','.join(map(str, array.shape))}]", f"[{values}{more}]", files.get(name, ""))
        )
    table(("output", "type", "values", "file" if files else ""), rows, indent="")
    if stats is not None:
        counted = stats.rows("node")
        table(list(counted[0]) if counted else ["node"], [list(row.values()) for row in counted], indent="")
    note(timing)
