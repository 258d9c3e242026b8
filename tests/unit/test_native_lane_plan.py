"""Along which dimension a chain's vectors run, from the estimate of cycles."""

from __future__ import annotations

import pytest

from vcc.runtime.isa.expr import Poly
from vcc.runtime.isa.kernel import Dim, Instr, Role, View
from vcc.runtime.native.lane_plan import LanePlanner

ROWS, COLUMNS = 0, 1


def view(buffer: str, *strides: int) -> View:
    return View(buffer, tuple(map(Poly.of, strides)), Poly.of(0))


def softmax(columns: int) -> list[Instr]:
    """exp(p - top) and its sums, over rows of `columns` that lie behind each other."""
    dims = [
        Dim("m", Poly.of(49), 49, Role.PARALLEL),
        Dim("s", Poly.of(columns), columns, Role.PARALLEL),
    ]
    p, top, total = view("p", columns, 1), view("top", 1, 0), view("total", 1, 0)
    reduced = [dims[0], Dim("s", Poly.of(columns), columns, Role.REDUCE)]
    return [
        Instr("sub", tuple(dims), {"dst": p, "a": p, "b": top}),
        Instr("exp", tuple(dims), {"dst": p, "src": p}),
        Instr("reduce.add", tuple(reduced), {"dst": total, "src": p}),
    ]


@pytest.mark.parametrize("columns", [33, 49, 64, 196])
def test_elements_that_a_chain_leaves_in_memory_count_for_every_element(columns: int) -> None:
    chain = softmax(columns)
    views = [(v, role == "dst") for instr in chain for role, v in instr.views()]
    plan = LanePlanner(chain, [], [COLUMNS], 16, list(dict.fromkeys(views))).best()
    assert (plan.lane, plan.width) == (COLUMNS, 16)  # down the columns, each number would be picked out and put back


def test_few_columns_are_lanes_of_rows() -> None:
    """Sums of short rows that nothing keeps: one vector holds one column of many rows."""
    (*_, add) = softmax(3)
    views = [(v, role == "dst") for role, v in add.views()]
    assert LanePlanner([add], [], [COLUMNS], 16, views).best().lane == ROWS
