"""Give every tensor between steps its bytes in the arena."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import DenseArrayBase, IntegerAttr, ModuleOp, i64
from xdsl.passes import ModulePass

from vcc.passes.plan.liveness import analyse
from vcc.passes.plan.main_body import read_main
from vcc.runtime.diagnostics import error
from vcc.runtime.isa.limits import MAX_BYTES
from vcc.runtime.plan.arena import EFFORT, plan_arena

#: On a step: for each result its offset in the arena in bytes, or `NOT_IN_ARENA` if it lies in an output.
OFFSETS = "host.offsets"
#: On the main function: the arena's size, and the largest sum of live bytes at any step.
ARENA_BYTES = "host.arena_bytes"
LOWER_BOUND = "host.lower_bound"

NOT_IN_ARENA = -1


@dataclass(frozen=True)
class PlanArenaPass(ModulePass):
    """Place all tensors that steps write, but for the function's results, in one arena; offsets become attributes.

    Reshapes and slices are other names of the same bytes, and the operands of a concatenation lie inside its result. A
    launch's result takes the place of an operand that dies there if the launch allows it. Arguments, results and
    constants are not in the arena. `effort` limits the exact search, in moves.
    """

    name = "plan-arena"

    effort: int = EFFORT

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        body = read_main(op)
        live = analyse(body)
        rows = live.arena_rows
        plan = plan_arena(
            [body.tensors[i].nbytes for i in rows],
            [live.first[i] for i in rows],
            [live.last[i] for i in rows],
            groups=[live.group[i] for i in rows],
            inner=[live.offset[i] for i in rows],
            effort=self.effort,
        )
        if plan.peak > MAX_BYTES:
            message = f"the arena would have {plan.peak} bytes; it cannot have more than {MAX_BYTES}"
            raise error("E0141", message, help="give inputs smaller sizes")
        offsets = {body.tensors[i].value: int(at) for i, at in zip(rows, plan.offsets, strict=True)}
        for step in body.steps:
            places = [offsets.get(result, NOT_IN_ARENA) for result in step.results]
            step.attributes[OFFSETS] = DenseArrayBase.from_list(i64, places)
        body.function.attributes[ARENA_BYTES] = IntegerAttr(plan.peak, i64)
        body.function.attributes[LOWER_BOUND] = IntegerAttr(plan.lower_bound, i64)
