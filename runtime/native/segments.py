"""What is known of a program's launches before it runs: where native code is entered, what is divided and copied."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from vcc.runtime.binary.image import Image
from vcc.runtime.diagnostics import error
from vcc.runtime.host.executor import Memory, allocate
from vcc.runtime.isa.host import Launch, Ref, Space
from vcc.runtime.isa.kernel import Forall, Kernel, ScalarParam, TensorParam
from vcc.runtime.native.driver import Call
from vcc.runtime.native.work import estimated_cycles

#: A launch of fewer cycles is not divided: threads would take longer to meet than to work.
DIVIDE_CYCLES = 12_000
#: Nor are launches of a segment that have fewer together: waking threads would take longer.
WAKE_CYCLES = 40_000


@dataclass(frozen=True)
class Segment:
    """Launches without a host call between them: steps `first` and on."""

    first: int
    calls: tuple[Call, ...]

    @property
    def divided(self) -> bool:
        """Whether more than one thread has work."""
        return any(call.divided for call in self.calls)


def symbol(number: int) -> str:
    """The name in machine code of a program's kernel number `number`."""
    return f"kernel.{number}"


def entry(number: int) -> str:
    """The name in machine code of the function that runs segment number `number`."""
    return f"run.{number}"


def segments(image: Image) -> list[Segment]:
    """The program's segments in order.

    Raises VccError: E0303 for a launch whose tensors are not all there, E0401 for a scalar out of its range.
    """
    binder = _Binder(image)
    found: list[Segment] = []
    calls: list[Call] = []
    cycles = 0.0
    for number, step in enumerate((*image.host.steps, None)):
        if isinstance(step, Launch):
            calls.append(binder.call(step))
            cycles += binder.cycles[calls[-1].kernel] if calls[-1].divided else 0.0
        elif calls:
            whole = calls if cycles >= WAKE_CYCLES else [replace(call, divided=False) for call in calls]
            found.append(Segment(number - len(calls), tuple(whole)))
            calls, cycles = [], 0.0
    return found


class _Binder:
    def __init__(self, image: Image):
        self.kernels: Mapping[str, tuple[int, Kernel]] = {k.name: (n, k) for n, k in enumerate(image.kernels)}
        self.cycles = {symbol(n): estimated_cycles(kernel) for n, kernel in enumerate(image.kernels)}
        host = image.host
        inputs, outputs = ([np.empty(s.shape, s.dtype.numpy) for s in c] for c in (host.inputs, host.outputs))
        self.sample = Memory(inputs, [c.data for c in image.constants], outputs, allocate(host.arena_bytes))

    def call(self, launch: Launch) -> Call:
        """The launch bound to its places; inputs that overlap an output are copied first."""
        number, kernel = self.kernels[launch.kernel]
        self.sample.arguments(kernel, launch)  # native code reads what it is told to: all must be there
        params = list(zip(kernel.params, launch.args, strict=True))
        env = {p.name: arg for p, arg in params if isinstance(p, ScalarParam) and isinstance(arg, int)}
        for p, _ in params:
            if isinstance(p, ScalarParam) and not p.low <= env[p.name] <= p.high:
                raise error("E0401", f"kernel {launch.kernel}: {p.name} is not within {p.low}..{p.high}")
        places: list[tuple[int, str, Ref, int]] = []
        for position, (p, arg) in enumerate(params):
            if isinstance(p, TensorParam) and isinstance(arg, Ref):
                places.append((position, p.mode, arg, p.extent.evaluate(env) * p.dtype.size))
        written = [(_memory(ref), ref.offset, ref.offset + n) for _, mode, ref, n in places if mode != "in"]
        shared = _shared(kernel, launch)
        copies: list[tuple[int, int, int]] = []
        end = 0
        for position, mode, ref, nbytes in places:
            own, high = _memory(ref), ref.offset + nbytes
            meets = any(own == where and ref.offset < top and low < high for where, low, top in written)
            if mode == "in" and meets and kernel.params[position].name not in shared:
                copies.append((position, nbytes, end))
                end += -(-nbytes // 64) * 64
        divided = parallel(kernel) and self.cycles[symbol(number)] >= DIVIDE_CYCLES
        return Call(symbol(number), launch.args, divided, tuple(copies), end)


def in_place(image: Image) -> dict[str, dict[str, str]]:
    """For each kernel the inputs that some launch gives the very place of an output, and that output, by parameter."""
    kernels = {kernel.name: kernel for kernel in image.kernels}
    found: dict[str, dict[str, str]] = {}
    for step in image.host.steps:
        if isinstance(step, Launch) and (pairs := _shared(kernels[step.kernel], step)):
            found[step.kernel] = found.get(step.kernel, {}) | pairs
    return found


def _shared(kernel: Kernel, launch: Launch) -> dict[str, str]:
    """The inputs of a launch that lie just where one output does, both of one size, and meet no other one."""
    env = {p.name: a for p, a in zip(kernel.params, launch.args, strict=True) if isinstance(a, int)}
    spans: dict[str, tuple[tuple[Space, int], int, int, str]] = {}
    for p, arg in zip(kernel.params, launch.args, strict=True):
        if isinstance(p, TensorParam) and isinstance(arg, Ref):
            spans[p.name] = _memory(arg), arg.offset, arg.offset + p.extent.evaluate(env) * p.dtype.size, p.mode
    pairs: dict[str, str] = {}
    for name, (where, low, high, mode) in spans.items():
        met = [
            other
            for other, (there, start, end, m) in spans.items()
            if m != "in" and there == where and start < high and low < end
        ]
        if mode == "in" and len(met) == 1 and spans[met[0]][:3] == (where, low, high) and spans[met[0]][3] == "out":
            pairs[name] = met[0]
    return pairs


def parallel(kernel: Kernel) -> bool:
    """Whether a kernel's work can be divided."""
    return any(isinstance(statement, Forall) for statement in kernel.body)


def _memory(ref: Ref) -> tuple[Space, int]:
    """Which memory a place is in: the arena, or one of the inputs, outputs or constants."""
    return ref.space, 0 if ref.space is Space.ARENA else ref.index
