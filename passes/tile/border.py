"""What elementwise operations make of the border that a window's padding puts around their operands."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xdsl.ir import Operation, SSAValue

from vcc.dialects import graph
from vcc.dialects.graph.attributes import BinaryFn
from vcc.dialects.graph.semantics import compute
from vcc.passes.tile.access import Access
from vcc.passes.tile.chain import dtype_of, scalar_constant
from vcc.runtime.isa.dtypes import DType


def fill_for(
    ops: Sequence[Operation], accesses: Mapping[SSAValue, Access], axes: Collection[int], wanted: float
) -> float | None:
    """The number that loads have to put outside their tensors so that the result of `ops` is `wanted` there.

    `axes` are those along which there is an outside. An operand that is broadcast along one of them is not known
    there, so that only a product with zero makes it one. None if none of the numbers worth trying does: `wanted`
    itself and the constants among the operands, with either sign, such as the zero point of a dequantisation, as far
    as all operands can hold them.
    """
    spans = [
        value
        for value, access in accesses.items()
        if all(any(extent > 1 and stride for extent, stride in access.terms[axis]) for axis in axes)
    ]
    fills = [
        fill
        for fill in dict.fromkeys((wanted, *_constants(ops)))
        if all(_array(fill, dtype_of(value)) == fill for value in spans)
    ]
    return next((fill for fill in fills if _outside(ops, spans, fill) == wanted), None)


def _constants(ops: Sequence[Operation]) -> Iterator[float]:
    for op in ops:
        for value in op.operands:
            if (number := scalar_constant(value)) is not None:
                yield from (float(number), -float(number))


def _outside(ops: Sequence[Operation], spans: Sequence[SSAValue], fill: float) -> float | None:
    """The result of the last operation where every operand in `spans` is `fill`; None if that does not tell."""
    known: dict[SSAValue, NDArray[Any]] = {value: _array(fill, dtype_of(value)) for value in spans}
    for op in ops:
        for value in op.operands:
            if (number := scalar_constant(value)) is not None:
                known[value] = _array(number, dtype_of(value))
        found = [known.get(value) for value in op.operands]
        result = op.results[0]
        if all(each is not None for each in found):
            with np.errstate(all="ignore"):
                known[result] = np.asarray(compute(op, [each for each in found if each is not None]))
        elif (
            isinstance(op, graph.BinaryOp)
            and op.fn.data is BinaryFn.MUL
            and any(each is not None and not each.any() for each in found)
        ):
            known[result] = _array(0, dtype_of(result))
    last = known.get(ops[-1].results[0])
    return None if last is None else float(last.reshape(-1)[0])


def _array(number: float, dtype: DType) -> NDArray[Any]:
    with np.errstate(all="ignore"):
        return np.asarray([number]).astype(dtype.numpy)
