"""A kernel prepared for execution: control flow and scalar instructions, unrolled into the steps that S issues."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import prod

import numpy as np

from vcc.runtime.interpreter.execute import Step, plan
from vcc.runtime.interpreter.memory import Place
from vcc.runtime.interpreter.numbers import compile_number, compile_numbers
from vcc.runtime.interpreter.traps import TrapError, trapped
from vcc.runtime.interpreter.views import check_bounds
from vcc.runtime.isa.dtypes import DType
from vcc.runtime.isa.expr import scalar_fold
from vcc.runtime.isa.kernel import (
    Event,
    Forall,
    If,
    Instr,
    Kernel,
    Let,
    Loop,
    ScalarLoad,
    Statement,
    Sync,
    TensorParam,
    has_forall,
    meets,
)


class SyncStep:
    """A signal, wait or barrier; `event` is None for a barrier, `slot` gives the slot before the modulo."""

    def __init__(self, sync: Sync, event: Event | None):
        self.sync = sync
        self.event = event
        self.slot = compile_number(sync.slot)


class Meeting:
    """The end of a forall: no core goes on before all its pipes, and all other cores, have come here."""


@dataclass
class Core:
    """What the scalar pipe of one core knows: its registers, the places it can address, its share of a forall.

    `iteration` numbers the iterations of foralls over all cores from 1; it is 0 before the first. Those up to `past`
    were over when the forall began.
    """

    registers: dict[str, int]
    places: dict[str, Place]
    number: int = 0
    cores: int = 1
    iteration: int = 0
    past: int = 0


Issue = Step | SyncStep | Meeting
Scalar = Callable[[Core], None]
Nest = Callable[[Core], Iterator[Issue]]


@dataclass
class Block:
    """Statements in program order, each of exactly one kind."""

    items: list[tuple[Issue | None, Scalar | None, Nest | None]]

    def run(self, core: Core) -> Iterator[Issue]:
        """Execute scalar instructions and control flow; yield everything else."""
        for issue, scalar, nest in self.items:
            if issue is not None:
                yield issue
            elif scalar is not None:
                scalar(core)
            elif nest is not None:
                yield from nest(core)


class Program:
    """A kernel compiled once, for any number of launches."""

    def __init__(self, kernel: Kernel):
        self.kernel = kernel
        self._events = {event.name: event for event in kernel.events}
        self._dtypes: dict[str, DType] = {buffer.name: buffer.dtype for buffer in kernel.buffers}
        self._dtypes |= {param.name: param.dtype for param in kernel.params if isinstance(param, TensorParam)}
        self.has_forall, self.meets = has_forall(kernel), meets(kernel)
        self._body = self._block(kernel.body)

    def unroll(self, core: Core) -> Iterator[Issue]:
        """The steps that one core issues, in program order; its registers hold until the next step is asked for."""
        return self._body.run(core)

    def _block(self, body: tuple[Statement, ...]) -> Block:
        return Block([self._statement(statement) for statement in body])

    def _statement(self, statement: Statement) -> tuple[Issue | None, Scalar | None, Nest | None]:
        match statement:
            case Instr():
                return plan(statement, self._dtypes), None, None
            case Sync():
                return SyncStep(statement, self._events.get(statement.event)), None, None
            case Let():
                return None, self._let(statement), None
            case ScalarLoad():
                return None, self._scalar_load(statement), None
            case Loop():
                return None, None, self._loop(statement)
            case If():
                return None, None, self._if(statement)
            case Forall():
                return None, None, self._forall(statement)

    def _let(self, let: Let) -> Scalar:
        args = compile_numbers(let.args)

        def run(core: Core) -> None:
            try:
                core.registers[let.register] = scalar_fold(let.fn, list(args(core.registers)))
            except ZeroDivisionError:
                raise trapped("division by zero", self.kernel, let, core.registers) from None

        return run

    def _scalar_load(self, load: ScalarLoad) -> Scalar:
        base = compile_number(load.base)

        def run(core: Core) -> None:
            place, element = core.places[load.param], base(core.registers)
            try:
                check_bounds(place, element, element)
            except TrapError as trap:
                raise trapped(str(trap), self.kernel, load, core.registers) from None
            value = np.ndarray((), place.numpy, place.data, element * place.itemsize)
            core.registers[load.register] = int(value)

        return run

    def _loop(self, loop: Loop) -> Nest:
        low, high, body = compile_number(loop.low), compile_number(loop.high), self._block(loop.body)

        def run(core: Core) -> Iterator[Issue]:
            registers = core.registers
            for value in range(low(registers), high(registers), loop.step):
                registers[loop.register] = value
                yield from body.run(core)

        return run

    def _if(self, branch: If) -> Nest:
        condition, then, orelse = compile_number(branch.condition), self._block(branch.then), self._block(branch.orelse)
        return lambda core: (then if condition(core.registers) else orelse).run(core)

    def _forall(self, forall: Forall) -> Nest:
        names = [name for name, _, _ in forall.ranges]
        lows = compile_numbers([low for _, low, _ in forall.ranges])
        highs = compile_numbers([high for _, _, high in forall.ranges])
        body = self._block(forall.body)

        def run(core: Core) -> Iterator[Issue]:
            ranges = [range(*bounds) for bounds in zip(lows(core.registers), highs(core.registers), strict=True)]
            total = prod(map(len, ranges))
            first, last = (total * n // core.cores for n in (core.number, core.number + 1))
            innermost_first = list(zip(reversed(names), reversed(ranges), strict=True))
            for iteration in range(first, last):
                core.iteration = core.past + iteration + 1
                rest = iteration
                for name, values in innermost_first:
                    rest, position = divmod(rest, len(values))
                    core.registers[name] = values[position]
                yield from body.run(core)
            if self.meets:
                yield Meeting()
            core.past += total

        return run
