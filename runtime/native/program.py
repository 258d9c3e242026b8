"""A whole program natively: launches bound beforehand, memories kept from run to run."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from vcc.runtime.binary.image import Image, Outline
from vcc.runtime.diagnostics import error
from vcc.runtime.host.executor import HostCalls, Memory, allocate
from vcc.runtime.host.feeds import Feeds, Signature
from vcc.runtime.isa.host import HostCall, Launch
from vcc.runtime.native.addresses import address
from vcc.runtime.native.claims import TRAPS
from vcc.runtime.native.code import ProgramCode, Run
from vcc.runtime.native.crew import CREW, MOST, alone
from vcc.runtime.native.crew_code import OCCUPIED
from vcc.runtime.native.driver import PLACE_WORDS, entry
from vcc.runtime.native.jobs import Job, plan
from vcc.runtime.native.leader import led
from vcc.runtime.native.pace import Pace
from vcc.runtime.native.scratch import Scratch, shared_bytes
from vcc.runtime.native.start import program_code

Array = NDArray[Any]
#: Seconds between two looks whether the crew is free, for what would take long on one thread.
PATIENCE = 0.001


class _Segment:
    """Launches without a host call between them, on one thread or on all."""

    def __init__(self, number: int, facts: Run, code: ProgramCode, threads: int):
        self.number, self.facts = number, facts
        ways = dict.fromkeys((1, threads) if facts.divided else (1,))
        self.pace = Pace(*ways)
        self.plans = {way: plan(facts.phases, way) for way in ways}
        self.divided = len(ways) > 1
        addresses = [code.loaded.address(entry(facts.number, n)) for n in range(len(facts.steps))]
        self.launches = (ctypes.c_int64 * len(addresses))(*addresses)


class _Memories:
    """What one run at a time uses: the arena, copies of overlapping inputs, on-chip memories for each thread.

    `places` are the addresses of the last run's inputs, then outputs; `jobs` has for each segment those for some
    numbers of threads.
    """

    def __init__(self, program: NativeProgram):
        facts, host = program.code.facts, program.image.host
        self.arena, self._copies = allocate(host.arena_bytes), allocate(facts.copy_bytes)
        self._shared = allocate(shared_bytes(program.threads))
        shared = address(self._shared)
        self._shared.fill(0)
        self.scratch = [Scratch(facts.scratch_bytes, shared) for _ in range(program.threads)]
        self.places = list[int]()
        self._table = (ctypes.c_void_p * (len(host.inputs) + len(host.outputs) + 1))()
        inputs, constants = ctypes.addressof(self._table), ctypes.addressof(program.constants)
        outputs = inputs + ctypes.sizeof(ctypes.c_void_p) * len(host.inputs)
        arena, copies = address(self.arena), address(self._copies)
        self._places = (ctypes.c_void_p * PLACE_WORDS)(inputs, outputs, constants, arena, copies)
        places, work = ctypes.addressof(self._places), program.code.loaded.address("work")
        scratch = [each.address for each in self.scratch]
        self.jobs = [
            {
                way: Job(made, each.launches, places, shared, scratch, work, CREW.address)
                for way, made in each.plans.items()
            }
            for each in program.segments
        ]

    def take(self, places: list[int]) -> None:
        """The addresses of this run's inputs, then outputs."""
        self._table[: len(places)] = self.places = places

    def stop(self) -> None:
        """Make the run leave soon."""
        for scratch in self.scratch:
            scratch.stop()


class NativeProgram:
    """An image ready to run on `threads` threads. Runs may overlap in time: each has its own memory.

    `code` is the machine code if it is there already; else it is taken from the user's cache or made, of a whole image.
    Raises VccError: E0121 if a kernel has an instruction that the engine does not have, E0303 for a launch whose
    tensors are not all there.
    """

    def __init__(self, image: Image | Outline, threads: int, code: ProgramCode | None = None):
        self.image, self.threads = image, min(threads, MOST)
        if code is None:
            assert isinstance(image, Image)
            code = program_code(image)
        self.code = code
        self._alone, self._together = alone(code.loaded), CREW.runner(code.loaded, self.threads)
        runs = {run.first: run for run in code.facts.runs}
        self.segments: list[_Segment] = []
        self._steps: list[_Segment | tuple[int, HostCall]] = []
        for number, step in enumerate(image.host.steps):
            if isinstance(step, HostCall):
                self._steps.append((number, step))
            elif number in runs:
                self.segments.append(_Segment(len(self.segments), runs[number], code, self.threads))
                self._steps.append(self.segments[-1])
        self._host, self._spare = HostCalls(image.nodes), list[_Memories]()
        self._data = [constant.data for constant in image.constants]
        self.constants = (ctypes.c_void_p * max(1, len(self._data)))(*map(address, self._data))
        self._signature = Signature(image.host.inputs, image.host.outputs)

    def run(self, feeds: Feeds, out: Sequence[Array] | None = None) -> list[Array]:
        """As `vcc.runtime.host.executor.Executor.run`."""
        inputs, outputs = self._signature.inputs(feeds), self._signature.outputs(out)
        places = [*map(address, inputs), *map(address, outputs)]
        try:
            memories = self._spare.pop()
        except IndexError:  # more runs at a time than ever before
            memories = _Memories(self)
        if places != memories.places:  # those of the last run were compared then
            if out is not None:
                places = _apart(inputs, outputs, places)
            memories.take(places)
        for step in self._steps:
            if isinstance(step, _Segment):
                self._segment(step, memories)
            else:
                self._host.call(*step, Memory(inputs, self._data, outputs, memories.arena))
        self._spare.append(memories)
        return outputs

    def _segment(self, segment: _Segment, memories: _Memories) -> None:
        pace, jobs = segment.pace, memories.jobs[segment.number]
        began = time.perf_counter()
        threads, result = pace.threads() if segment.divided else 1, OCCUPIED
        while threads > 1 and result == OCCUPIED:
            result = led(self._together, jobs[threads].address, memories.stop, pace.expected)
            if result == OCCUPIED:
                if pace.long:
                    time.sleep(PATIENCE)
                else:
                    threads = 1
        if threads == 1:
            result = led(self._alone, jobs[1].address, memories.stop, pace.expected)
        if segment.divided:
            pace.took(threads, time.perf_counter() - began)
        else:
            pace.expected = time.perf_counter() - began
        if result:
            step = segment.facts.steps[result // TRAPS]
            launch = self.image.host.steps[step]
            assert isinstance(launch, Launch)
            nodes = [self.image.nodes[i] for group in launch.sources for i in group]
            message = self.code.facts.traps[launch.kernel][result % TRAPS - 1]
            raise error(
                "E0401", f"step {step}, kernel {launch.kernel}: {message}", node=", ".join(dict.fromkeys(nodes))
            )


def _apart(inputs: list[Array], outputs: list[Array], places: list[int]) -> list[int]:
    """The addresses of inputs, then outputs, after inputs that share memory with an output were copied."""
    froms, tos = places[: len(inputs)], places[len(inputs) :]
    for place, array in zip(tos, outputs, strict=True):
        end = place + array.nbytes
        for number, start in enumerate(froms):
            if start < end and place < start + inputs[number].nbytes:
                inputs[number] = inputs[number].copy()
                froms[number] = address(inputs[number])
    return froms + tos
