"""Assemble a .vasm file to a .vbin file."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from vcc.runtime.diagnostics import error


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    parser.add_argument("file", metavar="FILE.vasm", help="assembly text")
    parser.add_argument("-o", "--output", metavar="FILE.vbin", help="where the binary goes (default: FILE.vbin here)")


def run(args: argparse.Namespace) -> int:
    """Assemble."""
    from vcc.compiler.files import check_writable
    from vcc.runtime.binary.writer import save, write_image
    from vcc.runtime.diagnostics import plural
    from vcc.runtime.isa.assembler import assemble
    from vcc.runtime.isa.verifier import verify_image
    from vcc.tools.files import read_text
    from vcc.tools.output import note, print_json

    if args.output is None and args.file == "-":
        raise error("E0202", "assembly from stdin needs -o FILE", help="-o - writes to stdout")
    output = args.output if args.output is not None else f"{Path(args.file).stem}.vbin"
    if output != "-":
        check_writable(Path(output))
    image = assemble(read_text(args.file, "E0301"), "<stdin>" if args.file == "-" else args.file)
    verify_image(image)
    if output == "-":
        sys.stdout.buffer.write(write_image(image))
        return 0
    save(image, output)
    if args.format == "json":
        print_json("as", {"output": output, "kernels": [kernel.name for kernel in image.kernels]})
    else:
        note(f"{output}: {plural(len(image.kernels), 'kernel')}, {plural(len(image.host.steps), 'host step')}")
    return 0
