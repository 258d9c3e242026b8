"""Programs that take as long as they are told to: launches of one kernel, each from the result of the one before."""

from __future__ import annotations

from collections.abc import Sequence

from vcc.runtime.binary.image import Image
from vcc.runtime.isa.assembler import parse_kernel_text
from vcc.runtime.isa.dtypes import BY_NAME
from vcc.runtime.isa.host import HostProgram, Launch, Ref, Space, TensorSpec


def adding(kernel: str, elements: int, counts: Sequence[int]) -> Image:
    """A program of a launch of `add(x, y, n)` for each count, on f32 vectors of so many elements."""
    f32, nbytes = BY_NAME["f32"], 4 * elements
    places = [Ref(Space.INPUT), *(Ref(Space.ARENA, 0, nbytes * (i % 2)) for i in range(len(counts) - 1))]
    places.append(Ref(Space.OUTPUT))
    steps = tuple(Launch("add", (places[i], places[i + 1], n)) for i, n in enumerate(counts))
    specs = (TensorSpec("x", f32, (elements,)),), (TensorSpec("y", f32, (elements,)),)
    return Image(parse_kernel_text(kernel), HostProgram(*specs, steps, arena_bytes=2 * nbytes))
