"""What a memory plan looks like: a row for each tensor of the arena, and a map of addresses and steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vcc.runtime.isa.host import HostCall, Ref, Space, Step
from vcc.runtime.isa.kernel import ScalarParam, TensorParam

if TYPE_CHECKING:
    from vcc.runtime.binary.image import Image

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_FREE, _OTHERS = ".", "#"


@dataclass(frozen=True)
class MemoryRow:
    """One tensor of the arena: its ONNX value and the node that makes it, bytes, address, first and last step.

    `padding` are the bytes between its end and the next multiple of the plan's alignment; `kept` says that some step of
    its life is one at which the most bytes are live: only such tensors hold the bound up.
    """

    name: str
    node: str
    size: int
    address: int
    first: int
    last: int
    padding: int
    kept: bool


@dataclass(frozen=True)
class MemoryReport:
    """The rows in the order of their addresses, and what the whole arena takes.

    `bound` is the largest sum of live bytes at any step, `live[t]` that of step t, all in bytes.
    """

    rows: tuple[MemoryRow, ...]
    arena: int
    bound: int
    live: tuple[int, ...]

    @property
    def overhead(self) -> float:
        """The part of the bound that the arena takes in addition: 0.0 for a plan that no other can beat."""
        return self.arena / self.bound - 1 if self.bound else 0.0


def memory_report(image: Image, alignment: int = 64) -> MemoryReport:
    """The memory plan of a compiled model; rows are ordered by address, then by step."""
    live = [0] * len(image.host.steps)
    for row in image.plan:
        for step in range(row.first, row.last + 1):
            live[step] += row.size
    most = max(live, default=0)
    makers = _makers(image)
    rows = [
        MemoryRow(
            row.name,
            makers.get((row.first, row.offset), ""),
            row.size,
            row.offset,
            row.first,
            row.last,
            -row.size % alignment,
            any(live[step] == most for step in range(row.first, row.last + 1)),
        )
        for row in image.plan
    ]
    rows.sort(key=lambda row: (row.address, row.first))
    return MemoryReport(tuple(rows), image.host.arena_bytes, image.lower_bound, tuple(live))


def memory_map(report: MemoryReport, width: int = 72, height: int = 20) -> list[str]:
    """Lines of text: addresses upwards, steps to the right; a letter for each of the largest tensors, # for others.

    A cell shows what lies in its middle. Letters begin again after 52 tensors, in the order of size; the last line is
    the axis of steps.
    """
    steps = len(report.live)
    if not report.arena or not steps:
        return []
    width, height = min(width, steps), max(min(height, report.arena // 64), 1)
    letters = letters_of(report)
    lines: list[str] = []
    for line in range(height - 1, -1, -1):
        address = (2 * line + 1) * report.arena // (2 * height)
        cells = [_cell(report.rows, letters, address, (2 * i + 1) * steps // (2 * width)) for i in range(width)]
        lines.append(f"{line * report.arena // height:>12} |{''.join(cells)}|")
    lines.append(f"{'step':>12}  0{steps - 1:>{width - 1}}" if width > 1 else f"{'step':>12}  0")
    return lines


def letters_of(report: MemoryReport) -> dict[MemoryRow, str]:
    """The letter of each tensor that the map gives one: the largest, by bytes times steps."""
    order = sorted(report.rows, key=lambda row: (-row.size * (row.last - row.first + 1), row.address, row.first))
    return dict(zip(order, _LETTERS, strict=False))


def _cell(rows: Sequence[MemoryRow], letters: dict[MemoryRow, str], address: int, step: int) -> str:
    for row in rows:
        if row.first <= step <= row.last and row.address <= address < row.address + row.size:
            return letters.get(row, _OTHERS)
    return _FREE


def _makers(image: Image) -> dict[tuple[int, int], str]:
    """The ONNX nodes of the step that first writes at an address, by step and address."""
    makers: dict[tuple[int, int], str] = {}
    for number, step in enumerate(image.host.steps):
        sources = step.sources if isinstance(step, HostCall) else [node for group in step.sources for node in group]
        names = ", ".join(dict.fromkeys(image.nodes[node] for node in sources))
        for ref in _written(step, image):
            makers.setdefault((number, ref.offset), names)
    return makers


def _written(step: Step, image: Image) -> list[Ref]:
    """The places in the arena that a step writes."""
    if isinstance(step, HostCall):
        places: Sequence[Ref | int | None] = [tensor.ref for tensor in step.outputs]
    else:
        params = image.kernel(step.kernel).params
        places = [arg for arg, param in zip(step.args, params, strict=True) if _is_output(param)]
    return [place for place in places if isinstance(place, Ref) and place.space is Space.ARENA]


def _is_output(param: TensorParam | ScalarParam) -> bool:
    return isinstance(param, TensorParam) and param.mode != "in"
