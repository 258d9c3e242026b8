"""Kernels with a forall inside a loop: cores meet after each, and global memory passes from one to the next."""

from __future__ import annotations

import numpy as np
import pytest

from vcc.runtime.diagnostics import VccError
from vcc.runtime.interpreter.kernel import run_kernel
from vcc.runtime.isa.assembler import parse_kernel_text
from vcc.runtime.isa.kernel import meets
from vcc.runtime.isa.verifier import verify_kernel
from vcc.runtime.native.engine import compile_kernel

STEPS, BLOCKS, BLOCK = 12, 5, 24
WIDTH = BLOCKS * BLOCK
#: Row t + 1 is row t turned by one element, plus itself: every block needs elements of its neighbour.
TURNING = f"""
kernel k(x: gm f32[{WIDTH}] in, y: gm f32[{STEPS * WIDTH}] out, n: i64 0..{STEPS}) {{
  buf all: ub f32[{WIDTH}]
  buf own: ub f32[{BLOCK}]
  loop %t = 0..%n {{
    %before = max %t-1, 0
    %first = eq %t, 0
    %rest = ne %t, 0
    forall %p = 0..{BLOCKS} {{
      %beyond = add %p, 1
      %next = mod %beyond, {BLOCKS}
      load {{i:{WIDTH}}} all(1), x(1) when=%first
      load {{i:{WIDTH}}} all(1), y[{WIDTH}*%before](1) when=%rest
      barrier
      add {{i:{BLOCK - 1}}} own(1), all[{BLOCK}*%p](1), all[{BLOCK}*%p+1](1)
      add {{i:1}} own[{BLOCK - 1}](1), all[{BLOCK}*%p+{BLOCK - 1}](1), all[{BLOCK}*%next](1)
      barrier
      store {{i:{BLOCK}}} y[{WIDTH}*%t+{BLOCK}*%p](1), own(1)
      barrier
    }}
  }}
}}
"""


def turned(x: np.ndarray, steps: int) -> np.ndarray:
    rows = [x]
    for _ in range(steps):
        rows.append(rows[-1] + np.roll(rows[-1], -1))
    return np.stack(rows[1:]) if steps else np.zeros((0, WIDTH), np.float32)


def arguments(steps: int) -> dict[str, np.ndarray | int]:
    x = np.random.default_rng(steps).integers(-4, 5, WIDTH).astype(np.float32)
    return {"x": x, "y": np.full((STEPS, WIDTH), np.nan, np.float32), "n": steps}


def test_the_kernel_is_sound_and_meets():
    (kernel,) = parse_kernel_text(TURNING)
    assert meets(kernel)
    assert not verify_kernel(kernel, None)


@pytest.mark.parametrize("cores", [1, 2, 3, 7])
@pytest.mark.parametrize("order", [None, 0, 1, 2])
def test_each_forall_is_over_before_the_next_begins(cores: int, order: int | None):
    (kernel,) = parse_kernel_text(TURNING)
    args = arguments(STEPS)
    run_kernel(kernel, args, cores=cores, order=order, sanitize=order == 0)
    np.testing.assert_array_equal(args["y"], turned(np.asarray(args["x"]), STEPS))


@pytest.mark.parametrize("threads", [1, 2, 3, 7])
def test_threads_meet_natively(threads: int):
    (kernel,) = parse_kernel_text(TURNING)
    native = compile_kernel(kernel)
    assert native.parallel
    for steps in (STEPS, 1, 0):
        args = arguments(steps)
        native.launch(args, threads=threads)
        np.testing.assert_array_equal(np.asarray(args["y"])[:steps], turned(np.asarray(args["x"]), steps))


def test_foralls_may_follow_each_other():
    (kernel,) = parse_kernel_text("""
    kernel k(x: gm f32[8] in, y: gm f32[8] out, z: gm f32[8] out) {
      buf t: ub f32[1]
      forall %i = 0..8 { load {j:1} t(1), x[%i](1) barrier store {j:1} y[%i](1), t(1) barrier }
      forall %i2 = 0..8 { load {j:1} t(1), y[7-%i2](1) barrier store {j:1} z[%i2](1), t(1) barrier }
    }""")
    assert not verify_kernel(kernel, None)
    x = np.arange(8, dtype=np.float32)
    for run in (
        lambda args: run_kernel(kernel, args, cores=3, order=1, sanitize=True),
        lambda args: run_kernel(kernel, args, cores=8),
        lambda args: compile_kernel(kernel).launch(args, threads=2),
    ):
        args = {"x": x, "y": np.zeros(8, np.float32), "z": np.zeros(8, np.float32)}
        run(args)
        np.testing.assert_array_equal(args["z"], x[::-1])


def test_a_trap_in_one_part_ends_all():
    (kernel,) = parse_kernel_text("""
    kernel k(x: gm i32[4] in, y: gm f32[400] out) {
      buf t: ub f32[4]
      loop %s = 0..100 {
        forall %i = 0..4 {
          %n = sload x[%i]
          copy {j:%n max 4} t(1), 1.0
          barrier
          store {j:1} y[4*%s+%i](1), t(1)
          barrier
        }
      }
    }""")
    args = {"x": np.array([4, 4, 4, 5], np.int32), "y": np.zeros(400, np.float32)}
    for threads in (1, 2, 4):
        with pytest.raises(VccError, match="size"):
            compile_kernel(kernel).launch(args, threads=threads)
    for order in (None, 3):
        with pytest.raises(VccError, match="size"):
            run_kernel(kernel, args, cores=2, order=order)


def test_what_is_on_chip_does_not_pass_to_the_next_forall():
    """In program order it is garbage there, and the sanitizer says so."""
    (kernel,) = parse_kernel_text("""
    kernel k(x: gm f32[2] in, y: gm f32[2] out) {
      buf t: ub f32[1]
      loop %s = 0..2 {
        %first = eq %s, 0
        forall %i = 0..2 {
          load {j:1} t(1), x[%i](1) when=%first
          barrier
          store {j:1} y[%i](1), t(1)
          barrier
        }
      }
    }""")
    args = {"x": np.ones(2, np.float32), "y": np.zeros(2, np.float32)}
    run_kernel(kernel, args, cores=2)
    assert np.isnan(args["y"]).all()
    with pytest.raises(VccError, match="another iteration of the forall wrote"):
        run_kernel(kernel, args, cores=2, sanitize=True)


def test_iterations_of_one_forall_may_not_meet_in_global_memory():
    """Each reads what its neighbour stores in the same forall."""
    wrong = TURNING.replace(" when=%first", "").replace("load {i:120} all(1), y[120*%before](1) when=%rest",
                                                       "load {i:1} all(1), y[120*%t+24*%next](1)")  # fmt: skip
    (kernel,) = parse_kernel_text(wrong)
    with pytest.raises(VccError, match="two iterations of the forall access the same elements of y"):
        run_kernel(kernel, arguments(STEPS), cores=2, sanitize=True)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("loop %t = 0..4 { copy {j:4} t(1), 1.0 forall %i = 0..4 { } }", "around a forall only loops and scalar"),
        ("loop %t = 0..4 { forall %i = 0..4 { } barrier }", "around a forall only loops and scalar"),
        ("forall %i = 0..4 { forall %j = 0..4 { } }", "a forall stands in another one"),
        ("forall %i = 0..4 { loop %s = 0..2 { forall %j = 0..4 { } } }", "a forall stands in another one"),
        ("%a = sload y[0] if %a { forall %i = 0..4 { } }", "around a forall only loops and scalar"),
        ("loop %t = 0..4 { %a = sload y[0] forall %i = 0..4 { } }", "sload reads y, which a forall may be writing"),
    ],
)
def test_what_may_not_stand_around_a_forall(body: str, message: str):
    (kernel,) = parse_kernel_text(f"kernel k(y: gm i32[4] inout) {{ buf t: ub i32[4] {body} }}")
    assert any(message in problem.message for problem in verify_kernel(kernel, None))
