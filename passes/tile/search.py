"""Choosing tile sizes: candidates as numpy arrays, those that fit the machine, the cheapest of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vcc.runtime.diagnostics import error
from vcc.runtime.isa.kernel import SLOT_ALIGNMENT, Memory
from vcc.runtime.machine.model import Machine

Sizes = Mapping[str, NDArray[Any]]
#: Bytes needed in each memory when buffers that two pipes share have so many slots, for arrays of candidate sizes.
Footprint = Callable[[Sizes, int], Mapping[Memory, Any]]
#: Cycles for arrays of candidate sizes.
Cost = Callable[[Sizes], Any]


def tile_candidates(extent: int, granule: int = 1, most: int | None = None) -> list[int]:
    """Sizes worth trying along an extent: the exact fractions 1/1, 1/2, ... rounded up to the granule, and few more.

    A size ceil(extent / n) makes n tiles as equal as can be; other sizes only make the last tile smaller.
    """
    limit = extent if most is None else min(extent, most)
    found: set[int] = set()
    parts = 1
    while True:
        size = -(-extent // parts)
        rounded = min(-(-size // granule) * granule, extent)
        if rounded <= limit:
            found.add(rounded)
        if size <= granule:
            break
        parts = parts + 1 if parts < 16 else parts * 5 // 4
    found.add(min(granule, limit))
    return sorted(found)


def whole_candidates(extent: int, granule: int, step: int) -> list[int]:
    """For each of the sizes worth trying the largest divisor of the extent at most as large that `step` divides.

    Ascending; `step` must divide the extent.
    """
    whole = [step * size for size in divisors(extent // step)]
    wanted = tile_candidates(extent, max(granule, step))
    return sorted({max(size for size in whole if size <= most) for most in wanted})


def divisors(extent: int) -> list[int]:
    """Sizes that leave no tail, ascending."""
    return [size for size in range(1, extent + 1) if extent % size == 0]


def choose_tile(
    machine: Machine,
    candidates: Mapping[str, Sequence[int]],
    footprint: Footprint,
    cost: Cost,
    *,
    node: str,
    what: str,
) -> dict[str, int]:
    """The candidate of least cost among those that fit, double-buffered if any does and the pipes can run ahead.

    Raises `VccError` E0140 naming the ONNX node, the memory and its bytes if none fits.
    """
    grids = np.meshgrid(*(np.array(sizes, dtype=np.int64) for sizes in candidates.values()), indexing="ij")
    sizes = {name: grid.reshape(-1) for name, grid in zip(candidates, grids, strict=True)}
    count = grids[0].size if grids else 1
    fits, needs = np.ones(count, dtype=bool), dict[Memory, NDArray[Any]]()
    for slots in (1,) if not machine.overlap else (2, 1):
        needs = {memory: np.broadcast_to(np.asarray(n), (count,)) for memory, n in footprint(sizes, slots).items()}
        fits = np.logical_and.reduce([need <= machine.memories[memory] for memory, need in needs.items()])
        if fits.any():
            break
    else:
        raise _does_not_fit(machine, needs, node, what)
    cycles = np.where(fits, np.broadcast_to(np.asarray(cost(sizes), dtype=np.float64), (count,)), np.inf)
    best = int(np.argmin(cycles))
    return {name: int(values[best]) for name, values in sizes.items()}


def _does_not_fit(machine: Machine, needs: Mapping[Memory, NDArray[Any]], node: str, what: str) -> Exception:
    memory, need = max(
        ((memory, int(need.min())) for memory, need in needs.items()),
        key=lambda item: item[1] / max(1, machine.memories[item[0]]),
    )
    return error(
        "E0140",
        f"{what} does not fit {machine.name}: its smallest tile needs {need} bytes of {memory.value}, "
        f"which has {machine.memories[memory]}",
        node=node,
        help=f"choose a target with more {memory.value}, or a smaller shape",
    )


def padded(nbytes: Any) -> Any:
    """Bytes of a buffer's slot that holds so many."""
    return -(-nbytes // SLOT_ALIGNMENT) * SLOT_ALIGNMENT


def cuts(extents: Sequence[int], dims: int, orders: Sequence[Sequence[int]] = ()) -> NDArray[Any]:
    """Tiles of nested loops, a row each: inner loops whole, one loop cut, outer loops one step at a time.

    `orders` are further nestings to cut in the same way, each a permutation of the loops: a tensor that lies in another
    order is best read in tiles of that. No tile has more than `dims` loops of more than one step, so that it needs no
    more dimensions.
    """
    rows: dict[tuple[int, ...], None] = {}
    for order in dict.fromkeys((tuple(range(len(extents))), *map(tuple, orders))):
        for at, cut in enumerate(order):
            whole = {i: extents[i] for i in order[at + 1 :]}
            for size in tile_candidates(extents[cut]):
                rows[tuple((whole | {cut: size}).get(i, 1) for i in range(len(extents)))] = None
    table = np.array(list(rows) or [[]], dtype=np.int64)
    return table[(table > 1).sum(axis=1) <= dims]


def rounds(machine: Machine, trips: Any, *stages: Any) -> Any:
    """Cycles of `trips` rounds of stages: where pipes overlap, one round, and the slowest stage for each other one."""
    if not machine.overlap:
        return trips * sum(stages)
    return trips * np.maximum.reduce(np.broadcast_arrays(*stages)) + sum(stages)


def waves(machine: Machine, tiles: Any) -> Any:
    """How many tiles the busiest core does."""
    return -(-tiles // machine.cores)
