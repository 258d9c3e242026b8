"""Search for an iteration that leaves a tensor: the corners of a kernel's loops are evaluated, nothing is computed.

Where an access could not be proven to be in bounds, an iteration in which it is not makes the better message.
"""

from __future__ import annotations

from collections.abc import Mapping

from vcc.runtime.isa.expr import Interval, Poly, scalar_fold
from vcc.runtime.isa.kernel import Forall, If, Instr, Kernel, Let, Loop, ScalarParam, Statement, TensorParam, View
from vcc.runtime.isa.table import OPS

#: Iterations looked at in one kernel.
MAX_ITERATIONS = 4096

Env = dict[str, int]


def find_violations(kernel: Kernel, fixed: Mapping[str, int], unproven: set[int]) -> dict[int, str]:
    """What to say of instructions (by id, of those in `unproven`) that leave a tensor in some iteration.

    Scalar parameters that have more than one value must be in `fixed`.
    """
    env = {p.name: p.low for p in kernel.params if isinstance(p, ScalarParam)} | dict(fixed)
    search = _Search(kernel, unproven)
    if unproven:
        search.body(kernel.body, env)
    return search.found


class _Search:
    def __init__(self, kernel: Kernel, unproven: set[int]):
        self.tensors = {p.name: p for p in kernel.params if isinstance(p, TensorParam)}
        self.unproven = unproven
        self.found: dict[int, str] = {}
        self.budget = MAX_ITERATIONS

    def body(self, statements: tuple[Statement, ...], env: Env) -> None:
        for statement in statements:
            try:
                self.statement(statement, env)
            except (KeyError, ZeroDivisionError):
                continue  # depends on data, or on a register that does

    def statement(self, statement: Statement, env: Env) -> None:
        match statement:
            case Let(register, fn, args):
                env.pop(register, None)
                value = scalar_fold(fn, [arg.evaluate(env) for arg in args])
                if -(1 << 63) <= value < 1 << 63:
                    env[register] = value
            case Loop(register, low, high, step, _, body):
                first, end = low.evaluate(env), high.evaluate(env)
                if first < end:
                    self.corners(register, {first, first + (end - 1 - first) // step * step}, body, env)
            case Forall(ranges, body):
                self.nest(ranges, body, env)
            case If(condition, then, orelse):
                self.body(then if condition.evaluate(env) else orelse, dict(env))
            case Instr() if id(statement) in self.unproven and id(statement) not in self.found:
                self.instr(statement, env)
            case _:
                pass

    def nest(self, ranges: tuple[tuple[str, Poly, Poly], ...], body: tuple[Statement, ...], env: Env) -> None:
        if not ranges:
            self.body(body, dict(env))
            return
        (register, low, high), *rest = ranges
        first, end = low.evaluate(env), high.evaluate(env)
        for value in sorted({first, end - 1}) if first < end else ():
            self.nest(tuple(rest), body, {**env, register: value})

    def corners(self, register: str, values: set[int], body: tuple[Statement, ...], env: Env) -> None:
        for value in sorted(values):
            self.budget -= 1
            if self.budget >= 0:
                self.body(body, {**env, register: value})

    def instr(self, instr: Instr, env: Env) -> None:
        if instr.when is not None and not instr.when.evaluate(env):
            return
        indices: list[Interval] = []
        for dim in instr.domain:
            low, high = 0, dim.size.evaluate(env) - 1
            if dim.valid is not None:
                low, high = max(low, dim.valid[0].evaluate(env)), min(high, dim.valid[1].evaluate(env) - 1)
            if low > high or dim.size.evaluate(env) > dim.max:
                return
            indices.append((low, high))
        for role, view in instr.views():
            if view.buffer in self.tensors and OPS[instr.op].indexed != role:
                self.view(instr, role, view, indices, env)

    def view(self, instr: Instr, role: str, view: View, indices: list[Interval], env: Env) -> None:
        tensor = self.tensors[view.buffer]
        low = high = view.base.evaluate(env)
        for stride, (first, last) in zip(view.strides, indices, strict=True):
            ends = stride.evaluate(env) * first, stride.evaluate(env) * last
            low, high = low + min(ends), high + max(ends)
        extent = tensor.extent.evaluate(env)
        if low < 0 or high >= extent:
            where = ", ".join(f"%{name} = {value}" for name, value in env.items())
            text = f"{instr.op}: operand {role} reaches element {low if low < 0 else high} of {tensor.name}, "
            text += f"which has {extent}" + (f" (at {where})" if where else "")
            self.found[id(instr)] = text
