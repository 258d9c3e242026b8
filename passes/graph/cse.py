"""`cse`: pure operations that compute the same become one, which keeps the origins of all.

xDSL's own pass compares the attribute `values` too, so that operations which name ONNX values would never merge,
and drops the location of what it removes.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import LocationAttr, ModuleOp
from xdsl.ir import Block, Operation, Region
from xdsl.passes import ModulePass
from xdsl.rewriter import Rewriter
from xdsl.traits import IsTerminator, is_side_effect_free

from vcc.dialects.origin import VALUES, add_value_names, fuse_locations, value_names


@dataclass(frozen=True)
class CommonSubexpressions(ModulePass):
    """In each block, operations with equal name, operands, properties and result types become the first of them."""

    name = "cse"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for region in op.regions:
            _merge_region(region)


def _merge_region(region: Region) -> None:
    for block in region.blocks:
        _merge_block(block)


def _merge_block(block: Block) -> None:
    known: dict[Hashable, Operation] = {}
    # Fused at the end: a constant that thousands of nodes share would otherwise get as many growing locations.
    locations: dict[Operation, list[LocationAttr]] = {}
    for op in list(block.ops):
        for region in op.regions:
            _merge_region(region)
        if op.regions or not op.results or op.has_trait(IsTerminator) or not is_side_effect_free(op):
            continue
        first = known.setdefault(_key(op), op)
        if first is not op:
            locations.setdefault(first, [first.location]).append(op.location)
            _merge(op, first)
    for op, every in locations.items():
        op.location = fuse_locations(*every)


def _key(op: Operation) -> Hashable:
    attributes = tuple(sorted((item for item in op.attributes.items() if item[0] != VALUES), key=lambda item: item[0]))
    properties = tuple(sorted(op.properties.items(), key=lambda item: item[0]))
    return op.name, tuple(op.operands), properties, attributes, tuple(op.result_types)


def _merge(op: Operation, first: Operation) -> None:
    for old, new in zip(op.results, first.results, strict=True):
        add_value_names(new, value_names(old))
        old.replace_all_uses_with(new)
    Rewriter.erase_op(op)
