"""Whole programs natively: all launches in one call, threads, traps, host calls in between, memory that overlaps."""

from __future__ import annotations

import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from conformance import compile_model, make_model, node, random

from vcc.runtime.binary.image import Image
from vcc.runtime.diagnostics import VccError
from vcc.runtime.isa.assembler import parse_kernel_text
from vcc.runtime.isa.dtypes import BY_NAME
from vcc.runtime.isa.host import HostProgram, Launch, Ref, Space, TensorSpec
from vcc.runtime.native.program import NativeProgram
from vcc.runtime.session import Program

N = 40000
DOUBLE = (
    f"kernel double(x: gm f32[{N}] in, y: gm f32[{N}] out, limit: i64 0..1000) {{ buf t: ub f32[1000] @0\n"
    f"forall %r = 0..{N // 1000} {{ load {{i:1000}} t(1), x[1000*%r](1)\n"
    "add {i:1000} t(1), t(1), t(1)\n store {i:%limit max 1000} y[1000*%r](1), t(1) }}"
)
SPEC = (TensorSpec("x", BY_NAME["f32"], (N,)),), (TensorSpec("y", BY_NAME["f32"], (N,)),)


def chain(*refs: tuple[Ref, Ref, int]) -> Image:
    """A program that doubles from place to place."""
    kernels = parse_kernel_text(DOUBLE)
    steps = tuple(Launch("double", ref) for ref in refs)
    return Image(kernels, HostProgram(*SPEC, steps, arena_bytes=8 * N))


X = np.random.default_rng(0).standard_normal(N).astype(np.float32)
IN, OUT = Ref(Space.INPUT), Ref(Space.OUTPUT)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_launches_follow_each_other(threads: int) -> None:
    first, second = Ref(Space.ARENA), Ref(Space.ARENA, 0, 4 * N)
    image = chain((IN, first, 1000), (first, second, 1000), (second, first, 1000), (first, OUT, 1000))
    program = NativeProgram(image, threads)
    for _ in range(20):
        np.testing.assert_array_equal(program.run([X])[0], 16 * X)


@pytest.mark.parametrize("threads", [1, 2])
def test_an_input_may_overlap_the_output(threads: int) -> None:
    near, over = Ref(Space.ARENA), Ref(Space.ARENA, 0, 2000)
    image = chain((IN, near, 1000), (near, over, 1000), (over, OUT, 1000))
    np.testing.assert_array_equal(NativeProgram(image, threads).run([X])[0], 8 * X)


def test_what_is_ordered_is_not_overwritten_meanwhile() -> None:
    text = (
        "kernel copy(x: gm f32[32] in, y: gm f32[32] out) { buf t: ub f32[32] @0\n"
        "load {i:32} t(1), x(1)\n store {i:32} y(1), t(1) }\n"
        "kernel copy_i(x: gm i32[32] in, y: gm i32[32] out) { buf t: ub i32[32] @0\n"
        "load {i:32} t(1), x(1)\n store {i:32} y(1), t(1) }\n"
        "kernel rank(x: gm f32[32] in, y: gm i32[32] out) { buf k: ub f32[32] @0  buf o: ub i32[32] @128\n"
        "load {i:32} k(1), x(1)\n order {i:scan 32} o(1), k(1)\n store {i:32} y(1), o(1) }"
    )
    arena = Ref(Space.ARENA)
    steps = (Launch("copy", (IN, arena)), Launch("rank", (arena, arena)), Launch("copy_i", (arena, OUT)))
    specs = (TensorSpec("x", BY_NAME["f32"], (32,)),), (TensorSpec("y", BY_NAME["i32"], (32,)),)
    image = Image(parse_kernel_text(text), HostProgram(*specs, steps, arena_bytes=128))
    x = np.random.default_rng(1).standard_normal(32).astype(np.float32)
    np.testing.assert_array_equal(NativeProgram(image, 1).run([x])[0], np.argsort(x, kind="stable"))


@pytest.mark.parametrize("threads", [1, 2])
def test_a_trap_names_its_step_and_ends_all_threads(threads: int) -> None:
    text = DOUBLE.replace("limit: i64 0..1000", "limit: i64 0..2000")
    steps = (Launch("double", (IN, Ref(Space.ARENA), 1000)), Launch("double", (Ref(Space.ARENA), OUT, 1001)))
    program = NativeProgram(Image(parse_kernel_text(text), HostProgram(*SPEC, steps, arena_bytes=4 * N)), threads)
    for _ in range(3):
        with pytest.raises(VccError, match="step 1, kernel double: store: the size of i"):
            program.run([X])


def test_runs_overlap_in_time() -> None:
    arena = Ref(Space.ARENA)
    program = NativeProgram(chain((IN, arena, 1000), (arena, OUT, 1000)), 3)

    def run(seed: int) -> bool:
        x = np.full(N, seed, np.float32)
        return all(bool((program.run([x])[0] == 4 * seed).all()) for _ in range(20))

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(run, range(8)))


def test_host_calls_between_launches() -> None:
    x = random(6, 50)
    model = make_model([node("Relu", "x", "a"), node("Det", "q", "d"), node("Add", ["a", "d"])],
                       {"x": x, "q": random(3, 3)}, {}, ["y"])  # fmt: skip
    feeds: dict[str, Any] = {"x": x, "q": random(3, 3)}
    program = Program(compile_model(model, "host"))
    (want,), (got,) = (program.run(feeds, engine=e, threads=2) for e in ("interpreter", "native"))
    np.testing.assert_allclose(got, want, rtol=1e-6)


def test_native_is_the_default_and_says_so_if_not(monkeypatch: pytest.MonkeyPatch) -> None:
    image = chain((IN, OUT, 1000))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Program(image).engine == "native"
    import vcc.runtime.native.start as module

    def missing(*_: object, **__: object) -> None:
        raise ImportError("no llvmlite here")

    monkeypatch.setattr(module, "program_code", missing)
    program = Program(image)
    with pytest.warns(UserWarning, match="interpreter, which is slow: no llvmlite here"):
        (y,) = program.run([X])
    np.testing.assert_array_equal(y, 2 * X)
