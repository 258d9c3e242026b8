"""What the instructions of one launch share: located traps, counts, and the observer of tapped values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from vcc.runtime.interpreter.execute import Array, Places, Step
from vcc.runtime.interpreter.numbers import Env, Numbers
from vcc.runtime.interpreter.stats import Stats
from vcc.runtime.interpreter.traps import TrapError, trapped
from vcc.runtime.isa.kernel import Instr, Kernel


class Observer(Protocol):
    """Told of each instruction that has a tap after it ran, with the elements that it wrote (of a store, the valid)."""

    def __call__(self, instr: Instr, env: Env, written: Array, /) -> None: ...


class LaunchContext:
    """Carries out the issued steps of one launch."""

    def __init__(
        self, kernel: Kernel, stats: Stats | None = None, observer: Observer | None = None, nodes: Sequence[str] = ()
    ):
        self._kernel = kernel
        self._stats = stats
        self._observer = observer
        self._nodes = nodes

    def execute(self, step: Step, numbers: Numbers, env: Env, places: Places) -> None:
        """Carry out a step; `env` are the registers at its issue. Raises VccError E0401 where it traps."""
        try:
            written = step.execute(numbers, places)
        except (TrapError, ArithmeticError) as failure:
            raise trapped(str(failure), self._kernel, step.instr, env, self._nodes) from None
        if self._stats is not None:
            self._stats.count(self._kernel.name, self._nodes, step, numbers)
        if self._observer is not None and step.instr.tap is not None and written is not None:
            self._observer(step.instr, env, written)
