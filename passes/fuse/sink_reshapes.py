"""Move reshapes and transposes below the elementwise operations after them, which so meet what makes their operand.

    add(reshape(matmul(x, w)), bias)  ->  reshape(add(matmul(x, w), bias))

A reshape costs nothing and a load can transpose, but fusion looks at neighbours: between a product and its bias they
would make two kernels of one. Exporters put them there, and so does the lowering of products with many axes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp, TensorType
from xdsl.ir import Operation, SSAValue
from xdsl.passes import ModulePass
from xdsl.pattern_rewriter import PatternRewriter, RewritePattern

from vcc.dialects import graph
from vcc.dialects.graph.base import ints, shape_of, tensor_of
from vcc.dialects.weights import ConstantOp, constant_array, make_constant
from vcc.passes.fuse.choose_layouts import ELEMENTWISE
from vcc.passes.graph.patterns.movement import Identity, ReshapeOfReshape, TransposeAsReshape, TransposeOfTranspose
from vcc.passes.rewriting import rewrite

#: What a reshape may be moved away from: the kernels that elementwise operations join.
PRODUCERS = (
    graph.ConvOp, graph.MatmulOp, graph.PoolOp, graph.ReduceOp, graph.SoftmaxOp, graph.LayerNormOp, graph.RmsNormOp,
    graph.AttentionOp, *ELEMENTWISE,
)  # fmt: skip
#: A constant that broadcasts along a part of a merged axis may be copied along it up to this many elements.
LARGEST = 1 << 16

#: What becomes of views that come to stand one after the other.
_JOINED = (ReshapeOfReshape(), TransposeOfTranspose(), TransposeAsReshape(), Identity())

Group = tuple[tuple[int, ...], tuple[int, ...]]


@dataclass(frozen=True)
class SinkReshapes(ModulePass):
    """`f(reshape(x))` becomes `reshape(f(x))` where `f` is elementwise and nothing else uses the reshape or `x`.

    So does `f(transpose(x))`.
    """

    name = "sink-reshapes"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        rewrite(op, [*_JOINED, _Sink(ctx)], pass_name=self.name)


@dataclass
class _Sink(RewritePattern):
    ctx: Context

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter) -> None:
        if not isinstance(op, ELEMENTWISE):
            return
        for view in (operand.owner for operand in op.operands):
            if isinstance(view, graph.ReshapeOp | graph.TransposeOp) and self._moves(view, op, rewriter):
                return

    def _moves(self, view: graph.ReshapeOp | graph.TransposeOp, op: Operation, rewriter: PatternRewriter) -> bool:
        """Move a view below one of its users, if all other operands can be had in the shape before it."""
        result = tensor_of(op.results[0])
        source, shape = shape_of(view.x), shape_of(op.results[0])
        if not _follows_producer(view) or shape_of(view.result) != shape:
            return False
        # What meets another producer here already gains nothing, and might be moved back and forth.
        if any(isinstance(v.owner, PRODUCERS) and shape_of(v) == shape and v.has_one_use() for v in op.operands):
            return False
        if {use.operation for use in view.result.uses} != {op}:
            return False
        groups = axis_groups(source, shape) if isinstance(view, graph.ReshapeOp) else []
        added, operands = list[Operation](), list[SSAValue]()
        for value in op.operands:
            if value is view.result:
                new: SSAValue | None = view.x
            elif isinstance(op, graph.LookupOp):
                new = value
            elif isinstance(view, graph.TransposeOp):
                new = self._transposed(value, ints(view.perm), added)
            else:
                new = self._reshaped(value, source, shape, groups, added)
            if new is None:
                return False
            operands.append(new)
        moved = type(op).create(
            operands=operands, result_types=[TensorType(result.element_type, source)], properties=op.properties
        )
        again = (
            graph.TransposeOp(moved.results[0], ints(view.perm))
            if isinstance(view, graph.TransposeOp)
            else graph.ReshapeOp(moved.results[0], shape)
        )
        rewriter.replace(op, [*added, moved, again])
        return True

    def _transposed(self, value: SSAValue, perm: Sequence[int], added: list[Operation]) -> SSAValue | None:
        """An operand of an operation as one of the same operation before its axes are permuted."""
        own, owner = shape_of(value), value.owner
        if prod(own) == 1:
            return value
        inverse = [perm.index(axis) for axis in range(len(perm))]
        padded = (*(1 for _ in range(len(perm) - len(own))), *own)
        if isinstance(owner, ConstantOp):
            array = constant_array(value, self.ctx)
            if array is None:
                return None
            moved = np.ascontiguousarray(array.reshape(padded).transpose(inverse))
            added.append(make_constant(moved, self.ctx, owner.location))
            return added[-1].results[0]
        # Any other operand would need a transpose of its own, which not every kernel can read through.
        same = isinstance(owner, graph.TransposeOp) and ints(owner.perm) == tuple(perm)
        return owner.x if same and isinstance(owner, graph.TransposeOp) else None

    def _reshaped(
        self, value: SSAValue, source: Sequence[int], shape: Sequence[int], groups: Sequence[Group],
        added: list[Operation],
    ) -> SSAValue | None:  # fmt: skip
        """An operand of an operation of `shape` as one of the same operation over `source`; None if there is none."""
        own = shape_of(value)
        if prod(own) == 1 and len(own) <= len(source):
            return value
        owner = value.owner
        if isinstance(owner, graph.ReshapeOp) and own == tuple(shape) and shape_of(owner.x) == tuple(source):
            return owner.x
        if isinstance(owner, graph.PadOp | graph.SliceOp | graph.ExpandOp):
            return None  # where it stands, the load reads through it
        padded = (*(1 for _ in range(len(shape) - len(own))), *own)
        new, full = list(source), list(padded)
        for before, after in groups:
            if all(padded[axis] == 1 for axis in after):
                for axis in before:
                    new[axis] = 1
            elif any(padded[axis] != shape[axis] for axis in after):
                for axis in after:
                    full[axis] = shape[axis]
        if isinstance(owner, ConstantOp):
            array = constant_array(value, self.ctx)
            if array is None or prod(full) > max(LARGEST, array.size):
                return None
            whole = np.broadcast_to(array.reshape(padded), full)
            added.append(make_constant(np.ascontiguousarray(whole.reshape(new)), self.ctx, owner.location))
        elif full == list(padded):
            added.append(graph.ReshapeOp(value, new))
        else:
            return None
        return added[-1].results[0]


def _follows_producer(view: Operation) -> bool:
    """Whether a view, through others, has a producer's result that nothing else uses."""
    while isinstance(view, graph.ReshapeOp | graph.TransposeOp):
        if not view.x.has_one_use():
            return False
        owner = view.x.owner
        if not isinstance(owner, Operation):
            return False
        view = owner
    return isinstance(view, PRODUCERS)


def axis_groups(before: Sequence[int], after: Sequence[int]) -> list[Group]:
    """The smallest groups of neighbouring axes of two shapes of one size that hold the same elements."""
    groups: list[Group] = []
    i = j = 0
    while i < len(before) or j < len(after):
        left, right = [i] if i < len(before) else [], [j] if j < len(after) else []
        i, j = i + len(left), j + len(right)
        m, n = prod(before[a] for a in left), prod(after[a] for a in right)
        while m != n:
            if m < n:
                left.append(i)
                m, i = m * before[i], i + 1
            else:
                right.append(j)
                n, j = n * after[j], j + 1
        groups.append((tuple(left), tuple(right)))
    return groups
