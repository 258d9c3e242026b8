"""`form-byte-tables`: what is a function of one tensor of bytes, and gives bytes, is looked up in a table.

    QuantizeLinear(x * Sigmoid(x)), x = DequantizeLinear(bytes)   ->  %y = graph.lookup %bytes in %table

There are only 256 numbers that such a function is ever computed of, so all its results are known at compile time. They
are those that the operations have by `graph.semantics.compute`. A function that only limits bytes is a minimum or a
maximum, and one that does nothing goes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override
from xdsl.context import Context
from xdsl.dialects.builtin import IntegerType, ModuleOp, Signedness
from xdsl.ir import Operation, SSAValue
from xdsl.passes import ModulePass
from xdsl.pattern_rewriter import PatternRewriter, RewritePattern

from vcc.dialects import graph
from vcc.dialects.graph import shape_of, tensor_of
from vcc.dialects.graph.base import is_float
from vcc.dialects.graph.elementwise import ENTRIES
from vcc.dialects.graph.semantics import compute
from vcc.dialects.weights import constant_array, make_constant, numpy_dtype_of
from vcc.passes.rewriting import rewrite

Array = NDArray[Any]
ELEMENTWISE = (graph.UnaryOp, graph.BinaryOp, graph.CompareOp, graph.SelectOp, graph.CastOp, graph.LookupOp)
#: Operations of a function that are fewer than this take no longer than a table.
FEWEST = 3


@dataclass(frozen=True)
class FormByteTables(ModulePass):
    """Functions of bytes become tables, with the operations between that nothing else needs."""

    name = "form-byte-tables"

    @override
    def apply(self, ctx: Context, op: ModuleOp) -> None:
        rewrite(op, [Tabulate(ctx)], pass_name=self.name)


class Tabulate(RewritePattern):
    """The last operation of a function from bytes to bytes -> graph.lookup

    Operations are met in their order, so that what is known of their operands need not be looked for.
    """

    def __init__(self, ctx: Context):
        self.ctx = ctx
        #: By result the only tensor of bytes on which it depends, element by element.
        self.sources: dict[SSAValue, SSAValue] = {}

    @override
    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter) -> None:
        if not isinstance(op, ELEMENTWISE):
            return
        result, source = op.results[0], self._source(op)
        if source is None:
            return
        self.sources[result] = source
        # Pieces of a concatenation that are little work would be computed in its kernel, where an interpolation beside
        # them is slow; others are stored in their places.
        joined = any(isinstance(use.operation, graph.ConcatOp) for use in result.uses)
        if joined or not is_byte(result) or not pays(ops := function(result, source)):
            return
        table = self._table(ops, source)
        added = self._limits(source, result, table)
        if added is None:
            added = self._looks_up(source, table)
        for each in added:
            each.location = op.location
        last = added[-1].results[0] if added else source
        self.sources[last] = source
        rewriter.replace(op, added, [last])

    def _source(self, op: Operation) -> SSAValue | None:
        """The only tensor of bytes, of the result's shape, on which the result depends; None without one."""
        found = set[SSAValue | None]()
        for operand in op.operands:
            if self._constant(op, operand) is None:
                same = shape_of(operand) == shape_of(op.results[0])
                found.add(self.sources.get(operand, operand if is_byte(operand) else None) if same else None)
        return found.pop() if len(found) == 1 else None

    def _constant(self, op: Operation, operand: SSAValue) -> Array | None:
        """A number that is known, or a lookup's table; None for all other operands."""
        array = constant_array(operand, self.ctx)
        if array is None or (isinstance(op, graph.LookupOp) and operand is op.table):
            return array
        return array.reshape(()) if array.size == 1 else None

    def _table(self, ops: Sequence[Operation], source: SSAValue) -> Array:
        """The result of the last operation for each byte, ascending."""
        known: dict[SSAValue, Array] = {source: all_bytes(numpy_dtype_of(tensor_of(source).element_type))}
        for op in ops:
            for operand in op.operands:
                if operand not in known:
                    array = self._constant(op, operand)
                    assert array is not None, "what is no constant depends on the source"
                    known[operand] = array
            known[op.results[0]] = compute(op, [known[operand] for operand in op.operands])
        return np.ascontiguousarray(known[ops[-1].results[0]])

    def _looks_up(self, source: SSAValue, table: Array) -> list[Operation]:
        added, index = list[Operation](), source
        unsigned = IntegerType(8, Signedness.UNSIGNED)
        if tensor_of(source).element_type != unsigned:
            added.append(graph.CastOp(source, unsigned))
            index, table = added[-1].results[0], np.roll(table, ENTRIES // 2)  # -128 becomes 128
        added.append(make_constant(table, self.ctx))
        return [*added, graph.LookupOp(index, added[-1].results[0])]

    def _limits(self, source: SSAValue, result: SSAValue, table: Array) -> list[Operation] | None:
        """The operations of a function that only limits bytes; None if it does more."""
        low, high, info = table.min(), table.max(), np.iinfo(table.dtype)
        if tensor_of(source).element_type != tensor_of(result).element_type:
            return None
        if not np.array_equal(table, np.clip(all_bytes(table.dtype), low, high)):
            return None
        added = list[Operation]()
        for fn, bound, none in (("max", low, info.min), ("min", high, info.max)):
            if bound != none:
                added.append(make_constant(np.array(bound, table.dtype), self.ctx))
                added.append(graph.BinaryOp(fn, source, added[-1].results[0]))
                source = added[-1].results[0]
        return added


def function(result: SSAValue, source: SSAValue) -> list[Operation]:
    """The operations that make a result of its source, operands first."""
    order, pending = list[Operation](), [(result, False)]
    seen = {source}
    while pending:
        value, ready = pending.pop()
        op = value.owner
        if ready:
            assert isinstance(op, Operation)
            order.append(op)
        elif value not in seen and isinstance(op, ELEMENTWISE):
            seen.add(value)
            pending += [(value, True), *((operand, False) for operand in op.operands)]
    return order


def pays(ops: Sequence[Operation]) -> bool:
    """Whether a table takes less time than the operations, some of which are on floats."""
    tables = sum(isinstance(op, graph.LookupOp) for op in ops)
    floats = any(is_float(tensor_of(op.results[0]).element_type) for op in ops)
    return tables > 1 or (len(ops) >= FEWEST and floats)


def all_bytes(dtype: np.dtype[Any]) -> Array:
    """All numbers of a dtype of 8 bits, ascending."""
    info = np.iinfo(dtype)
    return np.arange(info.min, info.max + 1).astype(dtype)


def is_byte(value: SSAValue) -> bool:
    """Whether a tensor's elements are integers of 8 bits."""
    element = tensor_of(value).element_type
    return isinstance(element, IntegerType) and element.width.data == 8
