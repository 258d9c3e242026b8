"""Launching a kernel: bind its arguments, give each core its memories, run it in program order or another legal one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

import numpy as np

from vcc.runtime.interpreter.execute import Step
from vcc.runtime.interpreter.launch import LaunchContext, Observer
from vcc.runtime.interpreter.memory import Argument, OnChip, bind_scalars, bind_tensors
from vcc.runtime.interpreter.pipes import run_pipes
from vcc.runtime.interpreter.program import Core, Issue, Meeting, Program
from vcc.runtime.interpreter.stats import Stats
from vcc.runtime.isa.kernel import Kernel


class Machine(Protocol):
    """What the interpreter asks of a machine description."""

    @property
    def cores(self) -> int: ...


def run_kernel(
    kernel: Kernel | Program,
    args: Mapping[str, Argument],
    machine: Machine | None = None,
    *,
    cores: int | None = None,
    order: int | None = None,
    sanitize: bool = False,
    stats: Stats | None = None,
    observer: Observer | None = None,
    nodes: Sequence[str] = (),
) -> None:
    """Execute one launch; outputs are written into the arrays in `args`.

    `args` maps every parameter to a contiguous array of any shape, used flat (at least as long as the parameter's
    extent), or an integer. `cores` defaults to the machine's, or 1. `order` seeds a random legal order of the pipes
    instead of program order. `sanitize` also checks, in such an order (0 if none is given), that nothing is read before
    it is written and that events order all accesses to the same memory. `nodes` names the kernel's sources in messages.
    A `Program` saves preparing the kernel again.
    Raises VccError: E0105 for unsuitable arguments, E0401 for a trap, E0402 for a deadlock.
    """
    program = kernel if isinstance(kernel, Program) else Program(kernel)
    kernel = program.kernel
    count = cores if cores is not None else machine.cores if machine is not None else 1
    env = bind_scalars(kernel, args)
    tensors = bind_tensors(kernel, args, env)
    launch = LaunchContext(kernel, stats, observer, nodes)
    used = count if program.has_forall else 1
    with np.errstate(all="ignore"):
        if order is not None or sanitize:
            memories = [OnChip(kernel) for _ in range(used)]
            chips = [tensors | memory.places for memory in memories]
            for memory in memories:
                memory.clear()
            piped = [Core(dict(env), chip, number, used) for number, chip in enumerate(chips)]
            run_pipes(program, piped, launch, order or 0, sanitize)
            return
        memory = OnChip(kernel)
        live = [Core(dict(env), tensors | memory.places, number, used) for number in range(used)]
        streams = [(core, program.unroll(core)) for core in live]
        while streams:
            streams = [pair for pair in streams if run_in_program_order(*pair, memory, launch)]


def run_in_program_order(core: Core, steps: Iterator[Issue], memory: OnChip, launch: LaunchContext) -> bool:
    """Each instruction as soon as it is issued: the meaning of a kernel. Events say nothing here.

    Goes on to the next meeting of the cores; returns whether there was one.
    """
    registers, places = core.registers, core.places
    untouched = True  # a core without work should not cost the clearing of its memories
    for step in steps:
        if isinstance(step, Meeting):
            return True
        if untouched:
            memory.clear()
            untouched = False
        if isinstance(step, Step):
            numbers = step.issue(registers)
            if numbers is not None:
                launch.execute(step, numbers, registers, places)
    return False
