"""Match a plain pattern against the operations that make a value, going back where operands may be exchanged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

from xdsl.ir import BlockArgument, Operation, OpResult, SSAValue

from vcc.dialects.weights import ConstantOp
from vcc.passes.fuse.rules.compiled import (
    AnyValue,
    Captured,
    Computed,
    Constant,
    Environment,
    Match,
    Node,
    Term,
    Variant,
)
from vcc.passes.fuse.rules.facts import Facts
from vcc.passes.fuse.rules.syntax import Value
from vcc.passes.fuse.rules.vocabulary import keys_of, read_attribute

#: Functions raise these for operands that a condition should have excluded before.
_UNFIT = (ValueError, IndexError, TypeError, ZeroDivisionError, AssertionError)


@dataclass(frozen=True)
class Miss:
    """Where a pattern stopped matching: how many operations had matched, why it stopped, and at which value."""

    progress: int
    reason: str
    value: SSAValue | None


@dataclass
class Trail:
    """Collects the misses of a match that got furthest."""

    misses: list[Miss] = field(default_factory=list[Miss])

    def add(self, miss: Miss) -> None:
        """Note a miss; those that got less far are forgotten."""
        if self.misses and miss.progress < self.misses[0].progress:
            return
        if self.misses and miss.progress > self.misses[0].progress:
            self.misses.clear()
        if all(miss.reason != other.reason or miss.value is not other.value for other in self.misses):
            self.misses.append(miss)


@dataclass(frozen=True)
class Found:
    """A match: what the names stand for, and the operations in the order of the pattern, operands first."""

    environment: Environment
    ops: tuple[Operation, ...]


class Matcher:
    """Matches one variant at one operation; with a trail it says why not."""

    def __init__(self, variant: Variant, facts: Facts, trail: Trail | None = None):
        self.variant, self.facts, self.trail = variant, facts, trail

    def match(self, op: Operation) -> Found | None:
        """The first way to match for which all conditions hold."""
        for environment, ops in self._op(self.variant.root, op, {}, ()):
            matched = tuple(dict.fromkeys(ops))
            self.facts.matched = matched
            if self._conditions_hold(environment, op, len(ops)):
                return Found(environment, matched)
        return None

    def _miss(self, progress: int, reason: str, value: SSAValue | None) -> None:
        if self.trail is not None:
            self.trail.add(Miss(progress, reason, value))

    def _conditions_hold(self, environment: Environment, op: Operation, progress: int) -> bool:
        for term, text in self.variant.conditions:
            try:
                holds = bool(evaluate(term, environment, self.facts))
            except _UNFIT:
                holds = False
            if not holds:
                self._miss(progress + 1, f"the condition {text} does not hold", self._subject(term, environment, op))
                return False
        return True

    @staticmethod
    def _subject(term: Term, environment: Environment, op: Operation) -> SSAValue:
        """The first value that a condition is about, for messages."""
        waiting: list[Term] = [term]
        while waiting:
            match waiting.pop(0):
                case Captured(name=name) if isinstance(value := environment.get(name), SSAValue):
                    return value
                case Computed(args=args):
                    waiting.extend(args)
                case _:
                    pass
        return op.results[0]

    def _value(
        self, node: Node, value: SSAValue, environment: Environment, ops: tuple[Operation, ...]
    ) -> Iterator[tuple[Environment, tuple[Operation, ...]]]:
        """Every way to match a node at a value, given what the names stand for so far."""
        match node:
            case AnyValue(names=names):
                bound = self._bind(names, value, environment, len(ops))
                if bound is not None:
                    yield bound, ops
            case Constant():
                if self._is_number(node, value, len(ops)):
                    bound = self._bind(node.names, value, environment, len(ops))
                    if bound is not None:
                        yield bound, ops
            case Match():
                if isinstance(value, BlockArgument):
                    self._miss(len(ops), f"{node.op.name} is wanted, but this is an input", value)
                    return
                assert isinstance(value, OpResult)
                yield from self._op(node, value.op, environment, ops)

    def _is_number(self, node: Constant, value: SSAValue, progress: int) -> bool:
        number = self.facts.number(value)
        if number is None:
            self._miss(progress, f"the constant {node.value:g} is wanted", value)
            return False
        tolerance = self.facts.tolerance(value) if node.tolerance is None else node.tolerance
        near = isfinite(node.value) and abs(number - node.value) <= tolerance * abs(node.value)
        if number == node.value or near:
            return True
        self._miss(progress, f"the constant {node.value:g} is wanted, this is {number:g}", value)
        return False

    def _bind(self, names: Sequence[str], value: Any, environment: Environment, progress: int) -> Environment | None:
        """The environment with the names; None if one stands for something else already."""
        for name in names:
            there = environment.get(name)
            if there is None:
                environment = {**environment, name: value}
            elif there is not value and (isinstance(value, SSAValue) or there != value):
                shown = name.partition("@")[0]
                self._miss(progress, f"'{shown}' stands for another value already", _value_or_none(value))
                return None
        return environment

    def _op(
        self, node: Match, op: Operation, environment: Environment, ops: tuple[Operation, ...]
    ) -> Iterator[tuple[Environment, tuple[Operation, ...]]]:
        result = op.results[0] if op.results else None
        if result is None or not node.op.describes(op):
            if self.trail is not None:
                self._miss(len(ops), f"{node.op.name} is wanted, this is {_describe(op)}", result)
            return
        bound = self._attributes(node, op, environment, len(ops))
        bound = None if bound is None else self._bind(node.names, result, bound, len(ops))
        if bound is None:
            return
        operands = tuple(op.operands)
        if len(operands) != sum(1 for arg in node.args if arg is not None):
            self._miss(len(ops), f"{node.op.name} has {len(operands)} operands here", result)
            return
        args = [arg for arg in node.args if arg is not None]
        orders = [operands]
        if node.op.commutative and operands[0] is not operands[1]:
            orders.append(operands[::-1])
        # A look ahead at all operands, before any of them is followed further.
        likely = [order for order in orders if all(map(_plausible, args, order))]
        for order in likely:
            yield from self._all(args, order, bound, (*ops, op))
        if not likely and self.trail is not None:
            order = max(orders, key=lambda order: sum(map(_plausible, args, order)))
            for arg, value in zip(args, order, strict=True):
                if not _plausible(arg, value):
                    yield from self._value(arg, value, bound, (*ops, op))

    def _attributes(self, node: Match, op: Operation, environment: Environment, progress: int) -> Environment | None:
        for name, wanted in node.attributes:
            value = read_attribute(op, name)
            if isinstance(wanted, Value):
                if wanted.value != value:
                    self._miss(progress, f"{name} is {value}, not {wanted.value}", op.results[0])
                    return None
            elif wanted.name != "_":
                bound = self._bind((wanted.name,), value, environment, progress)
                if bound is None:
                    return None
                environment = bound
        return environment

    def _all(
        self, nodes: Sequence[Node], values: Sequence[SSAValue], environment: Environment, ops: tuple[Operation, ...]
    ) -> Iterator[tuple[Environment, tuple[Operation, ...]]]:
        if not nodes:
            yield environment, ops
            return
        for bound, inner in self._value(nodes[0], values[0], environment, ops):
            yield from self._all(nodes[1:], values[1:], bound, inner)


def _plausible(node: Node, value: SSAValue) -> bool:
    if isinstance(node, AnyValue):
        return True
    if not isinstance(value, OpResult):
        return False
    return isinstance(value.op, ConstantOp) if isinstance(node, Constant) else node.op.describes(value.op)


def evaluate(term: Term, environment: Environment, facts: Facts) -> Any:
    """The value of a condition or attribute."""
    match term:
        case Value(value=value):
            return value
        case Captured(name=name):
            return environment.get(name)
        case Computed(function=function, args=args):
            return function(facts, *(evaluate(arg, environment, facts) for arg in args))


def _describe(op: Operation) -> str:
    name, fn = keys_of(op)[0]
    return fn or name.partition(".")[2]


def _value_or_none(value: object) -> SSAValue | None:
    return value if isinstance(value, SSAValue) else None
