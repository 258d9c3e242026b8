"""Headers, disassembly and sections of a .vbin file; what -d prints, `vcc as` reads."""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vcc.runtime.binary.image import Image


#: -h is the headers, as it is for every objdump.
SHORT_HELP = False


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    parser.add_argument("file", metavar="FILE.vbin", help="the binary")
    parser.add_argument("-h", "--headers", action="store_true", help="inputs, outputs, kernels and memory")
    parser.add_argument("-d", "--disassemble", action="store_true", help="the program as assembly (the default)")
    parser.add_argument("--kernel", metavar="NAME", help="the assembly of one kernel alone")
    parser.add_argument("-s", "--sections", action="store_true", help="the file's sections")
    parser.add_argument("--source", action="store_true", help="the assembly with ONNX node names")


def run(args: argparse.Namespace) -> int:
    """Print."""
    from vcc.runtime.binary.reader import read_image
    from vcc.runtime.isa.disassembler import disassemble
    from vcc.tools.files import read_bytes
    from vcc.tools.output import print_json, table

    data = read_bytes(args.file)
    image = read_image(data, "stdin" if args.file == "-" else args.file)
    wants_text = args.disassemble or args.source or args.kernel or not (args.headers or args.sections)
    found: dict[str, Any] = {}
    if args.sections:
        found["sections"] = _sections(data)
    if args.headers:
        found["headers"] = headers(image)
    if wants_text:
        path = None if args.file == "-" else args.file
        if args.kernel is None:
            found["assembly"] = disassemble(image, path, _constant_offsets(image, data), args.source)
        else:
            found["assembly"] = _one_kernel(image, args.kernel, args.source)
    if args.format == "json":
        print_json("objdump", found)
        return 0
    if "sections" in found:
        table(("section", "offset", "bytes"), [list(row.values()) for row in found["sections"]], indent="")
    if "headers" in found:
        print_headers(found["headers"])
    if "assembly" in found:
        print(found["assembly"], end="")
    return 0


def _one_kernel(image: Image, name: str, source: bool) -> str:
    from difflib import get_close_matches

    from vcc.runtime.diagnostics import error
    from vcc.runtime.isa.text_print import kernels

    names = [kernel.name for kernel in image.kernels]
    if name not in names:
        close = get_close_matches(name, names, 1)
        hint = f"did you mean '{close[0]}'?" if close else "vcc objdump -h lists the kernels"
        raise error("E0202", f"there is no kernel '{name}'", help=hint)
    one = replace(image, kernels=(image.kernel(name),))
    return "\n".join(text.rstrip("\n") + "\n" for text in kernels(one, source))


def headers(image: Image) -> dict[str, Any]:
    """What the program takes, gives, holds and launches, as JSON values."""
    from vcc.runtime.host.feeds import describe
    from vcc.runtime.isa.host import HostCall, Launch

    launches = [step.kernel for step in image.host.steps if isinstance(step, Launch)]
    calls = [step for step in image.host.steps if isinstance(step, HostCall)]
    return {
        "inputs": [{"name": spec.name, "type": describe(spec)} for spec in image.host.inputs],
        "outputs": [{"name": spec.name, "type": describe(spec)} for spec in image.host.outputs],
        "kernels": [
            {
                "name": kernel.name,
                "parameters": len(kernel.params),
                "buffers": len(kernel.buffers),
                "events": len(kernel.events),
                "launches": launches.count(kernel.name),
            }
            for kernel in image.kernels
        ],
        "host_calls": [
            {"operator": call.op_type, "nodes": [image.nodes[i] for i in call.sources], "reason": call.reason}
            for call in calls
        ],
        "constants_bytes": sum(constant.data.nbytes for constant in image.constants),
        "arena_bytes": image.host.arena_bytes,
        "arena_lower_bound_bytes": image.lower_bound,
    }


def print_headers(found: dict[str, Any]) -> None:
    """The facts of `headers` as tables on stdout."""
    from vcc.tools.output import size_text, table

    rows = [(kind, each["name"], each["type"]) for kind in ("inputs", "outputs") for each in found[kind]]
    table(("", "name", "type"), [(kind.removesuffix("s"), *rest) for kind, *rest in rows], indent="")
    arena, bound = size_text(found["arena_bytes"]), size_text(found["arena_lower_bound_bytes"])
    print(f"constants {size_text(found['constants_bytes'])}, arena {arena} (lower bound {bound})")
    if found["kernels"]:
        table(list(found["kernels"][0]), [list(each.values()) for each in found["kernels"]], indent="")
    if found["host_calls"]:
        calls = [(each["operator"], ", ".join(each["nodes"]), each["reason"]) for each in found["host_calls"]]
        table(("host call", "nodes", "reason"), calls, indent="")


def _sections(data: bytes) -> list[dict[str, Any]]:
    """The rows of the section table; the reader has checked them."""
    from vcc.runtime.binary.format import HEADER, SECTION, Section

    rows: list[dict[str, Any]] = []
    for kind, _, offset, size in SECTION.iter_unpack(data[HEADER.size : HEADER.size + SECTION.size * len(Section)]):
        rows.append({"section": Section(kind).name.lower(), "offset": offset, "bytes": size})
    return rows


def _constant_offsets(image: Image, data: bytes) -> list[int]:
    """Where in the file each constant begins: the reader's constants are views of the file's bytes."""
    import numpy as np

    start = np.frombuffer(data, np.uint8).ctypes.data
    return [constant.data.ctypes.data - start if constant.data.nbytes else 0 for constant in image.constants]
