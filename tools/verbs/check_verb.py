"""Can a model be compiled: every obstacle with its remedy, and what would run on the host. Nothing is written."""

from __future__ import annotations

import argparse
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from vcc.runtime.diagnostics import Diagnostic, VccError
from vcc.tools.arguments import compile_options, options_of

if TYPE_CHECKING:
    from pathlib import Path

    from vcc.compiler.options import Options
    from vcc.compiler.work import Work


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    parser.add_argument("file", metavar="MODEL.onnx", help="the model")
    compile_options(parser)


def run(args: argparse.Namespace) -> int:
    """Check."""
    from vcc.tools.files import model_argument
    from vcc.tools.output import print_json, table

    obstacles, work = find_obstacles(model_argument(args.file), options_of(args))
    if obstacles:
        raise VccError(obstacles)
    assert work is not None, "a model without obstacles got through the graph phase"
    if args.format == "json":
        found = {"diagnostics": [], "machine_ops": work.machine_ops, "host_ops": [asdict(each) for each in work.host]}
        print_json("check", found)
        return 0
    print(f"{args.file}: every operator can run; {work.machine_ops} on the machine, {len(work.host)} on the host")
    if work.host:
        table(("host operator", "node", "reason"), [(each.op, each.node, each.reason) for each in work.host])
    return 0


def find_obstacles(model: Path | bytes, options: Options) -> tuple[list[Diagnostic], Work | None]:
    """All obstacles, and the model's work if there are none.

    Operators are looked at after the graph phase; only if all are known, whether their kernels fit the machine. An
    open dimension is an obstacle; the others are sought with 1 in its place.
    """
    from vcc.compiler.compilation import Compilation
    from vcc.compiler.interface import unbound_shapes

    obstacles: list[Diagnostic] = []
    try:
        compilation = Compilation.from_model(model, options, need_sizes=False)
        unbound, shapes = unbound_shapes(compilation.module)
        if unbound:
            obstacles += unbound
            again = replace(options, shapes={**options.shapes, **shapes})
            compilation = Compilation.from_model(model, again, need_sizes=False)
        compilation.advance("schedule")
        return obstacles, None if obstacles else compilation.work
    except VccError as failure:
        return [*failure.diagnostics, *obstacles], None
