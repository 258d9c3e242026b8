"""What all kernel families share: the kernel being lowered, its parameters, packed constants, sources and taps."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xdsl.dialects.builtin import FloatAttr, IntegerAttr, TensorType
from xdsl.ir import Attribute, BlockArgument, Operation, SSAValue

from vcc.dialects import graph
from vcc.dialects.graph import ints
from vcc.dialects.origin import node_names, value_names
from vcc.dialects.visa import KernelOp
from vcc.dialects.visa.types import isa_dtype
from vcc.dialects.weights import ConstantOp
from vcc.passes.tile.access import Access, IterAxis
from vcc.passes.tile.builder import KernelBuilder
from vcc.passes.tile.chain import ChainEmitter, TileAxis, is_elementwise, tensor_type
from vcc.passes.tile.reshape_view import reshape_access
from vcc.runtime.diagnostics import error
from vcc.runtime.isa.dtypes import DType
from vcc.runtime.isa.expr import ZERO, Poly
from vcc.runtime.machine.model import Machine

#: Bytes of a cache line.
LINE = 64


@dataclass(frozen=True)
class Pack:
    """How a kernel wants a constant operand: `arrange` makes its `extent` elements from the logical array."""

    extent: int
    arrange: Callable[[NDArray[Any]], NDArray[Any]]
    note: str

    def apply(self, array: NDArray[Any]) -> NDArray[Any]:
        """The elements, from the beginning of a cache line on: loads of vectors that lie across two take longer.

        In a file, constants begin so anyway; this is for programs that run without having been one.
        """
        made = self.arrange(array)
        room = np.empty(made.nbytes + LINE, np.uint8)
        start = -room.ctypes.data % LINE
        placed = room[start : start + made.nbytes].view(made.dtype).reshape(made.shape)
        placed[...] = made
        return placed


class KernelLowering:
    """One `graph.kernel` on its way to a `visa.kernel`.

    `constant[i]` says whether operand i is a constant, which may be packed. Families look at the operations, decide
    on tiles, call `open` once and then build.
    """

    def __init__(self, op: graph.KernelOp, machine: Machine, constant: Sequence[bool]):
        self.op, self.machine, self.constant = op, machine, tuple(constant)
        self.builder = KernelBuilder()
        self.builder.location = op.location
        self.ops = [o for o in op.body.block.ops if not isinstance(o, ConstantOp | graph.YieldOp)]
        self.sources: dict[Operation, int] = {o: i for i, o in enumerate(self.ops)}
        named = [o for o in self.ops if any(value_names(r) for r in o.results)]
        self.taps: dict[Operation, int] = {o: i for i, o in enumerate(named)}
        self.packs: dict[int, Pack] = {}
        #: Packs of operands that loads of any kind want.
        self.wanted: dict[int, Pack] = {}
        #: What to say of how the kernel is done, besides what fusion says.
        self.remarks: list[str] = []
        self.params: dict[SSAValue, str] = {}
        self.result, self.stored_as = stored_through(op.yielded[0])
        self.output = ""
        #: Results of other operations than the last one, and their parameters.
        self.others = [value for value in op.yielded[1:] if value.owner is not op.yielded[0].owner]
        self.other_outputs: dict[SSAValue, str] = {}

    @property
    def node(self) -> str:
        """The ONNX nodes of the kernel, for messages."""
        return ", ".join(node_names(self.op)) or "?"

    @property
    def elementwise(self) -> list[Operation]:
        """The elementwise operations, in order, from which the results come: all, or those after an anchor."""
        return self.makers(self.result, *self.others)

    def makers(self, *values: SSAValue) -> list[Operation]:
        """The elementwise operations of the kernel, in order, from which values come through no other ones."""
        found, pending = set[Operation](), list(values)
        while pending:
            op = pending.pop().owner
            if isinstance(op, Operation) and op in self.sources and is_elementwise(op) and op not in found:
                found.add(op)
                pending += op.operands
        return sorted(found, key=self.sources.__getitem__)

    def source(self, *ops: Operation) -> list[int]:
        """The source numbers of operations."""
        return [self.sources[op] for op in ops]

    def open(self, packs: Mapping[int, Pack] | None = None) -> None:
        """Declare the kernel's parameters; `packs` says which operands are wanted in an order of the kernel's own."""
        self.packs = self.wanted | dict(packs or {})
        for i, arg in enumerate(self.op.body.block.args):
            type = tensor_type(arg)
            extent = self.packs[i].extent if i in self.packs else prod(type.get_shape())
            self.params[arg] = self.builder.param(f"x{i}", isa_dtype(type.element_type), extent, "in")
        type = tensor_type(self.result)
        self.output = self.builder.param("y", isa_dtype(type.element_type), prod(type.get_shape()), "out")
        for value in self.others:
            type = tensor_type(value)
            name = self.builder.param("y", isa_dtype(type.element_type), prod(type.get_shape()), "out")
            self.other_outputs[value] = name

    def access(self, value: SSAValue) -> tuple[BlockArgument, Access]:
        """The operand that a value is a view of, and where its elements lie there."""
        if isinstance(value, BlockArgument):
            return value, Access.of(tensor_type(value))
        op = value.owner
        assert isinstance(op, Operation)
        arg, inner = self.access(op.operands[0])
        access = view_through(op, inner)
        if access is None:
            raise error("E0107", f"{op.name} cannot be folded into a load", node=self.node)
        return arg, access

    def stored_sources(self) -> list[int]:
        """The source numbers of the views that the store does."""
        return self.source(*self.stored_as)

    def destination(self) -> Access:
        """Where the elements of `result` lie in the kernel's output, which may be stored through views."""
        access = stored_access(self.stored_as) if self.stored_as else Access.of(tensor_type(self.result))
        if access is None:
            raise error("E0107", "a store cannot reshape the result so", node=self.node)
        return access

    def store_others(self, emitter: ChainEmitter) -> None:
        """Store the results besides the last one."""
        for value, param in self.other_outputs.items():
            owner = value.owner
            assert isinstance(owner, Operation)
            emitter.store(value, param, Access.of(tensor_type(value)), self.source(owner))

    def is_packable(self, value: SSAValue) -> int | None:
        """The operand number if a value is a constant operand as it stands."""
        return value.index if isinstance(value, BlockArgument) and self.constant[value.index] else None

    def view_sources(self, value: SSAValue) -> list[int]:
        """Source numbers of the operations that a view goes through."""
        found: list[int] = []
        while not isinstance(value, BlockArgument):
            op = value.owner
            assert isinstance(op, Operation)
            found.append(self.sources[op])
            value = op.operands[0]
        return found

    def cut(self, axes: Sequence[IterAxis], sizes: Sequence[int], variables: Mapping[str, Poly]) -> list[TileAxis]:
        """The tile at the forall's variables (by axis name); sizes of the last tiles are computed where they differ."""
        tile: list[TileAxis] = []
        for axis, size in zip(axes, sizes, strict=True):
            start = variables.get(axis.name, ZERO) * size
            left = self.builder.minimum(size, axis.extent - start) if axis.extent % size else Poly.of(size)
            tile.append(TileAxis(axis, start, left, size))
        return tile

    def check_product(self, dtype: DType) -> None:
        """Raise `VccError` E0140 if the machine does not multiply matrices of the dtype."""
        if ("i8" if dtype.name == "u8" else dtype.name) not in self.machine.macs:
            raise error("E0140", f"{self.machine.name} does not multiply matrices of {dtype}", node=self.node)

    def finish(self, name: str) -> KernelOp:
        """The finished kernel."""
        types: list[Attribute] = []
        for op in self.taps:
            type = tensor_type(op.results[0])
            types.append(TensorType(type.element_type, type.get_shape()))
        return self.builder.finish(name, len(self.ops), types)


def stored_through(value: SSAValue) -> tuple[SSAValue, list[Operation]]:
    """What a kernel computes before the views that its store does, and these views in order."""
    start, views = value, list[Operation]()
    while isinstance(op := value.owner, graph.TransposeOp | graph.ReshapeOp):
        views.append(op)
        value = op.x
    # A kernel of views alone loads through them.
    owner = value.owner
    return (value, views[::-1]) if isinstance(owner, Operation) and not is_view(owner) else (start, [])


def stored_access(views: Sequence[Operation]) -> Access | None:
    """Where the elements of the first view's operand lie in the last one's result; None if no access can tell."""
    access: Access | None = Access.of(tensor_type(views[-1].results[0]))
    for view in reversed(views):
        if access is None:
            return None
        if isinstance(view, graph.TransposeOp):
            perm = ints(view.perm)
            access = access.transpose([perm.index(axis) for axis in range(len(perm))])
        else:
            access = reshape_access(access, tensor_type(view.operands[0]).get_shape())
    return access


def view_through(op: Operation, access: Access) -> Access | None:
    """The access of the result of a view operation from that of its operand; None if no view can do it."""
    match op:
        case graph.TransposeOp():
            return access.transpose(ints(op.perm))
        case graph.RelayoutOp():
            return access
        case graph.ExpandOp():
            return access.broadcast_to(tensor_type(op.results[0]).get_shape())
        case graph.SliceOp():
            return access.slice(ints(op.starts), ints(op.sizes), ints(op.steps))
        case graph.PadOp():
            value = op.value
            assert isinstance(value, FloatAttr | IntegerAttr)
            return access.pad(ints(op.low), ints(op.high), float(value.value.data))
        case graph.ReshapeOp():
            return reshape_access(access, tensor_type(op.result).get_shape())
        case _:
            return None


def is_view(op: Operation) -> bool:
    """Whether a load can do an operation's work."""
    return isinstance(
        op, graph.TransposeOp | graph.RelayoutOp | graph.ExpandOp | graph.SliceOp | graph.PadOp | graph.ReshapeOp
    )


def tile_counts(axes: Sequence[IterAxis], sizes: Sequence[int]) -> dict[str, int]:
    """How many tiles there are along each loop, by name."""
    return {axis.name: -(-axis.extent // size) for axis, size in zip(axes, sizes, strict=True)}


def pack_panels(rows: Sequence[int], columns: int, width: int, order: Sequence[int]) -> Pack:
    """Columns in panels of `width`: [columns, *rows] becomes [columns / width, *rows in `order`, width], zero-padded.

    `rows` are the sizes into which the remaining axes are reshaped, `order` their order in a panel, outer to inner.
    """
    panels = -(-columns // width)

    def apply(array: NDArray[Any]) -> NDArray[Any]:
        table = array.reshape(columns, *rows)
        if panels * width != columns:
            table = np.concatenate([table, np.zeros((panels * width - columns, *rows), table.dtype)])
        split = table.reshape(panels, width, *rows)
        return np.ascontiguousarray(split.transpose(0, *(2 + o for o in order), 1)).reshape(-1)

    note = f"{columns} columns in panels of {width}; rows {'x'.join(str(rows[o]) for o in order)} of {list(rows)}"
    return Pack(panels * width * prod(rows), apply, note)
