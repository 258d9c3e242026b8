"""How many sources and taps a kernel has, where its text does not say."""

from __future__ import annotations

from vcc.runtime.isa.kernel import Kernel, instructions


def counts_used(kernel: Kernel) -> tuple[int, int]:
    """How many sources and taps a kernel's instructions use: one more than the largest number of each."""
    found = list(instructions(kernel))
    sources = max((number + 1 for instr in found for number in instr.sources), default=0)
    return sources, max((instr.tap.value + 1 for instr in found if instr.tap), default=0)
