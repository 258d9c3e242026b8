"""Native programs whose every launch is divided among threads, however little there is to do."""

from __future__ import annotations

from unittest.mock import patch

from vcc.runtime.binary.image import Image
from vcc.runtime.native import segments
from vcc.runtime.native.build import build
from vcc.runtime.native.code import ProgramCode
from vcc.runtime.native.emit import Cpu
from vcc.runtime.native.llvm import host_cpu

#: A CPU with 256-bit vectors that cannot multiply four bytes in one instruction.
AVX2 = Cpu("haswell", "+avx2,+fma,+f16c", 32, 16)


def divided_code(image: Image, cpu: Cpu | None = None) -> ProgramCode:
    """Machine code for this CPU or another, made anew: the cache keeps none that is divided like this."""
    with patch.object(segments, "DIVIDE_CYCLES", 0), patch.object(segments, "WAKE_CYCLES", 0):
        facts, _, loaded = build(image, cpu or host_cpu(), verified=False)
    return ProgramCode(facts, loaded)
