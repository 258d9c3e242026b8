"""Kernels with a forall inside a loop: cores meet after each, and global memory passes from one to the next."""

from __future__ import annotations

import numpy as np
import pytest

from vcc.runtime.binary.image import Image
from vcc.runtime.diagnostics import VccError
from vcc.runtime.interpreter.kernel import run_kernel
from vcc.runtime.isa.assembler import parse_kernel_text
from vcc.runtime.isa.dtypes import BY_NAME
from vcc.runtime.isa.host import HostProgram, Launch, Ref, Space, TensorSpec
from vcc.runtime.isa.kernel import meets
from vcc.runtime.isa.verifier import verify_kernel
from vcc.runtime.native.engine import compile_kernel
from vcc.runtime.native.program import NativeProgram

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


N = 40000
#: Doubles, and then adds what was given three times; stores of %limit elements trap above 1000.
FIVEFOLD = f"""
kernel fivefold(x: gm f32[{N}] in, y: gm f32[{N}] out, limit: i64 0..2000) {{
  buf t: ub f32[1000] @0
  buf u: ub f32[1000] @4096
  forall %r = 0..{N // 1000} {{
    load {{i:1000}} t(1), x[1000*%r](1)
    add {{i:1000}} t(1), t(1), t(1)
    store {{i:%limit max 1000}} y[1000*%r](1), t(1)
  }}
  loop %s = 0..3 {{
    forall %b = 0..{N // 1000} {{
      load {{i:1000}} t(1), x[1000*%b](1)
      load {{i:1000}} u(1), y[1000*%b](1)
      add {{i:1000}} t(1), t(1), u(1)
      store {{i:1000}} y[1000*%b](1), t(1)
    }}
  }}
}}
"""


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_a_program_launches_such_a_kernel_on_all_threads(threads: int):
    """The second launch writes where its input lies, which it reads again after the first meeting."""
    x = np.random.default_rng(0).integers(-9, 9, N).astype(np.float32)
    program = NativeProgram(chain(1000), threads)
    for _ in range(20):
        np.testing.assert_array_equal(program.run([x])[0], 25 * x)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_a_trap_before_a_meeting_is_told(threads: int):
    program = NativeProgram(chain(1001), threads)
    for _ in range(3):
        with pytest.raises(VccError, match="kernel fivefold: store: the size of i"):
            program.run([np.zeros(N, np.float32)])


def chain(limit: int) -> Image:
    """A program of two launches, the second of which writes over its input, and one that copies."""
    spec = (TensorSpec("x", BY_NAME["f32"], (N,)),), (TensorSpec("y", BY_NAME["f32"], (N,)),)
    arena = Ref(Space.ARENA)
    steps = (
        Launch("fivefold", (Ref(Space.INPUT), arena, 1000)),
        Launch("fivefold", (arena, arena, limit)),
        Launch("same", (arena, Ref(Space.OUTPUT))),
    )
    same = f"kernel same(x: gm f32[{N}] in, y: gm f32[{N}] out) {{ buf t: ub f32[{N}] @0\n"
    same += f"load {{i:{N}}} t(1), x(1)\n store {{i:{N}}} y(1), t(1) }}"
    kernels = (*parse_kernel_text(FIVEFOLD), *parse_kernel_text(same))
    return Image(kernels, HostProgram(*spec, steps, arena_bytes=4 * N))
