"""Explain the code of a diagnostic: what it means, what causes it, what to do."""

from __future__ import annotations

import argparse

from vcc.runtime.diagnostics import CODES, error


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    parser.add_argument("code", metavar="CODE", nargs="?", help="such as E0104 or VCC-E0104; without it, all codes")


def run(args: argparse.Namespace) -> int:
    """Explain."""
    from vcc.tools.explanations import EXPLANATIONS
    from vcc.tools.output import print_json, table

    if args.code is None:
        codes = list(CODES.values())
    else:
        word = args.code.upper().removeprefix("VCC-")
        if word not in CODES:
            raise error("E0202", f"there is no code '{args.code}'", help="vcc explain lists all codes")
        codes = [CODES[word]]
    if args.format == "json":
        found = [
            {"code": code.id, "title": code.title, "exit": int(code.exit), "text": EXPLANATIONS[code.id]}
            for code in codes
        ]
        print_json("explain", {"codes": found})
    elif args.code is None:
        table(("code", "exit", "what"), [(code.id, int(code.exit), code.title) for code in codes], indent="")
    else:
        (code,) = codes
        print(f"VCC-{code.id}: {code.title} (exit status {int(code.exit)})\n\n{EXPLANATIONS[code.id]}")
    return 0
