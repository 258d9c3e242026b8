"""A leader that waits lends its CPU to workers that hold work and have no CPU, and only to them."""

from __future__ import annotations

import ctypes
import hashlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager

import adding as programs
import numpy as np
import pytest

from vcc.runtime.native.futex import has_futex, waiting
from vcc.runtime.native.lending import AVOIDED, BOX_BYTES, BOXES, CPUS, LENT, THREAD, lending
from vcc.runtime.native.llvm import Jitted, host_cpu
from vcc.runtime.native.pace import Pace
from vcc.runtime.native.program import NativeProgram
from vcc.runtime.native.scratch import CLAIM_BYTES, HOLDS

pytestmark = pytest.mark.skipif(not has_futex(), reason="workers need Linux")
#: Functions that a test can call: those of lending.py are internal.
_CALLS = """
define void @test_lend(ptr %crew, ptr %claims, i64 %parts) {
  call void @lend(ptr %crew, ptr %claims, i64 %parts)
  ret void
}
define void @test_give_back(ptr %crew, ptr %box) {
  call void @give_back(ptr %crew, ptr %box)
  ret void
}
"""
NEVER = 60


class Crew:
    """A crew's memory with one worker, and the words of a run on two threads."""

    def __init__(self, worker: int):
        self.code = Jitted([waiting() + lending() + _CALLS], host_cpu())
        self.memory = np.zeros(BOXES + BOX_BYTES, np.uint8)
        self.claims = np.zeros(2 * CLAIM_BYTES, np.uint8)
        self.allowed = os.sched_getaffinity(0)
        self.memory[CPUS : CPUS + 8].view(np.uint64)[0] = sum(1 << cpu for cpu in self.allowed)
        self.word(THREAD)[0] = worker

    def word(self, at: int) -> np.ndarray:
        return self.memory[BOXES + at : BOXES + at + 8].view(np.int64)

    def hold(self, holds: bool) -> None:
        self.claims[CLAIM_BYTES + HOLDS : CLAIM_BYTES + HOLDS + 8].view(np.int64)[0] = holds

    def lend(self) -> None:
        call = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)
        call(self.code.address("test_lend"))(self.memory.ctypes.data, self.claims.ctypes.data, 2)

    def give_back(self) -> None:
        call = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)
        call(self.code.address("test_give_back"))(self.memory.ctypes.data, self.memory.ctypes.data + BOXES)


@contextmanager
def thread(body: Callable[[threading.Event], object]) -> Generator[int]:
    """The kernel's number of a thread that runs `body` until it is told to end."""
    end, found = threading.Event(), list[int]()
    begun = threading.Event()

    def run() -> None:
        found.append(threading.get_native_id())
        begun.set()
        body(end)

    made = threading.Thread(target=run)
    made.start()
    try:
        begun.wait()
        yield found[0]
    finally:
        end.set()
        made.join()


def test_a_worker_without_a_cpu_gets_the_leaders_and_gives_it_back() -> None:
    with thread(lambda end: end.wait()) as worker:
        crew = Crew(worker)
        before = os.sched_getaffinity(worker)
        crew.lend()
        assert os.sched_getaffinity(worker) == before, "it holds nothing"
        crew.hold(True)
        end = time.monotonic() + NEVER
        while not crew.word(LENT)[0]:  # a thread that just begins to wait has still run a moment ago
            assert time.monotonic() < end
            crew.lend()
        lent = os.sched_getaffinity(worker)
        assert lent == {crew.word(LENT)[0] - 1} and crew.word(AVOIDED)[0] == 0
        crew.give_back()
        assert crew.word(LENT)[0] == 0 and crew.word(AVOIDED)[0] - 1 in lent
        if len(crew.allowed) > 1:
            assert os.sched_getaffinity(worker) == crew.allowed - lent
        crew.give_back()  # once
        assert crew.word(LENT)[0] == 0


@pytest.fixture
def two_cpus() -> Iterator[tuple[int, int]]:
    """One that this thread keeps to, and another."""
    allowed = os.sched_getaffinity(0)
    if len(allowed) < 2:
        pytest.skip("a thread that runs beside this one needs a CPU of its own")
    here, there, *_ = sorted(allowed)
    os.sched_setaffinity(0, {here})
    yield here, there
    os.sched_setaffinity(0, allowed)


def test_a_worker_that_runs_stays_where_it_is(two_cpus: tuple[int, int]) -> None:
    data = bytes(1 << 24)  # for ten milliseconds

    def busy(end: threading.Event) -> None:
        while not end.is_set():
            hashlib.sha256(data)  # without Python's lock

    with thread(busy) as worker:
        crew, end = Crew(worker), time.monotonic() + NEVER
        crew.hold(True)
        while True:  # unless another process has just taken its CPU
            os.sched_setaffinity(worker, {two_cpus[1]})
            time.sleep(0.003)
            crew.word(LENT)[0] = 0
            crew.lend()
            if not crew.word(LENT)[0]:
                break
            assert time.monotonic() < end
        assert os.sched_getaffinity(worker) == {two_cpus[1]}


def test_runs_beside_processes_that_want_all_cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers lose their CPUs in the middle of pieces, are moved about, and everything still comes out right."""
    monkeypatch.setattr(Pace, "threads", lambda self: max(self._times))  # pyright: ignore[reportUnknownLambdaType]
    n = 4096
    text = (
        f"kernel add(x: gm f32[{n}] in, y: gm f32[{n}] out, n: i64 0..100000) {{ buf t: ub f32[64] @0\n"
        f"forall %r = 0..64 {{ load {{i:64}} t(1), x[64*%r](1)\n loop %k = 0..%n {{ add {{i:64}} t(1), t(1), 1.0 }}\n"
        f"store {{i:64}} y[64*%r](1), t(1) }} }}"
    )
    program, x = NativeProgram(programs.adding(text, n, [400, 500, 600]), 3), np.zeros(n, np.float32)
    hogs = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in os.sched_getaffinity(0)]
    try:
        for _ in range(100):
            np.testing.assert_array_equal(program.run([x])[0], np.full(n, 1500, np.float32))
    finally:
        for hog in hogs:
            hog.kill()
            hog.wait()
