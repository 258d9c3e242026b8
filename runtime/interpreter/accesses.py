"""Which bytes an instruction reads and writes, without executing it: what the sanitizer watches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vcc.runtime.interpreter.execute import IndexedStep, IntervalStep, Places, Step
from vcc.runtime.interpreter.memory import Place
from vcc.runtime.interpreter.numbers import Numbers
from vcc.runtime.interpreter.views import Shape, ViewPlan
from vcc.runtime.isa.kernel import Pipe


@dataclass(frozen=True, slots=True)
class Access:
    """The bytes `offset + sum(i * stride)` of a place's data, and the `width` bytes of an element from there on.

    `partial` says that not all of them need be accessed, because an index chooses.
    """

    place: Place
    offset: int
    shape: Shape
    strides: Shape
    reads: bool
    writes: bool
    partial: bool = False

    @property
    def width(self) -> int:
        return self.place.itemsize


def accesses(step: Step, numbers: Numbers, places: Places) -> Iterator[Access]:
    """The accesses of an instruction that did not trap; an element that a view repeats is accessed once."""
    sizes = numbers[: step.rank]
    if 0 in sizes:
        return
    starts, counts = step.box(numbers) if isinstance(step, IntervalStep) else ((), sizes)
    moved = step.op.indexed if isinstance(step, IndexedStep) else ""
    if 0 not in counts:
        for role, view in step.views.items():
            place = places[view.name]
            if role == moved:
                yield _slot(view, place, numbers, reads=True)
            else:
                yield _box(view, place, numbers, counts, starts, reads=True)
    place = places[step.out.name]
    if step.op.output.role == moved:
        yield _slot(step.out, place, numbers, reads=False)
    elif step.pipe is Pipe.IN:  # what is not valid is filled
        yield _box(step.out, place, numbers, sizes, (), writes=True)
    elif 0 not in counts:
        shape = step.out.shape(counts)
        yield _box(step.out, place, numbers, shape, starts, reads=_joins(step, numbers), writes=True)


def _joins(step: Step, numbers: Numbers) -> bool:
    """Whether the instruction reads its old output."""
    if step.instr.op == "store.add":
        return True
    return "zero" in (spec.name for spec in step.op.attrs) and not step.evaluated_attrs(numbers)["zero"]


def _box(
    view: ViewPlan,
    place: Place,
    numbers: Numbers,
    shape: Shape,
    starts: Shape,
    reads: bool = False,
    writes: bool = False,
) -> Access:
    offset, strides = view.locate(place, numbers, shape, starts)
    kept = [i for i, stride in enumerate(strides) if stride]
    return Access(place, offset, tuple(shape[i] for i in kept), tuple(strides[i] for i in kept), reads, writes)


def _slot(view: ViewPlan, place: Place, numbers: Numbers, reads: bool) -> Access:
    """All of the slot that an indexed operand may reach."""
    offset = view.offset(place, numbers)
    return Access(place, offset, (place.extent,), (place.itemsize,), reads, not reads, partial=True)


def shadow_bytes(shadow: NDArray[Any], access: Access) -> NDArray[Any]:
    """Of an array with one element per byte of memory, those of the access; the last dimension is within an element."""
    size = shadow.itemsize
    strides = (*(stride * size for stride in access.strides), size)
    return np.ndarray((*access.shape, access.width), shadow.dtype, shadow, access.offset * size, strides)
