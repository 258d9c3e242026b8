"""A whole program natively: kernels compiled at once, launches bound once, memories kept from run to run."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vcc.runtime.binary.image import Image
from vcc.runtime.diagnostics import error
from vcc.runtime.host.executor import Executor, Memory, allocate
from vcc.runtime.host.feeds import Feeds, bind_inputs, bind_outputs
from vcc.runtime.isa.host import HostCall, Launch, Ref, Space
from vcc.runtime.isa.kernel import ScalarParam, TensorParam
from vcc.runtime.native.driver import SHARED_BYTES, TRAPS, Call, driver
from vcc.runtime.native.engine import MachineCode, NativeKernel, compile_kernel, host_cpu

Array = NDArray[Any]
#: A launch that touches fewer bytes is not divided: threads would take longer to meet than to work.
DIVIDE_BYTES = 64 * 1024
_KIND = ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_void_p] * 7, ctypes.c_int64, ctypes.c_int64)


@dataclass
class _Segment:
    """Launches without a host call between them."""

    first: int
    launches: list[Launch]
    code: MachineCode
    run: Any  # the driver as a function of ctypes
    divided: bool  # whether more than one thread has work


@dataclass
class _Memories:
    """What one run at a time uses: the arena, copies of overlapping inputs, on-chip memories for each thread."""

    arena: NDArray[np.uint8]
    copies: NDArray[np.uint8]
    scratch: list[NDArray[np.uint8]]
    shared: NDArray[np.uint8] = field(default_factory=lambda: allocate(SHARED_BYTES))


class NativeProgram:
    """An image ready to run on `threads` threads. Runs may overlap in time: each has its own memory.

    `compiled` holds kernels by name that are compiled already, and takes those that are compiled here.
    Raises VccError: E0121 if a kernel has an instruction that the engine does not have, E0303 for a launch whose
    tensors are not all there.
    """

    def __init__(self, image: Image, threads: int, compiled: dict[str, NativeKernel] | None = None):
        self.image, self.threads = image, threads
        used = {step.kernel for step in image.host.steps if isinstance(step, Launch)}
        self._kernels = {} if compiled is None else compiled
        self._kernels |= {k.name: compile_kernel(k) for k in image.kernels if k.name in used - self._kernels.keys()}
        self._pool = ThreadPoolExecutor(threads - 1) if threads > 1 else None
        self._gang = threading.Lock()  # half of the threads of two runs each would wait for the others for ever
        self._copy_bytes = 0
        self._scratch_bytes = max((k.scratch_bytes for k in self._kernels.values()), default=0)
        self._steps: list[_Segment | tuple[int, HostCall]] = []
        self._host, self._spare = Executor(image), list[_Memories]()
        self._data = [constant.data for constant in image.constants]
        self._constants = _addresses(self._data)
        inputs, outputs = (
            [np.empty(s.shape, s.dtype.numpy) for s in c] for c in (image.host.inputs, image.host.outputs)
        )
        self._sample = Memory(inputs, self._data, outputs, allocate(image.host.arena_bytes))
        pending: list[Launch] = []
        for number, step in enumerate(image.host.steps):
            if isinstance(step, Launch):
                pending.append(step)
            else:
                self._close(pending, number)
                pending = []
                self._steps.append((number, step))
        self._close(pending, len(image.host.steps))
        del self._sample

    def _close(self, launches: list[Launch], end: int) -> None:
        if launches:
            calls = [self._call(launch) for launch in launches]
            code, divided = MachineCode(driver(calls), host_cpu()), any(call.divided for call in calls)
            self._steps.append(_Segment(end - len(launches), launches, code, _KIND(code.address("run")), divided))

    def _call(self, launch: Launch) -> Call:
        """The launch bound to its places; inputs that overlap an output in the arena are copied first."""
        kernel = self._kernels[launch.kernel]
        self._sample.arguments(kernel.kernel, launch)  # native code reads what it is told to: all must be there
        params = list(zip(kernel.kernel.params, launch.args, strict=True))
        env = {p.name: arg for p, arg in params if isinstance(p, ScalarParam) and isinstance(arg, int)}
        for p, _ in params:
            if isinstance(p, ScalarParam) and not p.low <= env[p.name] <= p.high:
                raise error("E0401", f"kernel {launch.kernel}: {p.name} is not within {p.low}..{p.high}")
        places: list[tuple[int, str, Ref, int]] = []
        for position, (p, arg) in enumerate(params):
            if isinstance(p, TensorParam) and isinstance(arg, Ref):
                places.append((position, p.mode, arg, p.extent.evaluate(env) * p.dtype.size))
        written = [(ref.offset, ref.offset + n) for _, mode, ref, n in places if mode != "in" and _in_arena(ref)]
        copies: list[tuple[int, int, int]] = []
        end = 0
        for position, mode, ref, nbytes in places:
            meets = any(ref.offset < high and low < ref.offset + nbytes for low, high in written)
            if mode == "in" and _in_arena(ref) and meets:
                copies.append((position, nbytes, end))
                end += -(-nbytes // 64) * 64
        self._copy_bytes = max(self._copy_bytes, end)
        divided = kernel.parallel and self.threads > 1 and sum(n for *_, n in places) >= DIVIDE_BYTES
        return Call(kernel.address, launch.args, divided, tuple(copies))

    def run(self, feeds: Feeds, out: Sequence[Array] | None = None) -> list[Array]:
        """As `vcc.runtime.host.executor.Executor.run`."""
        host = self.image.host
        inputs, outputs = bind_inputs(host.inputs, feeds), bind_outputs(host.outputs, out)
        if out is not None:
            inputs = [a.copy() if any(np.may_share_memory(a, o) for o in outputs) else a for a in inputs]
        memories = self._spare.pop() if self._spare else self._memories()
        tables = _addresses(inputs), _addresses(outputs), self._constants
        for step in self._steps:
            if isinstance(step, _Segment):
                self._segment(step, tables, memories)
            else:
                self._host.call(*step, Memory(inputs, self._data, outputs, memories.arena))
        self._spare.append(memories)
        return outputs

    def _memories(self) -> _Memories:
        scratch = [allocate(self._scratch_bytes) for _ in range(self.threads)]
        return _Memories(allocate(self.image.host.arena_bytes), allocate(self._copy_bytes), scratch)

    def _segment(self, segment: _Segment, tables: tuple[Any, ...], memories: _Memories) -> None:
        memories.shared.fill(0)
        places = [m.ctypes.data for m in (memories.arena, memories.copies)]
        shared = memories.shared.ctypes.data

        def part(number: int) -> int:
            scratch = memories.scratch[number].ctypes.data
            return segment.run(*tables, *places, scratch, shared, number, self.threads if segment.divided else 1)

        if self._pool is None or not segment.divided:
            result = part(0)
        else:
            with self._gang:
                others = [self._pool.submit(part, number) for number in range(1, self.threads)]
                result = part(0)
                for other in others:
                    other.result()
        if result:
            launch = segment.launches[result // TRAPS]
            step, kernel = segment.first + result // TRAPS, self._kernels[launch.kernel]
            nodes = [self.image.nodes[i] for group in launch.sources for i in group]
            message = kernel.traps[result % TRAPS - 1]
            raise error(
                "E0401", f"step {step}, kernel {launch.kernel}: {message}", node=", ".join(dict.fromkeys(nodes))
            )


def _in_arena(ref: Ref) -> bool:
    return ref.space is Space.ARENA


def _addresses(arrays: Sequence[Array]) -> Any:
    return (ctypes.c_void_p * max(1, len(arrays)))(*[array.ctypes.data for array in arrays])
