"""A whole program natively: launches bound beforehand, memories kept from run to run."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vcc.runtime.binary.image import Image, Outline
from vcc.runtime.diagnostics import error
from vcc.runtime.host.executor import HostCalls, Memory, allocate
from vcc.runtime.host.feeds import Feeds, bind_inputs, bind_outputs
from vcc.runtime.isa.host import HostCall, Launch
from vcc.runtime.native.code import ProgramCode, Run
from vcc.runtime.native.driver import TRAPS
from vcc.runtime.native.gang import Gang
from vcc.runtime.native.meeting import SHARED_BYTES
from vcc.runtime.native.pace import Pace
from vcc.runtime.native.scratch import Scratch
from vcc.runtime.native.start import program_code

Array = NDArray[Any]
_KIND = ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_void_p] * 7, ctypes.c_int64, ctypes.c_int64)


@dataclass
class _Segment:
    """Launches without a host call between them."""

    facts: Run
    run: Any  # the driver as a function of ctypes
    pace: Pace


@dataclass
class _Memories:
    """What one run at a time uses: the arena, copies of overlapping inputs, on-chip memories for each thread."""

    arena: NDArray[np.uint8]
    copies: NDArray[np.uint8]
    scratch: list[Scratch]
    shared: NDArray[np.uint8] = field(default_factory=lambda: allocate(SHARED_BYTES))

    def __post_init__(self) -> None:
        # numpy takes a microsecond to tell an address, which small models would feel.
        self.addresses = [m.ctypes.data for m in (self.arena, self.copies)]
        self.shared_address = self.shared.ctypes.data


class NativeProgram:
    """An image ready to run on `threads` threads. Runs may overlap in time: each has its own memory.

    `code` is the machine code if it is there already; else it is taken from the user's cache or made, of a whole image.
    Raises VccError: E0121 if a kernel has an instruction that the engine does not have, E0303 for a launch whose
    tensors are not all there.
    """

    def __init__(self, image: Image | Outline, threads: int, code: ProgramCode | None = None):
        self.image, self.threads = image, threads
        if code is None:
            assert isinstance(image, Image)
            code = program_code(image)
        self._code = code
        self._gang = Gang(threads)
        runs = {run.first: run for run in self._code.facts.runs}
        self._steps: list[_Segment | tuple[int, HostCall]] = []
        for number, step in enumerate(image.host.steps):
            if isinstance(step, HostCall):
                self._steps.append((number, step))
            elif number in runs:
                address = self._code.loaded.address(runs[number].symbol)
                pace = Pace(1, threads) if runs[number].divided else Pace(1)
                self._steps.append(_Segment(runs[number], _KIND(address), pace))
        self._host, self._spare = HostCalls(image.nodes), list[_Memories]()
        self._data = [constant.data for constant in image.constants]
        self._constants = _addresses(self._data)

    def run(self, feeds: Feeds, out: Sequence[Array] | None = None) -> list[Array]:
        """As `vcc.runtime.host.executor.Executor.run`."""
        host = self.image.host
        inputs, outputs = bind_inputs(host.inputs, feeds), bind_outputs(host.outputs, out)
        if out is not None:
            inputs = [a.copy() if any(np.may_share_memory(a, o) for o in outputs) else a for a in inputs]
        try:
            memories = self._spare.pop()
        except IndexError:  # more runs at a time than ever before
            memories = self._memories()
        tables = _addresses(inputs), _addresses(outputs), self._constants
        for step in self._steps:
            if isinstance(step, _Segment):
                self._segment(step, tables, memories, (inputs, outputs))
            else:
                self._host.call(*step, Memory(inputs, self._data, outputs, memories.arena))
        self._spare.append(memories)
        return outputs

    def _memories(self) -> _Memories:
        scratch = [Scratch(self._code.facts.scratch_bytes) for _ in range(self.threads)]
        return _Memories(allocate(self.image.host.arena_bytes), allocate(self._code.facts.copy_bytes), scratch)

    def _segment(self, segment: _Segment, tables: tuple[Any, ...], memories: _Memories, alive: object) -> None:
        """Run launches; `alive` is what the tables' addresses lead to."""
        memories.shared.fill(0)
        places, shared, parts = memories.addresses, memories.shared_address, segment.pace.threads()

        def part(number: int, _keep: object = alive) -> int:
            return segment.run(*tables, *places, memories.scratch[number].address, shared, number, parts)

        def stop() -> None:
            for scratch in memories.scratch:
                scratch.stop()

        began = time.perf_counter()
        result = self._gang.call(part, parts, stop, segment.pace.expected)
        segment.pace.took(parts, time.perf_counter() - began)
        if result:
            step = segment.facts.first + result // TRAPS
            launch = self.image.host.steps[step]
            assert isinstance(launch, Launch)
            nodes = [self.image.nodes[i] for group in launch.sources for i in group]
            message = self._code.facts.traps[launch.kernel][result % TRAPS - 1]
            raise error(
                "E0401", f"step {step}, kernel {launch.kernel}: {message}", node=", ".join(dict.fromkeys(nodes))
            )


def _addresses(arrays: Sequence[Array]) -> Any:
    return (ctypes.c_void_p * max(1, len(arrays)))(*[array.ctypes.data for array in arrays])
