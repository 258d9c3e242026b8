"""The machines that vcc compiles for, or the description of one of them."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from typing import Any

from vcc.runtime.diagnostics import error


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    parser.add_argument("name", metavar="NAME", nargs="?", help="a target, or a .toml file: print its description")
    parser.add_argument("--against", metavar="NAME|FILE.toml", help="print only what differs from this machine")


def run(args: argparse.Namespace) -> int:
    """List the targets or show one."""
    from vcc.compiler.targets import HOST, host_target, load_target, target_names
    from vcc.runtime.native.level import chosen_level
    from vcc.tools.output import note, print_json, size_text, table

    if args.against is not None:
        return _print_differences(args)
    if args.name is not None:
        machine = load_target(args.name)
        if args.format == "json":
            import tomllib

            print_json("targets", {"name": machine.name, "description": tomllib.loads(machine.text)})
        else:
            print(machine.text, end="" if machine.text.endswith("\n") else "\n")
        return 0
    machines = [(name, load_target(name)) for name in target_names()]
    if args.format == "json":
        found = [
            {
                "name": name,
                "cores": machine.cores,
                "clock_ghz": machine.clock_ghz,
                "memories": dict(machine.memories),
                "macs": dict(machine.macs),
            }
            for name, machine in machines
        ]
        print_json("targets", {"host": host_target(), "targets": found})
        return 0
    rows = [
        (
            name,
            machine.cores,
            machine.clock_ghz,
            size_text(sum(machine.memories.values())),
            machine.macs.get("f32", "-"),
            machine.macs.get("f16", "-"),
            machine.macs.get("i8", "-"),
        )
        for name, machine in machines
    ]
    table(("target", "cores", "GHz", "on chip/core", "f32 MACs/cycle", "f16", "i8"), rows, indent="")
    level = chosen_level()
    where = f"as VCC_NATIVE_CPU={level} says" if level else "on this computer"
    note(f"{HOST} (the default) is {host_target()} {where}")
    return 0


def _print_differences(args: argparse.Namespace) -> int:
    from vcc.tools.output import print_json, table

    if args.name is None:
        raise error("E0202", "--against needs two machines", help=f"vcc targets FILE.toml --against {args.against}")
    before, after = (dict(_figures(_description(name))) for name in (args.against, args.name))
    keys = [*before, *(key for key in after if key not in before)]
    changed = [(key, before.get(key), after.get(key)) for key in keys if before.get(key) != after.get(key)]
    if args.format == "json":
        rows = [dict(zip(("key", "before", "after"), row, strict=True)) for row in changed]
        print_json("targets", {"name": args.name, "against": args.against, "changed": rows})
    elif changed:
        rows = [(key, *("-" if value is None else value for value in values)) for key, *values in changed]
        table(("key", args.against, args.name), rows, indent="")
    else:
        print(f"{args.name} and {args.against} are the same machine")
    return 0


def _description(name: str) -> dict[str, Any]:
    import tomllib

    from vcc.compiler.targets import load_target

    return tomllib.loads(load_target(name).text)


def _figures(found: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every value of a description with its key, such as memories.ub."""
    for key, value in found.items():
        if isinstance(value, dict):
            yield from _figures(value, f"{prefix}{key}.")  # pyright: ignore[reportUnknownArgumentType]
        else:
            yield f"{prefix}{key}", value
