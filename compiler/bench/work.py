"""The multiply-adds that a program executes, from its instructions alone, without running it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from math import prod

from vcc.runtime.binary.image import Image
from vcc.runtime.isa.expr import scalar_fold
from vcc.runtime.isa.host import Launch
from vcc.runtime.isa.kernel import Forall, If, Instr, Kernel, Let, Loop, ScalarParam, Statement

MAC_OPS = ("mmad", "mac")


class _DependsOnDataError(Exception):
    """A count depends on a number that is read from memory."""


def count_macs(image: Image) -> int:
    """Multiply-adds of all launches; 0 if a size, bound or condition depends on data."""
    kernels = {kernel.name: kernel for kernel in image.kernels}
    total = 0

    @cache
    def of(name: str, scalars: tuple[tuple[str, int], ...]) -> int:
        return _body(kernels[name].body, dict(scalars))

    try:
        for step in image.host.steps:
            if isinstance(step, Launch):
                total += of(step.kernel, _scalars(kernels[step.kernel], step))
    except _DependsOnDataError:
        return 0
    return total


def _scalars(kernel: Kernel, launch: Launch) -> tuple[tuple[str, int], ...]:
    pairs = zip(kernel.params, launch.args, strict=True)
    return tuple((p.name, arg) for p, arg in pairs if isinstance(p, ScalarParam) and isinstance(arg, int))


def _body(body: Sequence[Statement], env: dict[str, int]) -> int:
    total = 0
    for statement in body:
        try:
            total += _statement(statement, env)
        except KeyError as missing:  # a register that a ScalarLoad set
            raise _DependsOnDataError from missing
    return total


def _statement(statement: Statement, env: dict[str, int]) -> int:
    match statement:
        case Instr():
            if statement.op not in MAC_OPS or (statement.when is not None and not statement.when.evaluate(env)):
                return 0
            return prod(dim.size.evaluate(env) for dim in statement.domain)
        case Let():
            if all(each.registers <= env.keys() for each in statement.args):
                env[statement.register] = scalar_fold(statement.fn, [each.evaluate(env) for each in statement.args])
            return 0
        case If():
            if not _contains_mac(statement):
                return 0
            return _body(statement.then if statement.condition.evaluate(env) else statement.orelse, env)
        case Loop():
            steps = range(statement.low.evaluate(env), statement.high.evaluate(env), statement.step)
            return _repeated(statement.body, (statement.register,), [steps], env)
        case Forall():
            ranges = [range(low.evaluate(env), high.evaluate(env)) for _, low, high in statement.ranges]
            return _repeated(statement.body, tuple(name for name, _, _ in statement.ranges), ranges, env)
        case _:
            return 0


def _repeated(body: tuple[Statement, ...], names: tuple[str, ...], ranges: list[range], env: dict[str, int]) -> int:
    """The body's count over all values of the registers `names`; over one value of those that make no difference."""
    if not any(map(_contains_mac, body)) or not all(map(len, ranges)):
        return 0
    if not names:
        return _body(body, dict(env))
    rest = (body, names[1:], ranges[1:])
    if names[0] not in _deciding(body):
        return len(ranges[0]) * _repeated(*rest, {**env, names[0]: ranges[0][0]})
    return sum(_repeated(*rest, {**env, names[0]: value}) for value in ranges[0])


def _contains_mac(statement: Statement) -> bool:
    match statement:
        case Instr():
            return statement.op in MAC_OPS
        case Loop() | Forall():
            return any(map(_contains_mac, statement.body))
        case If():
            return any(map(_contains_mac, (*statement.then, *statement.orelse)))
        case _:
            return False


def _deciding(body: Sequence[Statement]) -> frozenset[str]:
    """The registers on which the count of multiply-adds in `body` depends, through scalar instructions too."""
    found: set[str] = set()
    for statement in reversed(body):
        match statement:
            case Instr() if statement.op in MAC_OPS:
                found.update(*(dim.size.registers for dim in statement.domain))
                found.update(statement.when.registers if statement.when is not None else ())
            case Let() if statement.register in found:
                found.update(*(each.registers for each in statement.args))
            case If() if _contains_mac(statement):
                found |= statement.condition.registers | _deciding(statement.then) | _deciding(statement.orelse)
            case Loop() if _contains_mac(statement):
                found |= statement.low.registers | statement.high.registers | _deciding(statement.body)
            case Forall() if _contains_mac(statement):
                found |= _deciding(statement.body)
                found.update(*(low.registers | high.registers for _, low, high in statement.ranges))
            case _:
                pass
    return frozenset(found)
