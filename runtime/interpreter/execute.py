"""One instruction: its numbers, its views, and its meaning from the table.

`plan` turns an `Instr` into a `Step` once per kernel. The scalar pipe calls `Step.issue`, which evaluates every Poly;
the instruction's own pipe calls `Step.execute` with the numbers, perhaps much later.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vcc.runtime.interpreter.memory import Place
from vcc.runtime.interpreter.numbers import Env, NumberList, Numbers, compile_number
from vcc.runtime.interpreter.traps import TrapError
from vcc.runtime.interpreter.views import Shape, ViewPlan, check_bounds
from vcc.runtime.isa.dtypes import DType
from vcc.runtime.isa.expr import Poly
from vcc.runtime.isa.kernel import Immediate, Instr, Pipe, Scalar, View
from vcc.runtime.isa.semantics import REDUCE, Args, cast
from vcc.runtime.isa.table import OPS, Op, Same

Array = NDArray[Any]
Places = Mapping[str, Place]


class Step:
    """An instruction ready to run. `execute` returns the view it wrote, None if it wrote none (an empty domain)."""

    def __init__(self, instr: Instr, dtypes: Mapping[str, DType]):
        self.instr = instr
        self.op: Op = OPS[instr.op]
        self.pipe: Pipe = self.op.pipe
        self.rank = len(instr.domain)
        self.maxima = tuple(dim.max for dim in instr.domain)
        self.roles = tuple(dim.role for dim in instr.domain)
        numbers = NumberList()
        numbers.add(*(dim.size for dim in instr.domain))
        every = range(self.rank)
        kept = [i for i in every if not self.roles[i].is_reduction]
        output = self.op.output.role
        self.views: dict[str, ViewPlan] = {}
        for role, view in instr.views():
            self.views[role] = ViewPlan(view, kept if role == output else every, numbers)
        self.out = self.views.pop(output)
        self.dtype = dtypes[self.out.name]
        self._plan_scalars(_shared_dtype(self.op, instr, dtypes), numbers)
        self._plan_attrs(numbers)
        self._plan_more(numbers)
        self.when: Callable[[Env], int] | None = None if instr.when is None else compile_number(instr.when)
        self.numbers = numbers.compile()

    def _plan_scalars(self, shared: DType, numbers: NumberList) -> None:
        self.constants: dict[str, Array] = {}
        self.scalars: list[tuple[str, int, DType]] = []
        for role, operand in self.instr.operands.items():
            if isinstance(operand, Immediate):
                self.constants[role] = as_element(operand.value, shared)
            elif isinstance(operand, Scalar):
                self.scalars.append((role, numbers.add(operand.value), shared))

    def _plan_attrs(self, numbers: NumberList) -> None:
        self.attrs: dict[str, Any] = {}
        self.computed_attrs: list[tuple[str, int]] = []
        for spec in self.op.attrs:
            value = self.instr.attrs.get(spec.name, spec.default)
            if not isinstance(value, Poly):
                self.attrs[spec.name] = value
            elif value.constant is not None:
                self.attrs[spec.name] = value.constant
            else:
                self.computed_attrs.append((spec.name, numbers.add(value)))

    def _plan_more(self, numbers: NumberList) -> None:
        """For kinds of instruction that need more numbers."""

    def issue(self, env: Env) -> Numbers | None:
        """The values of all its Polys; None if its predicate skips it."""
        if self.when is not None and not self.when(env):
            return None
        return self.numbers(env)

    def execute(self, numbers: Numbers, places: Places) -> Array | None:
        """Carry it out. Raises TrapError, or ArithmeticError where its meaning has no value."""
        sizes = numbers[: self.rank]
        if not self.check_sizes(sizes):
            return None
        return self.write(numbers, places, sizes)

    def check_sizes(self, sizes: Shape) -> bool:
        """Whether the domain has elements. Raises TrapError for a size outside 0..max."""
        for position, (size, maximum) in enumerate(zip(sizes, self.maxima, strict=True)):
            if size > maximum or size < 0:
                name = self.instr.domain[position].name
                raise TrapError(f"dimension {name} has size {size}, which is not within 0..{maximum}")
        return 0 not in sizes

    def write(self, numbers: Numbers, places: Places, sizes: Shape, starts: Shape = ()) -> Array:
        """Apply the meaning to the part of the domain from `starts` on."""
        inputs = self.constants.copy()
        for role, view in self.views.items():
            inputs[role] = view.array(places[view.name], numbers, sizes, starts)
        for role, position, dtype in self.scalars:
            inputs[role] = as_element(numbers[position], dtype)
        out = self.out.array(places[self.out.name], numbers, self.out.shape(sizes), starts)
        out[...] = self.op.semantics(Args(inputs, out, self.dtype, self.roles, self.evaluated_attrs(numbers)))
        return out

    def evaluated_attrs(self, numbers: Numbers) -> dict[str, Any]:
        """All attributes; those with registers from `numbers`."""
        if not self.computed_attrs:
            return self.attrs
        return self.attrs | {name: numbers[position] for name, position in self.computed_attrs}


class IntervalStep(Step):
    """A load or store of which only a box of the domain is valid; a load fills the rest."""

    def _plan_more(self, numbers: NumberList) -> None:
        self.fill = as_element(self.attrs.get("fill", 0.0), self.dtype)
        self.intervals = [
            (axis, numbers.add(*dim.valid)) for axis, dim in enumerate(self.instr.domain) if dim.valid is not None
        ]

    def execute(self, numbers: Numbers, places: Places) -> Array | None:
        sizes = numbers[: self.rank]
        if not self.check_sizes(sizes):
            return None
        starts, counts = self.box(numbers)
        empty = 0 in counts
        if self.pipe is Pipe.IN:
            whole = self.out.array(places[self.out.name], numbers, sizes)
            if counts != sizes:
                whole[...] = self.fill
            if not empty:
                self.write(numbers, places, counts, starts)
            return whole
        return None if empty else self.write(numbers, places, counts, starts)

    def box(self, numbers: Numbers) -> tuple[Shape, Shape]:
        """Where the valid part of the domain starts, and its sizes."""
        starts, counts = [0] * self.rank, list(numbers[: self.rank])
        for axis, position in self.intervals:
            starts[axis], counts[axis] = clip(numbers[position], numbers[position + 1], counts[axis])
        return tuple(starts), tuple(counts)


class IndexedStep(Step):
    """A gather or scatter: one operand's addresses are moved by `pitch` times an index."""

    def execute(self, numbers: Numbers, places: Places) -> Array | None:
        sizes = numbers[: self.rank]
        if not self.check_sizes(sizes):
            return None
        attrs = self.evaluated_attrs(numbers)
        index = self.views["index"]
        raw = index.array(places[index.name], numbers, sizes).astype(np.int64)
        inside = (raw >= 0) & (raw < attrs["limit"])
        if attrs["mode"] == "trap" and not inside.all():
            wrong = raw[~inside][0]
            raise TrapError(f"index {wrong} is not within 0..{attrs['limit'] - 1}")
        if attrs["mode"] == "clamp":
            if attrs["limit"] <= 0:
                raise TrapError("clamp has no index to clamp to: the limit is 0")
            raw, inside = np.clip(raw, 0, attrs["limit"] - 1), np.ones_like(inside)
        moved = self.out if self.op.indexed == self.op.output.role else self.views[self.op.indexed]
        place = places[moved.name]
        addresses = moved.addresses(numbers, sizes) + attrs["pitch"] * raw
        reached = addresses[inside]
        if reached.size:
            check_bounds(place, int(reached.min()), int(reached.max()))
        elements = moved.flat(place, numbers)
        if moved is self.out:
            source = self.views["src"]
            values = source.array(places[source.name], numbers, sizes)
            combine = REDUCE.get(self.op.name.removeprefix("store.scatter."))
            if combine is not None:
                combine.at(elements, reached, values[inside])
            else:
                elements[reached] = values[inside]
            return None
        out = self.out.array(places[self.out.name], numbers, sizes)
        if inside.all():
            out[...] = elements[addresses]
        else:
            values = np.full(sizes, as_element(attrs["fill"], self.dtype))
            values[inside] = elements[reached]
            out[...] = values
        return out


def plan(instr: Instr, dtypes: Mapping[str, DType]) -> Step:
    """The step of an instruction; `dtypes` are those of the kernel's buffers and tensor parameters by name."""
    if OPS[instr.op].indexed:
        return IndexedStep(instr, dtypes)
    if any(dim.valid is not None for dim in instr.domain):
        return IntervalStep(instr, dtypes)
    return Step(instr, dtypes)


def clip(low: int, high: int, size: int) -> tuple[int, int]:
    """Start and length of the part of `low..high` (half open) within 0..size."""
    start = min(max(low, 0), size)
    return start, max(0, min(high, size) - start)


def as_element(value: float | int, dtype: DType) -> Array:
    """A scalar operand in an element type, converted as `cast` does."""
    if isinstance(value, int) and dtype.kind in "iu":
        source = np.asarray(value & (2**64 - 1), np.uint64)
    else:
        source = np.asarray(value)
    return np.asarray(cast(Args({"src": source}, source, dtype, (), {})))


def _shared_dtype(op: Op, instr: Instr, dtypes: Mapping[str, DType]) -> DType:
    """The dtype of the operands that share one; that of the output if none of them is a view."""
    for spec in op.operands:
        operand = instr.operands.get(spec.role)
        if spec.same is Same.T and isinstance(operand, View):
            return dtypes[operand.buffer]
    output = instr.operands[op.output.role]
    assert isinstance(output, View)
    return dtypes[output.buffer]
