"""Assembly text to kernels and whole programs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lark import Tree

from vcc.runtime.isa.kernel import Instr, Kernel
from vcc.runtime.isa.text_errors import Problems
from vcc.runtime.isa.text_grammar import parse_tree
from vcc.runtime.isa.text_kernel import KernelBuilder, transform
from vcc.runtime.isa.text_program import ProgramBuilder

if TYPE_CHECKING:
    from vcc.runtime.binary.image import Image


def parse_kernel_text(text: str, filename: str = "<text>") -> tuple[Kernel, ...]:
    """The kernels of an assembly text, in order. Raises VccError (E0301) with every error found."""
    problems = Problems(text, filename)
    tree = parse_tree(text, problems)
    builder = KernelBuilder(problems)
    found = [child for child in tree.children if isinstance(child, Tree) and child.data == "kernel"]
    kernels = tuple(transform(builder, child) for child in found)
    problems.check()
    return kernels


def parse_instruction(text: str) -> Instr:
    """One instruction, whose buffers and registers are declared elsewhere. Raises VccError (E0301)."""
    problems = Problems(text, "<instruction>")
    instr = transform(KernelBuilder(problems, checked=False), parse_tree(text, problems, "instr"))
    problems.check()
    return instr


def assemble(text: str, filename: str = "<text>") -> Image:
    """The program of an assembly text; kernels alone are a program whose host does nothing.

    Files that `.incbin` names are looked for beside `filename`, then in the working directory. Raises VccError (E0301)
    with every error found.
    """
    problems = Problems(text, filename)
    image = transform(ProgramBuilder(problems, Path(filename).parent), parse_tree(text, problems))
    problems.check()
    return image
