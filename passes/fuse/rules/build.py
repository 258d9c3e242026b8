"""Build what a rule replaces a match by."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from xdsl.ir import Operation, SSAValue
from xdsl.utils.exceptions import VerifyException

from vcc.dialects.graph import tensor_of
from vcc.dialects.weights import make_constant, numpy_dtype_of
from vcc.passes.fuse.rules.compiled import Captured, Computed, Constant, Environment, Make, Result
from vcc.passes.fuse.rules.facts import Facts
from vcc.passes.fuse.rules.match import evaluate


class CannotBuildError(Exception):
    """The replacement does not fit the operands of a match, which then is none."""


class Builder:
    """Builds replacements; `ops` are the new operations in order."""

    def __init__(self, facts: Facts, environment: Environment, root: Operation):
        self.facts, self.environment, self.root = facts, environment, root
        self.ops: list[Operation] = []

    def build(self, result: Result) -> SSAValue:
        """The value that replaces the root's result; `CannotBuildError`, with nothing built, if it cannot."""
        try:
            value = self._value(result)
            if value.type != self.root.results[0].type:
                raise CannotBuildError(f"the replacement would be {value.type}, not {self.root.results[0].type}")
        except (
            VerifyException,
            KeyError,
            ValueError,
            TypeError,
            IndexError,
            ZeroDivisionError,
            AssertionError,
        ) as reason:
            self.discard()
            raise CannotBuildError(f"the replacement does not fit: {reason}") from reason
        except CannotBuildError:
            self.discard()
            raise
        return value

    def discard(self) -> None:
        """Undo what was built."""
        for op in reversed(self.ops):
            op.erase()
        self.ops.clear()

    def _value(self, result: Result) -> SSAValue:
        match result:
            case Captured(name=name):
                value = self.environment[name]
                assert isinstance(value, SSAValue), f"'{name}' is an attribute"
                return value
            case Constant(value=number):
                dtype = numpy_dtype_of(tensor_of(self.root.results[0]).element_type)
                return self._array(np.asarray(number).astype(dtype))
            case Computed():
                array = evaluate(result, self.environment, self.facts)
                if not isinstance(array, np.ndarray):
                    raise CannotBuildError(f"{result.name} gave {array}, which is no constant")
                return self._array(array)
            case Make():
                return self._make(result)

    def _array(self, array: np.ndarray[Any, Any]) -> SSAValue:
        if array.dtype.kind == "f" and not np.all(np.isfinite(array)):
            raise CannotBuildError("a computed constant is not finite")
        op = make_constant(array, self.facts.ctx)
        self.ops.append(op)
        return op.result

    def _make(self, make: Make) -> SSAValue:
        operands = [None if arg is None else self._value(arg) for arg in make.args]
        attributes = {name: evaluate(term, self.environment, self.facts) for name, term in make.attributes}
        for name, value in attributes.items():
            if value is None or (isinstance(value, float) and not math.isfinite(value)):
                raise CannotBuildError(f"{name} of {make.op.name} would be {value}")
        op = make.op.make(operands, attributes)
        self.ops.append(op)
        return op.results[0]
