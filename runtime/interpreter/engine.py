"""The interpreter as an engine of the host program."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from vcc.runtime.binary.image import Image
from vcc.runtime.interpreter.kernel import run_kernel
from vcc.runtime.interpreter.launch import Observer
from vcc.runtime.interpreter.memory import Argument
from vcc.runtime.interpreter.program import Program
from vcc.runtime.interpreter.stats import Stats
from vcc.runtime.isa.host import Launch
from vcc.runtime.isa.kernel import Kernel

#: Makes the observer of one launch, None if the launch has nothing to observe.
ObserverOf = Callable[[Launch], Observer | None]


class InterpreterEngine:
    """Runs launches in program order, or with `order` in random legal orders, another one for every launch.

    `sanitize` is as in `run_kernel`.
    """

    name = "interpreter"
    poisons = True

    def __init__(self, image: Image, cores: int = 1, order: int | None = None, sanitize: bool = False):
        self._nodes = image.nodes
        self._cores = cores
        self._order = order
        self._sanitize = sanitize
        self._programs: dict[str, Program] = {}
        self.stats: Stats | None = None
        self.observer_of: ObserverOf | None = None

    def launch(self, kernel: Kernel, args: Sequence[Argument], launch: Launch, step: int) -> None:
        """As in `vcc.runtime.host.engine.Engine`."""
        if kernel.name not in self._programs:
            self._programs[kernel.name] = Program(kernel)
        if self.stats is not None:
            self.stats.launch = step
        run_kernel(
            self._programs[kernel.name],
            {param.name: arg for param, arg in zip(kernel.params, args, strict=True)},
            cores=self._cores,
            order=None if self._order is None else self._order + step,
            sanitize=self._sanitize,
            stats=self.stats,
            observer=None if self.observer_of is None else self.observer_of(launch),
            nodes=[" + ".join(self._nodes[i] for i in source) for source in launch.sources],
        )
