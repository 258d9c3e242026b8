"""What conditions and computed attributes of rules can ask about values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
from xdsl.context import Context
from xdsl.ir import Operation, OpResult, SSAValue

from vcc.dialects.graph import tensor_of
from vcc.dialects.weights import ConstantOp, constant_array, numpy_dtype_of

Array: TypeAlias = np.ndarray[Any, Any]
#: Constants larger than this are weights, not numbers, even when all elements are equal.
LARGEST_NUMBER = 1 << 16


class Facts:
    """The constants of a module, each looked at once, and the operations of the match at hand."""

    def __init__(self, ctx: Context):
        self.ctx = ctx
        self.matched: Sequence[Operation] = ()
        self._numbers: dict[SSAValue, float | None] = {}

    def array(self, value: SSAValue) -> Array | None:
        """The array of a constant; None for any other value."""
        return constant_array(value, self.ctx)

    def number(self, value: SSAValue) -> float | None:
        """The number that every element of a constant is; None for constants that vary, and other values."""
        if not isinstance(value, OpResult) or not isinstance(value.op, ConstantOp):
            return None
        if value not in self._numbers:
            self._numbers[value] = self._uniform(value)
        return self._numbers[value]

    def _uniform(self, value: SSAValue) -> float | None:
        size = int(np.prod(tensor_of(value).get_shape(), dtype=np.int64))
        array = self.array(value) if 0 < size <= LARGEST_NUMBER else None
        if array is None or not np.all(array == array.reshape(-1)[0]):
            return None
        return float(array.reshape(-1)[0])

    def tolerance(self, value: SSAValue) -> float:
        """How far, relatively, a constant of a value's dtype may be from the number a rule asks for."""
        dtype = numpy_dtype_of(tensor_of(value).element_type)
        if dtype.kind in "iub":
            return 0.0
        return 1e-2 if dtype.name == "bfloat16" else 1e-3 if dtype == np.float16 else 1e-5


#: A predicate or function of rules: takes the facts, then its arguments (values, attributes; None for absent ones).
RuleFunction: TypeAlias = Callable[..., Any]


class Registry:
    """Python functions that rules may call, by name."""

    def __init__(self, what: str):
        self.what = what
        self.functions: dict[str, RuleFunction] = {}

    def __call__(self, function: RuleFunction) -> RuleFunction:
        """Register a function; it must say in a docstring what it tells."""
        assert function.__doc__, f"{self.what} {function.__name__} has no docstring"
        self.functions[function.__name__.rstrip("_")] = function
        return function
