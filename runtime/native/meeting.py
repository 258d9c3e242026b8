"""Where the threads of a run meet between kernels: a function of LLVM IR that returns once all have called it.

They spin for some microseconds, offer their core to others a few times, and then sleep until the last one wakes them
(by a futex; Drepper, "Futexes are tricky", 2011). Sleeping matters where another process, or the thread that is waited
for, wants the same core: offering it does not make the kernel's scheduler choose that one.
"""

from __future__ import annotations

import platform
import sys

#: Words of the memory that the threads of a run share, each on a cache line: threads that arrived, meetings so far, a
#: trap, threads that sleep. The verdict is the trap as the last to arrive saw it, so that either all threads leave at a
#: meeting or none does.
ARRIVED, MEETINGS, TRAP, VERDICT, SLEEPERS = 0, 64, 128, 136, 192
SHARED_BYTES = 4 * 64
#: Looks at the number of meetings before the core is offered, and offers before sleeping.
SPINS, OFFERS = 2000, 20
#: Nanoseconds of sleep after which a thread looks whether it is asked to stop, of which nobody wakes it.
NAP = 5_000_000
#: Numbers of the system call, and of its operations on memory of one process.
FUTEX = {"x86_64": 202, "aarch64": 98}
WAIT, WAKE = 128, 129

_TEXT = """
declare i32 @sched_yield()
DECLARED
define internal i1 @meet(ptr %shared, ptr %stop, i64 %parts) nounwind noinline {
entry:
  %limit = alloca [2 x i64]
  %trap = getelementptr i8, ptr %shared, i64 TRAP
  %alone = icmp eq i64 %parts, 1
  br i1 %alone, label %look, label %arrive
look:
  %mine = load i64, ptr %trap
  %trapped = icmp ne i64 %mine, 0
  ret i1 %trapped
arrive:
  %arrived = getelementptr i8, ptr %shared, i64 ARRIVED
  %meetings = getelementptr i8, ptr %shared, i64 MEETINGS
  %verdict = getelementptr i8, ptr %shared, i64 VERDICT
  %sleepers = getelementptr i8, ptr %shared, i64 SLEEPERS
  %now = load atomic i64, ptr %meetings acquire, align 8
  %before = atomicrmw add ptr %arrived, i64 1 acq_rel
  %count = add i64 %before, 1
  %last = icmp eq i64 %count, %parts
  br i1 %last, label %open, label %spin
open:
  %found = load atomic i64, ptr %trap acquire, align 8
  store atomic i64 %found, ptr %verdict monotonic, align 8
  store atomic i64 0, ptr %arrived monotonic, align 8
  %next = add i64 %now, 1
  store atomic i64 %next, ptr %meetings seq_cst, align 8
  %asleep = load atomic i64, ptr %sleepers seq_cst, align 8
  %none = icmp eq i64 %asleep, 0
  br i1 %none, label %leave, label %wake
wake:
WAKING
  br label %leave
spin:
  %turn = phi i64 [0, %arrive], [%more, %again], [%more, %offer], [%more, %sleep]
  %seen = load atomic i64, ptr %meetings acquire, align 8
  %same = icmp eq i64 %seen, %now
  br i1 %same, label %wait, label %leave
wait:
  %more = add i64 %turn, 1
  %long = icmp sgt i64 %turn, SPINS
  br i1 %long, label %ask, label %again
again:
PAUSING
  br label %spin
ask:
  %asked = load atomic volatile i64, ptr %stop monotonic, align 8
  %given = icmp ne i64 %asked, 0
  br i1 %given, label %abandon, label %rest
rest:
  %tired = icmp sgt i64 %turn, ENOUGH
  br i1 %tired, label %sleep, label %offer
offer:
  call i32 @sched_yield()
  br label %spin
sleep:
SLEEPING
  br label %spin
abandon:
  ret i1 true
leave:
  %decided = load atomic i64, ptr %verdict acquire, align 8
  %bad = icmp ne i64 %decided, 0
  ret i1 %bad
}
"""
_SLEEPING = """
  store i64 0, ptr %limit
  %fraction = getelementptr i8, ptr %limit, i64 8
  store i64 NAP, ptr %fraction
  %expected = trunc i64 %now to i32
  atomicrmw add ptr %sleepers, i64 1 seq_cst
  call i64 (i64, ...) @syscall(i64 FUTEX, ptr %meetings, i32 WAIT, i32 %expected, ptr %limit)
  atomicrmw sub ptr %sleepers, i64 1 seq_cst
"""
_WAKING = "  call i64 (i64, ...) @syscall(i64 FUTEX, ptr %meetings, i32 WAKE, i32 2147483647)"


def meeting() -> str:
    """LLVM IR of `i1 meet(shared, stop, parts)`: whether to leave. `stop` is the thread's own word (scratch.py).

    A thread that is asked to stop leaves without the others, who are asked too. One thread alone only looks whether
    something trapped.
    """
    x86, number = platform.machine() in ("x86_64", "AMD64"), FUTEX.get(platform.machine(), 0)
    has_futex = sys.platform == "linux" and number
    declared = ["declare void @llvm.x86.sse2.pause()"] if x86 else []
    declared += ["declare i64 @syscall(i64, ...)"] if has_futex else []
    parts = {
        "DECLARED": "\n".join(declared),
        "PAUSING": "  call void @llvm.x86.sse2.pause()" if x86 else "",
        "SLEEPING": _SLEEPING if has_futex else "  call i32 @sched_yield()",
        "WAKING": _WAKING if has_futex else "",
        "FUTEX": number, "WAIT": WAIT, "WAKE": WAKE, "NAP": NAP, "ENOUGH": SPINS + OFFERS, "SPINS": SPINS,
        "ARRIVED": ARRIVED, "MEETINGS": MEETINGS, "TRAP": TRAP, "VERDICT": VERDICT, "SLEEPERS": SLEEPERS,
    }  # fmt: skip
    text = _TEXT
    for word, value in parts.items():
        text = text.replace(word, str(value))
    return text
