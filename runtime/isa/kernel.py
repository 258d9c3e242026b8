"""A kernel: its parameters, buffers and events, and its one stream of instructions and structured control flow.

These objects are what the assembler and the loader make, and what every engine, the verifier and the disassembler
read. They are immutable; executing a kernel's body in program order is its meaning.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from math import prod

from vcc.runtime.isa.dtypes import DType
from vcc.runtime.isa.expr import ZERO, Poly

#: Bytes to which every buffer slot is padded, so that slots start aligned for any machine.
SLOT_ALIGNMENT = 64
MAX_DIMS = 8


class Memory(StrEnum):
    """Where a buffer lies. GM is global memory; the others are a core's own."""

    GM = "gm"
    L1 = "l1"
    L0A = "l0a"
    L0B = "l0b"
    L0C = "l0c"
    UB = "ub"


class Pipe(StrEnum):
    """The in-order pipes of a core."""

    S = "S"
    IN = "IN"
    MOV = "MOV"
    M = "M"
    V = "V"
    OUT = "OUT"


class Role(StrEnum):
    """What a dimension of an instruction's domain means to it."""

    PARALLEL = "p"
    M = "m"
    N = "n"
    K = "k"
    REDUCE = "reduce"
    SCAN = "scan"

    @property
    def is_reduction(self) -> bool:
        return self in (Role.K, Role.REDUCE)


@dataclass(frozen=True)
class Dim:
    """One dimension of a domain: `size` elements, never above the static `max`.

    `valid`, a half-open interval of indices, is for loads (others are filled) and stores (others are skipped).
    """

    name: str
    size: Poly
    max: int
    role: Role = Role.PARALLEL
    valid: tuple[Poly, Poly] | None = None


@dataclass(frozen=True)
class View:
    """Elements of a buffer: index (i0, i1, ...) of the domain is element `base + sum(i * stride)` of slot `slot`.

    Units are elements of the buffer's dtype. The slot is taken modulo the buffer's number of slots.
    """

    buffer: str
    strides: tuple[Poly, ...]
    base: Poly = ZERO
    slot: Poly = ZERO


@dataclass(frozen=True)
class Immediate:
    """A constant scalar operand."""

    value: float | int


@dataclass(frozen=True)
class Scalar:
    """A scalar operand computed from registers."""

    value: Poly


Operand = View | Immediate | Scalar
AttrValue = Poly | float | str


@dataclass(frozen=True)
class Tap:
    """Where the elements that an instruction writes belong in a logical tensor, for `vcc diff`.

    `value` numbers the kernel's observable values; element addresses are as in `View`, in the tensor's physical order.
    """

    value: int
    strides: tuple[Poly, ...]
    base: Poly = ZERO


@dataclass(frozen=True)
class Instr:
    """One non-scalar instruction. `operands` maps the table's role names to operands; absent optional ones are missing.

    `sources` are indices into the launch's list of ONNX node names.
    """

    op: str
    domain: tuple[Dim, ...]
    operands: dict[str, Operand]
    attrs: dict[str, AttrValue] = field(default_factory=dict)
    when: Poly | None = None
    sources: tuple[int, ...] = ()
    tap: Tap | None = None

    def views(self) -> Iterator[tuple[str, View]]:
        """The operands that are views, with their roles."""
        for role, operand in self.operands.items():
            if isinstance(operand, View):
                yield role, operand


@dataclass(frozen=True)
class Let:
    """`%register = fn(args)` on 64-bit integers (see `expr.SCALAR_FNS`)."""

    register: str
    fn: str
    args: tuple[Poly, ...]


@dataclass(frozen=True)
class ScalarLoad:
    """`%register = parameter[base]`: reads one integer from global memory."""

    register: str
    param: str
    base: Poly


@dataclass(frozen=True)
class Sync:
    """`signal` gives a token to slot `slot` (modulo the event's slots), `wait` takes one; `barrier` joins all pipes."""

    op: str  # "signal", "wait" or "barrier"
    event: str = ""
    slot: Poly = ZERO


@dataclass(frozen=True)
class Loop:
    """`for register in range(low, high, step)`. `kind` is "seq", "reduce" (iterations accumulate) or "parallel"."""

    register: str
    low: Poly
    high: Poly
    step: int
    kind: str
    body: tuple[Statement, ...]


@dataclass(frozen=True)
class Forall:
    """A parallel loop nest, divided among cores; bounds are `(register, low, high)`, step 1.

    All iterations are over, on all cores, before what follows it begins.
    """

    ranges: tuple[tuple[str, Poly, Poly], ...]
    body: tuple[Statement, ...]


@dataclass(frozen=True)
class If:
    """Runs `then` where `condition` is not zero, else `orelse`."""

    condition: Poly
    then: tuple[Statement, ...]
    orelse: tuple[Statement, ...] = ()


Statement = Instr | Let | ScalarLoad | Sync | Loop | Forall | If


@dataclass(frozen=True)
class TensorParam:
    """A parameter in global memory of `extent` elements; `mode` is "in", "out" or "inout"."""

    name: str
    dtype: DType
    mode: str
    extent: Poly


@dataclass(frozen=True)
class ScalarParam:
    """A 64-bit integer parameter, which the launcher must give a value within `low..high` (inclusive)."""

    name: str
    low: int
    high: int


@dataclass(frozen=True)
class Buffer:
    """An on-chip buffer of `slots` equal slots; `address` in bytes, given by the schedule phase."""

    name: str
    memory: Memory
    dtype: DType
    shape: tuple[int, ...]
    slots: int = 1
    address: int | None = None

    @property
    def slot_bytes(self) -> int:
        """Bytes of one slot, padded to `SLOT_ALIGNMENT`."""
        nbytes = prod(self.shape) * self.dtype.size
        return -(-nbytes // SLOT_ALIGNMENT) * SLOT_ALIGNMENT


@dataclass(frozen=True)
class Event:
    """Tokens from pipe `source` to pipe `target`, counted per slot; each slot begins with `tokens`."""

    name: str
    source: Pipe
    target: Pipe
    slots: int = 1
    tokens: int = 0


@dataclass(frozen=True)
class Kernel:
    """One kernel. `num_sources` and `num_taps` say how long a launch's lists of node names and tapped values are."""

    name: str
    params: tuple[TensorParam | ScalarParam, ...]
    buffers: tuple[Buffer, ...]
    events: tuple[Event, ...]
    body: tuple[Statement, ...]
    num_sources: int = 0
    num_taps: int = 0


def walk(body: tuple[Statement, ...]) -> Iterator[Statement]:
    """Every statement in program order, outer before inner."""
    for statement in body:
        yield statement
        if isinstance(statement, Loop | Forall):
            yield from walk(statement.body)
        elif isinstance(statement, If):
            yield from walk(statement.then)
            yield from walk(statement.orelse)


def has_forall(kernel: Kernel) -> bool:
    """Whether a kernel's work can be divided among cores."""
    return any(isinstance(statement, Forall) for statement in walk(kernel.body))


def meets(kernel: Kernel) -> bool:
    """Whether cores wait for each other within a launch: some forall has something after it or stands in a loop."""
    return any(isinstance(s, Forall) and s is not kernel.body[-1] for s in walk(kernel.body))


def instructions(kernel: Kernel) -> Iterator[Instr]:
    """Every non-scalar instruction of a kernel in program order."""
    return (s for s in walk(kernel.body) if isinstance(s, Instr))
