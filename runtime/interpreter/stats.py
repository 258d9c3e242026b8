"""What a program did: instructions, multiply-adds, vector elements and bytes, per ONNX node, kernel and pipe."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from math import prod
from typing import Any

from vcc.runtime.interpreter.execute import IntervalStep, Step
from vcc.runtime.interpreter.numbers import Numbers
from vcc.runtime.isa.kernel import Pipe
from vcc.runtime.isa.table import Cost

MAC_OPS = ("mmad", "mac")
Key = tuple[int, str, str, str]


@dataclass
class Counts:
    """Totals. Bytes are those moved from and to global memory; a broadcast source counts once."""

    instructions: int = 0
    macs: int = 0
    elements: int = 0
    bytes_in: int = 0
    bytes_out: int = 0

    def add(self, other: Counts) -> None:
        """Add another's totals to these."""
        for entry in fields(Counts):
            setattr(self, entry.name, getattr(self, entry.name) + getattr(other, entry.name))


@dataclass
class Stats:
    """Counts by (launch, kernel, pipe, nodes); the caller sets `launch` to the step's number before each launch."""

    launch: int = 0
    counts: dict[Key, Counts] = field(default_factory=dict[Key, Counts])

    def count(self, kernel: str, nodes: Sequence[str], step: Step, numbers: Numbers) -> None:
        """Count one executed instruction."""
        sources = step.instr.sources
        node = " + ".join(dict.fromkeys(nodes[i] if i < len(nodes) else f"#{i}" for i in sources))
        key = (self.launch, kernel, step.pipe.value, node)
        total = self.counts.setdefault(key, Counts())
        total.instructions += 1
        size = prod(numbers[: step.rank])
        if step.instr.op in MAC_OPS:
            total.macs += size
        elif step.pipe is Pipe.V:
            total.elements += size
        elif step.op.cost is Cost.BYTES and step.pipe is not Pipe.MOV:
            nbytes = _global_elements(step, numbers) * step.dtype.size
            if step.pipe is Pipe.IN:
                total.bytes_in += nbytes
            else:
                total.bytes_out += nbytes

    def rows(self, by: str = "node") -> list[dict[str, Any]]:
        """One row per value of `by`, which is "launch", "kernel", "pipe" or "node", in order of first execution."""
        position = ("launch", "kernel", "pipe", "node").index(by)
        totals: dict[Any, Counts] = {}
        for key, counts in self.counts.items():
            totals.setdefault(key[position], Counts()).add(counts)
        return [{by: name, **vars(total)} for name, total in totals.items()]


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Rows as aligned text, the first column to the left, numbers to the right."""
    if not rows:
        return ""
    lines = [list(rows[0]), *([f"{v:,}" if isinstance(v, int) else str(v) for v in row.values()] for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def _global_elements(step: Step, numbers: Numbers) -> int:
    """Elements of global memory that a load or store touches."""
    sizes = step.box(numbers)[1] if isinstance(step, IntervalStep) else numbers[: step.rank]
    view = step.views["src"] if step.pipe is Pipe.IN else step.out
    strides = view.strides(numbers)
    return prod(size for size, stride in zip(sizes, strides, strict=True) if stride or not size or step.op.indexed)
