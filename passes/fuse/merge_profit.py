"""What merging matrix products of one input saves on a machine, in cycles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from xdsl.ir import Operation, SSAValue

from vcc.dialects import graph
from vcc.dialects.graph.base import shape_of
from vcc.passes.fuse.choose_layouts import ELEMENTWISE
from vcc.passes.fuse.views import VIEWS
from vcc.runtime.isa.dtypes import DType
from vcc.runtime.machine.model import Machine


@dataclass(frozen=True)
class Share:
    """A part of a merged product: the value that it replaces, and its columns."""

    value: SSAValue
    columns: int


def cycles_saved(machine: Machine, dtype: DType, rows: int, depth: int, shares: Sequence[Share]) -> float:
    """Cycles that one product instead of several saves; negative if it costs some.

    The launches and the repeated reading of the input go. What read a part and cannot do so through a view needs a
    kernel of its own, which writes the part once more: elementwise operations, which the products would have taken
    along, and all that needs dense operands. Elementwise operations that join several parts are one kernel.
    """
    apart = sum(machine.launch + _product_cycles(machine, dtype, rows, share.columns, depth) for share in shares)
    total = sum(share.columns for share in shares)
    together = machine.launch + _product_cycles(machine, dtype, rows, total, depth)
    chains: list[tuple[set[Operation], int]] = []
    for share in shares:
        nbytes = rows * share.columns * dtype.size
        copied, chain = _readers(share.value)
        if copied:
            together += machine.launch + 2 * nbytes / machine.gm_bytes_per_cycle
        if chain:
            joined = [entry for entry in chains if entry[0] & chain]
            chains = [entry for entry in chains if not entry[0] & chain]
            chains.append((chain.union(*(ops for ops, _ in joined)), nbytes + sum(size for _, size in joined)))
    for _, nbytes in chains:
        together += machine.launch + 2 * nbytes / machine.gm_bytes_per_cycle
    return apart - together


def _product_cycles(machine: Machine, dtype: DType, rows: int, columns: int, depth: int) -> float:
    """A product bound by the matrix units or by global memory, whichever takes longer."""
    macs = machine.macs.get(dtype.name)
    products = 0.0 if macs is None else rows * columns * depth / (macs * machine.cores)
    nbytes = (rows * depth + depth * columns + rows * columns) * dtype.size
    return max(products, nbytes / machine.gm_bytes_per_cycle)


def _readers(value: SSAValue, *, direct: bool = True) -> tuple[bool, set[Operation]]:
    """Whether a part must be copied for some reader, and the elementwise operations that follow it directly.

    Those behind a reshape or a view have a kernel of their own in any case.
    """
    copied, chain = False, set[Operation]()
    for use in value.uses:
        user = use.operation
        if isinstance(user, ELEMENTWISE):
            chain |= _followers(user) if direct else set()
        elif isinstance(user, VIEWS) or (isinstance(user, graph.ReshapeOp) and direct and _splits_last_axis(user)):
            more, ops = _readers(user.results[0], direct=False)
            copied, chain = copied or more, chain | ops
        elif not isinstance(user, graph.MatmulOp | graph.AttentionOp | graph.ConcatOp):
            copied = True
    return copied, chain


def _followers(op: Operation) -> set[Operation]:
    """An elementwise operation and all elementwise operations of the same size that depend on it."""
    found, waiting = set[Operation](), [op]
    while waiting:
        each = waiting.pop()
        if each in found:
            continue
        found.add(each)
        users = [use.operation for use in each.results[0].uses]
        waiting += [u for u in users if isinstance(u, ELEMENTWISE) and _size(u) == _size(each)]
    return found


def _size(op: Operation) -> int:
    return prod(shape_of(op.results[0]))


def _splits_last_axis(op: graph.ReshapeOp) -> bool:
    """Whether the last axes of the result are the last axis of the operand, and more."""
    last, inner = shape_of(op.x)[-1], 1
    for size in reversed(shape_of(op.result)):
        inner *= size
        if inner == last:
            return True
        if inner > last:
            return False
    return False
