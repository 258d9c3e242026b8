"""A program for a verb that runs one: loaded from a .vbin, or compiled from a model on the way."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from vcc.runtime.diagnostics import plural
from vcc.tools.arguments import options_of, refuse_compile_options
from vcc.tools.files import image_or_model, is_binary
from vcc.tools.output import note
from vcc.tools.summary import machine_text

if TYPE_CHECKING:
    from vcc.runtime.binary.image import Image
    from vcc.runtime.session import Program


def program_of(image: Image) -> Program:
    """The program of an image that was read from outside: E0302 if it breaks a rule."""
    from vcc.runtime.isa.verifier import verify_image
    from vcc.runtime.session import Program

    verify_image(image)
    return Program(image)


def program_for(args: argparse.Namespace, shapes: Mapping[str, Sequence[int]]) -> Program:
    """The program of `args.file`. A model is compiled, its inputs of the given shapes where --shape does not say."""
    from vcc.runtime.binary.image import Image
    from vcc.runtime.session import load

    if args.file != "-" and is_binary(args.file):
        refuse_compile_options(args, args.file)
        return load(args.file)
    source = image_or_model(args.file)
    if isinstance(source, Image):
        refuse_compile_options(args, "stdin")
        return program_of(source)
    from vcc.compiler.api import compile_program
    from vcc.compiler.compilation import Compilation

    options = options_of(args)
    options = replace(options, shapes={**shapes, **options.shapes})
    compilation = Compilation.from_model(source, options)
    program = compile_program(compilation)
    seconds = sum(compilation.trace.phase_seconds().values())
    note(f"compiled for {machine_text(compilation)} in {seconds:.2f} s")
    if compilation.work is not None and compilation.work.host:
        names = sorted({each.op for each in compilation.work.host})
        note(f"on the host: {plural(len(compilation.work.host), 'operator')} ({', '.join(names)})")
    return program
