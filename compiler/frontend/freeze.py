"""Inputs that a user gives a value for the whole program: they become constants."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TypeProto
from onnx.helper import tensor_dtype_to_np_dtype

from vcc.dialects.onnx.types import dimension_names
from vcc.runtime.diagnostics import Diagnostic, VccError


def frozen_inputs(types: Mapping[str, TypeProto], values: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    """The constants in place of inputs of these types, in the inputs' dtypes; a number fills any static shape.

    E0105, all at once, for names that are no inputs and for values whose shape or dtype does not fit.
    """
    problems: list[Diagnostic] = []
    found: dict[str, NDArray[Any]] = {}
    for name, value in values.items():
        try:
            found[name] = _frozen(types, name, np.asarray(value))
        except ValueError as problem:
            problems.append(Diagnostic("E0105", str(problem)))
    if problems:
        raise VccError(problems)
    return found


def _frozen(types: Mapping[str, TypeProto], name: str, value: NDArray[Any]) -> NDArray[Any]:
    if name not in types:
        raise ValueError(f"the model has no input '{name}'; its inputs are {', '.join(types) or 'none'}")
    tensor = types[name].tensor_type
    dims = dimension_names(types[name])
    try:
        dtype = np.dtype(tensor_dtype_to_np_dtype(tensor.elem_type))
    except KeyError:
        raise ValueError(f"input '{name}' is no tensor of numbers") from None
    if value.dtype.kind not in "biuf" or not np.can_cast(value.dtype, dtype, "same_kind"):
        raise ValueError(f"input '{name}' is of {dtype}, not of {value.dtype}")
    with np.errstate(over="ignore"):
        converted = value.astype(dtype)
    if dtype.kind in "iu" and not np.array_equal(converted, value):
        raise ValueError(f"input '{name}' is of {dtype}, which cannot hold {value.tolist()}")
    if value.ndim == 0 and all(dim.isdigit() for dim in dims):
        return np.full([int(dim) for dim in dims], converted)
    fits = len(dims) == value.ndim and all(
        not dim.isdigit() or int(dim) == size for dim, size in zip(dims, value.shape, strict=True)
    )
    if tensor.HasField("shape") and not fits:
        raise ValueError(
            f"input '{name}' is [{', '.join(dims)}], which a value of shape {list(value.shape)} contradicts"
        )
    return converted
