"""The threads of native code: few for many programs, gone with the process, never waited for or in each other's way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import adding as programs
import numpy as np
import pytest

from vcc.runtime.binary.image import Image
from vcc.runtime.diagnostics import VccError
from vcc.runtime.native import program as program_module
from vcc.runtime.native.crew import Borrowed, Workers
from vcc.runtime.native.futex import has_futex
from vcc.runtime.native.pace import Pace
from vcc.runtime.native.program import NativeProgram

pytestmark = pytest.mark.skipif(not has_futex(), reason="workers need Linux")
N, ROWS = 512, 64
UNIT = Path(__file__).parent
#: Adds %n to each row, which takes time in proportion; the last rows take 30 times as long.
ADD = (
    f"kernel add(x: gm f32[{N * ROWS}] in, y: gm f32[{N * ROWS}] out, n: i64 0..100000) {{ buf t: ub f32[{N}] @0\n"
    f"forall %r = 0..{ROWS} {{ load {{i:{N}}} t(1), x[{N}*%r](1)\n"
    f"%late = div %r, {ROWS - 4}\n loop %k = 0..%n {{ add {{i:{N}}} t(1), t(1), 1.0 }}\n"
    f"loop %k = 0..30*%n*%late {{ add {{i:{N}}} t(1), t(1), 1.0 }}\n"
    f"store {{i:{N}}} y[{N}*%r](1), t(1) }} }}"
)
X = np.zeros(N * ROWS, np.float32)


def adding(*counts: int) -> Image:
    """A program of a launch for each count."""
    return programs.adding(ADD, N * ROWS, counts)


def expected(*counts: int) -> np.ndarray:
    return np.repeat(np.where(np.arange(ROWS) < ROWS - 4, 1, 31), N).astype(np.float32) * sum(counts)


@pytest.fixture
def always_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every run is on all threads."""
    monkeypatch.setattr(Pace, "threads", lambda self: max(self._times))  # pyright: ignore[reportUnknownLambdaType]


#: Seconds after which tests give up what takes a fraction of one: reached if it never comes, not on a slow computer.
NEVER = 60


@pytest.mark.usefixtures("always_all")
@pytest.mark.parametrize("threads", [2, 3, 5, 8])
def test_uneven_work_comes_out_right(threads: int) -> None:
    program = NativeProgram(adding(3, 5, 7), threads)
    for number in range(50):
        if number % 10 == 0:
            time.sleep(0.002)  # the workers are asleep
        np.testing.assert_array_equal(program.run([X])[0], expected(3, 5, 7))


@pytest.mark.usefixtures("always_all")
def test_programs_share_their_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    programs = [NativeProgram(adding(4, i), 3) for i in range(1, 7)]
    programs[0].run([X])
    monkeypatch.setattr(Workers, "_start", lambda *_: pytest.fail("another worker is started"))
    for number, program in enumerate(programs):
        np.testing.assert_array_equal(program.run([X])[0], expected(4, number + 1))


@pytest.mark.usefixtures("always_all")
def test_programs_in_several_threads_do_not_wait_for_each_other() -> None:
    programs = [NativeProgram(adding(4, i), 3) for i in range(1, 5)]

    def run(number: int) -> bool:
        want = expected(4, number + 1)
        return all(bool((programs[number].run([X])[0] == want).all()) for _ in range(50))

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(run, range(4)))


@pytest.mark.usefixtures("always_all")
def test_a_dropped_program_leaves_the_workers_to_others() -> None:
    for number in range(1, 4):
        program = NativeProgram(adding(number), 2)
        program.run([X])
        del program
    np.testing.assert_array_equal(NativeProgram(adding(9), 2).run([X])[0], expected(9))


@pytest.mark.usefixtures("always_all")
def test_a_trap_in_one_part_ends_the_run_and_not_the_workers() -> None:
    text = ADD.replace(f"store {{i:{N}}}", f"store {{i:{N}+%late max {N}}}")  # only the last rows trap
    program = NativeProgram(programs.adding(text, N * ROWS, [20]), 2)
    for _ in range(20):
        with pytest.raises(VccError, match="step 0, kernel add: store: the size of i"):
            program.run([X])
    np.testing.assert_array_equal(NativeProgram(adding(2), 2).run([X])[0], expected(2))


@pytest.mark.usefixtures("always_all")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_children_of_children_have_workers_of_their_own() -> None:
    program = NativeProgram(adding(2, 3), 3)
    program.run([X])

    def right() -> bool:
        return all(bool((program.run([X])[0] == expected(2, 3)).all()) for _ in range(5))

    child = os.fork()
    if not child:
        status = 1
        try:
            signal.alarm(2 * NEVER)
            grandchild = os.fork()
            if not grandchild:
                os._exit(0 if right() and len(os.listdir("/proc/self/task")) >= 3 else 2)
            status = os.waitstatus_to_exitcode(os.waitpid(grandchild, 0)[1]) or (0 if right() else 3)
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert right()


END = """
import sys, threading, time
sys.path[:0] = sys.argv[1].split(":")
import numpy as np
import test_native_crew as t
from vcc.runtime.native.pace import Pace
Pace.threads = lambda self: max(self._times)
program = t.NativeProgram(t.adding(3), 3)
if sys.argv[2] == "asleep":
    program.run([t.X]); time.sleep(0.05)
elif sys.argv[2] == "in threads":
    def work():
        while True: program.run([t.X])
    for _ in range(3): threading.Thread(target=work, daemon=True).start()
    time.sleep(0.2)
for _ in range(20): program.run([t.X])
print("right" if (program.run([t.X])[0] == t.expected(3)).all() else "wrong", flush=True)
"""


@pytest.mark.parametrize("when", ["asleep", "awake", "in threads"])
def test_the_interpreter_ends_whatever_the_workers_do(when: str) -> None:
    command = [sys.executable, "-c", END, f"{UNIT}:{UNIT.parent / 'support'}", when]
    for _ in range(2):
        ended = subprocess.run(command, capture_output=True, text=True, timeout=5 * NEVER)
        assert (ended.returncode, ended.stdout) == (0, "right\n"), ended.stderr


@pytest.mark.usefixtures("always_all")
def test_a_handler_may_run_a_program_whatever_it_interrupted() -> None:
    programs = [NativeProgram(adding(2, count), 2 + count) for count in (1, 2, 3)]
    right = list[bool]()

    def handle(*_: object) -> None:
        right.append(bool((programs[len(right) % 3].run([X])[0] == expected(2, len(right) % 3 + 1)).all()))

    before = signal.signal(signal.SIGALRM, handle)
    try:
        for number in range(200):
            signal.setitimer(signal.ITIMER_REAL, 1e-6 + 2e-6 * number)
            np.testing.assert_array_equal(programs[number % 3].run([X])[0], expected(2, number % 3 + 1))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert right and all(right)


def test_workers_take_no_signals() -> None:
    """A signal for the process comes to a thread of Python's, which is then the one to be interrupted."""
    NativeProgram(adding(3), 2).run([X])
    end = time.monotonic() + NEVER  # a worker that was just started has not said so yet
    while not any(mask & 1 << signal.SIGINT - 1 and not mask & 1 << signal.SIGSEGV - 1 for mask in blocked_signals()):
        assert time.monotonic() < end
        time.sleep(0.001)


def blocked_signals() -> list[int]:
    """For each thread of this process the signals that it blocks, as bits. Threads may end at any moment."""
    masks = list[int]()
    for task in os.listdir("/proc/self/task"):
        with suppress(FileNotFoundError, ProcessLookupError):
            status = Path(f"/proc/self/task/{task}/status").read_text()
            masks += [int(line.split()[1], 16) for line in status.splitlines() if line.startswith("SigBlk:")]
    return masks


@pytest.mark.usefixtures("always_all")
def test_threads_of_pythons_do_where_others_cannot_sleep(monkeypatch: pytest.MonkeyPatch) -> None:
    crew = Borrowed()
    monkeypatch.setattr(program_module, "CREW", crew)
    program = NativeProgram(adding(3, 5, 7), 3)
    for _ in range(20):
        np.testing.assert_array_equal(program.run([X])[0], expected(3, 5, 7))
    workers = [threading.Thread(target=lambda: [program.run([X]) for _ in range(20)]) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    np.testing.assert_array_equal(program.run([X])[0], expected(3, 5, 7))
