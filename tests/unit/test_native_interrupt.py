"""Ctrl-C, forks, several threads: a native program is never left broken, and never runs two at once on one memory."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Generator

import adding as programs
import numpy as np
import pytest

from vcc.runtime.binary.image import Image
from vcc.runtime.native.leader import SHORT, led
from vcc.runtime.native.program import NativeProgram

N, ROWS = 256, 1024
#: Adds 1 to every element %n times: a kernel that takes as long as it is told to.
ADD = (
    f"kernel add(x: gm f32[{N * ROWS}] in, y: gm f32[{N * ROWS}] out, n: i64 0..1000000000) {{ buf t: ub f32[{N}] @0\n"
    f"forall %r = 0..{ROWS} {{ load {{i:{N}}} t(1), x[{N}*%r](1)\n"
    f"loop %k = 0..%n {{ add {{i:{N}}} t(1), t(1), 1.0 }}\n"
    f"store {{i:{N}}} y[{N}*%r](1), t(1) }} }}"
)
X = np.zeros(N * ROWS, np.float32)
#: Seconds after which tests give up what takes a fraction of one: reached if it never comes, not on a slow computer.
NEVER = 60


def adding(*counts: int) -> Image:
    """A program of a launch for each count; its result is their sum."""
    return programs.adding(ADD, N * ROWS, counts)


@pytest.fixture(autouse=True)
def ctrl_c() -> Generator[None]:
    """As in a terminal: what a shell starts in the background ignores SIGINT."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def interrupted(work: Callable[[], object], seconds: float) -> float:
    """Does the work again and again until SIGINT ends it, so many seconds from now. How long that took, in seconds.

    The one signal that is sent has arrived when this returns, whatever else the computer does.
    """
    sent = list[float]()

    def interrupt() -> None:
        sent.append(time.perf_counter())
        os.kill(os.getpid(), signal.SIGINT)

    timer = threading.Timer(seconds, interrupt)
    try:
        timer.start()
        while not sent or time.perf_counter() < sent[0] + NEVER:
            work()
    except KeyboardInterrupt:
        return time.perf_counter() - sent[0]
    pytest.fail("the signal did not arrive")


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("counts", [(30_000,) * 300, (1_000_000,)], ids=["many launches", "one launch"])
def test_ctrl_c_ends_a_long_run_soon_and_leaves_the_program_usable(threads: int, counts: tuple[int, ...]) -> None:
    program = NativeProgram(adding(*counts), threads)
    out = np.zeros(N * ROWS, np.float32)
    for _ in range(2):
        assert interrupted(lambda: program.run([X], [out]), 0.2) < 20  # the whole takes minutes
        before = out.copy()
        time.sleep(0.05)
        np.testing.assert_array_equal(out, before)  # nothing goes on behind the caller's back
    short = NativeProgram(adding(3, 4), threads)
    np.testing.assert_array_equal(short.run([X])[0], X + 7)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_a_program_runs_again_after_interrupts_at_any_moment(threads: int) -> None:
    program = NativeProgram(adding(20, 30, 40), threads)
    program.run([X])
    for number in range(60):
        interrupted(lambda: program.run([X]), number * 2e-5)
        np.testing.assert_array_equal(program.run([X])[0], X + 90)


def test_one_program_in_several_threads_with_interrupts() -> None:
    program, failures = NativeProgram(adding(5, 6), 2), list[str]()

    def work(seed: int) -> None:
        x = np.full(N * ROWS, seed, np.float32)
        for _ in range(30):
            if not (program.run([x])[0] == seed + 11).all():
                failures.append("wrong")

    workers = [threading.Thread(target=work, args=(i,)) for i in range(3)]
    for worker in workers:
        worker.start()
    while any(worker.is_alive() for worker in workers):
        interrupted(lambda: program.run([X]), 0.002)
    assert not failures


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_has_threads_of_its_own(threads: int) -> None:
    program = NativeProgram(adding(5, 6), threads)
    program.run([X])
    child = os.fork()
    if not child:
        status = 1
        try:
            signal.alarm(NEVER)
            status = 0 if (program.run([X])[0] == 11).all() else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    np.testing.assert_array_equal(program.run([X])[0], X + 11)


def test_short_calls_are_made_by_the_caller_and_long_ones_by_another_thread() -> None:
    seen = list[threading.Thread]()

    def call(job: int) -> int:
        seen.append(threading.current_thread())
        return 7 + job

    assert led(call, 1, lambda: None, SHORT / 2) == 8
    assert led(call, 2, lambda: None, float("inf")) == 9
    worker = threading.Thread(target=lambda: led(call, 3, lambda: None, float("inf")))
    worker.start()
    worker.join()
    main = threading.main_thread()
    assert seen[0] is main and seen[1] not in (main, worker) and seen[2] is worker


def test_a_failure_of_a_long_call_is_the_callers() -> None:
    def call(job: int) -> int:
        raise ValueError(f"broken {job}")

    with pytest.raises(ValueError, match="broken 5"):
        led(call, 5, lambda: None, float("inf"))


def test_an_interrupted_call_is_over_when_the_interrupt_goes_on() -> None:
    stopped, left = threading.Event(), threading.Event()

    def call(_: int) -> int:
        os.kill(os.getpid(), signal.SIGINT)
        assert stopped.wait(NEVER)
        time.sleep(0.05)
        left.set()
        return 0

    with pytest.raises(KeyboardInterrupt):
        led(call, 0, stopped.set, float("inf"))
    assert stopped.is_set() and left.is_set()


def test_a_call_is_made_where_no_thread_can_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert led(lambda job: 7 + job, 2, lambda: None, float("inf")) == 9
