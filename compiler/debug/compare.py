"""Two tensors, or all tensors of two runs, compared by the tolerances that vcc promises."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from onnx import NodeProto

from vcc.compiler.debug.reference_run import Reference
from vcc.runtime.isa.dtypes import dtype_of

Array: TypeAlias = np.ndarray[Any, Any]

#: The relative L2 error that a float dtype may have; other floats may be off by a few of their own steps.
TOLERANCES = {"float64": 1e-5, "float32": 1e-5, "float16": 2e-3, "bfloat16": 1.6e-2}
DEFAULT_TOLERANCE = 1e-5
#: Where the reference is about zero, an error relative to it means nothing.
ABSOLUTE = 1e-6

#: Operators whose results may be off by one step: the standard leaves open how halves are rounded.
ROUNDING_OPS = frozenset({"QuantizeLinear", "DynamicQuantizeLinear", "QLinearConv", "QLinearMatMul"})


@dataclass(frozen=True)
class Comparison:
    """One value compared. `error` is the relative L2 error (the largest absolute one for integers), inf if the
    shapes, dtypes or the places of NaNs differ; `worst` is where the elements differ most."""

    name: str
    node: str
    op: str
    type: str
    error: float
    matches: bool
    worst: tuple[int, ...] = ()
    got: float = 0.0
    want: float = 0.0


def compare_runs(got: Mapping[str, Array], reference: Reference, tolerance: float | None = None) -> list[Comparison]:
    """Every value that both runs have, in the order of the model's nodes; `tolerance` replaces the dtypes' own."""
    found: list[Comparison] = []
    for name, want in reference.values.items():
        if name in got:
            maker = reference.makers[name]
            found.append(compare(name, got[name], want, maker.name, maker.op_type, tolerance))
    return found


def _dtype_name(dtype: np.dtype[Any]) -> str:
    """The name of a dtype everywhere in vcc, such as f32; numpy's for those that no program has."""
    try:
        return dtype_of(dtype).name
    except KeyError:
        return str(dtype)


def compare(
    name: str, got: Array, want: Array, node: str = "", op: str = "", tolerance: float | None = None
) -> Comparison:
    """Compare two arrays of one value."""
    type = f"{_dtype_name(want.dtype)}[{','.join(map(str, want.shape))}]"
    if got.shape != want.shape or got.dtype != want.dtype:
        return Comparison(name, node, op, type, float("inf"), False)
    if want.size == 0:
        return Comparison(name, node, op, type, 0.0, True)
    exact = want.dtype.kind in "biu"
    error, differences = _integer_error(got, want) if exact else _float_error(got, want)
    limit = tolerance if tolerance is not None else TOLERANCES.get(want.dtype.name, DEFAULT_TOLERANCE)
    if exact:
        limit = 1.0 if op in ROUNDING_OPS else 0.0
    index = int(np.argmax(differences))
    worst = tuple(map(int, np.unravel_index(index, want.shape)))
    return Comparison(name, node, op, type, error, error <= limit, worst, float(got[worst]), float(want[worst]))


def _integer_error(got: Array, want: Array) -> tuple[float, Array]:
    # Python's integers do not overflow where the difference of two i64 does.
    wide = object if want.dtype.itemsize == 8 else np.int64
    differences = np.abs(got.astype(wide) - want.astype(wide)).astype(np.float64).reshape(-1)
    return float(differences.max()), differences


def _float_error(got: Array, want: Array) -> tuple[float, Array]:
    left, right = got.astype(np.float64).reshape(-1), want.astype(np.float64).reshape(-1)
    same = (left == right) | (np.isnan(left) & np.isnan(right))
    usual = np.isfinite(left) & np.isfinite(right)
    differences = np.where(same, 0.0, np.inf)
    differences[usual] = np.abs(left[usual] - right[usual])
    if not np.isfinite(differences).all():
        return float("inf"), differences
    norm = float(np.linalg.norm(right[usual]))
    error = float(np.linalg.norm(differences[usual]))
    if error <= ABSOLUTE * usual.sum() ** 0.5:
        return (error / norm if norm > error else 0.0), differences
    return (error / norm if norm else float("inf")), differences


def suspects(first: Comparison, compared: Iterable[Comparison], reference: Reference) -> list[NodeProto]:
    """The nodes that may have made `first` wrong: its own, and those before it whose values were not compared.

    In the model's order, the node of `first` last.
    """
    seen_values = {each.name for each in compared}
    found: dict[int, NodeProto] = {}
    waiting = [first.name]
    while waiting:
        maker = reference.makers.get(waiting.pop())
        if maker is not None and id(maker) not in found:
            found[id(maker)] = maker
            waiting += [name for name in maker.input if name not in seen_values]
    order = {id(maker): i for i, maker in enumerate(reference.makers.values())}
    return sorted(found.values(), key=lambda node: order[id(node)])
