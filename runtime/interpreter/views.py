"""Views made into strided numpy arrays, after checking that every element lies within its slot."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vcc.runtime.interpreter.memory import Place
from vcc.runtime.interpreter.numbers import NumberList, Numbers
from vcc.runtime.interpreter.traps import TrapError
from vcc.runtime.isa.kernel import View

Array = NDArray[Any]
Shape = tuple[int, ...]


class ViewPlan:
    """A view whose slot, base and strides are at known positions of the instruction's numbers.

    `kept` are the dimensions of the domain that the array has: all of them for an input, those that are not reduced for
    an output.
    """

    __slots__ = ("_all", "_base", "_end", "_slot", "_start", "kept", "name")

    def __init__(self, view: View, kept: Sequence[int], numbers: NumberList):
        self.name = view.buffer
        self.kept = tuple(kept)
        self._all = len(self.kept) == len(view.strides)
        self._slot = numbers.add(view.slot)
        self._base = numbers.add(view.base)
        self._start = numbers.add(*(view.strides[i] for i in kept))
        self._end = self._start + len(self.kept)

    def shape(self, sizes: Shape) -> Shape:
        """The array's shape in a domain of these sizes."""
        return sizes if self._all else tuple([sizes[i] for i in self.kept])

    def strides(self, numbers: Numbers) -> Shape:
        """Strides in elements, one for each kept dimension."""
        return numbers[self._start : self._end]

    def array(self, place: Place, numbers: Numbers, shape: Shape, starts: Shape = ()) -> Array:
        """The view's elements as an array of `shape`, from `starts` on. Raises TrapError if one is out of bounds."""
        offset, strides = self.locate(place, numbers, shape, starts)
        return np.ndarray(shape, place.numpy, place.data, offset, strides)

    def locate(self, place: Place, numbers: Numbers, shape: Shape, starts: Shape = ()) -> tuple[int, list[int]]:
        """Offset and strides, in bytes, of the array that the view is; checked as in `array`."""
        strides = numbers[self._start : self._end]
        base = numbers[self._base]
        for start, stride in zip(starts, strides, strict=False):
            base += start * stride
        low = high = base
        for size, stride in zip(shape, strides, strict=True):
            if stride > 0:
                high += (size - 1) * stride
            else:
                low += (size - 1) * stride
        check_bounds(place, low, high)
        width = place.itemsize
        return self.offset(place, numbers) + base * width, [stride * width for stride in strides]

    def offset(self, place: Place, numbers: Numbers) -> int:
        """The byte at which element 0 of the view's slot lies."""
        return place.address + (numbers[self._slot] % place.slots) * place.slot_bytes

    def addresses(self, numbers: Numbers, shape: Shape) -> Array:
        """The element address of every index, in an int64 array that broadcasts to `shape`."""
        total = np.full((1,) * len(shape), numbers[self._base], np.int64)
        for axis, (size, stride) in enumerate(zip(shape, self.strides(numbers), strict=True)):
            steps = np.arange(size, dtype=np.int64) * stride if stride else np.zeros(1, np.int64)
            total = total + steps.reshape([-1 if i == axis else 1 for i in range(len(shape))])
        return total

    def flat(self, place: Place, numbers: Numbers) -> Array:
        """All elements of the view's slot."""
        return np.ndarray((place.extent,), place.numpy, place.data, self.offset(place, numbers))


def check_bounds(place: Place, low: int, high: int) -> None:
    """TrapError unless elements low..high (inclusive) exist in every slot of the place."""
    if low < 0 or high >= place.extent:
        raise TrapError(f"elements {low}..{high} of {place.name} are accessed, but it has {place.extent}")
