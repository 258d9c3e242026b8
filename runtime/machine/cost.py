"""What an instruction costs on its pipe, in cycles: pure functions on integers or numpy arrays of them.

The tile search calls them with arrays of candidate sizes, the timing engine with one instruction at a time. Costs are
the pipe's occupation; waiting for other pipes and for shared memory is the timing engine's business.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from vcc.runtime.isa.dtypes import BY_NAME
from vcc.runtime.isa.kernel import Memory, Pipe, Role
from vcc.runtime.isa.table import Cost, Op
from vcc.runtime.machine.model import Machine

#: A number of things, or an array of such numbers, one per candidate.
Count: TypeAlias = int | NDArray[Any]


def _ceil(value: Any) -> Any:
    return math.ceil(value) if isinstance(value, int | float) else np.ceil(value).astype(np.int64)


def _round_up(value: Any, granule: int) -> Any:
    return -(-value // granule) * granule


def transfer_rate(machine: Machine, pipe: Pipe, *, l2: bool = False) -> float:
    """Bytes per cycle of one core's pipe when all cores transfer at once; `l2`: global memory's data is in L2."""
    own = machine.pipe_bytes_per_cycle[pipe]
    return own if pipe is Pipe.MOV else min(own, machine.gm_share(l2=l2))


def transfer_cycles(machine: Machine, pipe: Pipe, nbytes: Count, bursts: Count = 1, *, l2: bool = False) -> Count:
    """Cycles of IN, MOV or OUT for `nbytes` in `bursts` contiguous pieces, each rounded up to the burst granule."""
    pieces: Any = np.maximum(bursts, 1) if isinstance(bursts, np.ndarray) else max(bursts, 1)
    rounded = pieces * _round_up(-(-nbytes // pieces), machine.burst_bytes[pipe])
    return machine.startup[pipe] + _ceil(rounded / transfer_rate(machine, pipe, l2=l2))


def matrix_cycles(machine: Machine, dtype: str, m: Count, n: Count, k: Count) -> Count:
    """Cycles of one m x n x k product, each size rounded up to the fractal; `dtype` is that of the operands.

    Raises KeyError for a dtype the machine cannot multiply (see `Machine.macs`).
    """
    fm, fn, fk = machine.fractal
    macs = _round_up(m, fm) * _round_up(n, fn) * _round_up(k, fk)
    return machine.startup[Pipe.M] + _ceil(macs / machine.macs["i8" if dtype == "u8" else dtype])


def vector_cycles(machine: Machine, dtype: str, elements: Count, transcendental: bool = False) -> Count:
    """Cycles of one vector instruction over `elements` (of the whole domain, reduced dimensions included)."""
    vectors = -(-elements // machine.lanes_of(dtype))
    return machine.startup[Pipe.V] + vectors * (machine.transcendental if transcendental else 1)


def share_bank(machine: Machine, memory: Memory, distance: int) -> bool:
    """Whether two vectors that begin `distance` bytes apart in a memory meet in a bank."""
    banks = machine.banks.get(memory)
    if banks is None:
        return False
    around = distance % (banks.count * banks.bytes)
    return min(around, banks.count * banks.bytes - around) < banks.bytes


def conflict_cycles(machine: Machine, memory: Memory, vectors: Count) -> Count:
    """Cycles that so many vectors lose because two operands in a memory meet in a bank (see `share_bank`)."""
    banks = machine.banks.get(memory)
    return 0 if banks is None else vectors * banks.conflict


def tiles_cycles(
    machine: Machine, rounds: Count, transfers: Sequence[Count], work: Sequence[Count], first: Count
) -> Count:
    """Cycles of `rounds` equal tiles with these transfers and this work, each on a pipe of its own.

    Where pipes overlap the slowest counts, and `first`, until all of them have something to do. Else one kind of work
    follows the other, and transfers hide behind it unless they take longer.
    """
    slowest: Any = 0
    for cycles in (*transfers, *work) if machine.overlap else (*transfers, sum(work)):
        slowest = np.maximum(slowest, cycles)
    return rounds * slowest + (first if machine.overlap else 0)


def sort_depth(length: Count) -> Count:
    """How often merging by twos passes over a row of this length to sort it."""
    return _ceil(np.log2(np.maximum(length, 2)))


def contiguous_pieces(sizes: Sequence[int], strides: Sequence[int]) -> int:
    """How many contiguous pieces a view of these sizes and strides (in elements) touches."""
    run = 1
    pairs = sorted((abs(stride), size) for size, stride in zip(sizes, strides, strict=True) if size > 1 and stride)
    count = math.prod(size for _, size in pairs)
    for stride, size in pairs:
        if stride != run:
            break
        run *= size
    return count // run


def instruction_cycles(
    machine: Machine,
    op: Op,
    sizes: Sequence[Count],
    roles: Sequence[Role],
    dtypes: Mapping[str, str],
    *,
    bursts: Count | None = None,
    l2: bool = False,
) -> Count:
    """Cycles that one instruction occupies its pipe, by its row's cost class.

    `sizes` and `roles` are the domain's, `dtypes` the views' dtype names by operand role. `bursts` are a transfer's
    contiguous pieces (default: one per run of the last dimension). Raises KeyError as `matrix_cycles`.
    """

    def product(*kinds: Role) -> Any:
        return math.prod(size for size, role in zip(sizes, roles, strict=True) if not kinds or role in kinds)

    elements = product()
    match op.cost:
        case Cost.BYTES:
            nbytes = elements * BY_NAME[dtypes[op.output.role]].size
            pieces = elements // _at_least_one(sizes[-1]) if bursts is None and sizes else bursts
            return transfer_cycles(machine, op.pipe, nbytes, 1 if pieces is None else pieces, l2=l2)
        case Cost.MACS:
            one = matrix_cycles(machine, dtypes["a"], product(Role.M), product(Role.N), product(Role.K))
            start = machine.startup[Pipe.M]
            return start + product(Role.PARALLEL) * (one - start)
        case Cost.ELEMENTS | Cost.TRANSCENDENTAL:
            widest = max(dtypes.values(), key=lambda name: BY_NAME[name].size)
            return vector_cycles(machine, widest, elements, op.cost is Cost.TRANSCENDENTAL)
        case Cost.SORT:
            one = vector_cycles(machine, dtypes["src"], elements)
            start = machine.startup[Pipe.V]
            return start + sort_depth(product(Role.SCAN)) * (one - start)
        case Cost.SYNC:
            return machine.startup[op.pipe]


def _at_least_one(value: Any) -> Any:
    return np.maximum(value, 1) if isinstance(value, np.ndarray) else max(value, 1)
