"""Elementwise operations on a tile: which buffers they need, and their vector instructions.

A chain is planned once, without tile sizes, so that a search can ask what memory any tile would take; then it is
emitted for the chosen tile. Values live in buffers of ub that are reused as soon as their value is dead.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from xdsl.dialects.builtin import DenseIntOrFPElementsAttr, TensorType
from xdsl.ir import Operation, SSAValue

from vcc.dialects import graph
from vcc.dialects.graph.elementwise import ENTRIES
from vcc.dialects.visa.types import isa_dtype
from vcc.dialects.weights import ConstantOp, dense_array
from vcc.passes.tile.access import Access, IterAxis
from vcc.passes.tile.builder import KernelBuilder, Tile, dim
from vcc.passes.tile.composite import Part, Source, composite_parts
from vcc.runtime.isa.dtypes import DType
from vcc.runtime.isa.expr import ONE, ZERO, Poly
from vcc.runtime.isa.kernel import Dim, Immediate, Memory, Operand, Role, Tap, View

#: Operations that a chain may hold, with the roles of their operands in the instruction.
ELEMENTWISE: dict[type[Operation], tuple[str, ...]] = {
    graph.UnaryOp: ("a",),
    graph.BinaryOp: ("a", "b"),
    graph.CompareOp: ("a", "b"),
    graph.SelectOp: ("cond", "a", "b"),
    graph.CastOp: ("src",),
    graph.GeluOp: ("a",),
    graph.LookupOp: ("index", "src"),
}


def is_elementwise(op: Operation) -> bool:
    """Whether a chain may hold the operation."""
    return type(op) in ELEMENTWISE


def tensor_type(value: SSAValue) -> TensorType[Any]:
    """The tensor type of a value of the graph dialect."""
    type = value.type
    assert isinstance(type, TensorType)
    return type


def dtype_of(value: SSAValue) -> DType:
    """The machine's dtype of a tensor value."""
    return isa_dtype(tensor_type(value).element_type)


def mnemonic(op: Operation) -> str:
    """The instruction that does what an elementwise operation does."""
    match op:
        case graph.UnaryOp() | graph.BinaryOp():
            return str(op.fn.data)
        case graph.CompareOp():
            return f"cmp.{op.fn.data}"
        case graph.SelectOp():
            return "select"
        case graph.CastOp():
            return "cast"
        case graph.LookupOp():
            return "gather"
        case _:
            raise ValueError(f"{op.name} is not elementwise")


def scalar_constant(value: SSAValue) -> float | int | None:
    """The number that a constant of one element holds."""
    op = value.owner
    if not isinstance(op, ConstantOp) or not isinstance(op.value, DenseIntOrFPElementsAttr):
        return None
    array = dense_array(op.value)
    if array.size != 1:
        return None
    number = array.reshape(-1)[0]
    return float(number) if np.issubdtype(array.dtype, np.inexact) or array.dtype.kind not in "iub" else int(number)


@dataclass(frozen=True)
class TileAxis:
    """A loop of the iteration space cut to a tile: `size` steps (at most `max`) from `start`.

    `beyond` says that it may go on behind the end of the axis, where loads fill.
    """

    axis: IterAxis
    start: Poly
    size: Poly
    max: int
    beyond: bool = False

    def dim(self, role: Role = Role.PARALLEL) -> Dim:
        """The dimension of an instruction that walks the tile along this loop."""
        return dim(self.axis.name, self.size, self.max, role)


def gm_view(param: str, access: Access, tile: Sequence[TileAxis]) -> View:
    """The view of a tile of a tensor in global memory."""
    strides = access.strides([t.axis for t in tile])
    assert strides is not None, "the iteration space was checked against every operand"
    base = Poly.of(access.base)
    for t, stride in zip(tile, strides, strict=True):
        base = base + t.start * stride
    return View(param, tuple(map(Poly.of, strides)), base)


def gm_dims(access: Access, tile: Sequence[TileAxis]) -> list[Dim]:
    """The dimensions of a load of a tile, with the intervals outside which a padded tensor does not exist."""
    dims: list[Dim] = []
    for t in tile:
        valid = access.valid[t.axis.axis]
        interval = None if valid is None else (Poly.of(valid[0]) - t.start, Poly.of(valid[1]) - t.start)
        dims.append(dim(t.axis.name, t.size, t.max, valid=interval))
    return dims


@dataclass(frozen=True, kw_only=True)
class Indirect(Access):
    """An access that takes more than one load: its elements do not lie evenly spaced in one tensor."""

    def viewed(self, view: Callable[[Access], Access | None]) -> Indirect | None:
        """The access through a view of the result; None if there is none."""
        raise NotImplementedError

    def broadcast_to(self, shape: Sequence[int]) -> Indirect:
        found = self.viewed(lambda access: access.broadcast_to(shape))
        assert found is not None, "every access broadcasts"
        return found

    def within(self, axis: int) -> Indirect | None:
        """The access where loads may reach beyond the end of an axis, to no use; None if they must not."""
        raise NotImplementedError

    def plan(self, plan: ChainPlan, axes: Sequence[IterAxis]) -> None:
        """Add the buffers that the loads need besides the result's own."""
        raise NotImplementedError

    def load(self, emitter: ChainEmitter, value: SSAValue, number: int, param: str, sources: Sequence[int]) -> None:
        """Emit the loads of a tile into a buffer of the plan."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class Table(Indirect):
    """The table of a lookup: a tile needs all of it, wherever it lies."""

    def viewed(self, view: Callable[[Access], Access | None]) -> Table | None:
        access = view(Access(self.terms, valid=self.valid))
        return None if access is None else Table(terms=access.terms, valid=access.valid)

    def within(self, axis: int) -> Table:
        return self

    def plan(self, plan: ChainPlan, axes: Sequence[IterAxis]) -> None:
        plan.buffers[-1].count = ENTRIES

    def load(self, emitter: ChainEmitter, value: SSAValue, number: int, param: str, sources: Sequence[int]) -> None:
        operands: dict[str, Operand] = {"dst": emitter.buffer(number, "table").view(), "src": View(param, (ONE,))}
        emitter.builder.emit("load", [dim("k", ENTRIES)], operands, sources=sources)


@dataclass
class PlannedBuffer:
    """A buffer of the plan: its dtype and which of the tile's loops it has; `crosses` pipes if loaded or stored.

    For each index of these loops there are `count` elements.
    """

    dtype: DType
    spans: tuple[bool, ...]
    crosses: bool = False
    count: int = 1

    @property
    def nbytes(self) -> int:
        """Bytes for one index of its loops."""
        return self.dtype.size * self.count


@dataclass(frozen=True)
class Step:
    """One vector instruction of the plan; sources are buffer numbers or immediates. The last makes the op's result."""

    op: Operation
    mnemonic: str
    dst: int
    operands: tuple[tuple[str, int | Immediate], ...]
    last: bool = True


@dataclass
class ChainPlan:
    """Buffers, loads (value, buffer) and steps; `home` says in which buffer a value ends."""

    buffers: list[PlannedBuffer] = field(default_factory=list[PlannedBuffer])
    loads: list[tuple[SSAValue, int]] = field(default_factory=list[tuple[SSAValue, int]])
    steps: list[Step] = field(default_factory=list[Step])
    home: dict[SSAValue, int] = field(default_factory=dict[SSAValue, int])

    def add(self, dtype: DType, spans: Sequence[bool], crosses: bool = False) -> int:
        """A new buffer's number."""
        self.buffers.append(PlannedBuffer(dtype, tuple(spans), crosses))
        return len(self.buffers) - 1

    def add_load(
        self, value: SSAValue, access: Access, axes: Sequence[IterAxis], spans: Sequence[bool] | None = None
    ) -> int:
        """A new buffer for the tile of a value that is loaded; by default with the loops along which it moves."""
        strides = access.strides(axes)
        assert strides is not None, "the loops were checked against every operand"
        number = self.add(dtype_of(value), spans or [stride != 0 for stride in strides], True)
        if isinstance(access, Indirect):
            access.plan(self, axes)
        self.home[value] = number
        self.loads.append((value, number))
        return number

    def nbytes(self, sizes: Sequence[Any], slots: int) -> Any:
        """Bytes of ub for a tile of these sizes (numbers or arrays); buffers that cross pipes count `slots` times."""
        total: Any = 0
        for buffer in self.buffers:
            count: Any = buffer.nbytes
            for size, spans in zip(sizes, buffer.spans, strict=True):
                count = count * size if spans else count
            total = total + (-(-count // 64) * 64) * (slots if buffer.crosses else 1)
        return total


def plan_chain(
    ops: Sequence[Operation],
    accesses: Mapping[SSAValue, Access],
    axes: Sequence[IterAxis],
    given: Mapping[SSAValue, tuple[DType, bool]],
    results: Sequence[SSAValue],
) -> ChainPlan:
    """Plan elementwise `ops` over a tile of `axes`.

    `accesses` are tensors in global memory, loaded when first used. `given` are values that someone else leaves in
    a buffer of the whole tile (its dtype, and whether the chain may overwrite it). `results` must outlive the chain.
    """
    plan = ChainPlan()
    full = (True,) * len(axes)
    own: dict[int, bool] = {}
    for value, (dtype, writable) in given.items():
        plan.home[value] = plan.add(dtype, full)
        own[plan.home[value]] = writable
    last = {operand: op for op in ops for operand in op.operands}
    done: list[Operation] = []
    for op in ops:
        operands: list[tuple[str, int | Immediate]] = []
        for role, value in zip(ELEMENTWISE[type(op)], op.operands, strict=True):
            number = scalar_constant(value)
            if number is not None and role not in ("cond", "src"):
                operands.append((role, Immediate(number)))
                continue
            if value not in plan.home:
                own[plan.add_load(value, accesses[value], axes)] = not isinstance(accesses[value], Table)
            operands.append((role, plan.home[value]))
        dtype = dtype_of(op.results[0])
        parts = composite_parts(op)
        dst = None if parts else _reusable(op, plan, own, last, dtype, full, results)
        if dst is None:
            dst = _dead_temporary(plan, done, last, dtype, results)
        if dst is None:
            dst = plan.add(dtype, full)
            own[dst] = True
        done.append(op)
        plan.home[op.results[0]] = dst
        plan.steps += _composite(op, parts, dst, operands) if parts else [Step(op, mnemonic(op), dst, tuple(operands))]
    for value in results:
        plan.buffers[plan.home[value]].crosses = True
    return plan


def _composite(
    op: Operation, parts: Sequence[Part], dst: int, operands: Sequence[tuple[str, int | Immediate]]
) -> list[Step]:
    """The steps of an operation that takes several instructions."""

    def source(of: Source | float) -> int | Immediate:
        if not isinstance(of, Source):
            return Immediate(of)
        return dst if of.operand is None else operands[of.operand][1]

    return [
        Step(op, name, dst, tuple((role, source(of)) for role, of in roles.items()), i == len(parts) - 1)
        for i, (name, roles) in enumerate(parts)
    ]


def _reusable(
    op: Operation,
    plan: ChainPlan,
    own: Mapping[int, bool],
    last: Mapping[SSAValue, Operation],
    dtype: DType,
    full: tuple[bool, ...],
    results: Sequence[SSAValue],
) -> int | None:
    """A buffer of an operand that dies here and has the result's dtype and shape."""
    for value in op.operands:
        buffer = plan.home.get(value)
        if buffer is None or not own[buffer] or last[value] is not op or value in results:
            continue
        if plan.buffers[buffer].dtype == dtype and plan.buffers[buffer].spans == full:
            return buffer
    return None


def _dead_temporary(
    plan: ChainPlan,
    done: Sequence[Operation],
    last: Mapping[SSAValue, Operation],
    dtype: DType,
    results: Sequence[SSAValue],
) -> int | None:
    """A buffer of this dtype made for the result of an operation, of whose values nothing uses any after those done.

    Only vector instructions touch it, so that to fill it again makes no other pipe wait.
    """
    taken = {
        number
        for value, number in plan.home.items()
        if value.owner not in done or last.get(value) not in done or value in results
    }
    free = (number for number in sorted({*plan.home.values()} - taken) if plan.buffers[number].dtype == dtype)
    return next(free, None)


class ChainEmitter:
    """Emits a planned chain for one tile."""

    def __init__(self, builder: KernelBuilder, plan: ChainPlan, tile: Sequence[TileAxis]):
        self.builder, self.plan, self.tile = builder, plan, tuple(tile)
        self.tiles: dict[int, Tile] = {}

    def buffer(self, number: int, hint: str = "t") -> Tile:
        """The tile of a planned buffer, made when first asked for."""
        if number not in self.tiles:
            planned = self.plan.buffers[number]
            shape = [t.max for t, spans in zip(self.tile, planned.spans, strict=True) if spans]
            self.tiles[number] = self.builder.alloc(hint, Memory.UB, shape or [planned.count], planned.dtype)
        return self.tiles[number]

    def give(self, value: SSAValue, tile: Tile) -> None:
        """Say which tile holds a given value."""
        self.tiles[self.plan.home[value]] = tile

    def view(self, number: int) -> View:
        """The view of a planned buffer over the tile's loops."""
        tile, planned = self.buffer(number), self.plan.buffers[number]
        strides = iter(tile.strides)
        return tile.view([next(strides) if spans else 0 for spans in planned.spans])

    def load_one(self, value: SSAValue, number: int, param: str, access: Access, sources: Sequence[int]) -> None:
        """Load the tile of one operand from global memory."""
        if isinstance(access, Indirect):
            access.load(self, value, number, param, sources)
            return
        planned = self.plan.buffers[number]
        tile = self.buffer(number, "in")
        kept = [t for t, spans in zip(self.tile, planned.spans, strict=True) if spans]
        source = gm_view(param, access, self.tile)
        strides = tuple(s for s, spans in zip(source.strides, planned.spans, strict=True) if spans)
        self.builder.emit(
            "load",
            gm_dims(access, kept) or [dim("i", 1)],
            {"dst": tile.view(), "src": View(source.buffer, strides or (ZERO,), source.base)},
            sources=sources,
            fill=access.fill,
        )

    def compute(self, sources: Mapping[Operation, int], taps: Mapping[Operation, int]) -> None:
        """Emit the vector instructions."""
        dims = [t.dim() for t in self.tile]
        for step in self.plan.steps:
            operands: dict[str, Operand] = {"dst": self.view(step.dst)}
            for role, source in step.operands:
                operands[role] = self.view(source) if isinstance(source, int) else source
            tap = tap_of(step.op.results[0], taps.get(step.op) if step.last else None, self.tile)
            attrs = {"limit": Poly.of(ENTRIES)} if isinstance(step.op, graph.LookupOp) else {}
            self.builder.emit(step.mnemonic, dims, operands, sources=[sources[step.op]], tap=tap, **attrs)

    def store(self, value: SSAValue, param: str, access: Access, sources: Sequence[int]) -> None:
        """Store a value of the chain to global memory."""
        dims = [t.dim() for t in self.tile]
        target = gm_view(param, access, self.tile)
        self.builder.emit("store", dims, {"dst": target, "src": self.view(self.plan.home[value])}, sources=sources)


def tap_of(value: SSAValue, number: int | None, tile: Sequence[TileAxis]) -> Tap | None:
    """Where a tile of a value lies in its logical tensor in row-major order.

    None if the value is not observed, or is smaller than the tensor that the kernel walks and made again for its parts.
    """
    if number is None:
        return None
    type = tensor_type(value)
    shape = type.get_shape()
    if any(t.axis.axis >= len(shape) or shape[t.axis.axis] == 1 < t.axis.extent for t in tile):
        return None
    plain = Access.of(TensorType(type.element_type, shape))
    view = gm_view("", plain, tile)
    return Tap(number, view.strides, view.base)


def full_tile(axes: Sequence[IterAxis]) -> list[TileAxis]:
    """The tile that is the whole iteration space."""
    return [TileAxis(axis, ZERO, ONE * axis.extent, axis.extent) for axis in axes]
