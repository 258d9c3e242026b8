"""Random legal orders: right kernels do not depend on them, wrong ones do, and stuck ones say why."""

from __future__ import annotations

import numpy as np
import pytest

from vcc.runtime.diagnostics import VccError
from vcc.runtime.interpreter.kernel import run_kernel
from vcc.runtime.isa.assembler import parse_kernel_text
from vcc.runtime.isa.kernel import Kernel

SEEDS = 100
EVENTS = """
  event xfree: V>IN x2 =1
  event xready: IN>V x2
  event yfree: OUT>V x2 =1
  event yready: V>OUT x2
"""
#: y = 2x + 1 for rows of 16, with both buffers doubled; an odd number of rows tests the slots.
DOUBLED = """
kernel doubled(x: gm f32[16*%n] in, y: gm f32[16*%n] out, n: i64 0..99) {
  buf xt: ub f32[16] x2 @0
  buf yt: ub f32[16] x2 @128
EVENTS
  forall %r = 0..%n {
    wait xfree[%r]
    load {j:16} xt@%r(1), x[16*%r](1)
    signal xready[%r]
    wait xready[%r]
    wait yfree[%r]
    mul {j:16} yt@%r(1), xt@%r(1), 2.0
    signal xfree[%r]
    add {j:16} yt@%r(1), yt@%r(1), 1.0
    signal yready[%r]
    wait yready[%r]
    store {j:16} y[16*%r](1), yt@%r(1)
    signal yfree[%r]
  }
}
""".replace("EVENTS", EVENTS)
SYNCS = [line.strip() for line in DOUBLED.splitlines() if line.strip().startswith(("wait", "signal"))]


def parse(text: str) -> Kernel:
    (kernel,) = parse_kernel_text(text)
    return kernel


def wrong_seeds(kernel: Kernel, rows: int = 13, seeds: int = SEEDS, cores: int = 1) -> int:
    """In how many of the seeds' orders the result of a DOUBLED kernel is wrong."""
    x = np.random.default_rng(0).standard_normal((rows, 16)).astype(np.float32)
    wrong = 0
    for seed in range(seeds):
        y = np.zeros_like(x)
        run_kernel(kernel, {"x": x, "y": y, "n": rows}, order=seed, cores=cores)
        wrong += not np.array_equal(y, x * 2 + 1)
    return wrong


@pytest.mark.parametrize(("rows", "cores"), [(13, 1), (14, 1), (13, 3), (2, 5), (0, 1)])
def test_a_right_kernel_does_not_depend_on_the_order(rows: int, cores: int):
    assert wrong_seeds(parse(DOUBLED), rows, cores=cores) == 0


@pytest.mark.parametrize("event", ["xfree", "xready", "yfree", "yready"])
def test_a_missing_event_is_found(event: str):
    text = "\n".join(line for line in DOUBLED.splitlines() if event not in line)
    assert wrong_seeds(parse(text)) > 0


def test_counting_tokens_without_slots_is_found():
    """With slots that do not follow the buffers', a row can be overwritten before it is read."""
    text = DOUBLED
    for event in ("xfree", "xready", "yfree", "yready"):
        text = text.replace(f" {event}[%r]", f" {event}")
    text = text.replace("xfree: V>IN x2 =1", "xfree: V>IN =3").replace("x2\n", "\n").replace("OUT>V x2 =1", "OUT>V =2")
    assert wrong_seeds(parse(text.replace("xready: IN>V x2", "xready: IN>V"))) > 0


def test_program_order_ignores_events():
    text = "\n".join(line for line in DOUBLED.splitlines() if not line.strip().startswith(("wait", "signal")))
    x, y = np.ones((5, 16), np.float32), np.zeros((5, 16), np.float32)
    run_kernel(parse(text), {"x": x, "y": y, "n": 5})
    assert np.all(y == 3)


@pytest.mark.parametrize("cores", [1, 2, 4, 7, 20])
def test_cores_divide_the_iterations(cores: int):
    x = np.random.default_rng(1).standard_normal((13, 16)).astype(np.float32)
    y = np.zeros_like(x)
    run_kernel(parse(DOUBLED), {"x": x, "y": y, "n": 13}, cores=cores)
    assert np.array_equal(y, x * 2 + 1)


def test_what_one_iteration_leaves_on_chip_is_lost_on_the_next_core():
    kernel = parse("""
        kernel k(x: gm f32[1] in, y: gm f32[4] out) {
          buf t: ub f32[1]
          forall %i = 0..4 {
            %first = eq %i, 0
            load {j:1} t(1), x(1) when=%first
            store {j:1} y[%i](1), t(1)
          }
        }""")
    y = np.zeros(4, np.float32)
    run_kernel(kernel, {"x": np.ones(1, np.float32), "y": y}, cores=2)
    assert np.array_equal(y[:2], [1, 1]) and np.isnan(y[2])


BARRIER = """
kernel b(x: gm f32[16] in, y: gm f32[16] out, i: gm i64[1] inout) {
  buf t: ub f32[16]
  load {j:16} t(1), x(1)
  FIRST
  neg {j:16} t(1), t(1)
  SECOND
  store {j:16} y(1), t(1)
}
"""


def test_a_barrier_joins_all_pipes():
    x = np.arange(16, dtype=np.float32)

    def wrong(text: str) -> int:
        results = [np.zeros_like(x) for _ in range(30)]
        for seed, y in enumerate(results):
            run_kernel(parse(text), {"x": x, "y": y, "i": np.zeros(1, np.int64)}, order=seed)
        return sum(not np.array_equal(y, -x) for y in results)

    both = BARRIER.replace("FIRST", "barrier").replace("SECOND", "barrier")
    assert wrong(both) == 0
    assert wrong(BARRIER.replace("FIRST", "barrier").replace("SECOND", "")) > 0


def test_a_scalar_load_waits_for_events_to_s():
    text = """
    kernel k(x: gm i64[1] in, n: gm i64[1] inout, y: gm i64[1] out) {
      buf t: ub i64[1]
      event done: OUT>S
      event ready: IN>OUT
      load {j:1} t(1), x(1)
      signal ready
      wait ready
      store {j:1} n(1), t(1)
      signal done
      WAIT
      %v = sload n[0]
      store {j:1} y(1), t(1) when=%v
    }"""

    def wrong(kernel: Kernel) -> int:
        bad = 0
        for seed in range(30):
            y, n = np.zeros(1, np.int64), np.zeros(1, np.int64)
            run_kernel(kernel, {"x": np.full(1, 7), "n": n, "y": y}, order=seed)
            bad += int(y[0]) != 7
        return bad

    assert wrong(parse(text.replace("WAIT", "wait done"))) == 0
    assert wrong(parse(text.replace("WAIT", ""))) > 0


def test_a_deadlock_names_the_pipes_and_what_they_wait_for():
    text = DOUBLED.replace("xfree: V>IN x2 =1", "xfree: V>IN x2")
    with pytest.raises(VccError, match=r"kernel doubled: IN waits for xfree\[0\] from V; V waits for xready") as caught:
        wrong_seeds(parse(text), seeds=1)
    assert caught.value.diagnostics[0].code == "E0402"


def test_s_that_waits_for_ever_is_a_deadlock_too():
    text = """
    kernel k(x: gm f32[1] in) {
      buf t: ub f32[1]
      event never: V>S x2
      load {j:1} t(1), x(1)
      wait never[3]
      barrier
    }"""
    with pytest.raises(VccError, match=r"S waits for never\[1\] from V"):
        run_kernel(parse(text), {"x": np.zeros(1, np.float32)}, order=0)


def test_more_steps_than_the_window_are_executed():
    rows = 3000
    x = np.random.default_rng(0).standard_normal((rows, 16)).astype(np.float32)
    y = np.zeros_like(x)
    for seed in range(3):
        run_kernel(parse(DOUBLED.replace("0..99", "0..9999")), {"x": x, "y": y, "n": rows}, order=seed)
        assert np.array_equal(y, x * 2 + 1)
