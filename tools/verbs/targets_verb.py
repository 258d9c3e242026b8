"""The machines that vcc compiles for, or the description of one of them."""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    parser.add_argument("name", metavar="NAME", nargs="?", help="a target, or a .toml file: print its description")


def run(args: argparse.Namespace) -> int:
    """List the targets or show one."""
    from vcc.compiler.targets import HOST, host_target, load_target, target_names
    from vcc.tools.output import note, print_json, size_text, table

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
    note(f"{HOST} (the default) is {host_target()} on this computer")
    return 0
