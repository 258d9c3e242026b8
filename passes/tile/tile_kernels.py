"""Lower every `graph.kernel` to a `visa.kernel` and a launch; kernels that are equal are lowered once."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, replace
from math import prod

import numpy as np
from xdsl.context import Context
from xdsl.dialects.builtin import ArrayAttr, ModuleOp, StringAttr
from xdsl.ir import Operation, OpResult, SSAValue, Use
from xdsl.passes import ModulePass

from vcc.dialects import graph
from vcc.dialects.origin import fuse_locations, node_names, set_value_names, value_names
from vcc.dialects.visa import KernelOp, LaunchOp, machine_of
from vcc.dialects.weights import ConstantOp, constant_array, make_constant
from vcc.passes.tile.arg import tile_arg
from vcc.passes.tile.attention import tile_attention
from vcc.passes.tile.chain import ELEMENTWISE, tensor_type
from vcc.passes.tile.concat import tile_concat
from vcc.passes.tile.conv_forms import tile_conv
from vcc.passes.tile.depthwise_bytes import tile_depthwise
from vcc.passes.tile.elementwise import tile_elementwise
from vcc.passes.tile.gather import tile_gather
from vcc.passes.tile.lowering import KernelLowering, Pack
from vcc.passes.tile.matmul import tile_matmul
from vcc.passes.tile.pool import tile_pool
from vcc.passes.tile.recurrence import tile_recurrence
from vcc.passes.tile.reduce import tile_reduce
from vcc.passes.tile.row import tile_layer_norm, tile_rms_norm, tile_softmax
from vcc.passes.tile.scan import tile_cumsum
from vcc.passes.tile.scatter import tile_scatter
from vcc.passes.tile.topk import tile_topk
from vcc.runtime.diagnostics import Diagnostic, VccError, merged

#: The code of each kernel family, by the `kind` that fusion gives a kernel.
FAMILIES: dict[str, Callable[[KernelLowering], None]] = {
    "attention": tile_attention,
    "arg": tile_arg,
    "concat": tile_concat,
    "conv": tile_conv,
    "cumsum": tile_cumsum,
    "depthwise": tile_depthwise,
    "elementwise": tile_elementwise,
    "gather": tile_gather,
    "layer_norm": tile_layer_norm,
    "matmul": tile_matmul,
    "pool": tile_pool,
    "recurrence": tile_recurrence,
    "reduce": tile_reduce,
    "rms_norm": tile_rms_norm,
    "scatter": tile_scatter,
    "softmax": tile_softmax,
    "topk": tile_topk,
}


@dataclass
class Lowered:
    """A kernel lowered once: its operation, how it wants its constants, what to say of it, and who uses it."""

    op: KernelOp
    packs: dict[int, Pack]
    remarks: list[str]
    instances: list[graph.KernelOp] = field(default_factory=list[graph.KernelOp])


@dataclass(frozen=True)
class TileKernels(ModulePass):
    """`graph.kernel` -> `visa.kernel` on virtual buffers, and `visa.launch`.

    Collects every kernel that does not fit the machine before it fails (E0140).
    """

    name = "tile-kernels"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        machine = machine_of(ctx)
        lowered: dict[Hashable, Lowered] = {}
        counts: dict[str, int] = {}
        packed: dict[tuple[SSAValue, str, int], ConstantOp] = {}
        problems, refused = list[Diagnostic](), dict[Hashable, tuple[Diagnostic, ...]]()
        for kernel in [o for o in op.walk() if isinstance(o, graph.KernelOp)]:
            constant = [isinstance(v, OpResult) and isinstance(v.op, ConstantOp) for v in kernel.inputs]
            key = structural_key(kernel, constant)
            if key in refused:
                problems += [replace(each, node=", ".join(node_names(kernel))) for each in refused[key]]
                continue
            if key not in lowered:
                kind = kernel.kind.data if kernel.kind is not None else "elementwise"
                lower = KernelLowering(kernel, machine, constant)
                try:
                    (FAMILIES[kind] if has_elements(kernel) else tile_nothing)(lower)
                except VccError as problem:
                    refused[key] = problem.diagnostics
                    problems += problem.diagnostics
                    continue
                name = f"{kind}_{counts.setdefault(kind, 0)}"
                counts[kind] += 1
                lowered[key] = Lowered(lower.finish(name), lower.packs, lower.remarks)
            lowered[key].instances.append(kernel)
        if problems:
            raise VccError(merged(problems))
        for entry in lowered.values():
            label_sources(entry)
            for kernel in entry.instances:
                replace_by_launch(kernel, entry, ctx, packed)
            op.body.block.add_op(entry.op)
        drop_unused_constants(op)


def has_elements(kernel: graph.KernelOp) -> bool:
    """Whether a kernel has anything to compute."""
    return any(prod(tensor_type(result).get_shape()) for result in kernel.results)


def tile_nothing(lower: KernelLowering) -> None:
    """A kernel whose results have no elements: its loop has no iteration."""
    lower.open()
    with lower.builder.forall({"i": 0}):
        pass


def structural_key(kernel: graph.KernelOp, constant: list[bool]) -> Hashable:
    """Equal for kernels that do the same to other tensors: all but locations and names of values."""
    numbers: dict[SSAValue, int] = {arg: i for i, arg in enumerate(kernel.body.block.args)}
    parts: list[Hashable] = [kernel.kind, tuple(constant), tuple(arg.type for arg in kernel.body.block.args)]
    for op in kernel.body.block.ops:
        named = any(value_names(result) for result in op.results)
        parts.append(
            (
                op.name,
                tuple(sorted(op.properties.items(), key=lambda item: item[0])),
                tuple(numbers[operand] for operand in op.operands),
                tuple(result.type for result in op.results),
                named,
            )
        )
        for result in op.results:
            numbers[result] = len(numbers)
    return tuple(parts)


def graph_ops(kernel: graph.KernelOp) -> list[Operation]:
    """The operations that are sources of a kernel's instructions."""
    return [op for op in kernel.body.block.ops if not isinstance(op, ConstantOp | graph.YieldOp)]


def label_sources(entry: Lowered) -> None:
    """Give a shared kernel's instructions the ONNX nodes of all its instances."""
    sources = [graph_ops(kernel) for kernel in entry.instances]
    entry.op.location = fuse_locations(*entry.instances)
    for op in entry.op.walk():
        if op is entry.op:
            continue
        instr = getattr(op, "instr", None)
        numbers = instr.sources if instr is not None else ()
        named = [ops[number] for ops in sources for number in numbers]
        op.location = fuse_locations(*named) if named else entry.op.location


def replace_by_launch(
    kernel: graph.KernelOp, entry: Lowered, ctx: Context, packed: dict[tuple[SSAValue, str, int], ConstantOp]
) -> None:
    """Put a launch in a kernel's place, its constants in the order that the kernel wants."""
    inputs: list[SSAValue] = []
    for i, value in enumerate(kernel.inputs):
        pack = entry.packs.get(i)
        if pack is None:
            inputs.append(value)
            continue
        key = (value, pack.note, pack.extent)
        if key not in packed:
            array = constant_array(value, ctx)
            assert array is not None
            owner = value.owner
            assert isinstance(owner, Operation)
            packed[key] = make_constant(np.ascontiguousarray(pack.apply(array)), ctx, owner.location)
            block = owner.parent_block()
            assert block is not None
            block.insert_op_after(packed[key], owner)
        inputs.append(packed[key].result)
    ops = graph_ops(kernel)
    observed = [op for op in ops if any(value_names(result) for result in op.results)]
    launch = LaunchOp(
        entry.op.sym_name.data,
        inputs,
        [result.type for result in kernel.results],
        [node_names(op) for op in ops],
        [value_names(op.results[0])[0] for op in observed],
        in_place_pairs(kernel),
        ArrayAttr([*(kernel.remarks or ()), *map(StringAttr, entry.remarks)]) if entry.remarks else kernel.remarks,
    )
    launch.location = fuse_locations(kernel, *ops)
    names = [value_names(result) for result in kernel.results]
    inner = [value_names(value) for value in kernel.yielded]
    set_value_names(launch, [a or b for a, b in zip(names, inner, strict=True)])
    block = kernel.parent_block()
    assert block is not None
    block.insert_op_before(launch, kernel)
    for old, new in zip(kernel.results, launch.results, strict=True):
        old.replace_all_uses_with(new)
    kernel.detach()
    kernel.erase()


def in_place_pairs(kernel: graph.KernelOp) -> list[tuple[int, int]]:
    """Operands that the result may overwrite: read element by element exactly where the result is written.

    In an elementwise kernel that holds for an operand of the result's own type that is used directly. After a
    convolution, a product or a pooling it holds for an operand of the elementwise operations (a residual), if nothing
    up to the anchor reads it: each iteration of the kernel's loops stores a tile of the result that no other one
    stores, after it has loaded just these elements of the operand, upon which the stored values depend. So a store
    comes after the only load of what it overwrites, in whatever order pipes and cores run. Another view of the same
    memory among the operands would break this; the plan phase looks for it, since it sees what operands are.
    """
    ops = graph_ops(kernel)
    kind = kernel.kind.data if kernel.kind is not None else ""
    if kind not in ("elementwise", *_TILED_ANCHORS) or not ops:
        return []
    start = next((i + 1 for i in reversed(range(len(ops))) if ops[i].name not in _POINTWISE), 0)
    if (start == 0) != (kind == "elementwise") or (start and ops[start - 1].name not in _TILED_ANCHORS[kind]):
        return []
    type, after = tensor_type(kernel.results[0]), set(ops[start:])
    same = {op for op in after if tensor_type(op.results[0]).get_shape() == type.get_shape()}
    return [
        (0, arg.index)
        for arg in kernel.body.block.args
        if arg.type == type and all(use.operation in same and not is_table(use) for use in arg.uses)
    ]


#: Kernels that compute a tile of the result from their other operands, then read what follows at its elements only.
_TILED_ANCHORS = {
    "conv": ("graph.conv",),
    "depthwise": ("graph.conv",),
    "matmul": ("graph.matmul",),
    "pool": ("graph.pool",),
}
_POINTWISE = frozenset(op.name for op in ELEMENTWISE)


def is_table(use: Use) -> bool:
    """Whether an operation looks elements up in a value."""
    return isinstance(use.operation, graph.LookupOp) and use.index == 1


def drop_unused_constants(module: ModuleOp) -> None:
    """Remove constants that only kernels in another order used."""
    for op in [o for o in module.walk() if isinstance(o, ConstantOp)]:
        if not list(op.result.uses):
            op.detach()
            op.erase()
