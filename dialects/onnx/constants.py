"""The tensors that ONNX Constant nodes hold in one of several attributes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from xdsl.context import Context
from xdsl.dialects.builtin import DictionaryAttr
from xdsl.ir import Attribute

from vcc.dialects.onnx.attributes import python_value
from vcc.dialects.weights import ConstantOp, attribute_array, make_constant

_DTYPES = {"value_int": np.int64, "value_ints": np.int64, "value_float": np.float32, "value_floats": np.float32}


def constant_of_attributes(attributes: Mapping[str, Attribute], ctx: Context) -> ConstantOp | None:
    """A `weights.constant` of what a Constant node holds; None for strings, or if it does not hold one tensor."""
    if len(attributes) != 1:
        return None
    name, value = next(iter(attributes.items()))
    if name == "value":
        return make_constant(attribute_array(value, ctx), ctx)
    if name in _DTYPES:
        return make_constant(np.array(python_value(value), _DTYPES[name]), ctx)
    if name == "sparse_value" and isinstance(value, DictionaryAttr):
        dims = python_value(value.data["dims"])
        indices = attribute_array(value.data["indices"], ctx)
        values = attribute_array(value.data["values"], ctx)
        flat = indices if indices.ndim == 1 else np.ravel_multi_index(tuple(indices.T), tuple(dims))
        dense = np.zeros(int(np.prod(dims)), values.dtype)
        dense[flat] = values
        return make_constant(dense.reshape(dims), ctx)
    return None
