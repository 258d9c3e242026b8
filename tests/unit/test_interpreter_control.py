"""Scalar instructions and control flow: registers, loops, branches, forall, and Polys made into Python."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest

from vcc.runtime.interpreter.kernel import run_kernel
from vcc.runtime.interpreter.numbers import compile_number, compile_numbers
from vcc.runtime.interpreter.program import Program
from vcc.runtime.isa.assembler import parse_kernel_text
from vcc.runtime.isa.expr import SCALAR_FNS, Poly, scalar_fold


def trace(body: str, order: int | None = None, **scalars: int) -> list[int]:
    """The numbers that a body appends to y with `EMIT value`, in program order."""
    emit = "%at = sload c[0]\n iota {q:scan 1} t(1), start=VALUE\n barrier\n store {q:1} y[%at](1), t(1)\n barrier\n"
    emit += "iota {q:scan 1} t(1), start=%at+1\n barrier\n store {q:1} c(1), t(1)\n barrier\n"
    lines = [emit.replace("VALUE", line.split()[1]) if "EMIT" in line else line for line in body.splitlines()]
    params = "".join(f", {name}: i64 -99..99" for name in scalars)
    (kernel,) = parse_kernel_text(
        f"kernel k(y: gm i64[100] inout, c: gm i64[1] inout, d: gm i32[4] in{params}) {{\n buf t: ub i64[1]\n"
        + "\n".join(lines)
        + "\n}"
    )
    y, count = np.zeros(100, np.int64), np.zeros(1, np.int64)
    run_kernel(kernel, {"y": y, "c": count, "d": np.array([3, -1, 4, 1], np.int32), **scalars}, order=order)
    return y[: int(count[0])].tolist()


@pytest.mark.parametrize("order", [None, 0, 1, 2])
def test_loops_have_steps_and_may_be_empty(order: int | None):
    assert trace("loop %i = 2..%n step 3 {\n EMIT %i\n}", order, n=12) == [2, 5, 8, 11]
    assert trace("loop %i = 2..%n {\n EMIT %i\n}", order, n=2) == []
    assert trace("loop %i = 5..%n {\n EMIT %i\n}", order, n=-3) == []


def test_loops_nest_and_registers_are_assigned_again():
    body = "loop %i = 0..3 {\n %j2 = mul %i, 2\n loop %j = %i..%j2 {\n EMIT 10*%i+%j\n}\n}"
    assert trace(body) == [11, 22, 23]


@pytest.mark.parametrize(("n", "expected"), [(0, [2]), (1, [1]), (-1, [1]), (2, [1])])
def test_a_branch_is_taken_where_the_condition_is_not_zero(n: int, expected: list[int]):
    assert trace("if %n {\n EMIT 1\n} else {\n EMIT 2\n}", n=n) == expected


def test_a_branch_may_lack_the_other():
    assert trace("loop %i = 0..5 {\n %odd = mod %i, 2\n if %odd {\n EMIT %i\n}\n}") == [1, 3]


def test_scalar_loads_convert_to_integers():
    assert trace("loop %i = 0..4 {\n %v = sload d[%i]\n EMIT %v\n}") == [3, -1, 4, 1]


@pytest.mark.parametrize("fn", sorted(SCALAR_FNS))
def test_scalar_instructions(fn: str):
    for a, b in [(7, 2), (-7, 2), (7, -2), (0, 5), (3, 3)]:
        assert trace(f"%v = {fn} %a, %b\n EMIT %v", a=a, b=b) == [scalar_fold(fn, [a, b])]


def test_a_forall_of_several_ranges_is_divided_in_order():
    (kernel,) = parse_kernel_text("""
        kernel k(y: gm i64[24] out, n: i64 0..9) {
          buf t: ub i64[1]
          %low = mul %n, 0
          forall %a = 1..%n, %b = %low..3, %c = -1..1 {
            iota {q:scan 1} t(1), start=100*%a+10*%b+%c
            barrier
            store {q:1} y[6*%a+2*%b+%c-5](1), t(1)
            barrier
          }
        }""")
    program = Program(kernel)
    expected = [100 * a + 10 * b + c for a in (1, 2, 3) for b in range(3) for c in (-1, 0)]
    for cores in (1, 2, 5, 18, 40):
        for order in (None, 3):
            y = np.full(24, -1)
            run_kernel(program, {"y": y, "n": 4}, cores=cores, order=order)
            assert y[:18].tolist() == expected and np.all(y[18:] == -1)


def test_polys_as_python_have_the_same_values():
    random = Random(0)
    names = ["a", "b", "odd name", "x" * 80]
    for terms in (0, 1, 3, 200):
        poly = Poly.of(random.randint(-5, 5))
        for _ in range(terms):
            product = Poly.of(random.randint(-9, 9))
            for _ in range(random.randint(0, 6)):
                product = product * random.choice(names)
            poly = poly + product
        env = {name: random.randint(-99, 99) for name in names}
        assert compile_number(poly)(env) == poly.evaluate(env)
        assert compile_numbers([poly, Poly.of(3), Poly()])(env) == (poly.evaluate(env), 3, 0)
