"""The sanitizer: silent on right kernels in any order, and exact about unwritten memory and missing events."""

from __future__ import annotations

import numpy as np
import pytest

from vcc.runtime.diagnostics import VccError
from vcc.runtime.interpreter.kernel import run_kernel
from vcc.runtime.isa.assembler import parse_kernel_text

#: y = 2x for rows of 16 through one doubled buffer, with a running total of all rows in `sum`.
DOUBLED = """
kernel doubled(x: gm f32[16*%n] in, y: gm f32[16*%n] out, n: i64 0..99) {
  buf t: ub f32[16] x2 @0
  buf sum: ub f32[16] @128
  event free: OUT>IN x2 =1
  event ready: IN>V x2
  event done: V>OUT x2
  loop %r = 0..%n {
    wait free[%r]
    load {j:16} t@%r(1), x[16*%r](1)
    signal ready[%r]
    wait ready[%r]
    %first = eq %r, 0
    mul {j:16} t@%r(1), t@%r(1), 2.0
    reduce.add {j:16, k:reduce 1} sum(1,0), t@%r(1,1), zero=%first
    signal done[%r]
    wait done[%r]
    store {j:16} y[16*%r](1), t@%r(1)
    signal free[%r]
  }
}
"""


def run(text: str, order: int | None = None, cores: int = 1, **sizes: int) -> np.ndarray:
    """y after a sanitized run on ones."""
    (kernel,) = parse_kernel_text(text)
    n = sizes.get("n", 5)
    x, y = np.ones(16 * n, np.float32), np.zeros(16 * n, np.float32)
    arguments = {"x": x, "y": y, "n": n}
    run_kernel(kernel, {p.name: arguments[p.name] for p in kernel.params}, order=order, cores=cores, sanitize=True)
    return y


def test_a_right_kernel_passes_in_every_order():
    for order in range(20):
        assert np.all(run(DOUBLED, order) == 2)
    assert np.all(run(DOUBLED.replace("loop", "forall").replace("zero=%first", "zero=1"), cores=3) == 2)


@pytest.mark.parametrize("event", ["free", "ready", "done"])
def test_any_order_finds_a_missing_event(event: str):
    text = "\n".join(line for line in DOUBLED.splitlines() if f" {event}" not in line)
    for order in range(10):
        with pytest.raises(VccError, match=r"no event orders this access of t on|elements of t are read") as caught:
            run(text, order)
        assert caught.value.diagnostics[0].code == "E0401"


def test_a_token_too_many_is_a_race():
    assert any_race(DOUBLED.replace("free[%r]", "free[0]").replace("=1", "=3"))
    assert not any_race(DOUBLED.replace("free[%r]", "free[0]").replace("=1", "=2"))


def any_race(text: str) -> bool:
    """Whether one of some orders reports a race."""
    for order in range(10):
        try:
            run(text, order)
        except VccError as failure:
            assert "no event orders" in str(failure)
            return True
    return False


def test_reading_what_nobody_wrote_is_told():
    text = """
    kernel k(x: gm f32[16] in, y: gm f32[16] out) {
      buf t: ub f32[16]
      load {j:15} t(1), x(1)
      barrier
      neg {j:16} t(1), t(1)
    }"""
    with pytest.raises(VccError, match="elements of t are read that nothing wrote"):
        run(text, n=1)
    run(text.replace("{j:15}", "{j:16}"), n=1)
    run(text.replace("{j:15}", "{j:16 in 0..3}"), n=1)


def test_the_first_sum_must_start_anew():
    with pytest.raises(VccError, match="elements of sum are read that nothing wrote"):
        run(DOUBLED.replace("zero=%first", "zero=0"))


def test_accesses_through_another_buffer_at_the_same_address_count():
    text = """
    kernel k(x: gm f32[16] in, y: gm f32[16] out) {
      buf t: ub f32[16] @0
      buf u: ub i8[64] @0
      load {j:16} t(1), x(1)
      BARRIER
      copy {j:1} u[5](1), 1
    }"""
    run(text.replace("BARRIER", "barrier"), n=1)
    with pytest.raises(VccError, match="no event orders this access of u on V after one on IN: load"):
        run(text.replace("BARRIER", ""), order=first_order_with_load_before(text), n=1)


def first_order_with_load_before(text: str) -> int:
    """A seed in whose order IN comes before V."""
    for order in range(20):
        try:
            run(text.replace("BARRIER", ""), order, n=1)
        except VccError as failure:
            if "on V after one on IN" in str(failure):
                return order
    raise AssertionError("no order has IN first")


def test_a_store_and_a_load_of_the_same_global_memory_need_an_event():
    text = """
    kernel k(x: gm f32[16] in, y: gm f32[16] inout) {
      buf t: ub f32[16]
      buf u: ub f32[16]
      event stored: OUT>IN
      load {j:16} t(1), x(1)
      barrier
      store {j:16} y(1), t(1)
      SYNC
      load {j:16} u(1), y(1)
    }"""
    run(text.replace("SYNC", "signal stored\n wait stored"), n=1)
    with pytest.raises(VccError, match="no event orders this access of y"):
        run(text.replace("SYNC", ""), n=1)


FORALL = """
kernel k(x: gm f32[16] in, y: gm f32[16] inout) {
  buf t: ub f32[1]
  forall %i = 0..4 {
    barrier
    BODY
  }
}
"""


@pytest.mark.parametrize("cores", [1, 2, 4])
@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("load {j:1} t(1), x(1)\nbarrier\nstore {j:1} y[%i](1), t(1)", ""),
        ("load {j:1} t(1), y[%i](1)\nbarrier\nstore {j:1} y[%i](1), t(1)", ""),
        ("load {j:1} t(1), x(1)\nbarrier\nstore {j:1} y(1), t(1)", "two iterations of the forall access .* of y"),
        ("load {j:1} t(1), x(1)\nbarrier\nstore.add {j:1} y(1), t(1)", "two iterations of the forall"),
        ("load {j:1} t(1), y(1)\nbarrier\nstore {j:1} y[%i](1), t(1)", "two iterations of the forall"),
        ("load {j:1} t(1), y[%i+1](1)\nbarrier\nstore {j:1} y[%i](1), t(1)", "two iterations of the forall"),
        (
            "%first = mod %i, 2\nload {j:1} t(1), x(1) when=1-%first\nbarrier\nstore {j:1} y[%i](1), t(1)",
            "another iteration of the forall wrote|nothing wrote",
        ),
    ],
)
def test_iterations_neither_meet_nor_leave_things_behind(body: str, message: str, cores: int):
    text = FORALL.replace("BODY", body)
    for order in range(5):
        if message:
            with pytest.raises(VccError, match=message):
                run(text, order, cores, n=1)
        else:
            run(text, order, cores, n=1)
