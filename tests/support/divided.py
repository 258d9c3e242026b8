"""Native programs whose every launch is divided among threads, however little there is to do."""

from __future__ import annotations

from unittest.mock import patch

import numpy as np
from conformance import NATIVE, Case, assert_close, compile_model, reference

from vcc.runtime.binary.image import Image
from vcc.runtime.native import segments
from vcc.runtime.native.build import build
from vcc.runtime.native.code import ProgramCode
from vcc.runtime.native.emit import Cpu
from vcc.runtime.native.llvm import host_cpu
from vcc.runtime.native.program import NativeProgram

#: A CPU with 256-bit vectors that cannot multiply four bytes in one instruction.
AVX2 = Cpu("haswell", "+avx2,+fma,+f16c", 32, 16)


def divided_code(image: Image, cpu: Cpu) -> ProgramCode:
    """Machine code for a CPU, made anew: the cache keeps none that is divided like this."""
    with patch.object(segments, "DIVIDE_CYCLES", 0), patch.object(segments, "WAKE_CYCLES", 0):
        facts, _, loaded = build(image, cpu, verified=False)
    return ProgramCode(facts, loaded)


def any_cpu(narrow: bool) -> Cpu:
    """This CPU, or a narrower one if that is wanted and this one can do what it does."""
    return AVX2 if narrow and host_cpu().vector_bytes >= AVX2.vector_bytes else host_cpu()


def check_threads(case: Case, target: str = NATIVE, narrow: bool = False) -> None:
    """Two and three threads compute the very bits of one, and these are right, where every launch is divided."""
    model = case.model()
    image = compile_model(model, target)
    code = divided_code(image, any_cpu(narrow))
    alone = NativeProgram(image, 1, code).run(case.feeds)
    for name, a, b in zip(case.outputs, alone, reference(model, case.feeds), strict=True):
        assert_close(a, b, case.terms, f"{case.name}, output {name}, native")
    for threads in (2, 3):
        for name, a, b in zip(case.outputs, NativeProgram(image, threads, code).run(case.feeds), alone, strict=True):
            np.testing.assert_array_equal(a, b, err_msg=f"{case.name}, output {name}, {threads} threads")
