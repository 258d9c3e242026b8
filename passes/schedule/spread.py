"""Moving buffers that an instruction walks in step to different banks, where there is room for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from xdsl.ir import Operation

from vcc.dialects.visa import AllocOp, KernelOp
from vcc.passes.schedule.banks import Meeting, meetings
from vcc.passes.schedule.lifetimes import Placement, Span, life, pipes_of, text_spans
from vcc.runtime.isa.kernel import Memory
from vcc.runtime.machine.model import Machine

#: Addresses are multiples of so many bytes.
_ALIGNMENT = 64


def spread(kernel: KernelOp, machine: Machine, placement: Placement) -> tuple[Placement, int]:
    """A placement with fewer cycles lost to bank conflicts, and how many are left.

    Which buffers may share bytes stays as it is. More of a memory may be in use than before, but no more than it has.
    """
    pairs = meetings(kernel, machine)
    addresses, ends = dict(placement.addresses), dict(placement.ends)
    spans = text_spans(kernel) if pairs else {}
    for memory in dict.fromkeys(pair.one.type.memory for pair in pairs):
        tenants = [_Tenant.of(alloc, spans) for alloc in addresses if alloc.type.memory is memory]
        tenants.sort(key=lambda each: addresses[each.alloc])
        own = [pair for pair in pairs if pair.one.type.memory is memory]
        lost = sum(pair.cycles(machine, addresses) for pair in own)
        moved = _placed(tenants, own, machine, memory) if lost else None
        if moved is not None and sum(pair.cycles(machine, moved) for pair in own) < lost:
            addresses |= moved
            ends[memory] = max(moved[each.alloc] + each.size for each in tenants)
    return Placement(addresses, ends), sum(pair.cycles(machine, addresses) for pair in pairs)


@dataclass(frozen=True)
class _Tenant:
    """A buffer with all its slots; `span` is its life if one pipe alone touches it, which allows sharing."""

    alloc: AllocOp
    size: int
    pipe: str
    span: Span | None

    @staticmethod
    def of(alloc: AllocOp, spans: Mapping[Operation, Span]) -> _Tenant:
        pipes = pipes_of(alloc.buffer)
        alone = len(pipes) == 1
        size = alloc.type.slot_bytes * alloc.type.slots
        return _Tenant(alloc, size, "".join(pipes) if alone else "", life(alloc, spans) if alone else None)

    def may_share(self, other: _Tenant) -> bool:
        """Whether the two may have bytes in common (see lifetimes.py)."""
        if self.span is None or other.span is None or self.pipe != other.pipe:
            return False
        return self.span[1] < other.span[0] or other.span[1] < self.span[0]


def _placed(
    tenants: Sequence[_Tenant], pairs: Sequence[Meeting], machine: Machine, memory: Memory
) -> dict[AllocOp, int] | None:
    """Each buffer in turn where it loses the fewest cycles, as low as that can be; None if there is no room."""
    banks, room = machine.banks[memory], machine.memories[memory]
    step = -(-banks.bytes // _ALIGNMENT) * _ALIGNMENT
    addresses: dict[AllocOp, int] = {}
    for tenant in tenants:
        apart = [each for each in tenants if each.alloc in addresses and not each.may_share(tenant)]
        known = [
            pair
            for pair in pairs
            if tenant.alloc in (pair.one, pair.other) and {pair.one, pair.other} <= {*addresses, tenant.alloc}
        ]
        tops = {0, *(-(-(addresses[each.alloc] + each.size) // _ALIGNMENT) * _ALIGNMENT for each in apart)}
        best: tuple[int, int] | None = None
        for address in sorted(top + bank * step for top in tops for bank in range(banks.count)):
            end = address + tenant.size
            clash = any(addresses[e.alloc] < end and address < addresses[e.alloc] + e.size for e in apart)
            if clash or end > room:
                continue
            there = addresses | {tenant.alloc: address}
            lost = sum(pair.cycles(machine, there) for pair in known)
            if best is None or (lost, address) < best:
                best = lost, address
        if best is None:
            return None
        addresses[tenant.alloc] = best[1]
    return addresses
