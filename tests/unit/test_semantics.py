"""Every instruction of the table against an oracle of single elements, on random domains, views, slots and scalars."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from instruction_oracle import Oracle, convert
from numpy.typing import NDArray
from random_instructions import COMPUTING, Case, draw_case, first_dtypes, surrounded

from vcc.runtime.interpreter.kernel import run_kernel
from vcc.runtime.isa.kernel import Instr
from vcc.runtime.isa.table import OPS, Op


def run(case: Case, instr: Instr) -> NDArray[Any]:
    """The whole destination after the instruction."""
    kernel, arguments = surrounded(case, instr)
    run_kernel(kernel, arguments)
    return arguments["result"]


def check(case: Case, instr: Instr) -> None:
    """The destination's elements are as the oracle says, all others as they were."""
    dtypes = {buffer.name: buffer.dtype for buffer in case.buffers}
    expected = Oracle(instr, dtypes, case.data, case.env).expected()
    found = run(case, instr)
    untouched = np.ones(found.shape, np.bool_)
    for address, element in expected.items():
        untouched[address] = False
        want, got = convert(element.value, dtypes["dst"]), found[address]
        if dtypes["dst"].is_float:
            assert got == want or abs(float(got) - float(want)) <= element.tolerance, (
                f"{instr}: {address} is {got}, not {want}"
            )
        else:
            assert got == want, f"{instr}: {address} is {got}, not {want}"
    assert np.array_equal(found[untouched], case.data["dst"][untouched])


@pytest.mark.parametrize("op", COMPUTING, ids=lambda op: op.name)
def test_every_instruction_is_as_the_oracle_says(op: Op):
    for dtype in first_dtypes(op):
        for seed in range(6):
            case, instr = draw_case(op, dtype, seed)
            check(case, instr)


def test_all_instructions_are_tested_here_or_as_moves():
    moves = {
        "load",
        "store",
        "store.add",
        "load.gather",
        "store.scatter",
        *(f"store.scatter.{fn}" for fn in ("add", "mul", "max", "min")),
        "gather",
    }
    assert {op.name for op in COMPUTING} | moves == set(OPS)
