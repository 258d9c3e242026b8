"""Check rules on random inputs: an instance is built from each plain form, rewritten, and both are computed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from xdsl.context import Context
from xdsl.dialects.builtin import TensorType
from xdsl.ir import Attribute, Block, BlockArgument, Operation, OpResult, SSAValue
from xdsl.utils.exceptions import VerifyException

from vcc.dialects.graph import shape_of, tensor_of
from vcc.dialects.graph.semantics import compute
from vcc.dialects.weights import (
    ConstantOp,
    constant_array,
    element_type_of,
    make_constant,
    numpy_dtype_of,
    register_weights,
)
from vcc.passes.fuse.rules.build import Builder, CannotBuildError
from vcc.passes.fuse.rules.compiled import AnyValue, Captured, Constant, Match, Node, Rule, Variant
from vcc.passes.fuse.rules.facts import Array, Facts
from vcc.passes.fuse.rules.match import Matcher, Trail
from vcc.passes.fuse.rules.syntax import Example

#: The shape of variables that no `given` speaks of.
DEFAULT_SHAPE = (2, 3, 4)
#: Differences allowed relative to the larger of 1 and the result, per dtype of the instance.
TOLERANCES = {"float64": 2e-5, "float32": 2e-4}
_DTYPES = {"f16": "float16", "f32": "float32", "f64": "float64"}


@dataclass(frozen=True)
class VariantCheck:
    """What came of one plain form with one example: the largest relative difference, or what went wrong."""

    example: int
    operations: int
    difference: float
    problem: str = ""

    @property
    def ok(self) -> bool:
        """Whether both sides agree."""
        return not self.problem


@dataclass(frozen=True)
class CheckResult:
    """What came of a rule. It is sound if each plain form was tried on an example and none differed."""

    rule: Rule
    checks: tuple[VariantCheck, ...]
    problems: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether the rule is sound on the examples."""
        return not self.problems

    @property
    def difference(self) -> float:
        """The largest relative difference."""
        return max((check.difference for check in self.checks if check.ok), default=0.0)


class _NoInstanceError(Exception):
    """The example does not fit the plain form."""


def check_rule(rule: Rule, seed: int = 0) -> CheckResult:
    """Compare both sides of every plain form of a rule, on each of its examples that fits the form.

    Instances are of float64 where the rule's conditions allow that, else of float32.
    """
    givens = rule.givens or ({},)
    checks: list[VariantCheck] = []
    problems: list[str] = []
    for number, variant in enumerate(rule.variants):
        tried = [_check(variant, given, index, seed) for index, given in enumerate(givens)]
        fitting = [check for check in tried if not check.problem.startswith("no instance")]
        checks += fitting or tried
        wrong = [check.problem for check in fitting if not check.ok]
        if not fitting:
            wrong = list(dict.fromkeys(check.problem for check in tried))
        problems += [f"rule '{rule.name}', form {number}: {problem}" for problem in wrong]
    return CheckResult(rule, tuple(checks), tuple(problems))


def _check(variant: Variant, given: Mapping[str, Example], index: int, seed: int) -> VariantCheck:
    problem = ""
    for dtype in ("float64", "float32"):
        instance = Instance(variant, given, dtype, np.random.default_rng(seed))
        try:
            return VariantCheck(index, variant.size, instance.difference())
        except _NoInstanceError as reason:
            problem = problem or f"no instance: {reason}"
        except CannotBuildError as reason:
            problem = problem or f"no instance: {reason}"
        except ArithmeticError as reason:
            return VariantCheck(index, variant.size, np.inf, str(reason))
    return VariantCheck(index, variant.size, np.inf, problem)


class Instance:
    """One plain form as operations with random operands."""

    def __init__(self, variant: Variant, given: Mapping[str, Example], dtype: str, random: np.random.Generator):
        self.variant, self.given, self.dtype, self.random = variant, given, dtype, random
        self.ctx = Context()
        register_weights(self.ctx)
        self.block = Block()
        self.values: dict[str, SSAValue] = {}
        self.attributes: dict[str, Any] = {}
        self.feeds: dict[SSAValue, Array] = {}
        self.named = {name: node for node in _named(variant.root) for name in node.names}

    def difference(self) -> float:
        """The largest difference of both sides, relative to the larger of 1 and the result."""
        try:
            root = self._value(self.variant.root)
        except (VerifyException, KeyError, ValueError, TypeError, IndexError) as reason:
            raise _NoInstanceError(str(reason)) from reason
        assert isinstance(root, OpResult)
        facts, trail = Facts(self.ctx), Trail()
        found = Matcher(self.variant, facts, trail).match(root.op)
        if found is None:
            reasons = ", ".join(miss.reason for miss in trail.misses)
            raise _NoInstanceError(f"it does not match: {reasons}")
        builder = Builder(facts, found.environment, root.op)
        value = builder.build(self.variant.replacement)
        self.block.add_ops(builder.ops)
        left, right = self._evaluate(root), self._evaluate(value)
        wide = [each.astype(np.float64) for each in (left, right)]
        if not all(np.all(np.isfinite(each)) for each in wide):
            raise ArithmeticError("a result is not finite on this example")
        error = float(np.max(np.abs(wide[0] - wide[1]) / np.maximum(1.0, np.abs(wide[0])), initial=0.0))
        if error > TOLERANCES[self.dtype]:
            raise ArithmeticError(f"both sides differ by {error:.2g} in {self.dtype}")
        return error

    def _example(self, name: str) -> Example | None:
        return self.given.get(name) or self.given.get(name.partition("@")[0])

    def _value(self, node: Node) -> SSAValue:
        for name in node.names:
            if name in self.values:
                return self.values[name]
        if isinstance(node, AnyValue):
            for name in node.names:
                if name in self.named:
                    return self._value(self.named[name])
        match node:
            case AnyValue(names=names):
                value = self._input(next(filter(None, map(self._example, names)), None))
            case Constant(value=number):
                value = self._constant(np.asarray(number))
            case Match():
                value = self._operation(node)
        self.values.update(dict.fromkeys(node.names, value))
        return value

    def _operation(self, node: Match) -> SSAValue:
        operands = [None if arg is None else self._value(arg) for arg in node.args]
        attributes: dict[str, Any] = {}
        for name, wanted in node.attributes:
            attributes[name] = self._attribute(wanted.name) if isinstance(wanted, Captured) else wanted.value
        op = node.op.make(operands, attributes)
        self.block.add_op(op)
        return op.results[0]

    def _attribute(self, name: str) -> Any:
        example = self._example(name)
        if example is None:
            raise _NoInstanceError(f"no `given` speaks of the attribute '{name}'")
        return example.value

    def _input(self, example: Example | None) -> SSAValue:
        """An argument with a random value, or a constant."""
        if example is None:
            example = Example("tensor", shape=DEFAULT_SHAPE)
        if example.kind == "literal":
            if not isinstance(example.value, tuple):
                return self._constant(np.asarray(example.value))
            example = Example("tensor", shape=tuple(int(str(size)) for size in example.value))
        if example.dtype is not None and example.dtype not in _DTYPES:
            array = self.random.integers(0, 100, example.shape).astype(_integer(example.dtype))
        else:
            array = self.random.normal(size=example.shape).astype(_DTYPES.get(example.dtype or "", self.dtype))
        if example.kind == "constant":
            return self._constant(array)
        if example.kind == "positive":
            array = np.abs(array) / 4 + array.dtype.type(0.1)
        type: TensorType[Attribute] = TensorType(element_type_of(array.dtype), array.shape)
        argument = self.block.insert_arg(type, len(self.block.args))
        self.feeds[argument] = array
        return argument

    def _constant(self, array: Array) -> SSAValue:
        op = make_constant(array.astype(self.dtype), self.ctx)
        self.block.add_op(op)
        return op.result

    def _evaluate(self, value: SSAValue) -> Array:
        if value in self.feeds:
            return self.feeds[value]
        assert not isinstance(value, BlockArgument)
        op = value.owner
        assert isinstance(op, Operation)
        constant = constant_array(op, self.ctx) if isinstance(op, ConstantOp) else None
        if constant is None:
            constant = compute(op, [self._evaluate(operand) for operand in op.operands])
        assert constant.shape == shape_of(value) and constant.dtype == numpy_dtype_of(tensor_of(value).element_type)
        self.feeds[value] = constant
        return constant


def _named(node: Match) -> Iterator[Match | Constant]:
    yield node
    for arg in node.args:
        if isinstance(arg, Match):
            yield from _named(arg)
        elif isinstance(arg, Constant):
            yield arg


def _integer(dtype: str) -> str:
    return "bool" if dtype == "i1" else f"{'u' if dtype.startswith('u') else ''}int{dtype.lstrip('ui')}"
