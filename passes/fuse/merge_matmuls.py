"""Merge matrix products of one input: constant weights side by side, one product, slices of its result.

Query, key and value projections read their input once and take one launch; a bias that all of them have is merged
too. The slices are views that the following kernels read through, so they move below reshapes that split the columns
into heads. A product whose result goes on through elementwise operations would lose them from its own kernel; whether
merging is worth that is a matter of the machine's launches and bandwidth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp, StringAttr
from xdsl.dialects.func import FuncOp
from xdsl.ir import Block, Operation, SSAValue
from xdsl.passes import ModulePass

from vcc.dialects import graph
from vcc.dialects.graph.base import shape_of, tensor_of
from vcc.dialects.graph.structure import REMARK
from vcc.dialects.origin import fuse_locations, set_value_names, value_names
from vcc.dialects.visa import machine_of
from vcc.dialects.visa.types import isa_dtype
from vcc.dialects.weights import ConstantOp, constant_array, make_constant
from vcc.passes.fuse.merge_profit import Share, cycles_saved
from vcc.runtime.machine.model import Machine


@dataclass(frozen=True)
class MergeMatmuls(ModulePass):
    """Products of one input with constant weights become one product, where that saves time."""

    name = "merge-matmuls"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        machine = machine_of(ctx)
        for function in [o for o in op.walk() if isinstance(o, FuncOp)]:
            for block in function.body.blocks:
                for products in _families(block):
                    _merge_if_profitable(products, machine, ctx)


@dataclass(frozen=True)
class Product:
    """A product, and the operation after it that makes `value`: itself, or the addition of its bias."""

    op: graph.MatmulOp
    last: Operation
    bias: SSAValue | None

    @property
    def value(self) -> SSAValue:
        return self.last.results[0]

    @property
    def columns(self) -> int:
        return shape_of(self.op.result)[-1]


def _families(block: Block) -> list[list[Product]]:
    """Products that share their first operand and have constant weights of two axes, in order."""
    found: dict[tuple[SSAValue, object], list[Product]] = {}
    for op in block.ops:
        if not isinstance(op, graph.MatmulOp):
            continue
        if isinstance(op.b.owner, ConstantOp) and len(shape_of(op.b)) == 2:
            key = (op.a, tensor_of(op.b).element_type)
            found.setdefault(key, []).append(_product(op))
    return [products for products in found.values() if len(products) > 1]


def _product(op: graph.MatmulOp) -> Product:
    users = [use.operation for use in op.result.uses]
    if len(users) == 1 and isinstance(user := users[0], graph.BinaryOp) and user.fn.data is graph.BinaryFn.ADD:
        other = user.b if user.a is op.result else user.a
        flat = prod(shape_of(other)) == shape_of(op.result)[-1] == (shape_of(other) or (0,))[-1]
        if isinstance(other.owner, ConstantOp) and flat and shape_of(user.result) == shape_of(op.result):
            return Product(op, user, other)
    return Product(op, op, None)


def _merge_if_profitable(products: Sequence[Product], machine: Machine, ctx: Context) -> None:
    if any(p.bias is None for p in products):
        products = [Product(p.op, p.op, None) for p in products]
    first = products[0].op
    rows, depth = prod(shape_of(first.result)[:-1]), shape_of(first.a)[-1]
    dtype = isa_dtype(tensor_of(first.a).element_type)
    shares = [Share(p.value, p.columns) for p in products]
    saved = cycles_saved(machine, dtype, rows, depth, shares)
    if saved > 0:
        _merge(products, round(saved), ctx)
        return
    remark = f"kept apart from the other products of its input: merging them would cost {round(-saved)} cycles"
    for product in products:
        product.op.attributes[REMARK] = StringAttr(remark)


def _merge(products: Sequence[Product], saved: int, ctx: Context) -> None:
    """Put the merged product where the first one stands, and slices of it in the places of all."""
    first = products[0].op
    block = first.parent_block()
    assert block is not None
    location = fuse_locations(*(p.op for p in products))

    def insert(op: Operation) -> SSAValue:
        op.location = location
        block.insert_op_before(op, first)
        return op.results[0]

    weights = insert(make_constant(_side_by_side([p.op.b for p in products], ctx), ctx, location))
    merged = graph.MatmulOp(first.a, weights)
    merged.attributes[REMARK] = StringAttr(f"merged {len(products)} products of one input: saves {saved} cycles")
    value = insert(merged)
    biases = [p.bias for p in products if p.bias is not None]
    if biases:
        location = fuse_locations(*(p.last for p in products))
        constant = insert(make_constant(_side_by_side(biases, ctx, flat=True), ctx, location))
        value = insert(graph.BinaryOp("add", value, constant))
    start = 0
    for product in products:
        _replace(product, value, start)
        start += product.columns
    for product in products:
        for op in dict.fromkeys((product.last, product.op)):
            op.detach()
            op.erase()


def _side_by_side(values: Sequence[SSAValue], ctx: Context, flat: bool = False) -> np.ndarray:
    arrays = [array for value in values if (array := constant_array(value, ctx)) is not None]
    return np.concatenate([array.reshape(-1) if flat else array for array in arrays], axis=-1)


def _replace(product: Product, merged: SSAValue, start: int) -> None:
    """Give the users of a product its columns of the merged one, users of reshapes below the reshape."""
    block = product.last.parent_block()
    assert block is not None
    for use in list(product.value.uses):
        user = use.operation
        if isinstance(user, graph.ReshapeOp) and (split := split_columns(user, product.columns, start, merged)):
            shape, axis, first = split
            reshaped = graph.ReshapeOp(merged, shape)
            reshaped.location = user.location
            block.insert_op_before(reshaped, user)
            part = _slice(reshaped.result, axis, first, shape_of(user.result)[axis])
            part.location = user.location
            set_value_names(part, [value_names(user.result)])
            block.insert_op_before(part, user)
            user.result.replace_all_uses_with(part.result)
            user.detach()
            user.erase()
    if list(product.value.uses):
        part = _slice(merged, len(shape_of(merged)) - 1, start, product.columns)
        part.location = product.last.location
        set_value_names(part, [value_names(product.value)])
        block.insert_op_before(part, product.last)
        product.value.replace_all_uses_with(part.result)


def _slice(value: SSAValue, axis: int, start: int, size: int) -> graph.SliceOp:
    shape = shape_of(value)
    starts = [start if i == axis else 0 for i in range(len(shape))]
    sizes = [size if i == axis else extent for i, extent in enumerate(shape)]
    return graph.SliceOp(value, starts, sizes, [1] * len(shape))


def split_columns(op: graph.ReshapeOp, columns: int, start: int, merged: SSAValue) -> tuple[list[int], int, int] | None:
    """How a reshape of some columns can be a slice of a reshape of all: (shape, axis, start); None if it cannot.

    That needs a result whose last axes are the columns, split so that the outermost of them counts whole parts.
    """
    shape, total = shape_of(op.result), shape_of(merged)[-1]
    inner = 1
    for axis in range(len(shape) - 1, -1, -1):
        if inner * shape[axis] == columns:
            if start % inner or total % inner:
                return None
            return [*shape[:axis], total // inner, *shape[axis + 1 :]], axis, start // inner
        inner *= shape[axis]
        if inner > columns:
            return None
    return None
