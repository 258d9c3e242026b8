"""What is known of a program's launches before it runs: where native code is entered, what is divided and copied."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

import numpy as np

from vcc.runtime.binary.image import Image
from vcc.runtime.diagnostics import error
from vcc.runtime.host.executor import Memory, allocate
from vcc.runtime.isa.host import Launch, Ref, Space
from vcc.runtime.isa.kernel import Forall, Kernel, ScalarParam, TensorParam, has_forall, meets
from vcc.runtime.native.driver import Call, Copies
from vcc.runtime.native.schedule import Piece, Schedule, Span, schedule
from vcc.runtime.native.work import estimated_cycles

#: A launch of fewer cycles is not divided: threads would take longer to tell each other than to work.
DIVIDE_CYCLES = 8_000
#: Nor are launches of a segment that have fewer together: waking threads would take longer.
WAKE_CYCLES = 40_000
#: Pieces of a kernel whose iterations only its launch counts.
UNKNOWN_PIECES = 64
#: What a copy takes at least.
_COPY_CYCLES = 100.0


@dataclass(frozen=True)
class Segment:
    """Launches without a host call between them: steps `first` and on.

    `functions` are they and the copies before them, `steps` whose each is, both as they are scheduled.
    """

    first: int
    functions: tuple[Call | Copies, ...]
    steps: tuple[int, ...]
    schedule: Schedule

    @property
    def copy_bytes(self) -> int:
        """What copies of overlapping inputs take."""
        moved = (where for function in self.functions if isinstance(function, Call) for where in function.moved)
        return max((offset + nbytes for _, nbytes, offset in moved), default=0)


def symbol(number: int) -> str:
    """The name in machine code of a program's kernel number `number`."""
    return f"kernel.{number}"


def segments(image: Image) -> list[Segment]:
    """The program's segments in order.

    Raises VccError: E0303 for a launch whose tensors are not all there, E0401 for a scalar out of its range.
    """
    binder = _Binder(image)
    found: list[Segment] = []
    made: list[_Bound] = []
    first = 0
    for number, step in enumerate((*image.host.steps, None)):
        if isinstance(step, Launch):
            first = first if made else number
            made += binder.launch(number, step)
        elif made:
            found.append(_segment(first, made))
            made = []
    return found


@dataclass(frozen=True)
class _Bound:
    step: int
    function: Call | Copies
    piece: Piece


def _segment(first: int, made: list[_Bound]) -> Segment:
    pieces = [bound.piece for bound in made]
    if sum(piece.cycles for piece in pieces) < WAKE_CYCLES:
        pieces = [Piece(piece.spans, piece.cycles) for piece in pieces]
    plan = schedule(pieces)
    ordered = [made[number] for number in plan.order]
    return Segment(first, tuple(b.function for b in ordered), tuple(b.step for b in ordered), plan)


class _Binder:
    def __init__(self, image: Image):
        self.kernels: Mapping[str, tuple[int, Kernel]] = {k.name: (n, k) for n, k in enumerate(image.kernels)}
        self.cycles = {symbol(n): estimated_cycles(kernel) for n, kernel in enumerate(image.kernels)}
        host = image.host
        inputs, outputs = ([np.empty(s.shape, s.dtype.numpy) for s in c] for c in (host.inputs, host.outputs))
        self.sample = Memory(inputs, [c.data for c in image.constants], outputs, allocate(host.arena_bytes))

    def launch(self, step: int, launch: Launch) -> list[_Bound]:
        """The launch bound to its places; before it the copies of inputs that overlap an output."""
        number, kernel = self.kernels[launch.kernel]
        self.sample.arguments(kernel, launch)  # native code reads what it is told to: all must be there
        params = list(zip(kernel.params, launch.args, strict=True))
        env = {p.name: arg for p, arg in params if isinstance(p, ScalarParam) and isinstance(arg, int)}
        for p, _ in params:
            if isinstance(p, ScalarParam) and not p.low <= env[p.name] <= p.high:
                raise error("E0401", f"kernel {launch.kernel}: {p.name} is not within {p.low}..{p.high}")
        places: list[tuple[int, TensorParam, Ref, int]] = []
        for position, (p, arg) in enumerate(params):
            if isinstance(p, TensorParam) and isinstance(arg, Ref):
                places.append((position, p, arg, p.extent.evaluate(env) * p.dtype.size))
        call = Call(symbol(number), launch.args, _moved(kernel, launch, places))
        spans, sources = _spans(places, call.moved)
        cycles = self.cycles[symbol(number)]
        together = meets(kernel)
        pieces = 1 if together or cycles < DIVIDE_CYCLES else _iterations(kernel, env)
        bound = _Bound(step, call, Piece(spans, cycles, pieces, together and cycles >= DIVIDE_CYCLES))
        if not call.moved:
            return [bound]
        end = max(offset + nbytes for _, nbytes, offset in call.moved)
        copy = Piece((*sources, ("copies", 0, end, True)), _COPY_CYCLES)
        return [_Bound(step, Copies(call), copy), bound]


def _moved(
    kernel: Kernel, launch: Launch, places: list[tuple[int, TensorParam, Ref, int]]
) -> tuple[tuple[int, int, int], ...]:
    written = [(_memory(ref), ref.offset, ref.offset + n) for _, p, ref, n in places if p.mode != "in"]
    shared = _shared(kernel, launch)
    copies: list[tuple[int, int, int]] = []
    end = 0
    for position, p, ref, nbytes in places:
        own, high = _memory(ref), ref.offset + nbytes
        overlaps = any(own == where and ref.offset < top and low < high for where, low, top in written)
        if p.mode == "in" and overlaps and p.name not in shared:
            copies.append((position, nbytes, end))
            end += -(-nbytes // 64) * 64
    return tuple(copies)


def _spans(
    places: list[tuple[int, TensorParam, Ref, int]], moved: tuple[tuple[int, int, int], ...]
) -> tuple[tuple[Span, ...], tuple[Span, ...]]:
    """What a launch reads and writes, and what the copies before it read."""
    offsets = {position: offset for position, _, offset in moved}
    spans, sources = list[Span](), list[Span]()
    for position, p, ref, nbytes in places:
        span = f"{ref.space} {_memory(ref)[1]}", ref.offset, ref.offset + nbytes, p.mode != "in"
        if position in offsets:
            sources.append(span)
            span = "copies", offsets[position], offsets[position] + nbytes, False
        if ref.space is not Space.CONST or span[3] or position in offsets:
            spans.append(span)
    return tuple(spans), tuple(sources)


def _iterations(kernel: Kernel, env: Mapping[str, int]) -> int:
    """How many pieces a launch can be cut into."""
    foralls = [statement for statement in kernel.body if isinstance(statement, Forall)]
    if not foralls:
        return 1
    try:
        return max(1, prod(max(0, (high - low).evaluate(env)) for _, low, high in foralls[0].ranges))
    except KeyError:  # a bound that the kernel itself reads
        return UNKNOWN_PIECES


def in_place(image: Image) -> dict[str, dict[str, str]]:
    """For each kernel the inputs that some launch gives the very place of an output, and that output, by parameter."""
    kernels = {kernel.name: kernel for kernel in image.kernels}
    found: dict[str, dict[str, str]] = {}
    for step in image.host.steps:
        if isinstance(step, Launch) and (pairs := _shared(kernels[step.kernel], step)):
            found[step.kernel] = found.get(step.kernel, {}) | pairs
    return found


def _shared(kernel: Kernel, launch: Launch) -> dict[str, str]:
    """The inputs of a launch that lie just where one output does, both of one size, and meet no other one.

    None of a kernel whose threads meet: one may read an input after a meeting, or late, where others have written.
    """
    if meets(kernel):
        return {}
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
    return has_forall(kernel)


def _memory(ref: Ref) -> tuple[Space, int]:
    """Which memory a place is in: the arena, or one of the inputs, outputs or constants."""
    return ref.space, 0 if ref.space is Space.ARENA else ref.index
